"""From a card and runs to a `pm.Model`: the only place that knows both the law and PyMC."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from bayescale.laws import Law, symbols
from bayescale.modeling.card import Card, Prior
from bayescale.modeling.curve import curve_arrays, for_card, likelihood_along
from bayescale.modeling.design import check_design
from bayescale.modeling.drift import CELL, SIDE, STEP, Spans, drift_arrays, spans_of
from bayescale.modeling.noise import NOISES, known_of, observed_name
from bayescale.modeling.priors import DISTRIBUTIONS

# Prefix of what the law reads, so that no symbol can be taken for a parameter.
INPUT = "input_"


@dataclass(frozen=True)
class ModelData:
    """What the model is conditioned on: arrays by name, the reference run, the families' names, where the runs lie."""

    arrays: dict[str, np.ndarray]
    reference: dict[str, float]
    families: tuple[str, ...]
    centred: bool
    spans: Spans = field(default_factory=dict)


# Runs for each parameter of the law in every family, from which on a family's own runs pin its parameters.
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
    reference = law.reference(values)
    known = known_of(card.noise.family, runs, law.response)
    arrays = {f"{INPUT}{symbol}": value for symbol, value in symbols(values, reference).items()}
    arrays |= {"observed": noise.observe(runs[law.response], known).values}
    arrays |= {name: value.values for name, value in known.items()}
    arrays |= {"family_index": index.astype("int64")}
    for prior in card.all_priors.values():
        if prior.of:
            arrays[of_name(prior)] = _of_scale(prior, runs["loss"].values.astype(float), index)
    centred = len(families) > 1 and bool(np.bincount(index).min() >= CENTRED_FROM * len(law.parameters))
    arrays |= curve_arrays(card, runs, reference)
    spans = spans_of(card, runs)
    return ModelData(arrays | drift_arrays(card, runs, spans), reference, families, centred, spans)


def of_name(prior: Prior) -> str:
    """Return the name of the data that a prior is a multiple of: ``min_of_loss``."""
    return f"{str(prior.of)[:-1].replace('(', '_of_')}"


def _of_scale(prior: Prior, loss: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return the loss that a prior is a multiple of: of each family, then their geometric mean."""
    share = 0.0 if prior.of == "min(loss)" else 0.5
    each = [np.quantile(loss[index == k], share) for k in range(index.max() + 1)]
    return np.array(np.exp(np.mean(np.log(each))))


def _draw_prior(name: str, prior: Prior, data: dict[str, Any], dims: str | None = None) -> Any:
    create = DISTRIBUTIONS[prior.dist].pymc
    if prior.of is None:
        return create(name, dims=dims, **prior.arguments)
    share = create(f"{name}_share", dims=dims, **prior.arguments)
    return pm.Deterministic(name, share * data[of_name(prior)], dims=dims)


def _parameter(name: str, card: Card, law: Law, given: ModelData, data: dict[str, Any]) -> Any:
    """Create one parameter under its pooling, as each run sees it."""
    prior, families = card.all_priors[name], len(given.families)
    pool = card.pool(name) if families > 1 else "complete"
    if pool == "complete":
        return _draw_prior(name, prior, data)
    if pool == "none":
        return _draw_prior(name, prior, data, dims="family")[data["family_index"]]
    # Effects sum to zero about the level of the families at hand, which the runs pin, so that the sampler sees no ridge
    # between level and effects. A population centre that differs from the level by spread / sqrt(families) makes them
    # exactly independent normal effects about that centre.
    level = _draw_prior(f"{name}_level", prior, data)
    spread = DISTRIBUTIONS[card.spread.dist].pymc(f"{name}_spread", **card.spread.arguments)
    if given.centred:
        effect = pm.ZeroSumNormal(f"{name}_offset", sigma=spread, dims="family")
    else:
        effect = spread * pm.ZeroSumNormal(f"{name}_offset", sigma=1.0, dims="family")
    apart = _apart(law, name)
    value = pm.Deterministic(name, apart(level, effect), dims="family")
    centre = pm.Normal(f"{name}_centre_offset", 0.0, 1.0)
    pm.Deterministic(f"{name}_population", apart(level, spread * centre / np.sqrt(families)))
    return value[data["family_index"]]


def _apart(law: Law, name: str) -> Any:
    """Return how a family differs from the level: by a factor, by a difference, or on the logit of a share."""
    support = {p.name: p.support for p in law.parameters}[name]
    return {
        "positive": lambda level, effect: level * pt.exp(effect),
        "real": lambda level, effect: level + effect,
        "share": lambda level, effect: pt.sigmoid(pt.log(level) - pt.log1p(-level) + effect),
    }[support]


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
    coords: dict[str, list[Any]] = {"family": list(given.families)} if len(given.families) > 1 else {}
    if given.spans:
        coords[CELL] = list(range(2 * SIDE * len(given.spans)))
    with pm.Model(coords=coords) as model:
        data: dict[str, Any] = {name: pm.Data(name, values) for name, values in given.arrays.items()}
        x = {name.removeprefix(INPUT): value for name, value in data.items() if name.startswith(INPUT)}
        theta = {name: _parameter(name, card, law, given, data) for name in card.all_priors}
        known = {name: data[name] for name in noise.known}
        mean = law.mean(pt, x, theta)
        if given.spans:
            mean = mean * pt.exp(_drift(theta, given, data))
            theta["sigma"] = theta["sigma"] * pt.exp(theta["sigma_growth"] * data["run_below"])
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
