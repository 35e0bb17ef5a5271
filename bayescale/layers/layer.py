"""What a layer is: one of the things that surround a law in a model, in all of its forms.

A layer owns a table of the model card and everything that follows from it: priors and their meanings, checks, the
columns that it reads of the runs, the arrays that condition the model, its form in PyMC, its form in NumPy and xarray
and, where it has one, its linear-Gaussian form. `bayescale.layers.LAYERS` lists the layers in the order in which they
act. A card, a model and an answer loop over that list, so a new layer is one file and one entry there.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np
import xarray as xr

from bayescale.laws import Law
from bayescale.layers.spans import Spans
from bayescale.priors import Prior

Theta = dict[str, Any]
Inputs = Mapping[str, Any]
Reference = Mapping[str, float]


class ModelCard(Protocol):
    """What a layer sees of a model card: the card's own fields and the tables of all layers."""

    def get_law(self) -> Law:
        """Return the law of the card."""
        ...

    def __getattr__(self, name: str) -> Any:
        """Return a field or a table of the card."""
        ...


class Context(NamedTuple):
    """What all layers are told of the runs: the reference run, the families, where the runs lie along each scale."""

    reference: Reference
    families: tuple[str, ...]
    spans: Spans


class Where(NamedTuple):
    """The runs of which a response is asked: their inputs, the reference run and the spans of the fitted runs."""

    inputs: Inputs
    reference: Reference
    spans: Spans


@dataclass(frozen=True)
class Known:
    """What a layer knows of a set of runs.

    Attributes
    ----------
    arrays : dict of str to ndarray
        What conditions the PyMC model, by the name of its `pm.Data`.
    coords : dict of str to list
        The labels of the dimensions that the layer adds to the model.
    key : hashable
        What distinguishes compiled models of one card: models of equal keys differ in their arrays alone.
    facts : object
        Anything else that the layer's own forms need.
    labels : dict of str to DataArray
        What the layer says of each run, to be kept with the posterior.
    """

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    coords: dict[str, list[Any]] = field(default_factory=dict)
    key: Hashable = ()
    facts: Any = None
    labels: dict[str, xr.DataArray] = field(default_factory=dict)


class Linear(NamedTuple):
    """A layer's linear-Gaussian form at some runs.

    Attributes
    ----------
    columns : ndarray
        What each standard normal latent adds to log loss, dims (run, latent).
    scale : ndarray
        By how much the scatter of each run is multiplied.
    variance : ndarray
        What is added to the variance of each run's log loss.
    """

    columns: np.ndarray
    scale: np.ndarray
    variance: np.ndarray


class Layer:
    """One layer. Each method here changes nothing; a layer overrides those for what it does.

    A layer is asked only of cards that have its table, but for `meanings` and `prepare_rows`, of all cards.

    Attributes
    ----------
    table : str
        The name of its table in a card.
    field : tuple
        The type of that table, and its value in a card that does not have it; ``...`` where a card must have it.
    word : str
        What a card may say in place of the table for the shipped one.
    additions : dict of str to tuple of str
        What the name of a card may end with to have this layer, each with the keys of the shipped table that are
        added; none for the whole table.
    always : bool
        Whether every card has the layer, also where its table is empty.
    """

    table: str
    field: tuple[Any, Any]
    word: str = ""
    additions: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    always: bool = False

    # The card ---------------------------------------------------------------------------------------------------------

    def complete_table(self, content: Mapping[str, Any], defaults: dict[str, Any], response: str) -> dict[str, Any]:
        """Return the table by its name: none, the shipped one where the card names it, or the card's own over that.

        The layers complete their tables from the last to the first. A layer may change the shipped tables of those
        before it.
        """
        given = content.get(self.table, "none")
        if given == "none":
            return {self.table: None}
        if given == self.word:
            return {self.table: defaults[self.table]}
        return {self.table: defaults.get(self.table, {}) | given} if isinstance(given, dict) else {}

    def reconcile_tables(self, content: dict[str, Any], defaults: Mapping[str, Any], added: str) -> None:
        """Change a card's content after the table ``added`` came to it, where two tables say the same thing."""

    def check(self, card: ModelCard, law: Law) -> None:
        """Raise ValueError where the table does not suit the law or another table."""

    def priors(self, card: ModelCard) -> dict[str, Prior]:
        """Return the priors of the parameters that the layer adds, by name, in the order in which they are sampled."""
        return dict(getattr(card, self.table).priors)

    def meanings(self, card: ModelCard) -> dict[str, str]:
        """Return what each of those parameters means."""
        return {}

    def rewrite_table(self, table: Any, card: ModelCard, priors: Mapping[str, Any]) -> Any:
        """Return the content of the table with other priors of its parameters."""
        return table | {name: priors[name] for name in self.priors(card)}

    # The runs ---------------------------------------------------------------------------------------------------------

    def scales(self, card: ModelCard) -> tuple[str, ...]:
        """Return the columns along which the layer asks where the runs lie."""
        return ()

    def prepare_rows(self, card: ModelCard, runs: xr.Dataset) -> tuple[Any, xr.Dataset]:
        """Return the card as these runs can be asked, and the rows that the model is fitted to.

        Raises
        ------
        DesignError
            If the runs are not such as the layer takes.
        """
        return card, runs

    def read_inputs(self, card: ModelCard, runs: xr.Dataset) -> dict[str, xr.DataArray]:
        """Return what the layer reads of runs in its NumPy form; of runs not yet made nothing of it is known."""
        return {}

    def know(self, card: ModelCard, runs: xr.Dataset, context: Context) -> Known:
        """Return what conditions the model on these runs, and what the layer says of each of them.

        Raises
        ------
        DesignError
            If the layer cannot say of these runs what the card asks.
        """
        return Known()

    # The forms --------------------------------------------------------------------------------------------------------

    def in_model(self, card: ModelCard, mean: Any, theta: Theta, data: Mapping[str, Any]) -> tuple[Any, Theta]:
        """Return the mean and the parameters as the layer leaves them, inside the PyMC model at hand."""
        return mean, theta

    def respond(self, card: ModelCard, mean: Any, theta: Theta, where: Where) -> tuple[Any, Theta]:
        """Return the mean and the parameters as the layer leaves them, for draws in NumPy or xarray."""
        return mean, theta

    def linear(self, card: ModelCard, known: Known, where: Where) -> Linear:
        """Return the linear-Gaussian form at some runs; the layer's parameters are at their prior medians."""
        count = len(next(iter(where.inputs.values())))
        return Linear(np.zeros((count, 0)), np.ones(count), np.zeros(count))

    def add_likelihood(self, card: ModelCard, name: str, mean: Any, theta: Theta, data: Mapping[str, Any]) -> bool:
        """Add the observed variable of that name to the PyMC model at hand, and return whether the layer has one.

        The layers are asked from the last to the first, until one has.
        """
        return False

    # Draws that are not parameters ------------------------------------------------------------------------------------

    def latents(self, card: ModelCard) -> tuple[str, ...]:
        """Return the names of draws that the response depends on and that are no parameters."""
        return ()

    def extend_draws(self, card: ModelCard, posterior: xr.Dataset, spans: Spans, seed: int) -> xr.Dataset:
        """Return the posterior with what is drawn from the prior once, as the runs say nothing of it."""
        return posterior

    def draw_new_family(self, card: ModelCard, drawn: xr.Dataset, rng: np.random.Generator) -> dict[str, xr.DataArray]:
        """Return the layer's latents of a family that was not seen."""
        return {name: drawn[name] for name in self.latents(card) if name in drawn}
