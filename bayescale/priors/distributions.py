"""The distributions that a model card may name: their arguments and support, and how PyMC and SciPy make them.

PyMC and SciPy are imported when a distribution is made: a card is read and checked without either.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Arguments = dict[str, float]


@dataclass(frozen=True)
class Distribution:
    """One distribution.

    Attributes
    ----------
    arguments, must_be_positive : tuple of str
        The names of its arguments, and of those that must be above 0.
    support : callable
        ``support(**arguments)``, the lowest and the highest value that it allows.
    pymc : callable
        ``pymc(**arguments)``, the arguments of PyMC's distribution of the same name.
    scipy : callable
        ``scipy(stats, **arguments)``, the same distribution from `scipy.stats`.
    quantile : callable
        ``quantile(special, probability, **arguments)``, its quantiles by `scipy.special`, which loads faster.
    """

    arguments: tuple[str, ...]
    must_be_positive: tuple[str, ...]
    support: Callable[..., tuple[float, float]]
    pymc: Callable[..., Any]
    scipy: Callable[..., Any]
    quantile: Callable[..., Any]


class PointMass:
    """All mass at one value, with the methods of a SciPy distribution that a card asks for."""

    def __init__(self, value: float) -> None:
        self.value = value

    def ppf(self, probability: Any) -> Any:
        """Return the value, whatever the probability."""
        return np.full(np.shape(probability), self.value)

    def rvs(self, size: int, random_state: Any = None) -> np.ndarray:
        """Return the value that many times."""
        return np.full(size, self.value)


_POSITIVE = (0.0, math.inf)


def _keep_arguments(**arguments: float) -> Arguments:
    """Return the arguments as they are: PyMC's distribution has the same."""
    return arguments


# The parameter of a fixed distribution is not sampled: it is held at the value.
DISTRIBUTIONS: dict[str, Distribution] = {
    "LogNormal": Distribution(
        ("median", "sigma"), ("median", "sigma"), lambda **arguments: _POSITIVE,
        lambda median, sigma: {"mu": np.log(median), "sigma": sigma},
        lambda stats, median, sigma: stats.lognorm(s=sigma, scale=median),
        lambda special, p, median, sigma: median * np.exp(sigma * special.ndtri(p)),
    ),
    "Beta": Distribution(
        ("a", "b"), ("a", "b"), lambda **arguments: (0.0, 1.0),
        lambda a, b: {"alpha": a, "beta": b}, lambda stats, a, b: stats.beta(a, b),
        lambda special, p, a, b: special.betaincinv(a, b, p),
    ),
    "HalfNormal": Distribution(
        ("sigma",), ("sigma",), lambda **arguments: _POSITIVE,
        _keep_arguments, lambda stats, sigma: stats.halfnorm(scale=sigma),
        lambda special, p, sigma: -sigma * special.ndtri((1 - p) / 2),
    ),
    "Gamma": Distribution(
        ("alpha", "beta"), ("alpha", "beta"), lambda **arguments: _POSITIVE,
        _keep_arguments, lambda stats, alpha, beta: stats.gamma(alpha, scale=1 / beta),
        lambda special, p, alpha, beta: special.gammaincinv(alpha, p) / beta,
    ),
    "Exponential": Distribution(
        ("mean",), ("mean",), lambda **arguments: _POSITIVE,
        lambda mean: {"scale": mean}, lambda stats, mean: stats.expon(scale=mean),
        lambda special, p, mean: -mean * np.log1p(-p),
    ),
    "Normal": Distribution(
        ("mu", "sigma"), ("sigma",), lambda **arguments: (-math.inf, math.inf),
        _keep_arguments, lambda stats, mu, sigma: stats.norm(mu, sigma),
        lambda special, p, mu, sigma: mu + sigma * special.ndtri(p),
    ),
    "Fixed": Distribution(
        ("value",), (), lambda value: (value, value),
        _keep_arguments, lambda stats, value: PointMass(value),
        lambda special, p, value: PointMass(value).ppf(p),
    ),
    "Uniform": Distribution(
        ("lower", "upper"), ("upper",), lambda lower, upper: (lower, upper),
        _keep_arguments, lambda stats, lower, upper: stats.uniform(lower, upper - lower),
        lambda special, p, lower, upper: lower + (upper - lower) * p,
    ),
}  # fmt: skip
