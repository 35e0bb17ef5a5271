"""From a card and runs to a `pm.Model`: the only place that knows both the law and PyMC."""

from typing import TYPE_CHECKING, Any

import xarray as xr

from bayescale.cards.card import Card
from bayescale.layers import layers_of
from bayescale.layers.pooling import POOLING
from bayescale.modeling.problem import INPUT, Problem, prepare

if TYPE_CHECKING:
    import pymc as pm


def build_model(card: Card, runs: xr.Dataset) -> "pm.Model":
    """Build the PyMC model of a card for these runs, with the runs as `pm.Data`.

    Parameters
    ----------
    card : Card
        The model card.
    runs : xarray.Dataset
        Validated runs, dims ``run``; for a card with a curve, learning curves from `read_curves`.

    Returns
    -------
    pymc.Model
        With the coord ``family``; the law's parameters carry their own names, the observed variable is ``log_loss``,
        or the share that the law predicts.

    Raises
    ------
    DesignError
        If the runs cannot identify the law.

    Examples
    --------
    >>> import bayescale as bs
    >>> runs = bs.load_shipped("tinylm")
    >>> sorted(rv.name for rv in bs.modeling.build_model(bs.load_card("chinchilla"), runs).observed_RVs)
    ['log_loss']
    """
    return build(prepare(card, runs))


def build(problem: Problem) -> "pm.Model":
    """Build the PyMC model of a problem: the law, then each layer in turn."""
    import pymc as pm
    import pytensor.tensor as pt

    card = problem.card
    with pm.Model(coords=problem.coords) as model:
        data: dict[str, Any] = {name: pm.Data(name, values) for name, values in problem.arrays.items()}
        x = {name.removeprefix(INPUT): value for name, value in data.items() if name.startswith(INPUT)}
        theta = POOLING.create_parameters(card, problem.known["pooling"].facts, data)
        mean = problem.law.mean(pt, x, theta)
        for layer in layers_of(card):
            mean, theta = layer.in_model(card, mean, theta, data)
        for layer in reversed(layers_of(card)):
            if layer.add_likelihood(card, problem.response, mean, theta, data):
                break
    return model
