import numpy as np
import pytest
import xarray as xr
from scipy import stats

from bayescale.modeling.noise import NOISE_MEANINGS, NOISES, draw_noise, log_density, total_scale

DRAWS = ("chain", "draw")


def const(value, shape=(2, 3)):
    return xr.DataArray(np.full(shape, float(value)), dims=DRAWS)


@pytest.mark.parametrize("family", NOISES)
def test_density_is_scipys(family):
    theta = {"sigma": const(0.02), "nu": const(4.0)}
    y, mu = xr.DataArray([0.9, 1.0, 1.2], dims="run"), xr.DataArray([1.0, 1.0, 1.0], dims="run")
    se = xr.DataArray([0.0, 0.015, 0.0], dims="run")
    found = log_density(family, y, mu, se, {k: theta[k] for k in NOISES[family].parameters})
    scale = np.hypot(0.02, se.values)
    wanted = {"StudentT": stats.t(4.0, 1.0, scale), "Normal": stats.norm(1.0, scale)}[family].logpdf(y.values)
    np.testing.assert_allclose(found.transpose(*DRAWS, "run").values, np.broadcast_to(wanted, (2, 3, 3)), rtol=1e-10)


@pytest.mark.parametrize("family", NOISES)
def test_draws_follow_the_density(family):
    theta = {"sigma": const(0.03, (4, 2500)), "nu": const(5.0, (4, 2500))}
    like = xr.DataArray(np.zeros((4, 2500, 2)), dims=(*DRAWS, "point"))
    drawn = draw_noise(family, like, theta, np.random.default_rng(3), relative_se=0.04)
    law = {"StudentT": stats.t(5.0, scale=0.05), "Normal": stats.norm(scale=0.05)}[family]
    assert drawn.dims == like.dims
    assert stats.kstest(drawn.values.ravel(), law.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(drawn.values.reshape(-1, 2).T)[0, 1]) < 0.05, "points are scattered independently"


def test_the_same_generator_gives_the_same_noise():
    theta, like = {"sigma": const(0.03), "nu": const(5.0)}, xr.zeros_like(const(0))
    one, two, other = (draw_noise("StudentT", like, theta, np.random.default_rng(s)) for s in (1, 1, 2))
    assert one.identical(two)
    assert not one.equals(other)


def test_scatter_and_measurement_error_add_in_quadrature():
    assert total_scale(np, 0.03, 0.04) == pytest.approx(0.05)


def test_every_parameter_of_a_noise_has_its_meaning():
    assert {p for noise in NOISES.values() for p in noise.parameters} <= set(NOISE_MEANINGS)
