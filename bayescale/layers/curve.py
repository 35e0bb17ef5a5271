"""The checkpoints of one run are not so many runs: they err together, and no rate of logging makes more of them.

``log L = log mu + offset + tilt + wander + noise``. A run has one offset, and falls faster or slower than the law, by
``tilt_sd`` a decade of tokens from the reference run. Its wander is a smooth Gaussian process over log10 tokens, of
standard deviation ``wander_sd``, that forgets over ``length`` decades. The noise of each checkpoint is its own. All of
these are integrated over exactly, and each run has one density: that of all its checkpoints. The length is a number and
not sampled: curves tell how rough the wander is, and hardly its length and size apart.

Checkpoints are first averaged in bins of log10 tokens (`bayescale.runs.curves.bins`); the noise of a bin of n
checkpoints is that of one over sqrt(n).

Where the curves tell their learning rate and it falls, mu is the loss of annealed runs. A checkpoint lies above mu by
``hot * lr_fraction``. The excess may grow as powers of N and of tokens, and differs between runs by a share
``hot_sd``.
"""

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self, override

import numpy as np
import pandas as pd
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bayescale.errors import DesignError, RunsError
from bayescale.laws import Law
from bayescale.layers.layer import Context, Known, Layer, ModelCard, Theta, Where
from bayescale.priors import Prior
from bayescale.runs.curves.bins import COUNT, HEAT, OF_RUN, SAME_LR, binned, clock_of, is_binned
from bayescale.runs.curves.filters import RULES, as_filters
from bayescale.runs.curves.segments import CHECKPOINT

Array = np.ndarray
CURVE_MEANINGS = {
    "offset_sd": "how far whole runs lie from the law in log loss: 0.01 is 1%",
    "tilt_sd": "how much faster or slower runs fall than the law, in log loss a decade of tokens",
    "wander_sd": "how far a run wanders about its own level as it trains, in log loss",
    "hot": "log loss at the peak learning rate above what annealing would give, at the reference run",
    "hot_sd": "by what share of it runs differ in that",
    "hot_params": "how fast it grows with N: the power of N",
    "hot_tokens": "how fast it grows with tokens: the power of D",
}
CURVE_NAMES = ("sigma", *CURVE_MEANINGS)


class Curve(BaseModel):
    """The table ``[curve]`` of a card: how the checkpoints of a run err together."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    offset_sd: Prior
    tilt_sd: Prior
    wander_sd: Prior
    length: float = Field(gt=0, lt=10, allow_inf_nan=False)
    hot: Prior | None = None
    hot_sd: Prior | None = None
    hot_params: Prior | None = None
    hot_tokens: Prior | None = None
    # What differs from the reader's own rules; false turns one off.
    filters: dict[str, float | bool] = Field(default_factory=dict)

    @field_validator("filters", mode="after")
    @classmethod
    def _check_filters(cls, filters: dict[str, float | bool]) -> dict[str, float | bool]:
        try:
            as_filters(filters)
        except RunsError as error:
            raise ValueError(str(error).removeprefix("filters: ")) from None
        return filters

    @model_validator(mode="after")
    def _check_priors(self) -> Self:
        for name, prior in self.priors.items():
            if name not in ("hot_params", "hot_tokens") and prior.support[0] < 0:
                raise ValueError(f"{name}: {prior} allows negative values; it must be positive.")
        if (self.hot is None) != (self.hot_sd is None) or (self.hot is None and (self.hot_params or self.hot_tokens)):
            raise ValueError("hot and hot_sd come together, and hot_params and hot_tokens only with them.")
        return self

    @property
    def priors(self) -> dict[str, Prior]:
        """Priors of the curve's parameters by name."""
        return {name: getattr(self, name) for name in CURVE_MEANINGS if getattr(self, name) is not None}


class CurveLayer(Layer):
    """The errors that the checkpoints of one run have together."""

    table, word = "curve", "curve"
    field: tuple[Any, Any] = (Curve | None, None)
    additions = MappingProxyType({"+curve": ()})

    @override
    def complete_table(self, content: Mapping[str, Any], defaults: dict[str, Any], response: str) -> dict[str, Any]:
        if content.get("curve") not in (None, "none"):
            # The noise is that of a checkpoint, which is the same at all sizes.
            defaults["noise"] |= dict.fromkeys(("loss", "share"), defaults["noise"]["checkpoint"])
            defaults["discrepancy"].pop("sigma_growth", None)
        return super().complete_table(content, defaults, response)

    @override
    def reconcile_tables(self, content: dict[str, Any], defaults: Mapping[str, Any], added: str) -> None:
        if added == "curve":
            # The noise that the card had is that of finished runs.
            content["noise"] = defaults["noise"]["checkpoint"]

    @override
    def check(self, card: ModelCard, law: Law) -> None:
        if law.response != "loss":
            raise ValueError(f"curve: checkpoints are of loss; this law predicts {law.response}.")
        if card.noise.family != "Normal":
            raise ValueError(f"noise.family: the noise of a checkpoint is Normal, got {card.noise.family}.")
        if card.noise.growth or (card.discrepancy and card.discrepancy.sigma_growth):
            raise ValueError("sigma_growth: the noise of a checkpoint is the same at all sizes; leave it out.")
        if card.pooling.get("sigma", "complete") != "complete":
            raise ValueError("pooling.sigma: the noise of a checkpoint is the same in all groups; accepted: complete.")
        if card.errors:
            raise ValueError(
                f"errors.{next(iter(card.errors))}: a card with a curve takes runs to err each by itself. Fit the "
                "finished runs, bs.runs.final_runs(curves), with the same card and no curve."
            )
        taken = [name for name in card.curve.priors if name in law.parameter_names]
        if taken:
            raise ValueError(f"curve.{taken[0]}: the law has a parameter {taken[0]!r} of its own.")

    @override
    def meanings(self, card: ModelCard) -> dict[str, str]:
        return CURVE_MEANINGS

    @override
    def prepare_rows(self, card: ModelCard, runs: xr.Dataset) -> tuple[Any, xr.Dataset]:
        _refuse_mismatch(card, runs)
        if card.curve is None or is_binned(runs):
            return card, runs
        _refuse_other_rules(card, runs)
        rows = binned(runs)
        return _drop_untold_priors(card, rows), rows

    @override
    def read_inputs(self, card: ModelCard, runs: xr.Dataset) -> dict[str, xr.DataArray]:
        # What a law does not take of checkpoints. Runs not yet made have neither.
        return {name: runs[name] for name in (HEAT, COUNT) if name in runs}

    @override
    def know(self, card: ModelCard, runs: xr.Dataset, context: Context) -> Known:
        # The arrays have the shape (run, bin), padded to the longest run.
        index = pd.factorize(runs[OF_RUN].values)[0]
        at = pd.Series(index).groupby(index).cumcount().to_numpy()
        shape = (index.max() + 1, at.max() + 1)

        def spread(values: Array) -> Array:
            out = np.zeros(shape, dtype=values.dtype)
            out[index, at] = values
            return out

        known = {name: spread(values) for name, values in known_along(runs, context.reference).items()}
        mask = spread(np.ones(index.size))
        arrays = {
            "place": spread(np.arange(index.size)),
            "mask": mask,
            "observed_along": spread(np.log(runs["loss"].values)),
            **{name: known[name] for name in ("decades", "heat_params", "heat_tokens", HEAT)},
            **rotation(known["clock"], known["count"], mask, card.curve.length),
        }
        return Known(arrays)

    @override
    def respond(self, card: ModelCard, mean: Any, theta: Theta, where: Where) -> tuple[Any, Theta]:
        above, sigma = one_row(theta, where.inputs, where.reference)
        return mean * np.exp(above), theta | {"sigma": sigma}

    @override
    def add_likelihood(self, card: ModelCard, name: str, mean: Any, theta: Theta, data: Mapping[str, Any]) -> bool:
        # A run has one density, that of all its checkpoints, up to a constant.
        import pymc as pm
        import pytensor.tensor as pt

        mask, axes = data["mask"], data["axes"]

        def along_axes(values: Any) -> Any:
            return pt.sum(axes * (values * mask)[:, None, :], axis=-1)

        above = excess(pt, theta, data)
        variance = theta["wander_sd"] ** 2 * data["spread"] + theta["sigma"] ** 2
        directions = [
            theta["offset_sd"] * along_axes(pt.ones_like(mask)),
            theta["tilt_sd"] * along_axes(data["decades"]),
        ]
        if "hot" in theta:
            directions.append(theta["hot_sd"] * along_axes(above))

        def density(observed: Any, expected: Any, variance: Any, *directions: Any) -> Any:
            return log_normal(pt, along_axes(observed - expected), variance, directions, data["axis_mask"])

        expected = pt.log(mean)[data["place"]] + above
        signature = f"{','.join(['(n)'] * (2 + len(directions)))}->(n)"
        pm.CustomDist(
            name, expected, variance, *directions, logp=density, signature=signature, observed=data["observed_along"]
        )
        return True


CURVE = CurveLayer()


def _refuse_mismatch(card: ModelCard, runs: xr.Dataset) -> None:
    """Refuse learning curves for a card of finished runs, and finished runs for a card of learning curves."""
    where = runs.attrs.get("source", "the runs")
    if card.curve is None and (CHECKPOINT in runs.dims or is_binned(runs)):
        raise DesignError(
            f"{where}: these are learning curves, and the model {card.name!r} takes each row for a run of its own. "
            f"Either fit {card.name + '+curve'!r}, which knows that a run's checkpoints err together, or pass the last "
            "checkpoint of every run, bs.runs.final_runs(curves)."
        )
    if card.curve is not None and CHECKPOINT not in runs.dims and not is_binned(runs):
        raise DesignError(
            f"{where}: the model {card.name!r} is of learning curves, and these are {runs.sizes.get('run', 0)} "
            "finished runs with one loss each. Read the checkpoints with bs.read_curves, or fit "
            f"{card.name.replace('+curve', '')!r}."
        )


def _refuse_other_rules(card: ModelCard, curves: xr.Dataset) -> None:
    """Refuse curves that were not read by the rules that the card names."""
    read = {rule["rule"]: rule["why"] for rule in json.loads(curves.attrs.get("filters", "[]"))}
    filters = as_filters(card.curve.filters) if card.curve.filters else None
    asked = filters.reasons() if filters else read
    for name in RULES:
        if read.get(name) != asked.get(name):
            raise DesignError(
                f"{curves.attrs.get('source', 'the curves')}: by the card {card.name!r} the rule {name!r} is "
                f"{asked.get(name, 'off')!r}, and these curves were read with {read.get(name, 'it off')!r}. Read them "
                "with filters=card.curve.filters."
            )


def _drop_untold_priors(card: ModelCard, rows: xr.Dataset) -> Any:
    """Return the card without what these curves, or its law, say nothing of: how much annealing would give."""
    takes = card.get_law().inputs
    if np.ptp(rows[HEAT].values) < SAME_LR or "lr_area" in takes:
        gone = ["hot", "hot_sd", "hot_params", "hot_tokens"]
    else:
        gone = [] if "params" in takes else ["hot_params"]
        gone += [] if {"tokens", "step"} & set(takes) else ["hot_tokens"]
    return card.model_copy(update={"curve": card.curve.model_copy(update=dict.fromkeys(gone))})


def known_along(rows: xr.Dataset, reference: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Return what the covariance asks of each row: its place, its count, its learning rate and its size."""
    own = {"clock": np.log10(rows[clock_of(rows)].values), "count": rows[COUNT].values, HEAT: rows[HEAT].values}
    places = relative_to(rows, reference)
    return own | {name: np.asarray(np.zeros(rows.sizes["run"]) + value) for name, value in places.items()}


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


def alike(clock: np.ndarray, other: np.ndarray, length: float) -> np.ndarray:
    """Return the correlation of the wander between places, shape (..., i, j): Matern's of 3/2, which has a slope."""
    u = np.sqrt(3.0) * np.abs(clock[..., :, None] - other[..., None, :]) / length
    return np.asarray((1 + u) * np.exp(-u))


def rotation(clock: np.ndarray, count: np.ndarray, mask: np.ndarray, length: float) -> dict[str, np.ndarray]:
    """Return, for each run, the axes along which wander and noise are both independent, and the wander's variances.

    The length is known, so one decomposition serves all draws: along ``axes``, (run, axis, bin), the variance is
    ``wander_sd**2 * spread + sigma**2``. An axis of a bin that a run lacks is all zeros, and 0 in ``axis_mask``.
    """
    root = np.sqrt(count) * mask
    scaled = root[:, :, None] * alike(clock, clock, length) * root[:, None, :]
    # The padding is independent of all bins, so that each padded place keeps an axis to itself.
    spread, axes = np.linalg.eigh(scaled - np.eye(mask.shape[1]) * (1 - mask)[:, :, None])
    there = (spread > -0.5).astype(float)
    axes = np.swapaxes(axes, 1, 2) * root[:, None, :] * there[:, :, None]
    return {"axes": axes, "spread": np.maximum(spread, 0.0), "axis_mask": there}


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

    A row without a learning rate and a count is one checkpoint of an annealed run.
    """
    known = relative_to(inputs, reference)
    above = excess(np, theta, known | {HEAT: inputs[HEAT]}) if HEAT in inputs else 0.0
    variance = theta["offset_sd"] ** 2 + theta["wander_sd"] ** 2 + theta["sigma"] ** 2 / inputs.get(COUNT, 1.0)
    variance = variance + (theta["tilt_sd"] * known["decades"]) ** 2 + (theta.get("hot_sd", 0.0) * above) ** 2
    return above, np.sqrt(variance)
