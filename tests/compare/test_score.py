import numpy as np
import pytest
import xarray as xr

import bayescale as bs
from bayescale.compare.largest_out import PROBS, _empty
from bayescale.errors import QuestionError


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
    }
    coords = {
        "prob": [0.9, 0.95],
        "factor": ("held_out", [10.0, 10.0, 100.0, 100.0]),
        "family": ("held_out", ["a", "b", "a", "b"]),
    }
    return xr.Dataset(columns, coords=coords)


def test_scores_are_those_worked_by_hand(held):
    table = bs.score(held)
    assert list(table.columns) == ["runs", "inside", "coverage", "winkler", "width", "error", "bias", "elpd"]
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
    assert near["elpd"] == 3.0
    assert far["elpd"] == -1.0


def test_a_run_under_the_band_is_penalised_alike(held):
    low = held.assign(loss=("held_out", [2.0, 2.0, 2.0, 1.8]))
    assert bs.score(low).loc[100.0, "winkler"] == pytest.approx((5 + 100 * (0.3 + 20 * 0.1) / 1.8) / 2)


def test_the_edge_of_a_band_is_inside(held):
    assert bs.score(held.assign(loss=held["upper"].sel(prob=0.9, drop=True)))["coverage"].eq(1).all()


def test_another_mass_has_its_own_penalty(held):
    # At 95% the band is 1.4 to 2.7 and holds all.
    table = bs.score(held, prob=0.95)
    assert table["coverage"].eq(1).all()
    assert table.loc[10.0, "winkler"] == pytest.approx((65 + 70) / 2)


def test_groups_may_be_families(held):
    table = bs.score(held, by=("family",))
    assert table.loc["a", "coverage"] == 1.0
    assert table.loc["b", "coverage"] == 0.5
    assert bs.score(held, by=("factor", "family")).loc[(100.0, "b"), "inside"] == 0


def test_nothing_held_out_is_an_empty_table():
    empty = _empty("loss")
    assert empty["prob"].values.tolist() == list(PROBS)
    assert len(bs.score(empty)) == 0


def test_a_mass_that_was_not_kept_is_refused(held):
    with pytest.raises(QuestionError, match=r"0\.7.*0\.9"):
        bs.score(held, prob=0.7)
