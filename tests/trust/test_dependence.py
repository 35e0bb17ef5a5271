"""Are runs that share something alike in their errors, and does the package say so?"""

import numpy as np
import pandas as pd
import pytest
from layers.test_shared_errors import budgeted
from scipy import stats

import bayescale as bs
from bayescale.cards.files import with_added
from bayescale.runs.checks.sharing import shared_labels
from bayescale.trust.dependence import _list_known, dependence, dependence_warnings, intraclass


def test_the_intraclass_correlation_is_that_of_the_variances():
    rng = np.random.default_rng(1)
    labels = np.repeat([f"g{k:03}" for k in range(400)], 5)
    values = np.repeat(rng.normal(0, 2, 400), 5) + rng.normal(0, 1, 2000)
    icc, probability = intraclass(values, labels)
    assert icc == pytest.approx(4 / 5, abs=0.04)
    assert probability < 1e-100
    # Groups that say nothing: the F test's probability is uniform.
    null = [intraclass(rng.normal(size=60), np.repeat(list("abcdef"), 10))[1] for _ in range(300)]
    assert stats.kstest(null, "uniform").pvalue > 0.001


@pytest.fixture(scope="module")
def independent():
    return bs.fit(budgeted(budgets=6, sizes=8, level=np.zeros(6), lone=0), seed=1, draws=500, prior_draws=0)


@pytest.fixture(scope="module")
def alike():
    return bs.fit(budgeted(budgets=6, sizes=8, shift=0.02, lone=0), seed=1, draws=500, prior_draws=0)


@pytest.mark.sampling
def test_independent_runs_are_not_warned_of(independent):
    found = dependence(independent, allow_unconverged=True)
    assert found["key"].values.tolist() == ["budget"]
    assert abs(float(found["icc"][0])) < 0.2
    assert float(found["probability"][0]) > 0.01
    assert dependence_warnings(found) == []


@pytest.mark.sampling
def test_runs_that_err_alike_are_named_with_the_card_to_fit(alike):
    found = dependence(alike, allow_unconverged=True)
    assert float(found["icc"][0]) > 0.5
    assert float(found["f_probability"][0]) < 1e-6
    (said,) = dependence_warnings(found)
    assert said.startswith("48 of 48 runs share 6 IsoFLOP budgets and err alike")
    assert said.endswith("Better: fit chinchilla+budget.")
    assert "what it says" in said
    # Eight runs a group: up to sqrt(1 + 7 icc).
    assert float(found["design_effect"][0]) == pytest.approx(np.sqrt(1 + 7 * float(found["icc"][0])))
    assert float(found["design_effect"][0]) > 2


@pytest.mark.sampling
def test_the_infinitesimal_jackknife_of_rows_is_the_posteriors_spread_where_the_model_is_right(independent):
    # Each run a group of its own: the sandwich of a model that holds is its posterior, but for the prior.
    posterior = independent["posterior"].to_dataset()
    density = independent["log_likelihood"]["log_loss"].transpose("chain", "draw", "run").values.reshape(-1, 48)
    for name in ("alpha", "beta"):
        draws = posterior[name].values.ravel()
        moved = (draws - draws.mean()) @ (density - density.mean(0)) / draws.size
        assert np.sqrt((moved**2).sum()) == pytest.approx(draws.std(), rel=0.4)


@pytest.mark.sampling
def test_hoffmanns_budgets_err_alike_and_a_model_of_it_says_so(hoffmann_runs, hoffmann_fit):
    found = dependence(hoffmann_fit)
    factor = float(found["factor"].sel(key="budget", parameter="beta"))
    assert factor > 1.5
    assert len(dependence_warnings(found)) == 1
    modelled = bs.fit(hoffmann_runs, "chinchilla+budget", seed=1)
    wider = float(modelled["posterior"]["beta"].std() / hoffmann_fit["posterior"]["beta"].std())
    assert 1.1 < wider < factor
    assert dependence(modelled).sizes["key"] == 0, "nothing is left that the card does not know of"


@pytest.mark.sampling
def test_the_scatter_of_seeds_is_list_known_from_lack_of_fit(shared_data):
    frame = pd.read_csv(shared_data / "datablations" / "derived_runs_all.csv")
    frame = frame.query("not dedup and D <= 1.01 * U and D > 1e9").rename(columns={"N": "params", "D": "tokens"})
    frame["seed"] = frame.groupby(["params", "tokens"]).cumcount()
    runs = bs.read_runs(frame[["params", "tokens", "loss", "seed"]], suspicious="keep")
    labels = shared_labels(runs, "design")
    spread = pd.Series(runs["loss"].values).groupby(labels).std()
    assert sorted(spread.drop("").round(4)) == [0.0022, 0.0103]
    fit = bs.fit(runs, "chinchilla+design", seed=1)
    assert bs.verdict(fit).passed
    seeds, fits = (float(fit["posterior"][name].median()) for name in ("sigma", "design_sd"))
    assert 0.001 < seeds < 0.005, "of log loss: a standard deviation of 0.002 to 0.010 at a loss of 2.5"
    assert fits > 3 * seeds


def test_groups_that_the_card_tells_apart_are_not_called_unknown():
    card = bs.cards.make_card({"extends": "chinchilla", "pooling": {"default": "complete", "E": "partial(corpus)"}})
    assert _list_known(with_added(card, "+design")) == {"design", "corpus"}
    assert _list_known(bs.cards.make_card({"extends": "chinchilla", "pooling": {"default": "complete"}})) == set()
