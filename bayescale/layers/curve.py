"""The checkpoints of one run are not so many runs: they err together, and no rate of logging makes more of them.

``log L = log mu + offset + tilt + wander + noise``. A run has one offset, and falls faster or slower than the law, by
``tilt_sd`` a decade of tokens from the reference run; its wander is a smooth Gaussian process over log10
tokens, of standard deviation ``wander_sd``, that forgets over ``length`` decades; the noise of each checkpoint is its
own. All of these are integrated over exactly, so that each run has one density: that of all its checkpoints. The
length is a number and not sampled: curves tell how rough the wander is, and hardly its length and size apart.

Checkpoints are first averaged in bins of log10 tokens, eight a decade: whatever the rate at which a run was logged, the
model sees the same places, and a bin of n checkpoints has the noise of one over sqrt(n).

Where the curves tell their learning rate and it falls, mu is the loss of annealed runs, and a checkpoint lies above it
by ``hot * lr_fraction``, which may grow as powers of N and of tokens, and differs between runs by a share ``hot_sd``.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from bayescale.cards.card import Card
from bayescale.cards.tables import CURVE_MEANINGS
from bayescale.errors import DesignError
from bayescale.runs import final_runs
from bayescale.runs.curves.filters import RULES, as_filters
from bayescale.runs.curves.rates import RATES
from bayescale.runs.curves.segments import CHECKPOINT, run_segments

OF_RUN, COUNT, HEAT = "of_run", "checkpoints", "heat"
A_DECADE = 8  # bins: few enough to be quick, and finer than anything that a law says
SAME_LR = 0.02  # of the peak: a rate that moves by less stands still
CURVE_NAMES = ("sigma", *CURVE_MEANINGS)


# ---------------------------------------------------------------------------------------------- from curves to rows


def clock_of(known: Any) -> str:
    """Return what tells how far a run has got: tokens, or steps for want of them."""
    return "tokens" if "tokens" in known else "step"


def for_card(card: Card, runs: xr.Dataset) -> tuple[Card, xr.Dataset]:
    """Return the card as these runs can be asked, and what it is fitted to: for a curve card the bins of the curves.

    Raises
    ------
    DesignError
        If a curve card is given finished runs, or another card learning curves.
    """
    refuse_mismatch(card, runs)
    if card.curve is None or is_binned(runs):
        return card, runs
    _refuse_other_rules(card, runs)
    rows = binned(runs)
    return settled(card, rows), rows


def is_binned(runs: xr.Dataset) -> bool:
    """Return whether these rows are bins of learning curves."""
    return OF_RUN in runs.coords


def refuse_mismatch(card: Card, runs: xr.Dataset) -> None:
    """Refuse learning curves for a card of finished runs, and finished runs for a card of learning curves."""
    where = runs.attrs.get("source", "the runs")
    if card.curve is None and (CHECKPOINT in runs.dims or is_binned(runs)):
        raise DesignError(
            f"{where}: these are learning curves, and the model {card.name!r} takes each row for a run of its own. "
            f"Either fit {card.name + '+curve'!r}, which knows that a run's checkpoints err together, or pass the last "
            "checkpoint of every run, bs.final_runs(curves)."
        )
    if card.curve is not None and CHECKPOINT not in runs.dims and not is_binned(runs):
        raise DesignError(
            f"{where}: the model {card.name!r} is of learning curves, and these are {runs.sizes.get('run', 0)} "
            "finished runs with one loss each. Read the checkpoints with bs.read_curves, or fit "
            f"{card.name.replace('+curve', '')!r}."
        )


def _refuse_other_rules(card: Card, curves: xr.Dataset) -> None:
    """Refuse curves that were not read by the rules that the card names."""
    filters = as_filters(card.curve.filters) if card.curve and card.curve.filters else None
    if filters is None:
        return
    read = {rule["rule"]: rule["why"] for rule in json.loads(curves.attrs.get("filters", "[]"))}
    asked = filters.reasons()
    for name in RULES:
        if read.get(name) != asked.get(name):
            raise DesignError(
                f"{curves.attrs.get('source', 'the curves')}: by the card {card.name!r} the rule {name!r} is "
                f"{asked.get(name, 'off')!r}, and these curves were read with {read.get(name, 'it off')!r}. Read them "
                "with filters=card.curve.filters."
            )


def heat_of(curves: xr.Dataset) -> np.ndarray | None:
    """Return the learning rate of each checkpoint as a share of its run's peak; None where it is not told."""
    name = next((name for name in RATES if name in curves and np.isfinite(curves[name].values).all()), None)
    if name is None:
        return None
    share = curves[name].values.astype(float)
    if name == "lr":
        peak = pd.Series(share).groupby(curves["run"].values).transform("max").to_numpy()
        share = share / (curves["peak_lr"].values if "peak_lr" in curves else peak)
    return share if np.isfinite(share).all() else None


def binned(curves: xr.Dataset) -> xr.Dataset:
    """Return the curves with their checkpoints averaged, eight bins a decade of tokens, over ``run``: a row is a bin.

    Quantities that must be positive are averaged on the log, loss among them. Measurement errors are left out: those of
    one run's checkpoints are on the same held-out text and so shared, which the run's offset stands for.
    """
    segments = run_segments(curves)
    clock = clock_of(curves)
    heat = heat_of(curves)
    cell = np.floor(np.log10(curves[clock].values) * A_DECADE).astype(int)
    # A branch that was cooled down stands beside the run that it left, not in the same bin.
    cooled = np.zeros(cell.size, int) if heat is None else (heat < SAME_LR).astype(int)
    order = pd.DataFrame({"run": segments.index, "cell": cell, "cooled": cooled})
    of = order.groupby(["run", "cell", "cooled"], sort=False).ngroup().to_numpy()
    counts = np.bincount(of).astype(float)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.bincount(of, values) / counts)

    def middle(values: np.ndarray) -> np.ndarray:
        average = np.exp(mean(np.log(values))) if (values > 0).all() else mean(values)
        low, high = np.full(counts.size, np.inf), np.full(counts.size, -np.inf)
        np.fmin.at(low, of, values)
        np.fmax.at(high, of, values)
        return np.clip(average, low, high)  # what stays the same is not rounded

    out: dict[str, Any] = {}
    for name, values in curves.data_vars.items():
        if values.dims != (CHECKPOINT,) or values.dtype.kind not in "fi" or name in ("loss_se", "time"):
            continue
        out[str(name)] = ("run", middle(values.values.astype(float)), values.attrs)
    first = np.flatnonzero(~pd.Series(of).duplicated().to_numpy())
    out[COUNT] = ("run", counts)
    out[HEAT] = ("run", np.zeros(counts.size) if heat is None else mean(heat))
    coords = {OF_RUN: ("run", curves["run"].values[first])}
    labels = [name for name, of in curves.coords.items() if of.dims == (CHECKPOINT,) and name not in ("run", "row")]
    coords |= {str(name): ("run", curves[name].values[first]) for name in labels}
    rows = xr.Dataset(out, coords=coords, attrs=dict(curves.attrs))
    # By their mean tokens: a cooled branch goes on a little beyond the bin that it left.
    return rows.isel(run=np.lexsort([rows[clock].values, segments.index[first]]))


def settled(card: Card, rows: xr.Dataset) -> Card:
    """Return the card without what these curves, or its law, say nothing of: how much annealing would give."""
    assert card.curve is not None
    takes = card.get_law().inputs
    if np.ptp(rows[HEAT].values) < SAME_LR or "lr_area" in takes:
        gone = ["hot", "hot_sd", "hot_params", "hot_tokens"]
    else:
        gone = [] if "params" in takes else ["hot_params"]
        gone += [] if {"tokens", "step"} & set(takes) else ["hot_tokens"]
    curve = card.curve.model_copy(update=dict.fromkeys(gone))
    return card.model_copy(update={"curve": curve})


def named_runs(rows: xr.Dataset) -> list[str]:
    """Return the runs' names, in the order in which their rows stand."""
    return list(dict.fromkeys(rows[OF_RUN].values.tolist()))


def last_rows(rows: xr.Dataset) -> xr.Dataset:
    """Return the last bin of every run by the run's name: where a run is held against what was expected of it."""
    ends = rows.isel(run=~pd.Series(rows[OF_RUN].values).duplicated(keep="last").to_numpy())
    return ends.drop_vars(OF_RUN).assign_coords(run=ends[OF_RUN].values)


def last_checkpoints(curves: xr.Dataset) -> xr.Dataset:
    """Return the last checkpoint of every run with its learning rate: as in bins, noise stands for measurement."""
    heat, ends = heat_of(curves), final_runs(curves).drop_vars("loss_se", errors="ignore")
    return ends if heat is None else ends.assign({HEAT: ("run", heat[run_segments(curves).last])})


def logged_in(rows: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return what a law does not take of checkpoints: learning rate and count. Runs not yet made have neither."""
    return {name: rows[name] for name in (HEAT, COUNT) if name in rows}


# --------------------------------------------------------------------------------------------------- the covariance


def curve_arrays(card: Card, rows: xr.Dataset, reference: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Return where each run's rows are and what is known of them, shape (run, bin), filled up to the longest run."""
    if card.curve is None:
        return {}
    index = pd.factorize(rows[OF_RUN].values)[0]
    at = pd.Series(index).groupby(index).cumcount().to_numpy()
    shape = (index.max() + 1, at.max() + 1)

    def spread(values: np.ndarray) -> np.ndarray:
        out = np.zeros(shape, dtype=values.dtype)
        out[index, at] = values
        return out

    known = {name: spread(values) for name, values in known_along(rows, reference).items()}
    mask = spread(np.ones(index.size))
    return {
        "place": spread(np.arange(index.size)),
        "mask": mask,
        "observed_along": spread(np.log(rows["loss"].values)),
        **{name: known[name] for name in ("decades", "heat_params", "heat_tokens", HEAT)},
        **rotation(known["clock"], known["count"], mask, card.curve.length),
    }


def known_along(rows: xr.Dataset, reference: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Return what the covariance asks of each row: its place, its count, its learning rate and its size."""
    places = {name: np.zeros(rows.sizes["run"]) + value for name, value in relative_to(rows, reference).items()}
    return {"clock": np.log10(rows[clock_of(rows)].values), "count": rows[COUNT].values, HEAT: rows[HEAT].values} | {
        name: np.asarray(value) for name, value in places.items()
    }


def relative_to(known: Any, reference: Mapping[str, float]) -> dict[str, Any]:
    """Return where rows lie from the reference run, along their runs and in size; 0 in what the law does not take."""

    def log_ratio(name: str) -> Any:
        return np.log(known[name] / reference[name]) if name in reference and name in known else 0.0

    along = log_ratio(next((name for name in ("tokens", "step", "compute") if name in reference), ""))
    return {"decades": along / np.log(10), "heat_params": log_ratio("params"), "heat_tokens": along}


def excess(xp: Any, theta: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    """Return by how much log loss lies above what annealing would give; 0 where the card does not ask."""
    if "hot" not in theta:
        return 0.0 * known[HEAT]
    powers = sum((theta[f"hot_{n}"] * known[f"heat_{n}"] for n in ("params", "tokens") if f"hot_{n}" in theta), 0.0)
    return theta["hot"] * xp.exp(powers) * known[HEAT]


def alike(one: np.ndarray, other: np.ndarray, length: float) -> np.ndarray:
    """Return the correlation of the wander between places, shape (..., i, j): Matern's of 3/2, which has a slope."""
    u = np.sqrt(3.0) * np.abs(one[..., :, None] - other[..., None, :]) / length
    return np.asarray((1 + u) * np.exp(-u))


def rotation(clock: np.ndarray, count: np.ndarray, mask: np.ndarray, length: float) -> dict[str, np.ndarray]:
    """Return, for each run, the axes along which wander and noise are both independent, and the wander's variances.

    The length is known, so one decomposition serves all draws: along ``axes``, (run, axis, bin), the variance is
    ``wander_sd**2 * spread + sigma**2``. An axis of a bin that a run lacks is all zeros, and 0 in ``axis_mask``.
    """
    root = np.sqrt(count) * mask
    scaled = root[:, :, None] * alike(clock, clock, length) * root[:, None, :]
    # Set apart from all others, what stands for no bin keeps an axis to itself.
    spread, axes = np.linalg.eigh(scaled - np.eye(mask.shape[1]) * (1 - mask)[:, :, None])
    there = (spread > -0.5).astype(float)
    axes = np.swapaxes(axes, 1, 2) * root[:, None, :] * there[:, :, None]
    return {"axes": axes, "spread": np.maximum(spread, 0.0), "axis_mask": there}


def likelihood_along(name: str, mean: Any, theta: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """Add the density of every run's checkpoints together, up to a constant."""
    mask, axes = data["mask"], data["axes"]

    def along_axes(values: Any) -> Any:
        return pt.sum(axes * (values * mask)[:, None, :], axis=-1)

    above = excess(pt, theta, data)
    variance = theta["wander_sd"] ** 2 * data["spread"] + theta["sigma"] ** 2
    directions = [theta["offset_sd"] * along_axes(pt.ones_like(mask)), theta["tilt_sd"] * along_axes(data["decades"])]
    if "hot" in theta:
        directions.append(theta["hot_sd"] * along_axes(above))

    def density(observed: Any, expected: Any, variance: Any, *directions: Any) -> Any:
        return log_normal(pt, along_axes(observed - expected), variance, directions, data["axis_mask"])

    expected = pt.log(mean)[data["place"]] + above
    signature = f"{','.join(['(n)'] * (2 + len(directions)))}->(n)"
    pm.CustomDist(
        name, expected, variance, *directions, logp=density, signature=signature, observed=data["observed_along"]
    )


def inner(a: Any, b: Any, variance: Any, directions: Sequence[Any]) -> Any:
    """Return ``a' inv(K) b`` along axes that are independent but for directions in which all move together.

    The directions are dealt with in turn by the identity of Sherman and Morrison.
    """
    if not directions:
        return (a * b / variance).sum(axis=-1)
    *others, d = directions
    taken = inner(a, d, variance, others) * inner(d, b, variance, others) / (1 + inner(d, d, variance, others))
    return inner(a, b, variance, others) - taken


def log_normal(xp: Any, residual: Any, variance: Any, directions: Sequence[Any], there: Any) -> Any:
    """Return the log density of residuals along those axes, but for a constant."""
    logdet = (there * xp.log(variance)).sum(axis=-1)
    for k, d in enumerate(directions):
        logdet += xp.log1p(inner(d, d, variance, directions[:k]))
    return -0.5 * (inner(residual, residual, variance, directions) + logdet)


def one_row(theta: Mapping[str, Any], inputs: Mapping[str, Any], reference: Mapping[str, float]) -> tuple[Any, Any]:
    """Return how far a row lies above annealed log loss, and its scatter where no other row of its run has been seen.

    A row of which `logged_in` says nothing is one checkpoint of an annealed run.
    """
    known = relative_to(inputs, reference)
    above = excess(np, theta, known | {HEAT: inputs[HEAT]}) if HEAT in inputs else 0.0
    variance = theta["offset_sd"] ** 2 + theta["wander_sd"] ** 2 + theta["sigma"] ** 2 / inputs.get(COUNT, 1.0)
    variance = variance + (theta["tilt_sd"] * known["decades"]) ** 2 + (theta.get("hot_sd", 0.0) * above) ** 2
    return above, np.sqrt(variance)
