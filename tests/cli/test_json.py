"""``--json``: one document on the output, of every command, as the published schema says."""

import json
from pathlib import Path

import jsonschema
import pytest
from cli.test_forms import asked, log, tested  # noqa: F401
from cli.test_main import good_rows, write
from report.pinned_study import study_that_missed

import bayescale as bs
from bayescale.cli.main import COMMANDS, main
from bayescale.cli.schema import Document, json_schema
from bayescale.cli.show import rows_of

PUBLISHED = Path(__file__).parents[2] / "docs" / "json-schema" / "answers-1.json"


def test_the_published_schema_is_that_of_the_models():
    assert json.loads(PUBLISHED.read_text()) == json_schema()
    jsonschema.Draft202012Validator.check_schema(json_schema())


def document_of(capsys, *words):
    """Return the document that a command prints, after both the schema and the models accepted it."""
    assert main([*map(str, words), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, json.loads(PUBLISHED.read_text()))
    assert (document.pop("schema"), document.pop("version")) == ("bayescale/answer", 1)
    Document.model_validate(document)
    assert document["command"] == words[0]
    return document


def test_an_extrapolation_has_medians_bands_units_places_and_grades(saved, capsys):
    document = document_of(capsys, "extrapolate", saved["two"], "--compute", "10x", "100x")
    far = bs.extrapolate(bs.load_fit(saved["two"]), ["10x", "100x"])
    rows = {(r["labels"]["family"], r["labels"]["point"]): r for r in document["rows"] if r["variable"] == "loss"}
    assert len(rows) == 4
    row = rows["wsd", 1]
    draws = far["loss"].sel(family="wsd").isel(point=1)
    assert row["median"] == pytest.approx(float(draws.median()))
    ends = draws.quantile([0.025, 0.975]).values
    assert [row["lower"], row["upper"]] == pytest.approx(ends.tolist())
    assert (row["mass"], row["unit"]) == (0.95, "nats/token")
    assert row["at"]["decades_beyond"] == pytest.approx(2)
    assert row["grade"] in set("ABCD")
    assert (document["model"], document["verdict"]) == ("chinchilla", "converged")
    assert document["sentences"][-1].startswith("Grade ")


@pytest.mark.parametrize(
    ("words", "variable", "count"),
    [
        (["split", "{two}", "--compute", "10x", "100x"], "params", 4),
        (["irreducible", "{two}"], "irreducible_loss", 2),
        (["outliers", "{one}", "--top", "3"], "residual", 16),
        (["ask", "known-models", "{one}"], "expected_loss", 6),
        (["ask", "domains"], "irreducible_loss", 24),
    ],
)
def test_answers_are_rows(saved, capsys, words, variable, count):
    document = document_of(capsys, *(word.format(one=saved["one"], two=saved["two"]) for word in words))
    rows = [row for row in document["rows"] if row["variable"] == variable]
    assert len(rows) == count
    assert all(row["median"] is None or isinstance(row["median"], float) for row in rows)


def test_all_differences_are_in_the_document(saved, capsys):
    document = document_of(capsys, "differences", saved["two"])
    rows = [row for row in document["rows"] if row["variable"] == "ratio"]
    assert {(row["labels"]["parameter"], row["labels"]["family"]) for row in rows} >= {("beta", "wsd"), ("E", "wsd")}
    assert document["sentences"]


def test_a_check_has_findings_and_what_the_design_tells(tmp_path, capsys):
    document = document_of(capsys, "check", write(tmp_path / "runs.csv", good_rows()))
    assert document["runs"] | {"title": ""} == {
        "source": "runs.csv", "title": "", "loss_unit": "nats/token", "params_convention": "unknown", "runs": 9,
    }  # fmt: skip
    assert all(finding["level"] in {"warning", "info"} for finding in document["findings"])
    assert document["sentences"][0].startswith("These runs tell its parameters apart")


def test_lists_of_models_and_data(tmp_path, capsys):
    names = [row["name"] for row in document_of(capsys, "models")["models"]]
    assert {"chinchilla", "kaplan"} <= set(names)
    document = document_of(capsys, "models", "show", "kaplan")
    assert {row["name"] for row in document["parameters"]} >= {"alpha_N", "sigma"}
    runs = write(tmp_path / "runs.csv", good_rows())
    suited = {row["name"]: row for row in document_of(capsys, "models", "--for", runs)["models"]}
    assert suited["chinchilla"]["fitted_to"] == ["params", "tokens"]
    assert suited["zhang"]["fitted_to"] == []
    assert "accuracy" in suited["zhang"]["lack"]
    assert "published" in {row["name"] for row in document_of(capsys, "data")["logs"]}


def test_a_list_of_compiled_models(capsys):
    assert all(row["state"] in {"usable", "outdated", "damaged"} for row in document_of(capsys, "cache")["cache"])


def test_a_prior_names_its_file(saved, tmp_path, capsys):
    document = document_of(capsys, "prior", saved["one"], "-o", tmp_path / "next.toml")
    assert document["files"] == [str(tmp_path / "next.toml")]
    assert {row["name"] for row in document["parameters"]} >= {"E", "alpha"}


def test_a_forecast_has_what_each_form_says_and_what_could_not_be_had(log, asked, capsys):  # noqa: F811
    document = document_of(capsys, "forecast", log, "--compute", "10x", "100x")
    loss = [row for row in document["rows"] if row["variable"] == "loss"]
    assert all(row["grade"] in set("ABCD") for row in loss)
    forms = {row["labels"]["form"] for row in document["rows"] if row["variable"] == "weight"}
    assert "chinchilla+drift" in forms
    assert document["sentences"][-1].startswith("source, C = ")


def test_a_backtest_has_its_scores(log, tested, capsys):  # noqa: F811
    document = document_of(capsys, "backtest", log)
    assert [score["factor"] for score in document["scores"]] == [10.0, 30.0]
    assert document["scores"][1]["inside"] == 9
    assert document["skipped"] == [{"form": None, "factor": 100.0, "reason": "3 runs are that small."}]


def test_a_report_says_where_it_is(log, tmp_path, capsys, monkeypatch):  # noqa: F811
    study = study_that_missed()
    monkeypatch.setattr("bayescale.study", lambda *args, **options: study)
    monkeypatch.setattr("bayescale.report.write.write_report", lambda study, out: out / "index.html")
    document = document_of(capsys, "report", log, "--out", tmp_path / "report")
    assert document["files"] == [str(tmp_path / "report" / "index.html")]
    assert document["sentences"][0].startswith("1. Loss at")


def test_numbers_that_are_not_finite_are_null(saved):
    answer = bs.extrapolate(bs.load_fit(saved["one"]), "10x")
    rows = rows_of(answer.assign(loss=answer["loss"] * float("inf")))
    text = Document(command="extrapolate", rows=rows).to_json()
    assert next(row for row in json.loads(text)["rows"] if row["variable"] == "loss")["median"] is None


@pytest.mark.sampling
def test_a_fit_has_its_checks_and_parameters(log, tmp_path, capsys):  # noqa: F811
    document = document_of(capsys, "fit", log, "-o", tmp_path / "fit.nc", "--draws", "300", "--tune", "300")
    assert {check["name"] for check in document["checks"]} >= {"R-hat", "divergences"}
    assert {row["name"] for row in document["parameters"]} >= {"E", "alpha", "sigma"}
    assert document["files"] == [str(tmp_path / "fit.nc")]


@pytest.mark.sampling
@pytest.mark.slow
def test_a_comparison_and_families_are_documented(tmp_path, capsys):
    import pandas as pd
    from pinned import simulated_frame

    frames = [simulated_frame(sizes=4, ratios=3, noise=0.01, seed=k, family=name) for k, name in enumerate("ab")]
    path = tmp_path / "runs.csv"
    pd.concat(frames).to_csv(path, index=False)
    document = document_of(capsys, "families", path)
    assert {row["variable"] for row in document["rows"]} >= {"none", "partial", "complete"}
    frames[0].drop(columns="family").to_csv(path, index=False)
    document = document_of(capsys, "compare", path, "chinchilla", "kaplan")
    assert {row["model"] for row in document["loo"]} == {"chinchilla", "kaplan"}


def test_every_command_takes_json(capsys):
    for name in COMMANDS:
        main([name, "--help"])
        assert "--json" in capsys.readouterr().out, name
