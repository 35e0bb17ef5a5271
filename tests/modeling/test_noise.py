import numpy as np
import pytest
import xarray as xr
from scipy import stats

from bayescale.modeling.noise import NOISE_MEANINGS, NOISES, draw_response, log_density, total_scale

DRAWS = ("chain", "draw")
ON_LOG = [name for name, noise in NOISES.items() if not noise.of_shares]
SHARES = [name for name, noise in NOISES.items() if noise.of_shares]


def const(value, shape=(2, 3)):
    return xr.DataArray(np.full(shape, float(value)), dims=DRAWS)


def theta_of(family, shape=(2, 3), **values):
    return {name: const(values[name], shape) for name in NOISES[family].parameters}


@pytest.mark.parametrize("family", ON_LOG)
def test_density_of_a_loss_is_scipys_on_its_logarithm(family):
    loss, mean = xr.DataArray(np.exp([0.9, 1.0, 1.2]), dims="run"), xr.DataArray(np.exp([1.0, 1.0, 1.0]), dims="run")
    se = xr.DataArray([0.0, 0.015, 0.0], dims="run")
    found = log_density(family, loss, mean, {"relative_se": se}, theta_of(family, sigma=0.02, nu=4.0))
    scale = np.hypot(0.02, se.values)
    wanted = {"StudentT": stats.t(4.0, 1.0, scale), "Normal": stats.norm(1.0, scale)}[family].logpdf([0.9, 1.0, 1.2])
    np.testing.assert_allclose(found.transpose(*DRAWS, "run").values, np.broadcast_to(wanted, (2, 3, 3)), rtol=1e-10)


@pytest.mark.parametrize("family", SHARES)
def test_density_of_a_share_is_scipys(family):
    share, mean = xr.DataArray([0.25, 0.5, 0.9], dims="run"), xr.DataArray([0.3, 0.5, 0.8], dims="run")
    asked = xr.DataArray([40, 200, 1000], dims="run")
    known = {"questions": asked} if NOISES[family].known else {}
    found = log_density(family, share, mean, known, theta_of(family, precision=50.0))
    m, a, b, right = mean.values, 50 * mean.values, 50 * (1 - mean.values), share.values * asked.values
    wanted = {
        "Beta": stats.beta.logpdf(share.values, a, b),
        "Binomial": stats.binom.logpmf(right, asked.values, m),
        "BetaBinomial": stats.betabinom.logpmf(right, asked.values, a, b),
    }[family]
    got = found.transpose(..., "run").values
    np.testing.assert_allclose(got, np.broadcast_to(wanted, got.shape), rtol=1e-10)


@pytest.mark.parametrize("family", ON_LOG)
def test_draws_of_a_loss_follow_the_density(family):
    theta = theta_of(family, (4, 2500), sigma=0.03, nu=5.0)
    mean = xr.DataArray(np.full((4, 2500, 2), 3.0), dims=(*DRAWS, "point"))
    drawn = draw_response(family, mean, theta, np.random.default_rng(3), {"relative_se": 0.04})
    scatter = np.log(drawn / 3.0)
    law = {"StudentT": stats.t(5.0, scale=0.05), "Normal": stats.norm(scale=0.05)}[family]
    assert drawn.dims == mean.dims
    assert stats.kstest(scatter.values.ravel(), law.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(scatter.values.reshape(-1, 2).T)[0, 1]) < 0.05, "points are scattered independently"


@pytest.mark.parametrize("family", SHARES)
def test_draws_of_a_share_have_its_mean_and_spread(family):
    theta = theta_of(family, (4, 2500), precision=50.0)
    mean = xr.DataArray(np.full((4, 2500), 0.3), dims=DRAWS)
    known = {"questions": 200} if NOISES[family].known else {}
    drawn = draw_response(family, mean, theta, np.random.default_rng(3), known).values
    law = {
        "Beta": stats.beta(15, 35),
        "Binomial": stats.binom(200, 0.3),
        "BetaBinomial": stats.betabinom(200, 15, 35),
    }[family]
    scale = 1 if family == "Beta" else 200
    assert drawn.mean() == pytest.approx(law.mean() / scale, abs=5 * law.std() / scale / 100)
    assert drawn.std() == pytest.approx(law.std() / scale, rel=0.05)


def test_the_same_generator_gives_the_same_noise():
    theta, mean = theta_of("StudentT", sigma=0.03, nu=5.0), xr.ones_like(const(0))
    one, two, other = (
        draw_response("StudentT", mean, theta, np.random.default_rng(s), {"relative_se": 0.0}) for s in (1, 1, 2)
    )
    assert one.identical(two)
    assert not one.equals(other)


def test_scatter_and_measurement_error_add_in_quadrature():
    assert total_scale(np, 0.03, 0.04) == pytest.approx(0.05)


def test_every_parameter_of_a_noise_has_its_meaning():
    assert {p for noise in NOISES.values() for p in noise.parameters} == set(NOISE_MEANINGS)
