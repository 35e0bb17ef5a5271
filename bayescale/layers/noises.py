"""The noises that a card may name: how a run scatters about its law, for losses and for shares such as accuracy.

PyMC is passed to a likelihood, and SciPy is imported when a density is asked for: neither is needed to read a card.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

# What is known of each run: its measurement error, or how many questions its share was measured on.
Measured = Mapping[str, Any]
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Noise:
    """One family of noise.

    Attributes
    ----------
    parameters : tuple of str
        Its own parameters.
    known : tuple of str
        What is known of each run: ``relative_se`` (measurement error of log loss) or ``questions`` (how many the share
        was measured on).
    of_shares : bool
        Whether the response is a share in (0, 1); otherwise it is positive and the scatter is on its logarithm.
    observe : callable
        ``observe(response, known)``, the response as the likelihood sees it: a logarithm, a share, a count.
    likelihood : callable
        ``likelihood(pm, name, mean, theta, known, observed)`` in PyMC.
    logpdf : callable
        ``logpdf(observed, mean, theta, known)`` in NumPy.
    draw : callable
        ``draw(rng, mean, theta, known)``: the response of one new run.
    """

    parameters: tuple[str, ...]
    known: tuple[str, ...]
    of_shares: bool
    observe: Callable[..., Any]
    likelihood: Callable[..., Any]
    logpdf: Callable[..., Any]
    draw: Callable[..., Any]


# Every parameter that a noise may have, with what it means; the card's priors are checked against it.
NOISE_MEANINGS = {
    "sigma": "run-to-run scatter of log loss about the law: 0.01 is 1%",
    "nu": "degrees of freedom of the scatter: small means outliers are expected",
    "undertuned": "share of runs that are worse than their law for want of tuning",
    "excess": "how much worse these are in log loss, on average: 0.05 is 5%",
    "precision": "how close shares lie to the law: like an accuracy measured on that many questions",
}


def total_scale(xp: Any, sigma: Any, relative_se: Any) -> Any:
    """Return the scale of log loss for a run whose own measurement error is known: scatter and error in quadrature."""
    return xp.sqrt(sigma**2 + relative_se**2)


def _scipy_stats() -> Any:
    from scipy import stats

    return stats


def _log_density_of_t(x: Any, nu: Any) -> Any:
    from scipy.special import gammaln  # loads faster than scipy.stats

    norm = gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(np.pi * nu)
    return norm - (nu + 1) / 2 * np.log1p(x**2 / nu)


def _take_log(values: Any, known: Measured) -> Any:
    return xr.ufuncs.log(values)


def _scatter_on_log(
    standard: Callable[..., Any], logpdf: Callable[..., Any], draw: Callable[..., Any], *shape: str
) -> Noise:
    """Return the noise of a location-scale family on log loss, with its shape parameters by name."""

    def likelihood(pm: Any, name: str, mean: Any, theta: Values, known: Measured, observed: Any) -> Any:
        scale = total_scale(pm.math, theta["sigma"], known["relative_se"])
        return standard(pm, name, pm.math.log(mean), scale, *(theta[p] for p in shape), observed=observed)

    def density(observed: Any, mean: Any, theta: Values, known: Measured) -> Any:
        scale = total_scale(np, theta["sigma"], known["relative_se"])
        return logpdf((observed - np.log(mean)) / scale, *(theta[p] for p in shape)) - np.log(scale)

    def new_run(rng: np.random.Generator, mean: Any, theta: Values, known: Measured) -> Any:
        scale = total_scale(np, theta["sigma"], known["relative_se"])
        # A t with few degrees of freedom has draws whose exponential is infinite; quantiles bear that.
        with np.errstate(over="ignore"):
            return mean * np.exp(scale * draw(rng, mean.shape, *(theta[p] for p in shape)))

    return Noise(("sigma", *shape), ("relative_se",), False, _take_log, likelihood, density, new_run)


def undertuned_densities(observed: Any, mean: Any, theta: Values, known: Measured) -> tuple[Any, Any]:
    """Return the log densities of a run that is as its law says, and of one that is undertuned; each with its share."""
    scale = total_scale(np, theta["sigma"], known["relative_se"])
    residual, share = observed - np.log(mean), theta["undertuned"]
    tuned = _scipy_stats().norm.logpdf(residual, scale=scale) + np.log1p(-share)
    return tuned, _scipy_stats().exponnorm.logpdf(residual, theta["excess"] / scale, scale=scale) + np.log(share)


def _scatter_undertuned() -> Noise:
    """Return normal scatter with a share of runs that are worse still, by an exponential: a run is hardly better."""

    def likelihood(pm: Any, name: str, mean: Any, theta: Values, known: Measured, observed: Any) -> Any:
        mu, scale = pm.math.log(mean), total_scale(pm.math, theta["sigma"], known["relative_se"])
        worse = pm.ExGaussian.dist(mu=mu, sigma=scale, nu=theta["excess"])
        weights = pm.math.stack([1 - theta["undertuned"], theta["undertuned"]])
        return pm.Mixture(name, w=weights, comp_dists=[pm.Normal.dist(mu, scale), worse], observed=observed)

    def density(observed: Any, mean: Any, theta: Values, known: Measured) -> Any:
        return np.logaddexp(*undertuned_densities(observed, mean, theta, known))

    def new_run(rng: np.random.Generator, mean: Any, theta: Values, known: Measured) -> Any:
        scale = total_scale(np, theta["sigma"], known["relative_se"])
        worse = (rng.random(mean.shape) < theta["undertuned"]) * rng.exponential(theta["excess"], mean.shape)
        return mean * np.exp(scale * rng.standard_normal(mean.shape) + worse)

    names = ("sigma", "undertuned", "excess")
    return Noise(names, ("relative_se",), False, _take_log, likelihood, density, new_run)


def _beta_parameters(mean: Any, precision: Any) -> tuple[Any, Any]:
    return mean * precision, (1 - mean) * precision


def _count_answers(parameters: tuple[str, ...], likelihood: Any, logpmf: Any, chance: Any) -> Noise:
    """Return the noise of a share that is a count of right answers, each right with probability ``chance``."""
    return Noise(
        parameters,
        ("questions",),
        True,
        lambda values, known: (values * known["questions"]).round().astype("int64"),
        lambda pm, name, mean, theta, known, observed: likelihood(pm, name, mean, theta, known["questions"], observed),
        lambda observed, mean, theta, known: logpmf(observed, mean, theta, known["questions"]),
        lambda rng, mean, theta, known: rng.binomial(known["questions"], chance(rng, mean, theta)) / known["questions"],
    )


NOISES: dict[str, Noise] = {
    "StudentT": _scatter_on_log(
        lambda pm, name, mu, scale, nu, **kw: pm.StudentT(name, nu=nu, mu=mu, sigma=scale, **kw),
        _log_density_of_t,
        lambda rng, size, nu: rng.standard_t(nu, size=size),
        "nu",
    ),
    "Normal": _scatter_on_log(
        lambda pm, name, mu, scale, **kw: pm.Normal(name, mu=mu, sigma=scale, **kw),
        lambda x: -0.5 * (x**2 + np.log(2 * np.pi)),
        lambda rng, size: rng.standard_normal(size=size),
    ),
    "Laplace": _scatter_on_log(
        lambda pm, name, mu, scale, **kw: pm.Laplace(name, mu=mu, b=scale, **kw),
        lambda x: -np.abs(x) - np.log(2),
        lambda rng, size: rng.laplace(size=size),
    ),
    "Undertuned": _scatter_undertuned(),
    "Beta": Noise(
        ("precision",),
        (),
        True,
        lambda values, known: values,
        lambda pm, name, mean, theta, known, observed: pm.Beta(
            name, *_beta_parameters(mean, theta["precision"]), observed=observed
        ),
        lambda observed, mean, theta, known: _scipy_stats().beta.logpdf(
            observed, *_beta_parameters(mean, theta["precision"])
        ),
        lambda rng, mean, theta, known: rng.beta(*_beta_parameters(mean, theta["precision"])),
    ),
    "Binomial": _count_answers(
        (),
        lambda pm, name, mean, theta, n, observed: pm.Binomial(name, n=n, p=mean, observed=observed),
        lambda observed, mean, theta, n: _scipy_stats().binom.logpmf(observed, n, mean),
        lambda rng, mean, theta: mean,
    ),
    "BetaBinomial": _count_answers(
        ("precision",),
        lambda pm, name, mean, theta, n, observed: pm.BetaBinomial(
            name, *_beta_parameters(mean, theta["precision"]), n=n, observed=observed
        ),
        lambda observed, mean, theta, n: _scipy_stats().betabinom.logpmf(
            observed, n, *_beta_parameters(mean, theta["precision"])
        ),
        lambda rng, mean, theta: rng.beta(*_beta_parameters(mean, theta["precision"])),
    ),
}
