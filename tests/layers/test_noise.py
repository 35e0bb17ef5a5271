import numpy as np
import pymc as pm
import pytest
import xarray as xr
from scipy import stats
from scipy.integrate import quad

from bayescale.layers.noise import (
    NOISE_MEANINGS,
    NOISES,
    draw_response,
    log_density,
    total_scale,
    undertuned_log_odds,
)

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
    values = dict(sigma=0.02, nu=4.0, undertuned=0.1, excess=0.05)
    found = log_density(family, loss, mean, {"relative_se": se}, theta_of(family, **values))
    scale, at = np.hypot(0.02, se.values), np.array([0.9, 1.0, 1.2])
    normal = stats.norm(1.0, scale)
    wanted = {
        "StudentT": stats.t(4.0, 1.0, scale).logpdf(at),
        "Normal": normal.logpdf(at),
        "Laplace": stats.laplace(1.0, scale).logpdf(at),
        # A tenth of the runs: normal scatter plus an exponential of mean 0.05, integrated over the exponential.
        "Undertuned": np.log(0.9 * normal.pdf(at) + 0.1 * _with_exponential(at - 1.0, scale, 0.05)),
    }[family]
    np.testing.assert_allclose(found.transpose(*DRAWS, "run").values, np.broadcast_to(wanted, (2, 3, 3)), rtol=1e-7)


def _with_exponential(x, scale, mean):
    """Return the density of a normal plus an exponential by integrating over the latter."""
    both = [
        quad(
            lambda e, a=a, s=s: stats.norm.pdf(a - e, scale=s) * stats.expon.pdf(e, scale=mean),
            0,
            1,
            points=[0.05, 0.2],
        )
        for a, s in zip(x, scale, strict=True)
    ]
    return np.array([value for value, _ in both])


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
    theta = theta_of(family, (4, 2500), sigma=0.03, nu=5.0, undertuned=0.3, excess=0.1)
    mean = xr.DataArray(np.full((4, 2500, 2), 3.0), dims=(*DRAWS, "point"))
    drawn = draw_response(family, mean, theta, np.random.default_rng(3), {"relative_se": 0.04})
    scatter = np.log(drawn / 3.0)
    normal, worse = stats.norm(scale=0.05), stats.exponnorm(0.1 / 0.05, scale=0.05)
    law = {
        "StudentT": stats.t(5.0, scale=0.05).cdf,
        "Normal": normal.cdf,
        "Laplace": stats.laplace(scale=0.05).cdf,
        "Undertuned": lambda x: 0.7 * normal.cdf(x) + 0.3 * worse.cdf(x),
    }[family]
    assert drawn.dims == mean.dims
    assert stats.kstest(scatter.values.ravel(), law).pvalue > 1e-3
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


@pytest.mark.parametrize("family", ON_LOG)
def test_the_model_has_the_density_that_answers_use(family):
    values = dict(sigma=0.02, nu=4.0, undertuned=0.1, excess=0.05)
    theta = {name: values[name] for name in NOISES[family].parameters}
    loss, mean, se = np.exp([0.9, 1.0, 1.2]), np.exp([1.0, 1.0, 1.0]), np.array([0.0, 0.015, 0.0])
    with pm.Model() as model:
        NOISES[family].likelihood(pm, "y", mean, theta, {"relative_se": se}, observed=np.log(loss))
    found = model.compile_logp(sum=False)({})[0]
    wanted = NOISES[family].logpdf(np.log(loss), mean, theta, {"relative_se": se})
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_a_run_is_worse_for_want_of_tuning_and_hardly_better():
    ones = xr.DataArray(np.ones(3), dims="run")
    theta = theta_of("Undertuned", sigma=0.01, undertuned=0.1, excess=0.05)
    odds = undertuned_log_odds(np.exp(ones * [-0.08, 0.0, 0.08]), ones, {"relative_se": 0 * ones}, theta)
    low, even, high = odds.isel(chain=0, draw=0).values
    # Far out on the upper side the exponential wins by many orders; below, both fall as the normal does.
    assert high > 15
    assert even < -2
    assert low < even
