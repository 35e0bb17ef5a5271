import numpy as np
import pandas as pd
import pytest

from benchmarks.scores import predicted, score
from benchmarks.sets import reader


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
    # Of a uniform, at its middle: 1/4 - 1/6 (Gneiting and Raftery 2007, eq. 21: E|X - y| - E|X - X'| / 2).
    np.testing.assert_allclose(rows["crps"], 1 / 12, atol=1e-3)
