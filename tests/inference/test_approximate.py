"""The fast path against NUTS on real runs, and what is done where it fails."""

import json

import numpy as np
import pytest

import bayescale as bs
from bayescale.errors import QuestionError, SamplingError
from bayescale.inference import COUNTED, approximate, fit, sampling
from bayescale.inference.diagnostics import PARETO_K, WEIGHED_ESS, diagnose_weights

pytestmark = pytest.mark.sampling


def settings_of(tree):
    return json.loads(tree.attrs["settings"])


def check_agreement(fast, slow, names):
    """Means and central bands agree within Monte Carlo error."""
    import arviz_stats as az

    worth = settings_of(fast)["ess"]
    ess = az.ess(slow["posterior"].to_dataset()[names])
    for name in names:
        a, b = (tree["posterior"][name].values.reshape(-1, *tree["posterior"][name].shape[2:]) for tree in (fast, slow))
        error = np.hypot(b.std(0) / np.sqrt(worth), b.std(0) / np.sqrt(ess[name].values.min()))
        assert (np.abs(a.mean(0) - b.mean(0)) < 4 * error).all(), name
        for prob in (0.1, 0.9):
            # The error of a quantile: of its share, over the density there.
            edge = np.quantile(b, prob, axis=0)
            share = (a < edge).mean(0)
            assert (
                np.abs(share - prob) < 4 * np.sqrt(prob * (1 - prob) * (1 / worth + 1 / ess[name].values.min()))
            ).all()


def test_the_fast_path_agrees_with_nuts(hoffmann_runs, hoffmann_fit):
    fast = fit(hoffmann_runs, method="laplace", seed=3)
    assert bs.verdict(fast).passed
    assert bs.verdict(fast).sentence.startswith("Checked: ")
    assert settings_of(fast)["method"] == "laplace"
    assert settings_of(hoffmann_fit)["method"] == "nuts"
    check_agreement(fast, hoffmann_fit, ["E", "alpha", "beta", "A", "B", "sigma", "nu"])
    assert fast["posterior"].sizes == hoffmann_fit["posterior"].sizes
    assert fast["posterior"]["E"].dims == ("chain", "draw")


def test_with_a_drift_and_families_it_agrees_as_well():
    runs = bs.load_shipped("tinylm")
    fast = fit(runs, "chinchilla+drift", method="laplace", seed=2, limits=COUNTED, prior_draws=0)
    slow = fit(runs, "chinchilla+drift", seed=1, limits=COUNTED, prior_draws=0)
    assert bs.verdict(fast).passed
    check_agreement(fast, slow, ["E", "alpha", "beta", "sigma", "tau", "tau_growth"])


def test_nuts_takes_over_where_the_fast_path_fails(monkeypatch):
    runs = bs.load_shipped("tinylm")
    options = {"draws": 100, "tune": 200, "prior_draws": 0, "tries": 1}

    def fail(*given, **named):
        *drawn, _, settings = approximate.approximate(*given, **named)
        return *drawn, diagnose_weights(0.9, 0.7, 12.0), settings

    monkeypatch.setattr(sampling, "approximate", fail)
    tree = fit(runs, "power", method="auto", **options)
    assert settings_of(tree)["method"] == "nuts"
    assert set(settings_of(tree)["laplace"]) == {"pareto_k", "ess", "modes"}
    alone = fit(runs, "power", method="laplace", **options)
    assert settings_of(alone)["method"] == "laplace"
    judged = bs.verdict(alone)
    assert not judged.passed
    assert [check.name for check in judged.checks] == [PARETO_K, WEIGHED_ESS]
    assert judged.sentence.startswith("Not converged: Pareto k is 0.90")
    np.testing.assert_array_equal(tree["posterior"]["alpha"], fit(runs, "power", **options)["posterior"]["alpha"])


def test_no_start_with_a_density_is_said(monkeypatch):
    monkeypatch.setattr(approximate, "find_modes", lambda density, starts: [])
    with pytest.raises(SamplingError, match="no density at any start"):
        fit(bs.load_shipped("tinylm"), "power", method="laplace")


def test_an_unknown_method_is_refused():
    with pytest.raises(QuestionError, match="method: accepted are nuts, laplace, auto; got 'vi'"):
        fit(bs.load_shipped("tinylm"), "power", method="vi")
