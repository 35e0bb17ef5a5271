"""What a posterior keeps so that an answer can be held against the priors at once: its draws, reweighted.

Each prior, all priors together and the likelihood are raised to a power a little below and above one. The weights of
the draws are smoothed by ArviZ when the posterior is sampled; how far an answer moves is then arithmetic.
"""

import warnings
from typing import Any

import numpy as np
import xarray as xr

from bayescale.errors import QuestionError
from bayescale.laws.inputs import DRAW_DIMS
from bayescale.layers.pooling import of_name
from bayescale.modeling import Problem
from bayescale.priors import Prior

# The group of a posterior that holds the weights, and the powers.
POWER_SCALING = "power_scaling"
POWERS = (0.99, 1.01)
# How the prior of the spread between families is called, where a card has several.
SPREAD = "spread"
_CANNOT_BE_SCALED = ("Fixed", "Uniform")


def power_scaling(problem: Problem, posterior: xr.Dataset, log_likelihood: xr.Dataset) -> xr.Dataset:
    """Return the weights of the draws with one part of the model raised to a power, dims ``(..., power, chain, draw)``.

    ``one_prior``, of each that the card states (dim ``prior``); ``all_priors`` together; ``likelihood`` of
    all runs. The weights are smoothed (Pareto-smoothed importance sampling) and sum to one.

    Raises
    ------
    QuestionError
        If the draws are not those of a posterior of that card.
    """
    import arviz_stats  # noqa: F401 (registers the accessor azstats)

    each = log_priors(problem, posterior).to_dataarray("prior")
    runs = [dim for dim in log_likelihood[problem.response].dims if dim not in DRAW_DIMS]
    parts = {
        "one_prior": each,
        "all_priors": each.sum("prior"),
        "likelihood": log_likelihood[problem.response].sum(runs),
    }
    with warnings.catch_warnings():  # of few draws; how many there are is for the verdict to judge
        warnings.filterwarnings("ignore", message="Number of tail draws")
        return xr.Dataset({name: _weigh_draws(density.drop_attrs()) for name, density in parts.items()})


def _weigh_draws(density: xr.DataArray) -> xr.DataArray:
    dims = list(DRAW_DIMS)
    logs = [density.azstats.power_scale_lw(alpha=power, dim=dims) for power in POWERS]
    weights = np.exp(xr.concat(logs, xr.Variable("power", list(POWERS))))
    return (weights / weights.sum(dims)).transpose(..., "power", *dims)


def log_priors(problem: Problem, posterior: xr.Dataset) -> xr.Dataset:
    """Return the log density of each prior that the card states, under each draw, dims ``(chain, draw)``.

    Each on the scale where widening the prior leaves its centre: of the log, the logit or the parameter itself.

    Raises
    ------
    QuestionError
        If the draws are not those of a posterior of that card.
    """
    card, multiples = problem.card, problem.arrays
    densities = {}
    for name, prior in card.all_priors.items():
        if prior.dist not in _CANNOT_BE_SCALED:
            value = posterior[f"{name}_level" if f"{name}_level" in posterior else name]
            densities[name] = _prior_density(prior, value / float(multiples[of_name(prior)]) if prior.of else value)
    spreads = [_prior_density(card.spread, posterior[name]) for name in posterior if str(name).endswith("_spread")]
    if spreads:
        densities[SPREAD] = xr.concat(spreads, "parameter").sum("parameter")
    for name, density in densities.items():
        if not bool(np.isfinite(density).all()):
            raise QuestionError(
                f"this posterior has draws of {name} that its prior does not allow; it is of another card."
            )
    return xr.Dataset(densities).drop_attrs()


def _prior_density(prior: Prior, value: xr.DataArray) -> xr.DataArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        density = xr.apply_ufunc(prior.scipy.logpdf, value)
        if prior.dist in ("LogNormal", "Gamma", "Beta"):
            density = density + xr.ufuncs.log(value)
        if prior.dist == "Beta":
            density = density + xr.ufuncs.log1p(-value)
    return density.sum([dim for dim in density.dims if dim not in DRAW_DIMS])


def power_sensitivity(draws: xr.DataArray, weights: xr.DataArray) -> xr.DataArray:
    """Return how fast the distribution of draws moves with the power, by octave.

    The cumulative Jensen-Shannon distance of Kallioinen et al. 2024 (arXiv 2107.14054), as `arviz.psense` has it.

    Parameters
    ----------
    draws : xarray.DataArray
        Answers, dims ``(..., chain, draw)``.
    weights : xarray.DataArray
        From `power_scaling`, dims ``(..., power, chain, draw)``.
    """
    flat = {"sample": DRAW_DIMS}
    return xr.apply_ufunc(
        _measure_sensitivity,
        draws.stack(flat, create_index=False),
        weights.stack(flat, create_index=False),
        input_core_dims=[["sample"], ["power", "sample"]],
        vectorize=True,
    )


def _measure_sensitivity(draws: np.ndarray, weights: np.ndarray) -> Any:
    distances = [_measure_distance(sign * draws, weights) for sign in (1, -1)]
    return (np.max(distances, axis=0) / np.abs(np.log2(POWERS))).mean()


def _measure_distance(draws: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the cumulative Jensen-Shannon distance between draws as they are and weighted, for each set of weights."""
    order, count = np.argsort(draws), len(draws)
    widths = np.diff(draws[order])
    plain = np.linspace(1 / count, 1 - 1 / count, count - 1)
    moved = np.maximum(np.cumsum(weights[:, order], axis=1)[:, :-1], np.finfo(float).tiny)
    both = np.log2((plain + moved) / 2)
    apart = (plain - moved) @ widths * 0.5 / np.log(2)
    one = (plain * (np.log2(plain) - both)) @ widths - apart
    other = (moved * (np.log2(moved) - both)) @ widths + apart
    return np.sqrt((np.maximum(one, 0) + np.maximum(other, 0)) / ((plain + moved) @ widths))
