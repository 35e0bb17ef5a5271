"""`bayescale models`: the list, one card with its picture, and which suit the runs at hand."""

import pytest

import bayescale as bs
from bayescale.cli import console as terminal
from bayescale.cli.main import main
from bayescale.cli.models import INFORMED


def said(capsys, *words) -> str:
    assert main(["models", *map(str, words)]) == 0
    return capsys.readouterr().out


def refused(capsys, *words) -> str:
    assert main(["models", *map(str, words)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: ")
    return told.err


def test_the_list_has_a_line_for_each_card_under_its_family(capsys):
    lines = said(capsys).splitlines()
    assert max(map(len, lines)) <= 110
    kinds = list(dict.fromkeys(law.kind for law in bs.laws.LAWS.values()))
    headings = [line for line in lines if line in kinds]
    assert headings == kinds
    base = [name for name in bs.list_cards() if not name.endswith(INFORMED)]
    for name in base:
        found = [i for i, line in enumerate(lines) if line.startswith(f"  {name} ")]
        assert len(found) == 1, name
        line, law = lines[found[0]], bs.load_card(name).get_law()
        assert len(line) <= 100
        assert [kind for kind in lines[: found[0]] if kind in kinds][-1] == law.kind
        assert law.equation[:12] in line
        assert ("(+informed)" in line) == (f"{name}{INFORMED}" in bs.list_cards())
    assert not any(f"{INFORMED} " in line for line in lines if line.startswith("  "))


def test_a_wide_terminal_cuts_nothing(capsys, monkeypatch):
    monkeypatch.setattr(terminal.out, "_width", 260)  # what COLUMNS says is read once, at the start
    text = said(capsys)
    assert "…" not in text
    assert all(law.equation in text for law in bs.laws.LAWS.values())


def test_one_card_is_told_in_full(capsys):
    text = said(capsys, "show", "moe-informed")
    card = bs.load_card("moe-informed")
    law = card.get_law()
    assert law.equation in text
    assert law.source in text
    for name, prior in card.all_priors.items():
        row = next(line for line in text.splitlines() if line.startswith(f"{name} "))
        assert str(prior) in row
        assert f"{prior.scipy.ppf(0.5):.3g} [" in row
    assert "removable: share of the loss owed to finite N" in text
    assert "(from Krajewski et al. 2024: 0.58)" in text
    assert "granularity  G       granularity of the experts" in text
    assert "partial(family): E, from_params" in text
    assert "(groups differ by a spread that is learned)" in text
    assert "complete: sigma, nu (the same for all runs)" in text
    assert "░" in text
    assert "model size" in text


def test_a_law_in_one_variable_is_shown_of_another_column(capsys):
    text = said(capsys, "show", "power:tokens")
    assert "power:tokens: " in text
    assert "tokens  D       training tokens" in text
    assert "power:COLUMN makes it a law of another column." in text


def test_a_card_of_ones_own_is_shown_from_its_path(tmp_path, capsys):
    path = tmp_path / "mine [draft].toml"
    path.write_text('extends = "chinchilla"\n[priors]\nalpha = { dist = "Fixed", value = 0.34 }\n')
    text = said(capsys, "show", path)
    assert text.startswith("mine [draft]: ")
    assert "Fixed(value 0.34)" in text
    assert "held at a value: alpha" in text


def test_covariates_are_shown_with_what_is_believed_of_them(tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text('extends = "chinchilla"\n[pooling]\ndefault = "complete"\nE = "effect(a/b) + slope(log lr)"\n')
    text = said(capsys, "show", path)
    assert "effect(a/b) + slope(log lr): E" in text
    assert "an effect, on the log scale: Normal(mu 0, sigma 0.3); the ends of a slope differ as two levels do" in text


def test_what_is_no_loss_is_said(tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text(
        'law = { expression = "1.5 + a*log(n)" }\n[priors]\na = { dist = "Normal", mu = 0.0, sigma = 1.0 }\n'
    )
    assert "no loss at all: 0." in said(capsys, "show", path)


def test_a_typing_error_is_answered_with_what_may_be_meant(capsys):
    assert "Did you mean 'chinchilla'?" in refused(capsys, "show", "chinchila")


def test_the_picture_is_saved(tmp_path, capsys):
    file = tmp_path / "prior.png"
    assert f"Picture: {file}" in said(capsys, "show", "zhang", "--picture", file)
    assert file.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("file", "substance"), [("prior.jpg", ".png, .pdf, .svg"), ("missing/prior.png", "no folder")])
def test_a_picture_that_cannot_be_saved_is_refused_before_anything_is_said(file, substance, tmp_path, capsys):
    assert substance in refused(capsys, "show", "zhang", "--picture", tmp_path / file)
    assert not list(tmp_path.iterdir())


def test_a_picture_of_no_model_is_refused(tmp_path, capsys):
    assert "show NAME" in refused(capsys, "--picture", tmp_path / "prior.png")


def test_a_terminal_without_unicode_gets_no_picture(capsys, monkeypatch):
    monkeypatch.setattr("bayescale.cli.models.screen_encoding", lambda: "ascii")
    text = said(capsys, "show", "zhang")
    assert "no picture: this output takes ascii only" in text
    assert text.isascii()


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "runs.csv"
    rows = [f"{n:g},{d:g},{1.7 + 40 / n**0.3 + 60 / d**0.3:.4f}" for n in (1e6, 4e6, 16e6) for d in (1e8, 4e8, 16e8)]
    path.write_text("\n".join(["N,D,loss", *rows]) + "\n")
    return path


def test_which_models_suit_the_runs_and_what_the_others_lack(log, capsys):
    text = said(capsys, "--for", log)
    good, _, bad = text.partition("models that they do not")
    assert "models that the 9 runs of runs.csv support" in good
    names = [line.split()[0] for line in good.splitlines() if line.strip()]
    assert {"chinchilla", "kaplan", "power"} <= set(names)
    assert "one of params, tokens, compute" in good
    lines = {line.split()[0]: line for line in bad.splitlines()[1:] if line.strip()}
    assert "no step (optimiser steps), batch (batch size)" in lines["kaplan-steps"]
    assert "no accuracy" in lines["zhang"]
    assert "cannot fit" in lines["broken-3"]
    assert set(names) & set(lines) == {"model"}  # the head of both tables


def test_a_card_is_shown_about_the_runs(log, capsys):
    text = said(capsys, "show", "kaplan", "--for", log, "--columns", "params=N")
    assert "about 9 runs of runs.csv, median(loss) = " in text
    # The geometric mean of 1M, 4M and 16M is 4M: two decades either side, 40k to 400M.
    ticks = text.rstrip().splitlines()[-2][:50]
    assert ticks.split() == ["100k", "1M", "10M", "100M"]


def test_runs_that_lack_a_column_are_refused_by_name(log, capsys):
    assert "granularity" in refused(capsys, "show", "moe", "--for", log)
