"""What is checked of a stack: of a share as of a loss, and of the run that was really asked about."""

import numpy as np
import pandas as pd
import pytest
from pinned import BESIROGLU, KAPLAN, pinned_fit
from report.pinned_study import pinned_rehearsal

import bayescale as bs
from bayescale.forms import held_out, mix_forms, rehearse
from bayescale.studies.stack import Stack, check_stack

PAPERS = {"chinchilla": BESIROGLU, "kaplan": KAPLAN}
LOGISTIC = {"chance": 0.25, "ceiling": 0.9, "slope": 1.5, "x_mid": 3e20}


@pytest.fixture(scope="module")
def of_a_share():
    """A forecast of an accuracy by one pinned form, as a stack, before it is checked."""
    compute = np.geomspace(1e18, 1e21, 12)
    share = bs.laws.get_law("logistic").paper(np, LOGISTIC, x=compute)
    runs = bs.read_runs(pd.DataFrame({"compute": compute, "accuracy": share}))
    fit = pinned_fit("accuracy", LOGISTIC, runs=runs, spread=0.02)
    nothing = rehearse(runs, ["accuracy"], [1e6])
    far = mix_forms(runs, "10x", models=["accuracy"], fits={"accuracy": fit}, rehearsed=nothing)
    held = held_out(nothing, {"accuracy": 1.0})
    return Stack(("accuracy",), {"accuracy": fit}, far, None, held, {})


def test_a_forecast_of_a_share_is_checked_like_one_of_a_loss(of_a_share):
    found = check_stack(of_a_share, None, seed=1)
    assert "accuracy at 10x by accuracy" in found.moved.attrs["sentence"]
    assert found.grades["all"].letter in "ABCD"


def checked(runs, fits, at=None, **asked):
    """A stack of two pinned forms of a loss, the first ahead, checked where it was asked."""
    told = {"models": list(fits), "fits": fits, "rehearsed": pinned_rehearsal(runs, by=1.0)}
    far = mix_forms(runs, **asked, **told)
    held = held_out(rehearse(runs, ["chinchilla"], [1e9]), {"chinchilla": 1.0})
    return check_stack(Stack(tuple(fits), fits, far, None, held, {}), at, seed=1)


@pytest.fixture(scope="module")
def fits():
    return {name: pinned_fit(name, PAPERS[name], spread=0.02, draws=300) for name in PAPERS}


def test_the_priors_are_asked_of_the_run_in_question_and_of_the_farthest(fits):
    runs, compute = bs.inference.runs_of(fits["chinchilla"]), 6 * 1e9 * 2e13
    asked = {"params": ["1B", "1B"], "tokens": ["20T", "20B"]}
    found = checked(runs, fits, **asked).sensitivity
    assert found["quantity"].values.tolist() == ["expected_loss"]
    # Far off the split that the form recommends for that compute, and what it says there.
    there = bs.extrapolate(fits["chinchilla"], params=1e9, tokens=2e13)["expected_loss"]
    best = bs.extrapolate(fits["chinchilla"], compute)["expected_loss"]
    assert float(found["median"].item()) == pytest.approx(float(there.median()))
    assert float(there.median()) - float(best.median()) > 0.05


def test_a_report_keeps_the_other_numbers_that_one_leads_with(fits):
    found = checked(bs.inference.runs_of(fits["chinchilla"]), fits, at="1e24", compute=1e24).sensitivity
    assert found["quantity"].values.tolist() == ["expected_loss", "params", "a", "irreducible_loss"]
    assert found["answer"].values[0] == "expected loss at 1e+24 FLOP"
