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
        ``pymc(pm, name, **arguments)``, a random variable of the PyMC model at hand.
    scipy : callable
        ``scipy(stats, **arguments)``, the same distribution from `scipy.stats`.
    """

    arguments: tuple[str, ...]
    must_be_positive: tuple[str, ...]
    support: Callable[..., tuple[float, float]]
    pymc: Callable[..., Any]
    scipy: Callable[..., Any]


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


def _above_zero(**arguments: float) -> tuple[float, float]:
    return 0.0, math.inf


DISTRIBUTIONS: dict[str, Distribution] = {
    "LogNormal": Distribution(
        ("median", "sigma"),
        ("median", "sigma"),
        _above_zero,
        lambda pm, name, median, sigma, **kw: pm.LogNormal(name, np.log(median), sigma, **kw),
        lambda stats, median, sigma: stats.lognorm(s=sigma, scale=median),
    ),
    "Beta": Distribution(
        ("a", "b"),
        ("a", "b"),
        lambda a, b: (0.0, 1.0),
        lambda pm, name, a, b, **kw: pm.Beta(name, a, b, **kw),
        lambda stats, a, b: stats.beta(a, b),
    ),
    "HalfNormal": Distribution(
        ("sigma",),
        ("sigma",),
        _above_zero,
        lambda pm, name, sigma, **kw: pm.HalfNormal(name, sigma, **kw),
        lambda stats, sigma: stats.halfnorm(scale=sigma),
    ),
    "Gamma": Distribution(
        ("alpha", "beta"),
        ("alpha", "beta"),
        _above_zero,
        lambda pm, name, alpha, beta, **kw: pm.Gamma(name, alpha, beta, **kw),
        lambda stats, alpha, beta: stats.gamma(alpha, scale=1 / beta),
    ),
    "Exponential": Distribution(
        ("mean",),
        ("mean",),
        _above_zero,
        lambda pm, name, mean, **kw: pm.Exponential(name, scale=mean, **kw),
        lambda stats, mean: stats.expon(scale=mean),
    ),
    "Normal": Distribution(
        ("mu", "sigma"),
        ("sigma",),
        lambda mu, sigma: (-math.inf, math.inf),
        lambda pm, name, mu, sigma, **kw: pm.Normal(name, mu, sigma, **kw),
        lambda stats, mu, sigma: stats.norm(mu, sigma),
    ),
    # Not sampled: the parameter is held at the value.
    "Fixed": Distribution(
        ("value",),
        (),
        lambda value: (value, value),
        lambda pm, name, value, **kw: value,
        lambda stats, value: PointMass(value),
    ),
    "Uniform": Distribution(
        ("lower", "upper"),
        ("upper",),
        lambda lower, upper: (lower, upper),
        lambda pm, name, lower, upper, **kw: pm.Uniform(name, lower, upper, **kw),
        lambda stats, lower, upper: stats.uniform(lower, upper - lower),
    ),
}
