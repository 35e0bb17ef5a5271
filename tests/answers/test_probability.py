import arviz_stats
import numpy as np
import pytest
import xarray as xr

from bayescale.answers.summary import _count_effective, probability


def draws(values):
    return xr.DataArray(values, dims=("chain", "draw"))


def test_of_independent_draws_the_error_is_the_binomial_one():
    so = np.random.default_rng(1).random((4, 1000)) < 0.3
    found = probability(draws(so))
    assert float(found["probability"]) == so.mean()
    assert float(found["mc_error"]) == pytest.approx(np.sqrt(0.3 * 0.7 / 4000), rel=0.1)


def test_draws_that_repeat_each_other_count_less():
    so = np.repeat(np.random.default_rng(1).random((4, 100)) < 0.3, 10, axis=1)
    assert float(probability(draws(so))["mc_error"]) == pytest.approx(np.sqrt(0.3 * 0.7 / 400), rel=0.2)


def test_where_all_draws_agree_the_error_is_not_zero():
    # The standard deviation of Beta(400.5, 0.5).
    found = probability(draws(np.ones((2, 200), bool)))
    assert float(found["probability"]) == 1
    assert float(found["mc_error"]) == pytest.approx(np.sqrt(400.5 * 0.5 / (401**2 * 402)))


def test_other_dims_are_kept_and_a_few_draws_are_enough():
    event = xr.DataArray(np.array([[[True, False], [True, True]]]), dims=("chain", "draw", "point"))
    found = probability(event)
    np.testing.assert_allclose(found["probability"], [1.0, 0.5])
    assert (found["mc_error"] > 0).all()


@pytest.mark.parametrize("count", [4, 7, 60, 301, 1000])
@pytest.mark.parametrize("follows", [-0.7, 0.0, 0.9, 0.99])
def test_the_effective_draws_are_those_of_arviz(count, follows):
    rng, x = np.random.default_rng(1), np.zeros((4, count))
    for t in range(1, count):
        x[:, t] = follows * x[:, t - 1] + rng.standard_normal(4)
    event = (x > np.quantile(x, 0.9)).astype(float)
    wanted = arviz_stats.base.array_stats.ess(event, chain_axis=0, draw_axis=1, method="mean")
    np.testing.assert_allclose(_count_effective(event), wanted, rtol=1e-9)
