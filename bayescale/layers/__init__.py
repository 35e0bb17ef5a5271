"""What surrounds a law in a model: pooling, noise, drift, the errors of a curve's checkpoints, errors that runs share.

`LAYERS` lists the layers in the order in which they act on what the law expects. `layer.Layer` says what a layer is.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayescale.layers.curve import CURVE
from bayescale.layers.drift import DRIFT
from bayescale.layers.layer import Layer, ModelCard, Where
from bayescale.layers.noise import NOISE
from bayescale.layers.pooling import POOLING
from bayescale.layers.shared_errors import SHARED_ERRORS
from bayescale.layers.spans import Span, Spans

LAYERS: tuple[Layer, ...] = (POOLING, NOISE, DRIFT, CURVE, SHARED_ERRORS)
# What the name of a card may end with, each with the table of the defaults and the keys there that it adds.
ADDITIONS: dict[str, tuple[str, ...]] = {
    end: (layer.table, *keys) for layer in LAYERS for end, keys in layer.additions.items()
}


def layers_of(card: ModelCard) -> tuple[Layer, ...]:
    """Return the layers that a card has, in the order in which they act."""
    return tuple(layer for layer in LAYERS if layer.always or getattr(card, layer.table))


def sampled_names(card: ModelCard) -> tuple[str, ...]:
    """Return the names of all that a response depends on: parameters, and the layers' other draws."""
    return (*card.all_priors, *(name for layer in layers_of(card) for name in layer.latents(card)))


def spans_of(card: ModelCard, runs: xr.Dataset) -> dict[str, Span]:
    """Return where the runs lie along each scale that a layer of the card asks for."""
    scales = dict.fromkeys(name for layer in layers_of(card) for name in layer.scales(card))
    logs = {name: np.log10(runs[name].values.astype(float)) for name in scales}
    return {name: Span(float(t.min()), float(np.median(t)), float(t.max())) for name, t in logs.items()}


def read_inputs(card: ModelCard, runs: xr.Dataset, but: Layer | None = None) -> dict[str, xr.DataArray]:
    """Return what the law and the layers read of runs, for `respond`; leaving out what one of the layers reads."""
    layers = layers_of(card)
    scales = dict.fromkeys((*card.get_law().inputs, *(name for layer in layers for name in layer.scales(card))))
    inputs = {name: runs[name] for name in scales}
    for layer in layers:
        inputs |= {} if layer is but else layer.read_inputs(card, runs)
    return inputs


def respond(
    card: ModelCard, theta: Mapping[str, Any], inputs: Mapping[str, Any], reference: Mapping[str, float], spans: Spans
) -> tuple[Any, dict[str, Any]]:
    """Return the expected response with all layers, and the parameters as they hold there: scatter differs with scale.

    Parameters
    ----------
    card : Card
        The model card.
    theta : mapping
        Draws of all that `sampled_names` names.
    inputs : mapping
        By column, in their own units: what the law takes, and the scales along which a layer asks. What a layer reads
        of runs (`read_inputs`) is not known of runs not yet made, which are annealed, and whose errors widen their
        scatter.
    reference : mapping
        The reference run.
    spans : mapping of str to Span
        Where the fitted runs lie along those scales.
    """
    mean, local = card.get_law().at(np, inputs, theta, reference), dict(theta)
    for layer in layers_of(card):
        mean, local = layer.respond(card, mean, local, Where(inputs, reference, spans))
    return mean, local


__all__ = [
    "ADDITIONS",
    "CURVE",
    "LAYERS",
    "Layer",
    "Span",
    "Spans",
    "layers_of",
    "read_inputs",
    "respond",
    "sampled_names",
    "spans_of",
]
