"""What the posterior says of a run along its checkpoints: their density, and the run's further course given them."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from bayescale.layers.curve import CURVE_NAMES, OF_RUN, alike, excess, inner, known_along, log_normal, rotation

Array = np.ndarray
DRAWS = ("chain", "draw")


class Course(NamedTuple):
    """Log loss at a place, as it was expected after each of a run's rows, dims (draw, row + 1): first after none."""

    mean: Array
    sd: Array


def of_curve(posterior: xr.Dataset) -> dict[str, Array]:
    """Return the draws of the curve's own parameters, one after the other."""
    own = {name: flat(posterior[name]) for name in CURVE_NAMES if name in posterior}
    return {"hot_sd": np.zeros(own["sigma"].size)} | own


def flat(values: xr.DataArray) -> Array:
    """Return draws of all chains one after the other, before any other dimension."""
    stacked = values.stack(sample=DRAWS).transpose("sample", ...)
    return np.asarray(stacked.values)


def log_density_along(
    posterior: xr.Dataset, mean: xr.DataArray, rows: xr.Dataset, reference: Mapping[str, float], length: float
) -> xr.DataArray:
    """Return the log density of all checkpoints of each run under each draw, dims (chain, draw, run)."""
    theta, log_mean = of_curve(posterior), np.log(flat(mean.transpose(*DRAWS, "run")))
    names = list(dict.fromkeys(rows[OF_RUN].values.tolist()))
    out = np.empty((log_mean.shape[0], len(names)))
    for k, name in enumerate(names):
        own = np.flatnonzero(rows[OF_RUN].values == name)
        known = known_along(rows.isel(run=own), reference)
        error = RowErrors.of_rows(theta, known, length)
        residual = (np.log(rows["loss"].values[own]) - log_mean[:, own] - error.above) @ error.axes.T
        density = log_normal(np, residual, error.variance, error.directions, 1.0)
        # The axes stretch by the root of the counts, and turn.
        out[:, k] = density + 0.5 * np.log(known["count"]).sum() - 0.5 * own.size * np.log(2 * np.pi)
    sizes = tuple(posterior.sizes[dim] for dim in DRAWS)
    coords = {dim: posterior[dim] for dim in DRAWS if dim in posterior.coords} | {"run": names}
    return xr.DataArray(out.reshape(*sizes, len(names)), dims=(*DRAWS, "run"), coords=coords)


def course(
    theta: Mapping[str, Array],
    log_mean: Array,
    known: Mapping[str, Array],
    observed: Array,
    target: Mapping[str, Array],
    length: float,
) -> Course:
    """Return what is expected of a run at one place beyond its rows, after each of them, for every draw.

    Parameters
    ----------
    theta : mapping
        Draws of the curve's parameters, from `of_curve`.
    log_mean : array
        Log loss by the law at the rows and, last, at the target, dims (draw, row + 1).
    known, observed
        Of the run's rows: `known_along`, and log loss.
    target : mapping
        What `known_along` gives of the target, of length 1.
    length : float
        The card's, in decades.
    """
    there = _excess_of_rows(theta, target)
    offset, tilt, hot = (theta[name][:, None] ** 2 for name in ("offset_sd", "tilt_sd", "hot_sd"))
    own = offset + tilt * target["decades"] ** 2 + theta["wander_sd"][:, None] ** 2 + hot * there**2
    prior = np.sqrt(own[:, 0])
    means, sds = [log_mean[:, -1] + there[:, 0]], [prior]
    for count in range(1, observed.size + 1):
        seen = {name: values[:count] for name, values in known.items()}
        error = RowErrors.of_rows(theta, seen, length)
        with_end = offset + tilt * seen["decades"] * target["decades"] + hot * error.above * there
        wander = theta["wander_sd"][:, None] ** 2 * alike(seen["clock"], target["clock"], length)[:, 0]
        shared = (with_end + wander) @ error.axes.T
        residual = (observed[:count] - log_mean[:, :count] - error.above) @ error.axes.T
        told = inner(shared, residual, error.variance, error.directions)
        gone = inner(shared, shared, error.variance, error.directions)
        means.append(log_mean[:, -1] + there[:, 0] + told)
        sds.append(np.sqrt(np.maximum(prior**2 - gone, 0.0)))
    return Course(np.stack(means, axis=1), np.stack(sds, axis=1))


class RowErrors(NamedTuple):
    """How the rows of one run err together, along the axes of `rotation`: all but ``above`` and ``axes`` there."""

    axes: Array
    variance: Array
    directions: list[Array]
    above: Array

    @staticmethod
    def of_rows(theta: Mapping[str, Array], known: Mapping[str, Array], length: float) -> "RowErrors":
        """Return the errors of the rows of one run, of which `known_along` says the places."""
        count = known["clock"].size
        turned = rotation(known["clock"][None], known["count"][None], np.ones((1, count)), length)
        axes, above = turned["axes"][0], _excess_of_rows(theta, known)
        variance = theta["wander_sd"][:, None] ** 2 * turned["spread"][0] + theta["sigma"][:, None] ** 2
        directions = [
            theta["offset_sd"][:, None] * axes.sum(axis=-1),
            theta["tilt_sd"][:, None] * (axes @ known["decades"]),
            theta["hot_sd"][:, None] * (above @ axes.T),
        ]
        return RowErrors(axes, variance, directions, above)


def _excess_of_rows(theta: Mapping[str, Array], known: Mapping[str, Array]) -> Array:
    """Return by how much each row lies above annealed log loss, dims (draw, row)."""
    above = excess(np, {name: value[:, None] for name, value in theta.items()}, known)
    return np.broadcast_to(above, (theta["sigma"].size, known["clock"].size))
