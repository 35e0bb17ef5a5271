"""Runs that are worse than their law for want of tuning are told from those that only scatter."""

import numpy as np
import pytest
from pinned import simulated_runs

import bayescale as bs
from bayescale.errors import CardError, QuestionError
from bayescale.report.words.answers import say_answer

NOISE = {
    "family": "Undertuned",
    "sigma": {"dist": "LogNormal", "median": 0.01, "sigma": 0.8},
    "undertuned": {"dist": "Beta", "a": 1, "b": 5},
    "excess": {"dist": "LogNormal", "median": 0.05, "sigma": 0.7},
}
WORSE = [3, 17, 30, 44, 58]


def card_with(**noise):
    content = bs.load_card("chinchilla").model_dump(mode="json", exclude={"name", "noise"})
    return bs.cards.make_card(content | {"noise": NOISE | noise}, "tuned")


@pytest.fixture(scope="module")
def fit():
    runs = simulated_runs(sizes=8, ratios=8, noise=0.005, seed=11)
    factor = np.ones(64)
    factor[WORSE] = [1.06, 1.1, 1.08, 1.15, 1.05]
    return bs.fit(runs.assign(loss=runs["loss"] * factor), card_with(), seed=1, prior_draws=0)


@pytest.mark.sampling
def test_undertuned_runs_are_found_and_named(fit):
    found = bs.answers.undertuned_runs(fit)
    runs = fit["constant_data"]["run"].values
    assert set(found["run"].values[:5]) == set(runs[WORSE])
    assert float(found["probability"][:5].min()) > 0.95
    assert float(found["probability"][5:].max()) < 0.5
    assert (np.diff(found["probability"].values) <= 0).all()
    assert say_answer(found).startswith("5 of 64 runs are more likely undertuned than not: ")


@pytest.mark.sampling
def test_the_scatter_is_that_of_the_tuned_runs(fit):
    # 0.005 is what they were made with; 59 runs tell it within a tenth or so.
    sigma = fit["posterior"]["sigma"]
    assert float(sigma.quantile(0.01)) < 0.005 < float(sigma.quantile(0.99))


@pytest.mark.sampling
def test_a_posterior_of_other_noise_has_no_undertuned_runs():
    runs = simulated_runs(sizes=8, ratios=8, noise=0.005, seed=11)
    one = bs.fit(runs, "chinchilla", seed=1, prior_draws=0, draws=50, tune=50, tries=1)
    with pytest.raises(QuestionError, match="StudentT noise"):
        bs.answers.undertuned_runs(one)


def test_the_share_of_undertuned_runs_is_a_share():
    with pytest.raises(CardError, match="it is a share of the runs"):
        card_with(undertuned={"dist": "LogNormal", "median": 0.1, "sigma": 1})
