"""How a law may be wrong: a slow change of its local exponent with scale.

``log L = log mu + delta(log10 C)``. The slope of delta wanders: delta is an integrated Wiener process, zero with zero
slope in the middle of the fitted runs. Its rate is ``tau`` per decade at the largest run and falls by ``tau_growth``
with every decade, because laws are fitted to large runs. Beyond the fitted runs the process goes on in the same way: a
band widens with distance.

The process is made of independent steps. In each cell of log10 C the curvature is constant, so delta is a sum of steps
times known piecewise quadratics. The steps within the runs are sampled. The runs say nothing of the steps beyond them,
which are drawn from their prior once: one draw of the posterior is one curve.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, override

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict

from bayescale.errors import did_you_mean
from bayescale.laws import SCALES, Law
from bayescale.layers.groups import FAMILY
from bayescale.layers.layer import Context, Inputs, Known, Layer, Linear, ModelCard, Theta, Where
from bayescale.layers.noises import NOISES
from bayescale.layers.spans import Span, Spans, decades_below, measure
from bayescale.layers.whitened import create_whitened
from bayescale.priors import Prior

STEP, CELL = "drift_step", "drift_cell"
SIDE = 4  # cells on each side of the middle of the runs
# Where the cells beyond the largest run end, in decades: the far ones are wide, as nothing there is asked in detail.
BEYOND = np.concatenate([np.arange(0, 2, 0.25), np.arange(2, 4, 0.5), np.arange(4, 13, 1.0)])
DRIFT_MEANINGS = {
    "tau": "how fast the slope of log loss in log10 compute wanders about the law's, per decade, at the largest run",
    "tau_growth": "how much faster it wanders for each decade below the largest run, on the log",
}


class Drift(BaseModel):
    """The table ``[discrepancy]`` of a card: how the law may be wrong."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["drift"] = "drift"
    along: tuple[str, ...] | None = None
    tau: Prior
    tau_growth: Prior
    # Of the noise, which takes it from here in a card with a drift.
    sigma_growth: Prior | None = None

    @property
    def priors(self) -> dict[str, Prior]:
        """Priors of the drift's parameters by name."""
        names = (*DRIFT_MEANINGS, "sigma_growth")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


class DriftLayer(Layer):
    """The drift of a law."""

    table, word = "discrepancy", "drift"
    field: tuple[Any, Any] = (Drift | None, None)
    additions = MappingProxyType({"+drift": ()})

    @override
    def check(self, card: ModelCard, law: Law) -> None:
        if NOISES[card.noise.family].of_shares:
            raise ValueError(f"discrepancy: a drift is of log loss; this law predicts {law.response}.")
        along, accepted = card.discrepancy.along, dict.fromkeys(("compute", *law.inputs))
        for column in () if along is None else along:
            if column not in accepted or not SCALES[column].relative:
                raise ValueError(
                    f"discrepancy.along: {column!r} is no scale that the law takes.{did_you_mean(column, accepted)} "
                    f"Accepted: {', '.join(name for name in accepted if SCALES[name].relative)}."
                )
        if along == ():
            raise ValueError("discrepancy.along: name at least one scale, such as compute.")
        if card.discrepancy.sigma_growth is None and card.curve is None:
            raise ValueError("discrepancy.sigma_growth: only a card with a curve does without.")

    @override
    def meanings(self, card: ModelCard) -> dict[str, str]:
        return DRIFT_MEANINGS

    @override
    def scales(self, card: ModelCard) -> tuple[str, ...]:
        return (card.discrepancy.along or (measure(card.get_law()),)) if card.discrepancy else ()

    @override
    def know(self, card: ModelCard, runs: xr.Dataset, context: Context) -> Known:
        spans = {name: context.spans[name] for name in self.scales(card)}
        values = {name: runs[name].values.astype(float) for name in spans}
        within = slice(2 * SIDE)
        effect = np.concatenate([basis(values[k], span)[..., within] for k, span in spans.items()], axis=-1)
        arrays = {
            "drift_basis": effect,
            "drift_below": np.concatenate([below_top(span)[within] for span in spans.values()]),
        }
        if not card.curve:
            first = next(iter(spans))
            arrays |= _known_precision(card, effect, decades_below(values[first], spans[first]), runs, context.families)
        return Known(arrays, {CELL: list(range(2 * SIDE * len(spans)))})

    @override
    def in_model(self, card: ModelCard, mean: Any, theta: Theta, data: Mapping[str, Any]) -> tuple[Any, Theta]:
        import pymc as pm

        # Each family drifts on its own.
        many = FAMILY in pm.modelcontext(None).coords
        dims = (FAMILY, CELL) if many else (CELL,)
        rate = theta["tau"] * pm.math.exp(theta["tau_growth"] * data["drift_below"])
        if card.curve:  # the scatter of checkpoints is not that of runs
            steps = pm.Normal(STEP, 0.0, 1.0, dims=dims)
        else:
            steps = create_whitened(STEP, *_expect_steps(mean, theta, data, rate, many), dims)
        delta = pm.math.sum(data["drift_basis"] * (steps[data["family_index"]] if many else steps) * rate, axis=-1)
        return mean * pm.math.exp(delta), theta

    @override
    def respond(self, card: ModelCard, mean: Any, theta: Theta, where: Where) -> tuple[Any, Theta]:
        spans = {name: where.spans[name] for name in self.scales(card) if name in where.spans}
        return (mean * np.exp(drift(theta, where.inputs, spans)) if spans else mean), theta

    @override
    def linear(self, card: ModelCard, known: Known, where: Where) -> Linear:
        tau, growth = card.discrepancy.tau.median, card.discrepancy.tau_growth.median
        spans = {name: where.spans[name] for name in self.scales(card)}
        steps = [basis(where.inputs[k], span) * (tau * np.exp(growth * below_top(span))) for k, span in spans.items()]
        return super().linear(card, known, where)._replace(columns=np.concatenate(steps, axis=-1))

    @override
    def latents(self, card: ModelCard) -> tuple[str, ...]:
        return (STEP,)

    @override
    def extend_draws(self, card: ModelCard, posterior: xr.Dataset, spans: Spans, seed: int) -> xr.Dataset:
        return with_steps_beyond(posterior, {name: spans[name] for name in self.scales(card)}, seed)

    @override
    def draw_new_family(self, card: ModelCard, drawn: xr.Dataset, rng: np.random.Generator) -> dict[str, xr.DataArray]:
        if STEP not in drawn:
            return {}
        steps = drawn[STEP].isel({FAMILY: 0}, drop=True)
        return {STEP: steps.copy(data=rng.standard_normal(steps.shape))}


DRIFT = DriftLayer()


def _known_precision(
    card: ModelCard, effect: np.ndarray, below: np.ndarray, runs: xr.Dataset, families: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """Return what the runs know of steps: the weight of each run, and the precision of unit steps, for each family.

    Both are for a scatter of 1 at the largest run. How it grows for smaller runs is in the middle of its prior: these
    arrays say in which coordinates steps are sampled, and need not be exact.
    """
    labels = runs[FAMILY].values if FAMILY in runs.coords else np.full(runs.sizes["run"], families[0])
    weight = np.exp(-2 * card.discrepancy.sigma_growth.median * below)
    each = [effect[labels == name].T @ (effect * weight[:, None])[labels == name] for name in families]
    return {"drift_weight": weight, "drift_precision": np.array(each) if len(each) > 1 else each[0]}


def _expect_steps(mean: Any, theta: Theta, data: Mapping[str, Any], rate: Any, many: bool) -> tuple[Any, Any]:
    """Return the precision of the steps given all else, and precision times mean, about; see `whitened`."""
    import pymc as pm
    import pytensor.tensor as pt

    weight, effect, unit = data["drift_weight"], data["drift_basis"], data["drift_precision"]
    inverse = pt.mean(1 / ((theta["sigma"] ** 2 + data["relative_se"] ** 2) * weight))
    if "nu" in theta:  # what a run says of its mean, on average, where scatter has heavy tails
        inverse = inverse * pt.mean((theta["nu"] + 1) / (theta["nu"] + 3))
    pulled = effect * (weight * (data["observed"] - pm.math.log(mean)))[:, None]
    score = pt.zeros(unit.shape[:-1])[data["family_index"]].inc(pulled) if many else pm.math.sum(pulled, axis=0)
    return pt.eye(effect.shape[1]) + inverse * rate[:, None] * rate * unit, inverse * rate * score


def _cell_limits(span: Span) -> tuple[np.ndarray, np.ndarray]:
    """Return the limits of the cells as distances from the middle, downwards and upwards."""
    return np.linspace(0, span.middle - span.low, SIDE + 1), np.linspace(0, span.high - span.middle, SIDE + 1)


def _bend_by_cell(distance: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return what a unit step in each cell adds at these distances from the middle, shape (..., cell)."""
    square = np.maximum(distance[..., None] - edges, 0.0) ** 2 / 2
    width = np.diff(edges)
    # Cells of no width have no step to take.
    return -np.diff(square, axis=-1) / np.sqrt(np.where(width > 0, width, np.inf))


def basis(scale: np.ndarray, span: Span) -> np.ndarray:
    """Return what each step adds to delta at these scales, shape (..., cell): those within the runs, those beyond."""
    t = np.log10(scale) - span.middle
    down, up = _cell_limits(span)
    return np.concatenate([_bend_by_cell(-t, down), _bend_by_cell(t, up), _bend_by_cell(t, up[-1] + BEYOND)], axis=-1)


def below_top(span: Span) -> np.ndarray:
    """Return how many decades below the largest run the middle of each cell lies; negative beyond that run."""
    (down, up), top = _cell_limits(span), span.high - span.middle
    middles = [(edges[1:] + edges[:-1]) / 2 for edges in (down, up, BEYOND)]
    return np.concatenate([top + middles[0], top - middles[1], -middles[2]])


def drift(theta: Mapping[str, xr.DataArray], inputs: Inputs, spans: Spans) -> xr.DataArray:
    """Return delta for every draw at these scales: by how much log loss departs from the law."""
    parts = []
    for name, span in spans.items():
        scale = xr.DataArray(inputs[name])
        below = xr.DataArray(below_top(span), dims=CELL)
        effect = xr.DataArray(basis(scale.values, span), dims=(*scale.dims, CELL))
        steps = theta[STEP].sel(along=name, drop=True) * np.exp(theta["tau_growth"] * below)
        parts.append(theta["tau"] * xr.dot(steps, effect, dim=CELL))
    return sum(parts[1:], start=parts[0])


def with_steps_beyond(posterior: xr.Dataset, spans: Spans, seed: int) -> xr.Dataset:
    """Return the posterior with the steps beyond the runs, and the steps by the scale that they are along."""
    if not spans or STEP not in posterior:
        return posterior
    inside = posterior[STEP].transpose(..., CELL)
    rng, parts = np.random.default_rng([seed, 4]), []
    for i in range(len(spans)):
        within = inside.values[..., 2 * SIDE * i : 2 * SIDE * (i + 1)]
        beyond = rng.standard_normal((*within.shape[:-1], len(BEYOND) - 1))
        parts.append(np.concatenate([within, beyond], axis=-1))
    steps = xr.DataArray(np.stack(parts), dims=("along", *inside.dims), coords={"along": list(spans)})
    kept = {name: inside.coords[name] for name in inside.dims if name in inside.coords and name != CELL}
    return posterior.drop_dims(CELL).assign({STEP: steps.assign_coords(kept).transpose(..., "along", CELL)})
