import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.scores import crps, predicted, score
from benchmarks.sets import reader


@pytest.mark.parametrize("y", [-2.0, 0.0, 0.7])
def test_crps_of_a_normal_is_its_closed_form(y):
    # Gneiting and Raftery 2007, eq. 21: sigma (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi)).
    draws = 3.0 + 0.5 * stats.norm.ppf((np.arange(20000) + 0.5) / 20000)
    closed = 0.5 * (y * (2 * stats.norm.cdf(y) - 1) + 2 * stats.norm.pdf(y) - 1 / np.sqrt(np.pi))
    assert crps(draws[:, None], np.array([3.0 + 0.5 * y]))[0] == pytest.approx(closed, abs=2e-4)


def test_crps_of_one_draw_is_its_error():
    np.testing.assert_allclose(crps(np.array([[2.0, 3.0]]), np.array([2.5, 3.0])), [0.5, 0.0])


def test_crps_does_not_depend_on_the_order_of_the_draws():
    rng = np.random.default_rng(1)
    draws = rng.normal(size=(50, 1))
    pairs = np.abs(draws - draws.T).mean() / 2
    assert crps(draws, np.array([0.3]))[0] == pytest.approx(np.abs(draws - 0.3).mean() - pairs, rel=1e-12)


def test_the_band_is_scored_in_percent_of_the_loss(shared_data):
    # One run inside a band of 10%; one 5% above a band of 10%: 10 + 20 x 5 = 110.
    rows = pd.DataFrame(
        {"C": [1.0, 1e3], "loss": [2.0, 4.0], "low": [1.9, 3.4], "median": [2.1, 3.6], "high": [2.1, 3.8]}
    ).assign(crps=[0.02, 0.2])
    found = score(reader(), rows)
    assert found["coverage"] == 0.5
    assert found["coverage_top"] == 0.0
    assert found["winkler"] == pytest.approx((10 + 110) / 2)
    assert found["width"] == pytest.approx(10)
    assert found["error"] == pytest.approx((5 + 10) / 2)
    assert found["bias"] == pytest.approx((5 - 10) / 2)
    assert found["crps"] == pytest.approx((1 + 5) / 2)
    assert np.isnan(found["error_point"])


def test_the_band_holds_nine_tenths_of_the_draws():
    draws = np.linspace(0, 1, 1001)[:, None] + np.array([0.0, 5.0])
    rows = predicted(pd.DataFrame({"C": [1.0, 2.0], "loss": [0.5, 5.5]}), draws, np.array([0.4, 5.4]))
    np.testing.assert_allclose(rows[["low", "median", "high"]], [[0.05, 0.5, 0.95], [5.05, 5.5, 5.95]])
