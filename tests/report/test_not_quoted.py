"""A report of which one plain form, or neither, may be quoted: what it still says, and that it says why not more."""

import dataclasses
import json
import sys

import numpy as np
import pandas as pd
import pytest
from pinned import FAILED, pinned_fit
from report.pinned_study import pinned_study, study_that_held, study_that_missed

import bayescale as bs
from bayescale.errors import BayescaleError, UnconvergedError
from bayescale.report import collect_numbers, terminal_summary, three_answers, write_report

SENTENCE = "Not converged: R-hat of alpha_N is 1.528 (limit 1.01): the chains do not agree."
BY_MODEL = ("fits", "far", "path", "split", "isoflop", "floor", "held", "leans")
STUDIES = {
    "stacked": study_that_held,
    "families": study_that_missed,
    "plain alone": lambda: pinned_study(stacked=False, not_stacked="no form gave a posterior that may be quoted"),
}


def without(study, *names):
    """The study as it is where these plain models were not to be quoted."""
    kept = {
        field: {name: one for name, one in getattr(study, field).items() if name not in names} for field in BY_MODEL
    }
    return dataclasses.replace(study, **kept, loo=None, not_quoted=dict.fromkeys(names, SENTENCE))


def everything(study, tmp_path):
    page = write_report(study, tmp_path / "report")
    return page.read_text(), json.loads((tmp_path / "report" / "answers.json").read_text())


@pytest.mark.parametrize("kind", STUDIES)
@pytest.mark.parametrize("name", ["chinchilla", "kaplan"])
def test_one_form_is_answered_by_where_the_other_may_not_be_quoted(kind, name, tmp_path):
    study = without(STUDIES[kind](), name)
    other = {"chinchilla": "kaplan", "kaplan": "chinchilla"}[name]
    page, answers = everything(study, tmp_path)
    first, second, third = three_answers(study)
    assert second.headline == (f"Not answered: what these runs say of {name.capitalize()}'s form may not be quoted.",)
    assert f"{name.capitalize()} is left out" in second.warnings[0]
    assert SENTENCE in second.warnings[0]
    splits = [point.text for point in second.points if point.about.startswith("The split")]
    assert splits
    assert all(f"By {other}, N grows as C^" in text and name not in text for text in splits)
    assert first.headline[0].split()[-2] == "Grade"
    if name == "kaplan":
        assert "can go as low as" in third.headline[0]
    else:
        assert third.headline == ("Not answered: no form that has a floor may be quoted.",)
    for where in (page, json.dumps(answers), terminal_summary(study)):
        assert f"NOT CONVERGED, and not quoted: {name}." in where or SENTENCE in where
    assert name not in answers["extrapolation"]
    assert answers["not_quoted"] == {name: SENTENCE}
    assert f"{name.capitalize()} may not be quoted" in page
    assert not (tmp_path / "report" / f"{name}.nc").exists()
    assert (tmp_path / "report" / f"{other}.nc").exists()


def test_the_stack_answers_where_neither_plain_form_may_be_quoted(tmp_path):
    study = without(study_that_held(), "chinchilla", "kaplan")
    whole = collect_numbers(study_that_held())
    page, answers = everything(study, tmp_path)
    assert answers["forecast"]["families"] == whole["forecast"]["families"]
    assert answers["question"] == whole["question"]
    first, second, third = three_answers(study)
    assert first.headline == three_answers(study_that_held())[0].headline
    assert second.headline == (
        "Not answered: what these runs say of Chinchilla's and Kaplan's form may not be quoted.",
    )
    assert len(second.warnings) == len(third.warnings) == 2
    assert not [point for point in second.points if point.about.startswith("The split")]
    assert "Chinchilla and Kaplan may not be quoted" in page
    lines = terminal_summary(study).splitlines()
    assert any("no plain fit. NOT CONVERGED, and not quoted: chinchilla, kaplan." in line for line in lines)
    assert any(line == "3. Irreducible loss: no form that has one may be quoted." for line in lines)


def ladder():
    """Nine runs at 20 tokens per parameter, whose loss levels off."""
    params = np.geomspace(2e7, 1.5e9, 9)
    scatter = np.exp(np.random.default_rng(3).normal(0, 0.003, 9))
    loss = (1.8 + 480 / params**0.35 + 2000 / (20 * params) ** 0.37) * scatter
    return bs.read_runs(pd.DataFrame({"params": params.round(), "tokens": (20 * params).round(), "loss": loss}))


@pytest.mark.sampling
def test_a_ladder_of_one_ratio_gets_its_report():
    """Kaplan's law has two ways to bend along it: the steeper exponent is that of N or that of D."""
    said = []
    study = bs.study(ladder(), at="10x", forms=["chinchilla+drift"], progress=said.append)
    assert list(study.not_quoted) == ["kaplan"]
    assert any(line.startswith("warning: kaplan may not be quoted: Not converged") for line in said)
    first, second, third = three_answers(study)
    assert "Grade" in first.headline[0]
    assert "These runs cannot tell alpha_N, loss_tokens and alpha_D apart" in second.warnings[0]
    assert "can go as low as" in third.headline[0]


def test_nothing_that_may_be_quoted_is_an_error_that_names_all(monkeypatch):
    module = sys.modules["bayescale.studies.study"]
    failed = pinned_fit(verdict=FAILED)

    def refuse(*args, **options):
        raise BayescaleError("no form gave a posterior that may be quoted.")

    monkeypatch.setattr(module, "fit", lambda *args, **options: failed)
    monkeypatch.setattr(module, "stack_forms", refuse)
    with pytest.raises(UnconvergedError, match=r"(?s)chinchilla: .*7 of 4000.*kaplan: .*7 of 4000.*no form gave"):
        bs.study(ladder(), at="30x")
