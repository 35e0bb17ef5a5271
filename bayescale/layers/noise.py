"""How a run scatters about its law: the noise that a card may name, for losses and for shares such as accuracy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from scipy import stats

from bayescale.runs.checks.rounding import LOSS_STEP, rounding_se

Known = Mapping[str, Any]
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
        ``likelihood(name, mean, theta, known, observed)`` in PyMC.
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


def _logarithm(values: Any, known: Known) -> Any:
    return xr.ufuncs.log(values)


def _on_log(standard: Callable[..., Any], logpdf: Callable[..., Any], draw: Callable[..., Any], *shape: str) -> Noise:
    """Return the noise of a location-scale family on log loss, with its shape parameters by name."""

    def likelihood(name: str, mean: Any, theta: Values, known: Known, observed: Any) -> Any:
        scale = total_scale(pm.math, theta["sigma"], known["relative_se"])
        return standard(name, pm.math.log(mean), scale, *(theta[p] for p in shape), observed=observed)

    def density(observed: Any, mean: Any, theta: Values, known: Known) -> Any:
        scale = total_scale(np, theta["sigma"], known["relative_se"])
        return logpdf((observed - np.log(mean)) / scale, *(theta[p] for p in shape)) - np.log(scale)

    def new_run(rng: np.random.Generator, mean: Any, theta: Values, known: Known) -> Any:
        scale = total_scale(np, theta["sigma"], known["relative_se"])
        # A t with few degrees of freedom has draws whose exponential is infinite; quantiles bear that.
        with np.errstate(over="ignore"):
            return mean * np.exp(scale * draw(rng, mean.shape, *(theta[p] for p in shape)))

    return Noise(("sigma", *shape), ("relative_se",), False, _logarithm, likelihood, density, new_run)


def _parts(observed: Any, mean: Any, theta: Values, known: Known) -> tuple[Any, Any]:
    """Return the log densities of a run that is as its law says, and of one that is undertuned; each with its share."""
    scale = total_scale(np, theta["sigma"], known["relative_se"])
    residual, share = observed - np.log(mean), theta["undertuned"]
    tuned = stats.norm.logpdf(residual, scale=scale) + np.log1p(-share)
    return tuned, stats.exponnorm.logpdf(residual, theta["excess"] / scale, scale=scale) + np.log(share)


def _undertuned() -> Noise:
    """Return normal scatter with a share of runs that are worse still, by an exponential: a run is hardly better."""

    def likelihood(name: str, mean: Any, theta: Values, known: Known, observed: Any) -> Any:
        mu, scale = pm.math.log(mean), total_scale(pm.math, theta["sigma"], known["relative_se"])
        worse = pm.ExGaussian.dist(mu=mu, sigma=scale, nu=theta["excess"])
        weights = pm.math.stack([1 - theta["undertuned"], theta["undertuned"]])
        return pm.Mixture(name, w=weights, comp_dists=[pm.Normal.dist(mu, scale), worse], observed=observed)

    def density(observed: Any, mean: Any, theta: Values, known: Known) -> Any:
        return np.logaddexp(*_parts(observed, mean, theta, known))

    def new_run(rng: np.random.Generator, mean: Any, theta: Values, known: Known) -> Any:
        scale = total_scale(np, theta["sigma"], known["relative_se"])
        worse = (rng.random(mean.shape) < theta["undertuned"]) * rng.exponential(theta["excess"], mean.shape)
        return mean * np.exp(scale * rng.standard_normal(mean.shape) + worse)

    names = ("sigma", "undertuned", "excess")
    return Noise(names, ("relative_se",), False, _logarithm, likelihood, density, new_run)


def _beta(mean: Any, precision: Any) -> tuple[Any, Any]:
    return mean * precision, (1 - mean) * precision


def _counts(parameters: tuple[str, ...], likelihood: Any, logpmf: Any, chance: Any) -> Noise:
    """Return the noise of a share that is a count of right answers, each right with probability ``chance``."""
    return Noise(
        parameters,
        ("questions",),
        True,
        lambda values, known: (values * known["questions"]).round().astype("int64"),
        lambda name, mean, theta, known, observed: likelihood(name, mean, theta, known["questions"], observed),
        lambda observed, mean, theta, known: logpmf(observed, mean, theta, known["questions"]),
        lambda rng, mean, theta, known: rng.binomial(known["questions"], chance(rng, mean, theta)) / known["questions"],
    )


NOISES: dict[str, Noise] = {
    "StudentT": _on_log(
        lambda name, mu, scale, nu, **kw: pm.StudentT(name, nu=nu, mu=mu, sigma=scale, **kw),
        stats.t.logpdf,
        lambda rng, size, nu: rng.standard_t(nu, size=size),
        "nu",
    ),
    "Normal": _on_log(
        lambda name, mu, scale, **kw: pm.Normal(name, mu=mu, sigma=scale, **kw),
        stats.norm.logpdf,
        lambda rng, size: rng.standard_normal(size=size),
    ),
    "Laplace": _on_log(
        lambda name, mu, scale, **kw: pm.Laplace(name, mu=mu, b=scale, **kw),
        stats.laplace.logpdf,
        lambda rng, size: rng.laplace(size=size),
    ),
    "Undertuned": _undertuned(),
    "Beta": Noise(
        ("precision",),
        (),
        True,
        lambda values, known: values,
        lambda name, mean, theta, known, observed: pm.Beta(name, *_beta(mean, theta["precision"]), observed=observed),
        lambda observed, mean, theta, known: stats.beta.logpdf(observed, *_beta(mean, theta["precision"])),
        lambda rng, mean, theta, known: rng.beta(*_beta(mean, theta["precision"])),
    ),
    "Binomial": _counts(
        (),
        lambda name, mean, theta, n, observed: pm.Binomial(name, n=n, p=mean, observed=observed),
        lambda observed, mean, theta, n: stats.binom.logpmf(observed, n, mean),
        lambda rng, mean, theta: mean,
    ),
    "BetaBinomial": _counts(
        ("precision",),
        lambda name, mean, theta, n, observed: pm.BetaBinomial(
            name, *_beta(mean, theta["precision"]), n=n, observed=observed
        ),
        lambda observed, mean, theta, n: stats.betabinom.logpmf(observed, n, *_beta(mean, theta["precision"])),
        lambda rng, mean, theta: rng.beta(*_beta(mean, theta["precision"])),
    ),
}


def known_of(family: str, runs: xr.Dataset, response: str) -> dict[str, xr.DataArray]:
    """Return what a noise knows of each run: its measurement error, or how many questions its share rests on."""
    found = {}
    for name in NOISES[family].known:
        if name == "relative_se":
            absent = xr.zeros_like(runs[response])
            measured = runs["loss_se"].fillna(0.0) / runs[response] if "loss_se" in runs else absent
            rounded = rounding_se(runs.attrs.get(LOSS_STEP, 0.0))
            found[name] = xr.ufuncs.hypot(measured, rounded / runs[response]) if rounded else measured
        else:
            found[name] = runs[name].astype("int64")
    return found


def observed_name(family: str, response: str) -> str:
    """Return the name under which the noise sees the response: ``log_loss``, ``accuracy``."""
    return response if NOISES[family].of_shares else f"log_{response}"


def log_density(
    family: str, values: xr.DataArray, mean: xr.DataArray, known: Known, theta: Mapping[str, xr.DataArray]
) -> xr.DataArray:
    """Return the log density of observed responses under each draw, dims (chain, draw, run)."""
    return _of_each_run(NOISES[family].logpdf, family, values, mean, known, theta)


def undertuned_log_odds(
    values: xr.DataArray, mean: xr.DataArray, known: Known, theta: Mapping[str, xr.DataArray]
) -> xr.DataArray:
    """Return the log odds that each run is undertuned under each draw of a posterior with that noise."""

    def odds(*given: Any) -> Any:
        tuned, worse = _parts(*given)
        return worse - tuned

    return _of_each_run(odds, "Undertuned", values, mean, known, theta)


def _of_each_run(
    function: Callable[..., Any],
    family: str,
    values: xr.DataArray,
    mean: xr.DataArray,
    known: Known,
    theta: Mapping[str, xr.DataArray],
) -> xr.DataArray:
    """Return ``function(observed, mean, theta, known)`` for every run and draw."""
    noise = NOISES[family]
    names, held = list(noise.parameters), list(known)

    def of_arrays(observed: Any, m: Any, *rest: Any) -> Any:
        theta_, known_ = rest[: len(names)], rest[len(names) :]
        return function(observed, m, dict(zip(names, theta_, strict=True)), dict(zip(held, known_, strict=True)))

    given = (*(theta[n] for n in names), *(known[n] for n in held))
    return xr.apply_ufunc(of_arrays, noise.observe(values, known), mean, *given)


def draw_response(
    family: str, mean: xr.DataArray, theta: Mapping[str, xr.DataArray], rng: np.random.Generator, known: Known
) -> xr.DataArray:
    """Return the response of one new run for each element of ``mean``: the law's, with scatter and known error."""
    noise = NOISES[family]

    def full(value: Any) -> np.ndarray:
        variable = value.variable if isinstance(value, xr.DataArray) else xr.Variable((), value)
        return np.asarray(variable.set_dims(mean.sizes).transpose(*mean.dims).values)

    shape = {name: full(theta[name]) for name in noise.parameters}
    return mean.copy(data=noise.draw(rng, mean.values, shape, {name: full(value) for name, value in known.items()}))


def no_error(family: str) -> dict[str, float]:
    """Return what is known of a run not yet made: no measurement error; many questions."""
    return {name: 0.0 if name == "relative_se" else 10_000 for name in NOISES[family].known}
