"""The distributions that a model card may name: their arguments, their density in PyMC and their quantiles in SciPy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
from scipy import stats


@dataclass(frozen=True)
class Distribution:
    """One entry: what it takes and how it is made in each library."""

    arguments: tuple[str, ...]
    must_be_positive: tuple[str, ...]
    pymc: Callable[..., Any]
    scipy: Callable[..., Any]


class Point:
    """All mass at one value, with the methods of a SciPy distribution that a card asks for."""

    def __init__(self, value: float) -> None:
        self.value = value

    def ppf(self, probability: Any) -> Any:
        """Return the value, whatever the probability."""
        return np.full(np.shape(probability), self.value)

    def rvs(self, size: int, random_state: Any = None) -> np.ndarray:
        """Return the value that many times."""
        return np.full(size, self.value)

    def support(self) -> tuple[float, float]:
        """Return the value as both ends."""
        return self.value, self.value


DISTRIBUTIONS: dict[str, Distribution] = {
    "LogNormal": Distribution(
        ("median", "sigma"),
        ("median", "sigma"),
        lambda name, median, sigma, **kw: pm.LogNormal(name, np.log(median), sigma, **kw),
        lambda median, sigma: stats.lognorm(s=sigma, scale=median),
    ),
    "Beta": Distribution(
        ("a", "b"),
        ("a", "b"),
        lambda name, a, b, **kw: pm.Beta(name, a, b, **kw),
        lambda a, b: stats.beta(a, b),
    ),
    "HalfNormal": Distribution(
        ("sigma",),
        ("sigma",),
        lambda name, sigma, **kw: pm.HalfNormal(name, sigma, **kw),
        lambda sigma: stats.halfnorm(scale=sigma),
    ),
    "Gamma": Distribution(
        ("alpha", "beta"),
        ("alpha", "beta"),
        lambda name, alpha, beta, **kw: pm.Gamma(name, alpha, beta, **kw),
        lambda alpha, beta: stats.gamma(alpha, scale=1 / beta),
    ),
    "Exponential": Distribution(
        ("mean",),
        ("mean",),
        lambda name, mean, **kw: pm.Exponential(name, scale=mean, **kw),
        lambda mean: stats.expon(scale=mean),
    ),
    "Normal": Distribution(
        ("mu", "sigma"),
        ("sigma",),
        lambda name, mu, sigma, **kw: pm.Normal(name, mu, sigma, **kw),
        lambda mu, sigma: stats.norm(mu, sigma),
    ),
    # Not sampled: the parameter is held at the value.
    "Fixed": Distribution(("value",), (), lambda name, value, **kw: value, lambda value: Point(value)),
    "Uniform": Distribution(
        ("lower", "upper"),
        ("upper",),
        lambda name, lower, upper, **kw: pm.Uniform(name, lower, upper, **kw),
        lambda lower, upper: stats.uniform(lower, upper - lower),
    ),
}


def frozen(dist: str, arguments: Mapping[str, float]) -> Any:
    """Return the SciPy distribution, for quantiles that a person can judge."""
    return DISTRIBUTIONS[dist].scipy(**arguments)
