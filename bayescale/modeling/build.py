"""From a card and runs to a `pm.Model`: the only place that knows both the law and PyMC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from bayescale.cards.card import Card
from bayescale.laws import symbols
from bayescale.layers.curve import curve_arrays, for_card, likelihood_along
from bayescale.layers.drift import CELL, SIDE, STEP, Spans, drift_arrays, spans_of
from bayescale.layers.groups import FAMILY, Group, groups_of
from bayescale.layers.noise import NOISES, known_of, observed_name
from bayescale.layers.pooling import family_map, group_coords, group_effects, of_name, pooled, slope_arrays
from bayescale.layers.shared_errors import Sharing, add_errors, error_arrays, group_dim, sharing_of
from bayescale.modeling.design import check_design
from bayescale.priors import Prior

# Prefix of what the law reads, so that no symbol can be taken for a parameter.
INPUT = "input_"


@dataclass(frozen=True)
class ModelData:
    """What the model is conditioned on: arrays by name, the reference run, families and groups, where the runs lie."""

    arrays: dict[str, np.ndarray]
    reference: dict[str, float]
    families: tuple[str, ...]
    groups: Mapping[str, Group]
    centred: Mapping[str, bool]
    spans: Spans = field(default_factory=dict)
    sharing: Sharing = field(default_factory=dict)


# Runs for each parameter of the law in every group, from which on a group's own runs pin its parameters.
CENTRED_FROM = 3


def family_names(runs: xr.Dataset) -> tuple[str, ...]:
    """Return the families of the runs, sorted; a single unnamed one where the runs have no `family`."""
    return tuple(sorted(set(runs["family"].values.tolist()))) if "family" in runs.coords else ("all",)


def model_data(card: Card, runs: xr.Dataset) -> ModelData:
    """Return the arrays that condition the model, at the runs' geometric-mean scale."""
    law, noise = card.get_law(), NOISES[card.noise.family]
    families = family_names(runs)
    labels = runs["family"].values if "family" in runs.coords else np.full(runs.sizes["run"], "all")
    index = np.searchsorted(np.array(families), labels)
    values = {name: runs[name].values.astype(float) for name in law.inputs}
    reference = law.reference(values) | (card.reference or {})
    known = known_of(card.noise.family, runs, law.response)
    arrays = {f"{INPUT}{symbol}": value for symbol, value in symbols(values, reference).items()}
    arrays |= {"observed": noise.observe(runs[law.response], known).values}
    arrays |= {name: value.values for name, value in known.items()}
    arrays |= {"family_index": index.astype("int64")}
    for prior in card.all_priors.values():
        if prior.of:
            arrays[of_name(prior)] = _of_scale(prior, runs["loss"].values.astype(float), index)
    groups = groups_of({term for name in card.all_priors for term in card.terms(name)}, runs, families)
    arrays |= {family_map(name): group.of_family for name, group in groups.items() if name != FAMILY}
    arrays |= slope_arrays(card, groups)
    fewest = {name: int(np.bincount(group.of_family[index]).min()) for name, group in groups.items()}
    centred = {name: count >= CENTRED_FROM * len(law.parameters) for name, count in fewest.items()}
    spans, sharing = spans_of(card, runs), sharing_of(card, runs)
    arrays |= drift_arrays(card, runs, spans) | error_arrays(sharing) | curve_arrays(card, runs, reference)
    return ModelData(arrays, reference, families, groups, centred, spans, sharing)


def _of_scale(prior: Prior, loss: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return the loss that a prior is a multiple of: of each family, then their geometric mean."""
    share = 0.0 if prior.of == "min(loss)" else 0.5
    each = [np.quantile(loss[index == k], share) for k in range(index.max() + 1)]
    return np.array(np.exp(np.mean(np.log(each))))


def build_model(card: Card, runs: xr.Dataset) -> pm.Model:
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
    >>> sorted(rv.name for rv in bs.build_model(bs.load_card("chinchilla"), runs).observed_RVs)
    ['log_loss']
    """
    card, runs = for_card(card, runs)
    check_design(card, runs)
    given = model_data(card, runs)
    law, noise = card.get_law(), NOISES[card.noise.family]
    coords: dict[str, list[Any]] = dict(group_coords(card, law, given.groups))
    coords |= {group_dim(key): list(group.names) for key, group in given.sharing.items()}
    if card.discrepancy:
        coords[CELL] = list(range(2 * SIDE * len(given.spans)))
    with pm.Model(coords=coords) as model:
        data: dict[str, Any] = {name: pm.Data(name, values) for name, values in given.arrays.items()}
        x = {name.removeprefix(INPUT): value for name, value in data.items() if name.startswith(INPUT)}
        effects = group_effects(card, law, given.groups, given.centred, data)
        theta = {name: pooled(name, card, law, given.groups, effects, data) for name in card.all_priors}
        known = {name: data[name] for name in noise.known}
        mean = law.mean(pt, x, theta)
        if card.discrepancy:
            mean = mean * pt.exp(_drift(theta, given, data))
        if "sigma_growth" in theta:
            theta["sigma"] = theta["sigma"] * pt.exp(theta["sigma_growth"] * data["run_below"])
        if given.sharing:
            mean, theta = add_errors(mean, theta, given.sharing, data)
        name = observed_name(card.noise.family, law.response)
        if card.curve:
            likelihood_along(name, mean, theta, data)
            return model
        noise.likelihood(name, mean, theta, known, observed=data["observed"])
    return model


def _drift(theta: dict[str, Any], given: ModelData, data: dict[str, Any]) -> Any:
    """Return by how much log loss departs from the law at each run: each family drifts on its own."""
    many = len(given.families) > 1
    steps = pm.Normal(STEP, 0.0, 1.0, dims=("family", CELL) if many else (CELL,))
    steps = (steps[data["family_index"]] if many else steps) * pt.exp(theta["tau_growth"] * data["drift_below"])
    return theta["tau"] * pt.sum(data["drift_basis"] * steps, axis=-1)
