import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report.pinned_study import study_that_held, study_that_missed

import bayescale as bs
from bayescale.errors import OutputError
from bayescale.report import check_writable, collect_numbers, three_answers, write_report
from bayescale.report.figures import draw_identified, draw_stack
from bayescale.report.panels import Drawer


@pytest.fixture(scope="session")
def study():
    return study_that_held()


@pytest.fixture(scope="session")
def family_study():
    return study_that_missed()


@pytest.fixture(scope="module")
def written(family_study, tmp_path_factory):
    out = tmp_path_factory.mktemp("reports") / "report"
    return write_report(family_study, out).parent


class Page(HTMLParser):
    VOID = frozenset({"meta", "img", "br"})

    def __init__(self, html):
        super().__init__()
        self.open, self.images, self.ids, self.text = [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "img":
            self.images.append(attrs)
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def page(written):
    return Page((written / "index.html").read_text())


def test_the_folder_holds_the_page_the_figures_the_posteriors_and_the_answers(written):
    assert {p.name for p in written.iterdir()} == {
        "index.html",
        "answers.json",
        "figures",
        *(f"{name}.nc" for name in ("chinchilla", "kaplan", "chinchilla+drift", "kaplan+drift")),
    }
    figures = list((written / "figures").glob("*.png"))
    assert len(figures) > 15
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in figures)
    assert not list(written.parent.glob(".report*"))


def test_a_study_writes_its_page_itself(study, tmp_path):
    page = study.save(tmp_path / "report")
    assert page == tmp_path / "report" / "index.html"
    assert page.is_file()
    with pytest.raises(OutputError, match="holds other things"):
        study.save(tmp_path)


def test_the_saved_posterior_answers_again(written, family_study):
    again = bs.extrapolate(bs.load_fit(written / "chinchilla.nc"), "100x")
    assert again["loss"].equals(family_study.far["chinchilla"]["loss"])


def test_the_page_needs_nothing_else(written, page):
    html = (written / "index.html").read_text()
    assert not page.open
    assert len(page.images) == len(list((written / "figures").glob("*.png")))
    assert all(image["src"].startswith("data:image/png;base64,") and image["alt"] for image in page.images)
    assert not re.search(r"<(script|link)|@import|url\(|https?://[^\s\"<]*\.(js|css)", html)
    assert "@media print" in html
    assert 'name="viewport"' in html


def test_the_sections_stand_in_order(page):
    order = ["extrapolation", "form", "irreducible_loss", "loss", "forecast", "backtest_forecast", "backtest"]
    order += ["isoflop", "irreducible", "forms", "residuals", "priors", "single_runs", "predicted_without"]
    order += ["diagnostics", "numbers", "made"]
    assert [name for name in page.ids if name in order] == order


def test_the_page_and_the_json_say_the_same(written, page, family_study):
    said = " ".join(" ".join(page.text).split())
    answers = json.loads((written / "answers.json").read_text())["answers"]
    for answer in three_answers(family_study):
        assert answers[answer.key]["headline"] == list(answer.headline)
        for line in (*answer.warnings, *(point.text for point in answer.points)):
            assert line in said


def test_how_it_was_made_names_the_card_the_seed_the_versions_and_the_hash(page, family_study):
    said = " ".join(page.text)
    assert family_study.runs.attrs["sha256"] in said
    assert "Seed" in said
    assert "pymc" in said
    assert "[priors]" in said
    assert 'dist = "Beta"' in said


def test_the_card_on_the_page_is_the_card(family_study):
    import tomllib

    from bayescale.cards.card import parse_card
    from bayescale.report import collect_numbers
    from bayescale.report.card_text import card_text

    cards = collect_numbers(family_study)["provenance"]["cards"]
    assert [*cards] == ["chinchilla", "kaplan", "chinchilla+drift", "kaplan+drift"]
    # The pinned forms have no drift of their own; a card that has one is written as well.
    drifting = bs.load_card("chinchilla+drift").model_dump(mode="json")
    for name, card in {"chinchilla": cards["chinchilla"], "chinchilla+drift": drifting}.items():
        assert parse_card(tomllib.loads(card_text(card)), name, "page") == bs.load_card(name)


def test_text_from_the_runs_is_not_html(family_study, tmp_path):
    runs = family_study.runs.assign_attrs(title="<script>alert(1)</script>")
    changed = type(family_study)(**{**vars(family_study), "runs": runs})
    html = write_report(changed, tmp_path / "r").read_text()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_an_answer_is_not_kept_back_for_want_of_a_picture(study):
    stack = dataclasses.replace(study.stack, path=None)
    (plate,) = (p for p in draw_stack(study, stack, Drawer(study.families, at="1e24")) if p.key == "loss")
    assert not plate.panels
    assert plate.left_out.startswith("Not drawn: chinchilla+drift, kaplan+drift.")


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("bayescale.report.figures.draw_figures", lambda study, numbers: [])


@pytest.mark.usefixtures("quick")
class TestFolder:
    def test_an_earlier_report_is_replaced_whole(self, study, tmp_path):
        out = tmp_path / "report"
        write_report(study, out)
        (out / "stale.txt").write_text("old")
        write_report(study, out)
        assert not (out / "stale.txt").exists()
        assert [p.name for p in tmp_path.iterdir()] == ["report"]

    def test_an_empty_folder_is_taken(self, study, tmp_path):
        out = tmp_path / "report"
        out.mkdir()
        assert write_report(study, out).is_file()

    def test_missing_folders_above_are_made(self, study, tmp_path):
        assert write_report(study, tmp_path / "a" / "b").is_file()

    def test_a_folder_with_other_things_is_left_alone(self, study, tmp_path):
        (tmp_path / "thesis.tex").write_text("mine")
        with pytest.raises(OutputError, match="holds other things"):
            write_report(study, tmp_path)
        assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]

    def test_a_file_is_refused(self, study, tmp_path):
        (tmp_path / "report").write_text("")
        with pytest.raises(OutputError, match="it is a file"):
            check_writable(tmp_path / "report")

    def test_nothing_half_written_is_left(self, study, tmp_path, monkeypatch):
        out = tmp_path / "report"
        before = write_report(study, out).read_text()

        def fail(*args):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("bayescale.report.write.save_fit", fail)
        with pytest.raises(OutputError, match="No space left"):
            write_report(study, out)
        assert (out / "index.html").read_text() == before
        assert [p.name for p in tmp_path.iterdir()] == ["report"]

    def test_a_swap_that_fails_brings_the_old_report_back(self, study, tmp_path, monkeypatch):
        import bayescale.report.write as write

        out = tmp_path / "report"
        before = write_report(study, out).read_text()
        replace = write.os.replace

        def fail(source, target):
            if Path(target) == out and ".old." not in str(source):
                raise OSError(5, "Input/output error")
            replace(source, target)

        monkeypatch.setattr(write.os, "replace", fail)
        with pytest.raises(OutputError, match="Input/output error"):
            write_report(study, out)
        assert (out / "index.html").read_text() == before


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(tmp_path):
    with pytest.raises(OutputError, match="cannot write the report"):
        check_writable(Path("/proc/nothing/report"))
    check_writable(tmp_path / "new" / "deep")
    assert not list(tmp_path.iterdir())


def test_a_design_that_identifies_the_forms_is_said_to(page):
    said = " ".join(page.text)
    assert "Chinchilla: These runs tell its parameters apart" in said
    assert "identified" in page.ids


def test_what_a_design_cannot_tell_is_said_and_its_ridge_drawn(family_study):
    design = dict(family_study.design)
    learned = design["chinchilla"]["direction_learned"]
    design["chinchilla"] = design["chinchilla"].assign(
        direction_learned=learned.where(learned["family"] != "source", 0.2)
    )
    study = dataclasses.replace(family_study, design=design)
    numbers = collect_numbers(study)
    assert not numbers["identifiability"]["chinchilla"]["identified"]
    plate = draw_identified(study, numbers, Drawer(study.families))
    assert plate.heading == "What the design cannot tell"
    assert "Chinchilla: family 'source': these runs cannot tell " in plate.caption
    assert "Kaplan: These runs tell its parameters apart" in plate.caption
    x, y = numbers["identifiability"]["chinchilla"]["ridge"]["source"]
    assert [(one.title, one.alt) for one in plate.panels] == [
        ("chinchilla, source", f"joint posterior of {x} and {y} by chinchilla, with the prior")
    ]
