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
