"""A card and runs, prepared and checked once: what every model, fit and diagnosis of the two starts from."""

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from bayescale.cards.card import Card
from bayescale.laws import LAWS, Law, law_by_name, symbols
from bayescale.layers import LAYERS, layers_of, spans_of
from bayescale.layers.groups import FAMILY
from bayescale.layers.layer import Context, Known
from bayescale.layers.noise import observed_name
from bayescale.layers.spans import Spans
from bayescale.modeling.design import check_rows
from bayescale.runs.read import as_runs

# Prefix of what the law reads, so that no symbol can be taken for a parameter.
INPUT = "input_"


@dataclass(frozen=True)
class Problem:
    """A card and the runs that it is to be fitted to.

    Attributes
    ----------
    card : Card
        The card as these runs can be asked: a card of learning curves without what the curves say nothing of.
    law : Law
        The law of the card.
    runs : xarray.Dataset
        The rows that the model is fitted to, dims ``run``: finished runs, or bins of learning curves.
    reference : dict of str to float
        The reference run, by column.
    families : tuple of str
        The families by name; one unnamed where the runs have none.
    spans : dict of str to Span
        Where the runs lie along each scale that a layer asks for.
    known : dict of str to Known
        What each layer of the card knows of the runs, by the layer's table.
    """

    card: Card
    law: Law
    runs: xr.Dataset
    reference: dict[str, float]
    families: tuple[str, ...]
    spans: Spans
    known: Mapping[str, Known]

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """What conditions the model, by the name of its `pm.Data`."""
        values = {name: self.runs[name].values.astype(float) for name in self.law.inputs}
        arrays = {f"{INPUT}{symbol}": value for symbol, value in symbols(values, self.reference).items()}
        for known in self.known.values():
            arrays |= known.arrays
        return arrays

    @cached_property
    def coords(self) -> dict[str, list[Any]]:
        """The labels of the model's dimensions."""
        return {dim: labels for known in self.known.values() for dim, labels in known.coords.items()}

    @property
    def key(self) -> Hashable:
        """What distinguishes compiled models: problems of equal keys differ in their arrays alone."""
        law = self.card.law
        # What a function of the user's own computes cannot be told from its name.
        own = law_by_name(law).mean if isinstance(law, str) and law not in LAWS else None
        card = json.dumps(self.card.model_dump(mode="json"), sort_keys=True)
        return card, own, *(known.key for known in self.known.values())

    @property
    def response(self) -> str:
        """The name under which the noise sees the response: ``log_loss``, ``accuracy``."""
        return observed_name(self.card.noise.family, self.law.response)


def family_names(runs: xr.Dataset) -> tuple[str, ...]:
    """Return the families of the runs, sorted; a single unnamed one where the runs have no `family`."""
    return tuple(sorted(set(runs[FAMILY].values.tolist()))) if FAMILY in runs.coords else ("all",)


def prepare(card: Card, runs: xr.Dataset) -> Problem:
    """Return a card and runs, checked, with all that follows from the two.

    Parameters
    ----------
    card : Card
        The model card.
    runs : xarray.Dataset
        Validated runs, dims ``run``; for a card with a curve, learning curves from `read_curves` or their bins.

    Returns
    -------
    Problem

    Raises
    ------
    DesignError
        If the runs lack what the law or a layer takes, or cannot identify the law.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.modeling import prepare
    >>> problem = prepare(bs.load_card("chinchilla"), bs.load_shipped("tinylm"))
    >>> problem.families, problem.response
    (('english', 'source'), 'log_loss')
    """
    runs = as_runs(runs)
    for layer in LAYERS:
        card, runs = layer.prepare_rows(card, runs)
    check_rows(card, runs)
    law, families = card.get_law(), family_names(runs)
    values = {name: runs[name].values.astype(float) for name in law.inputs}
    context = Context(law.reference(values) | (card.reference or {}), families, spans_of(card, runs))
    known = {layer.table: layer.know(card, runs, context) for layer in layers_of(card)}
    runs = runs.assign({name: labels for each in known.values() for name, labels in each.labels.items()})
    return Problem(card, law, runs, dict(context.reference), families, context.spans, known)
