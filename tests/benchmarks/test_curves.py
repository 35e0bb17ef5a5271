from collections import Counter

import numpy as np
import pytest
from scipy import stats

from benchmarks.curves import curves, gaussian_log_score, point_forecast, rmsle


@pytest.fixture(scope="module")
def language(shared_data):
    return {curve.name.split(" ", 1)[1]: curve for curve in curves() if curve.domain in ("NMT", "LM")}


def test_the_benchmark_has_92_curves(shared_data):
    # Alabdulmohsin et al. 2022: 72 of image classification, 5 of translation, 5 of language models, 10 of BIG-bench.
    found = list(curves())
    assert Counter(curve.domain for curve in found) == {"IC": 72, "NMT": 5, "LM": 5, "BB": 10}
    for curve in found:
        assert curve.x.max() < curve.x_out.min()
        assert len(np.unique(curve.x)) == len(curve.x), "copies are left out"
        assert 1.6 < curve.x_out.max() / curve.x.max() < 2.3


# Root mean square of log residuals on the held-out part, by plain least squares in log loss: M1, M2.
PUBLISHED = {
    "6 Enc, 6 Dec": (0.2619, 0.0561),
    "28 Enc, 6 Dec": (0.1709, 0.0636),
    "6 Enc, 28 Dec": (0.2340, 0.0661),
    "Dec-only": (0.2520, 0.0376),
    "TEnc-LSTM": (0.1899, 0.0174),
    "1.34e+08": (0.0143, 0.0014),
    "4.53e+08": (0.0165, 0.0008),
    "1.07e+09": (0.0171, 0.0018),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_held_out_error_of_the_two_stable_forms(language, name):
    curve = language[name]
    for method, published in zip(("M1", "M2"), PUBLISHED[name], strict=True):
        mean, _ = point_forecast(method, curve, refits=2)
        assert rmsle(mean, curve.loss_out) == pytest.approx(published, abs=1.1e-4), method


def test_the_spread_is_that_of_the_residuals_and_of_the_refits(language):
    curve = language["Dec-only"]
    mean, sd = point_forecast("M2", curve, refits=20)
    again, one = point_forecast("M2", curve, refits=1)
    np.testing.assert_array_equal(mean, again)
    # One refit has no variance: what is left is that of 10 residuals about 3 parameters.
    assert np.ptp(one) == 0
    assert (sd > one).all()


def test_the_log_score_is_the_mean_log_density():
    mean, sd, loss = np.array([0.1, 0.2]), np.array([0.05, 0.3]), np.array([1.2, 1.0])
    expected = stats.norm.logpdf(np.log(loss), mean, sd).mean()
    assert gaussian_log_score(mean, sd, loss) == pytest.approx(expected, rel=1e-12)
