"""How a run scatters about its law: the noise that a card may name, on the log of the loss."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from scipy import stats


@dataclass(frozen=True)
class Noise:
    """One family of noise: its parameters, its PyMC likelihood, its log density and a standard draw."""

    parameters: tuple[str, ...]
    likelihood: Callable[..., Any]
    logpdf: Callable[..., Any]
    draw: Callable[..., Any]


NOISES: dict[str, Noise] = {
    "StudentT": Noise(
        ("sigma", "nu"),
        lambda name, mu, scale, theta, **kw: pm.StudentT(name, nu=theta["nu"], mu=mu, sigma=scale, **kw),
        lambda z, nu: stats.t.logpdf(z, nu),
        lambda rng, shape, nu: rng.standard_t(nu, size=shape),
    ),
    "Normal": Noise(
        ("sigma",),
        lambda name, mu, scale, theta, **kw: pm.Normal(name, mu=mu, sigma=scale, **kw),
        lambda z: stats.norm.logpdf(z),
        lambda rng, shape: rng.standard_normal(size=shape),
    ),
}

# Every parameter that a noise may have, with what it means; the card's priors are checked against it.
NOISE_MEANINGS = {
    "sigma": "run-to-run scatter of log loss about the law: 0.01 is 1%",
    "nu": "degrees of freedom of the scatter: small means outliers are expected",
}


def total_scale(xp: Any, sigma: Any, relative_se: Any) -> Any:
    """Return the scale of log loss for a run whose own measurement error is known: scatter and error in quadrature."""
    return xp.sqrt(sigma**2 + relative_se**2)


def _shape_arguments(family: str, theta: Mapping[str, xr.DataArray]) -> list[xr.DataArray]:
    return [theta[name] for name in NOISES[family].parameters if name != "sigma"]


def log_density(
    family: str,
    log_loss: xr.DataArray,
    log_mean: xr.DataArray,
    relative_se: xr.DataArray | float,
    theta: Mapping[str, xr.DataArray],
) -> xr.DataArray:
    """Return the log density of observed log losses under each draw, dims (chain, draw, run)."""
    scale = total_scale(np, theta["sigma"], relative_se)
    z = (log_loss - log_mean) / scale
    return xr.apply_ufunc(NOISES[family].logpdf, z, *_shape_arguments(family, theta)) - np.log(scale)


def with_noise(expected: xr.DataArray, noise: xr.DataArray) -> xr.DataArray:
    """Return the loss of a run that scatters by ``noise`` on the log scale about its expected loss."""
    # A t with few degrees of freedom has draws whose exponential is infinite; quantiles bear that.
    with np.errstate(over="ignore"):
        return expected * np.exp(noise)


def draw_noise(
    family: str,
    like: xr.DataArray,
    theta: Mapping[str, xr.DataArray],
    rng: np.random.Generator,
    relative_se: xr.DataArray | float = 0.0,
) -> xr.DataArray:
    """Return one draw of run noise (and of known measurement error) on log loss for each element of ``like``."""
    shape = [value.broadcast_like(like).transpose(*like.dims).values for value in _shape_arguments(family, theta)]
    z = like.copy(data=NOISES[family].draw(rng, like.shape, *shape))
    return (z * total_scale(np, theta["sigma"], relative_se)).transpose(*like.dims)
