"""How a law may be wrong: a slow change of its local exponent with scale, and scatter that grows for smaller runs.

``log L = log mu + delta(log10 C)``. The slope of delta wanders: delta is an integrated Wiener process, zero with zero
slope in the middle of the fitted runs. Its rate is ``tau`` per decade at the largest run and falls by ``tau_growth``
with every decade, as laws are of large runs; beyond the fitted runs it goes on so, and a band widens with distance.

The process is made of independent steps: in each cell of log10 C the curvature is constant, so that delta is a sum of
steps times known piecewise quadratics. The steps within the runs are sampled; those beyond, of which the runs say
nothing, are drawn from their prior once, so that one draw of the posterior is one curve.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from bayescale.cards.card import Card
from bayescale.laws import Law
from bayescale.layers.curve import one_row
from bayescale.layers.shared_errors import error_name, respond_together

STEP, CELL = "drift_step", "drift_cell"
SIDE = 4  # cells on each side of the middle of the runs
# Where the cells beyond the largest run end, in decades: the far ones are wide, as nothing there is asked in detail.
BEYOND = np.concatenate([np.arange(0, 2, 0.25), np.arange(2, 4, 0.5), np.arange(4, 13, 1.0)])


class Span(NamedTuple):
    """Where the fitted runs lie on log10 of a scale: the smallest, the middle and the largest."""

    low: float
    middle: float
    high: float


Spans = Mapping[str, Span]


def drift_columns(card: Card) -> tuple[str, ...]:
    """Return the scales along which a card's law may drift, or its scatter grows; none where neither does."""
    if card.discrepancy is None:
        return (measure(card.get_law()),) if card.noise.growth else ()
    return card.discrepancy.along or (measure(card.get_law()),)


def measure(law: Law) -> str:
    """Return the scale by which runs of this law are large: compute where it follows, or the first that it takes."""
    follows = {"params", "tokens"} <= set(law.inputs) or {"params", "step", "batch"} <= set(law.inputs)
    return "compute" if follows or "compute" in law.inputs else law.inputs[0]


def sampled_names(card: Card) -> tuple[str, ...]:
    """Return the names of all that a response depends on: parameters, the steps of a drift, errors that runs share."""
    return (*card.all_priors, *((STEP,) if card.discrepancy else ()), *map(error_name, card.errors))


def spans_of(card: Card, runs: xr.Dataset) -> dict[str, Span]:
    """Return where the runs lie along each scale of the drift, or the one along which scatter grows."""
    logs = {name: np.log10(runs[name].values.astype(float)) for name in drift_columns(card)}
    return {name: Span(float(t.min()), float(np.median(t)), float(t.max())) for name, t in logs.items()}


def _edges(span: Span) -> tuple[np.ndarray, np.ndarray]:
    """Return the limits of the cells as distances from the middle, downwards and upwards."""
    return np.linspace(0, span.middle - span.low, SIDE + 1), np.linspace(0, span.high - span.middle, SIDE + 1)


def _bends(distance: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return what a unit step in each cell adds at these distances from the middle, shape (..., cell)."""
    square = np.maximum(distance[..., None] - edges, 0.0) ** 2 / 2
    width = np.diff(edges)
    # Cells of no width have no step to take.
    return -np.diff(square, axis=-1) / np.sqrt(np.where(width > 0, width, np.inf))


def basis(scale: np.ndarray, span: Span) -> np.ndarray:
    """Return what each step adds to delta at these scales, shape (..., cell): those within the runs, those beyond."""
    t = np.log10(scale) - span.middle
    down, up = _edges(span)
    return np.concatenate([_bends(-t, down), _bends(t, up), _bends(t, up[-1] + BEYOND)], axis=-1)


def below_top(span: Span) -> np.ndarray:
    """Return how many decades below the largest run the middle of each cell lies; negative beyond it."""
    (down, up), top = _edges(span), span.high - span.middle
    return np.concatenate([top + _middle(down), top - _middle(up), -_middle(BEYOND)])


def _middle(edges: np.ndarray) -> np.ndarray:
    return (edges[1:] + edges[:-1]) / 2


def decades_below(scale: Any, span: Span) -> Any:
    """Return how far below the largest fitted run a scale lies, in decades; 0 beyond it."""
    return np.maximum(span.high - np.log10(scale), 0.0)


def drift_arrays(card: Card, runs: xr.Dataset, spans: Spans) -> dict[str, np.ndarray]:
    """Return what the model is conditioned on: the steps' effects at the runs, and how far below the top all lie."""
    if not spans:
        return {}
    values = {name: runs[name].values.astype(float) for name in spans}
    first = next(iter(spans))
    below = {"run_below": decades_below(values[first], spans[first])}
    if card.discrepancy is None:
        return below
    return below | {
        "drift_basis": np.concatenate([basis(values[k], span)[..., : 2 * SIDE] for k, span in spans.items()], axis=-1),
        "drift_below": np.concatenate([below_top(span)[: 2 * SIDE] for span in spans.values()]),
    }


def respond(
    card: Card, theta: Mapping[str, Any], inputs: Mapping[str, Any], reference: Mapping[str, float], spans: Spans
) -> tuple[Any, dict[str, Any]]:
    """Return the expected response, drift included, and the parameters as they hold there: scatter differs with scale.

    Parameters
    ----------
    card : Card
        The model card.
    theta : mapping
        Draws of the law's, the noise's and the drift's parameters and, where there is a drift, of its steps; of errors
        that runs share, where the card has them.
    inputs : mapping
        By column, in their own units, with the scales along which the law drifts; of runs that were logged, what is
        known of their checkpoints (`logged_in`), else they are annealed; and the groups of those that were fitted
        (`groups_in`): any other run has errors of its own, which widen its scatter.
    reference : mapping
        The reference run.
    spans : mapping of str to Span
        Where the fitted runs lie; empty without a drift.
    """
    mean = card.get_law().at(np, inputs, theta, reference)
    local = dict(theta)
    if spans:
        first = next(iter(spans))
        if card.discrepancy:
            mean = mean * np.exp(drift(theta, inputs, spans))
        if "sigma_growth" in theta:
            growth = theta["sigma_growth"] * decades_below(inputs[first], spans[first])
            local["sigma"] = theta["sigma"] * np.exp(growth)
    if card.curve:
        above, local["sigma"] = one_row(local, inputs, reference)
        mean = mean * np.exp(above)
    return respond_together(card, mean, local, inputs) if card.errors else (mean, local)


def drift(theta: Mapping[str, xr.DataArray], inputs: Mapping[str, Any], spans: Spans) -> xr.DataArray:
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
