import importlib

import numpy as np
import pytest
import xarray as xr
from pinned import simulated_runs
from scipy import stats

import bayescale as bs
from bayescale.errors import QuestionError
from bayescale.forms import Skipped, held_out, pack_skipped, unpack_skipped
from bayescale.forms.backtest import PROBS
from bayescale.forms.weights import TOGETHER


@pytest.fixture
def held():
    """Four held-out runs of loss 2: the band 1.9 to 2.2 holds three of them, and one lies 0.1 above it."""
    loss = np.array([2.0, 2.0, 2.0, 2.3])
    lower, upper = np.array([1.9, 1.8, 1.95, 1.9]), np.array([2.2, 2.2, 2.05, 2.2])
    columns = {
        "loss": ("held_out", loss),
        "median": ("held_out", np.array([2.02, 1.98, 2.0, 2.07])),
        "lower": (("prob", "held_out"), np.stack([lower, lower - 0.5])),
        "upper": (("prob", "held_out"), np.stack([upper, upper + 0.5])),
        "elpd": ("held_out", np.array([1.0, 2.0, 3.0, -4.0])),
        "crps": ("held_out", np.array([0.01, 0.03, 0.02, 0.23])),
    }
    coords = {
        "prob": [0.9, 0.95],
        "factor": ("held_out", [10.0, 10.0, 100.0, 100.0]),
        "family": ("held_out", ["a", "b", "a", "b"]),
    }
    return xr.Dataset(columns, coords=coords)


def test_scores_are_those_worked_by_hand(held):
    table = bs.forms.score(held)
    columns = ["runs", "inside", "coverage", "winkler", "width", "error", "bias", "crps", "elpd"]
    assert list(table.columns) == columns
    near, far = table.loc[10.0], table.loc[100.0]
    assert (near["runs"], near["inside"], near["coverage"]) == (2, 2, 1.0)
    assert (far["runs"], far["inside"], far["coverage"]) == (2, 1, 0.5)
    # Widths 0.3 and 0.4 on a loss of 2: 15% and 20%.
    assert near["winkler"] == pytest.approx(17.5)
    assert near["width"] == pytest.approx(17.5)
    # 0.1 / 2 = 5%; and (0.3 + 2 / 0.1 * 0.1) / 2.3 = 100%.
    assert far["winkler"] == pytest.approx((5 + 100) / 2)
    assert far["width"] == pytest.approx((5 + 100 * 0.3 / 2.3) / 2)
    assert near["error"] == pytest.approx(1.0)
    assert near["bias"] == pytest.approx(0.0, abs=1e-12)
    assert far["bias"] == pytest.approx(-5.0), "a prediction under the loss has a negative bias"
    assert far["error"] == pytest.approx(5.0)
    # 0.01 and 0.03 on a loss of 2; 0.02 on 2 and 0.23 on 2.3.
    assert near["crps"] == pytest.approx(1.0)
    assert far["crps"] == pytest.approx((1 + 10) / 2)
    assert near["elpd"] == 3.0
    assert far["elpd"] == -1.0


def test_a_run_under_the_band_is_penalised_alike(held):
    low = held.assign(loss=("held_out", [2.0, 2.0, 2.0, 1.8]))
    assert bs.forms.score(low).loc[100.0, "winkler"] == pytest.approx((5 + 100 * (0.3 + 20 * 0.1) / 1.8) / 2)


def test_the_edge_of_a_band_is_inside(held):
    assert bs.forms.score(held.assign(loss=held["upper"].sel(prob=0.9, drop=True)))["coverage"].eq(1).all()


def test_another_mass_has_its_own_penalty(held):
    # At 95% the band is 1.4 to 2.7 and holds all.
    table = bs.forms.score(held, prob=0.95)
    assert table["coverage"].eq(1).all()
    assert table.loc[10.0, "winkler"] == pytest.approx((65 + 70) / 2)


def test_groups_may_be_families(held):
    table = bs.forms.score(held, by=("family",))
    assert table.loc["a", "coverage"] == 1.0
    assert table.loc["b", "coverage"] == 0.5
    assert bs.forms.score(held, by=("factor", "family")).loc[(100.0, "b"), "inside"] == 0
    with pytest.raises(QuestionError, match=r"no 'famly' to group by.* mean 'family'\? Accepted: factor, family"):
        bs.forms.score(held, by="famly")


def rehearsed(draws, y, density=None, forms=("a",), factor=10.0):
    """What forms said of some runs at one cut-off, from draws of dims (form, sample, run)."""
    draws = np.asarray(draws, dtype=float)
    places = {name: ("held_out", np.full(len(y), value)) for name, value in (("factor", factor), ("compute", 1e22))}
    values = {
        "predicted": (("form", "chain", "draw", "held_out"), draws[:, None]),
        "log_density": (("form", "held_out"), np.zeros(draws[:, 0].shape) if density is None else np.array(density)),
        "loss": ("held_out", np.asarray(y, dtype=float)),
    }
    out = xr.Dataset(values, coords=places | {"form": list(forms), "family": ("held_out", ["all"] * len(y))})
    return out.assign_attrs(response="loss", measure="compute", largest=1e22)


@pytest.mark.parametrize("z", [-2.5, -1.0, 0.0, 0.3, 4.0])
def test_the_crps_of_a_normal_is_its_closed_form(z):
    # Gneiting and Raftery 2007, eq. 21: sigma (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi)).
    mu, sigma, count = 2.0, 0.05, 20_000
    closed = sigma * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
    draws = mu + sigma * np.random.default_rng(1).standard_normal((1, count, 1))
    found = float(held_out(rehearsed(draws, [mu + sigma * z]), None, [10.0])["crps"].item())
    # Four standard errors of the mean of |x - y|; and 200 quantiles for the integral.
    assert found == pytest.approx(closed, abs=sigma * (4 / np.sqrt(count) + 1 / 400))


def test_the_crps_of_a_prediction_that_is_certain_is_its_error():
    found = held_out(rehearsed(np.full((1, 400, 3), 2.0), [2.0, 2.5, 1.9]), None, [10.0])["crps"]
    np.testing.assert_allclose(found, [0.0, 0.5, 0.1], atol=1e-12)


def test_a_few_draws_without_bound_do_not_make_the_crps_endless():
    draws = 2.0 + 0.05 * np.random.default_rng(1).standard_normal((1, 4000, 1))
    wild = draws.copy()
    wild[0, :3] = np.inf
    calm, found = (float(held_out(rehearsed(x, [2.1]), None, [10.0])["crps"].item()) for x in (draws, wild))
    assert found == pytest.approx(calm, rel=0.02)


def test_the_bands_and_the_density_are_those_of_the_mixture():
    rng = np.random.default_rng(2)
    draws = np.stack([rng.normal(2.0, 0.01, (4000, 2)), rng.normal(3.0, 0.01, (4000, 2))])
    prior = {"a": 3.0, "b": 1.0}
    held = held_out(rehearsed(draws, [2.0, 3.0], [[1.0, -4.0], [0.0, 2.0]], ("a", "b")), prior, [10.0])
    # No rehearsal lies below the only cut-off: 3 : 1.
    np.testing.assert_allclose(held["weight"].isel(held_out=0), [0.75, 0.25])
    mixed = np.log(0.75 * np.exp([1.0, -4.0]) + 0.25 * np.exp([0.0, 2.0]))
    np.testing.assert_allclose(held["elpd"], mixed)
    # A quarter lies about 3: the median of all is the two-thirds quantile of a, the upper end of 80% the 0.6 one of b;
    # each of them moved towards the common middle, 1/4 of the way from log 2 to log 3.
    up, down = 1.5 ** (0.25 * TOGETHER), 1.5 ** (-0.75 * TOGETHER)
    np.testing.assert_allclose(held["median"], up * stats.norm.ppf(0.5 / 0.75, 2.0, 0.01), atol=2e-3)
    np.testing.assert_allclose(held["upper"].sel(prob=0.8), down * stats.norm.ppf(0.6, 3.0, 0.01), atol=2e-3)
    assert held.attrs["model"] == "forecast"


def test_a_form_that_failed_at_the_cut_has_no_weight_there():
    draws = np.stack([np.full((100, 2), 2.0), np.full((100, 2), np.nan)])
    given = rehearsed(draws, [2.0, 2.0], [[0.0, 0.0], [np.nan, np.nan]], ("a", "b"))
    held = held_out(given, {"a": 0.1, "b": 0.9}, [10.0])
    np.testing.assert_array_equal(held["weight"], [[1.0, 0.0]] * 2)
    assert held["form"].values.tolist() == ["a", "b"]
    np.testing.assert_allclose(held["median"], 2.0)


def test_a_form_that_misses_a_run_beyond_all_numbers_is_tested_like_any_other():
    draws = np.stack([np.full((100, 2), 2.0), np.full((100, 2), 3.0)])
    for worst in (-700.0, -np.inf):
        given = rehearsed(draws, [2.0, 2.0], [[0.0, 0.0], [-700.0, worst]], ("a", "b"))
        held = held_out(given, {"a": 0.5, "b": 0.5}, [10.0])
        # No rehearsal lies below the only cut-off, so what was believed stands.
        np.testing.assert_array_equal(held["weight"], [[0.5, 0.5]] * 2)
    alone = held_out(given.sel(form=["b"]), None, [10.0])
    assert alone["elpd"].values.tolist() == [-700.0, -np.inf]


def test_a_cut_off_that_is_asked_for_twice_is_tested_once():
    given = rehearsed(np.ones((1, 10, 3)), [2.0, 2.0, 2.0])
    assert bs.forms.score(held_out(given, None, [10.0, 10.0]))["runs"].tolist() == [3]


def test_a_backtest_rehearses_each_cut_off_once(monkeypatch):
    asked = []

    def answer(runs, cards, factors, **options):
        asked.append(factors)
        return rehearsed(np.ones((1, 10, 3)), [2.0, 2.0, 2.0], forms=[card.name for card in cards])

    monkeypatch.setattr(importlib.import_module("bayescale.forms.backtest"), "rehearse", answer)
    assert bs.backtest(simulated_runs(), "chinchilla", factor=[100, 10, 10.0]).sizes["held_out"] == 3
    assert asked == [[10.0, 100.0]]


def test_only_cut_offs_that_were_asked_for_are_said_to_be_skipped():
    cuts = [("a", None), ("a", 10.0), (None, 30.0), (None, 300.0), ("a", 1e6)]
    records = [Skipped(form, factor, "too slow.") for form, factor in cuts]
    given = rehearsed(np.ones((1, 10, 1)), [2.0]).assign_attrs(pack_skipped(records))
    assert unpack_skipped(held_out(given, None, [10.0, 30.0])) == records[:3]
    assert unpack_skipped(held_out(given, None, [1e6])) == [records[0], records[4]]


@pytest.mark.parametrize("weights", [None, {"a": 1.0, "b": 1.0}])
def test_nothing_held_out_is_an_empty_table(weights):
    # At the cut-off that was asked for nothing could be predicted, at a farther one it could.
    given = rehearsed(np.ones((2, 10, 3)), [2.0, 2.0, 2.0], forms=("a", "b"), factor=300.0)
    empty = held_out(given, weights, [10.0])
    assert empty.sizes["held_out"] == 0
    assert empty["prob"].values.tolist() == list(PROBS)
    assert ("weight" in empty) == (weights is not None)
    table = bs.forms.score(empty)
    assert len(table) == 0
    assert "crps" in table


def test_a_mass_that_was_not_kept_is_refused(held):
    with pytest.raises(QuestionError, match=r"0\.7.*0\.9"):
        bs.forms.score(held, prob=0.7)
