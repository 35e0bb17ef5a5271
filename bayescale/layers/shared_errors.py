"""Errors that runs share: those of one IsoFLOP budget, design or label lie above or below their law together.

``log L = log mu + e[group] + scatter``, with a normal effect for each group of two runs or more. Runs of a budget may
also lean: their IsoFLOP profile is tilted about its middle, a slope in log10 N. A run that shares its group with no
other run, and any run not yet made, has an effect of its own. Nothing tells this effect from the scatter, and it is
added to the scatter in quadrature, as of the middle of the run's own profile. What is expected of a run has no error.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, override

import numpy as np
import xarray as xr
from pydantic import Field

from bayescale.errors import DesignError
from bayescale.laws import Law
from bayescale.layers.layer import Context, Known, Layer, Linear, ModelCard, Theta, Where
from bayescale.layers.noises import NOISES
from bayescale.priors import Prior
from bayescale.runs.checks.sharing import ALONE, BUDGET, DESIGN, LEAN, labels_of_asked, loading_of, shared_labels

# A group of so many runs pins its effect, which is then sampled as it is; a smaller one in units of its spread.
CENTRED_FROM = 8


def sd_name(key: str) -> str:
    """Return the name of the standard deviation between groups of runs that share something: ``budget_sd``."""
    return f"{key}_sd"


class SharedErrorsLayer(Layer):
    """The errors that runs share: a table ``[errors]`` of priors, by what the runs of a group have in common."""

    table = "errors"
    field: tuple[Any, Any] = (dict[str, Prior], Field(default_factory=dict))
    additions = MappingProxyType({"+budget": ("budget", "lean"), "+design": ("design",)})

    @override
    def complete_table(self, content: Mapping[str, Any], defaults: dict[str, Any], response: str) -> dict[str, Any]:
        return {}  # a card has the errors that it names

    @override
    def check(self, card: ModelCard, law: Law) -> None:
        for key, prior in card.errors.items():
            if NOISES[card.noise.family].of_shares:
                raise ValueError(f"errors.{key}: errors are of log loss; this law predicts {law.response}.")
            if prior.support[0] < 0 or prior.of:
                raise ValueError(f"errors.{key}: {prior} is no prior of a standard deviation, which is positive.")
            if sd_name(key) in law.parameter_names:
                raise ValueError(f"errors.{key}: the law has a parameter {sd_name(key)!r} of its own.")

    @override
    def priors(self, card: ModelCard) -> dict[str, Prior]:
        return {sd_name(key): prior for key, prior in card.errors.items()}

    @override
    def meanings(self, card: ModelCard) -> dict[str, str]:
        groups = {
            BUDGET: "the runs of one IsoFLOP budget",
            DESIGN: "the runs of one design, which differ by their seed alone,",
        } | {key: f"the runs of one {key}" for key in card.errors if key not in (BUDGET, DESIGN)}
        off = {sd_name(key): f"by how much {groups[key]} lie off the law together: 0.01 is 1%" for key in card.errors}
        lean = {sd_name(LEAN): "by how much the IsoFLOP profile of a budget leans: log loss a decade of N"}
        return off | (lean if LEAN in card.errors else {})

    @override
    def rewrite_table(self, table: Any, card: ModelCard, priors: Mapping[str, Any]) -> Any:
        return {key: priors[sd_name(key)] for key in card.errors}

    @override
    def read_inputs(self, card: ModelCard, runs: xr.Dataset) -> dict[str, xr.DataArray]:
        # Runs that do not say which group they are in are new.
        names = [name(key) for key in card.errors for name in (group_dim, loading_name)]
        return {name: runs[name] for name in names if name in runs}

    @override
    def know(self, card: ModelCard, runs: xr.Dataset, context: Context) -> Known:
        labels = self.read_inputs(card, label_groups(card, runs))
        arrays: dict[str, np.ndarray] = {}
        sharing: dict[str, Shared] = {}
        for key in card.errors:
            group, loading = labels[group_dim(key)].values, labels[loading_name(key)].values
            shared, names = group != ALONE, sorted(set(group.tolist()) - {ALONE})
            member = np.where(shared, np.searchsorted(names, group), -1)
            sharing[key] = Shared(tuple(names), member)
            arrays[f"{key}_index"] = np.where(shared, member, 0).astype("int64")
            arrays[loading_name(key)] = loading
            arrays[f"{key}_own"] = own_error(key) * (1.0 - shared)
            arrays[f"{key}_centred"] = (np.bincount(member[shared]) >= CENTRED_FROM).astype(float)
        coords = {group_dim(key): list(group.names) for key, group in sharing.items()}
        return Known(arrays, coords, tuple(map(len, coords.values())), sharing, labels)

    @override
    def in_model(self, card: ModelCard, mean: Any, theta: Theta, data: Mapping[str, Any]) -> tuple[Any, Theta]:
        import pymc as pm

        shift: Any = 0.0
        alone: Any = 0.0
        for key in card.errors:
            sd, centred = theta[sd_name(key)], data[f"{key}_centred"]
            offset = pm.Normal(f"{error_name(key)}_offset", 0.0, sd**centred, dims=group_dim(key))
            error = pm.Deterministic(error_name(key), offset * sd ** (1 - centred), dims=group_dim(key))
            shift = shift + data[loading_name(key)] * error[data[f"{key}_index"]]
            alone = alone + data[f"{key}_own"] * sd**2
        return mean * pm.math.exp(shift), theta | {"sigma": pm.math.sqrt(theta["sigma"] ** 2 + alone)}

    @override
    def respond(self, card: ModelCard, mean: Any, theta: Theta, where: Where) -> tuple[Any, Theta]:
        # The mean of runs whose group was fitted is shifted, and the scatter of the others is wider.
        variance = theta["sigma"] ** 2
        for key in card.errors:
            effect, known = _find_effect(key, theta, where.inputs)
            mean = mean * np.exp(effect)
            variance = variance + own_error(key) * theta[sd_name(key)] ** 2 * (1.0 - known)
        return mean, {**theta, "sigma": np.sqrt(variance)}

    @override
    def linear(self, card: ModelCard, known: Known, where: Where) -> Linear:
        columns, scale, variance = super().linear(card, known, where)
        for key, prior in card.errors.items():
            labels = np.asarray(where.inputs.get(group_dim(key), np.full(len(scale), ALONE)))
            loading = np.asarray(where.inputs.get(loading_name(key), np.zeros(len(scale))))
            member = labels[:, None] == np.array(known.facts[key].names)
            columns = np.append(columns, prior.median * loading[:, None] * member, axis=1)
            variance += np.where(member.any(axis=1), 0.0, own_error(key) * prior.median**2)
        return Linear(columns, scale, variance)

    @override
    def latents(self, card: ModelCard) -> tuple[str, ...]:
        return tuple(map(error_name, card.errors))


SHARED_ERRORS = SharedErrorsLayer()


class Shared(NamedTuple):
    """The runs' groups by one key: their names, and which each run is in (-1: none)."""

    names: tuple[str, ...]
    member: np.ndarray


def error_name(key: str) -> str:
    """Return the name of the effects: ``budget_error``."""
    return f"{key}_error"


def group_dim(key: str) -> str:
    """Return the dimension of the effects, and the variable that says which group each run is in."""
    return f"{key}_group"


def loading_name(key: str) -> str:
    """Return the variable that says how much of its group's error each run has."""
    return f"{key}_loading"


def label_groups(card: ModelCard, runs: xr.Dataset) -> xr.Dataset:
    """Return the runs with the group of each, by what the card's errors are shared over.

    Raises
    ------
    DesignError
        If no two runs share it, or it is not known of these runs.
    """
    out = runs
    for key in card.errors:
        labels = shared_labels(runs, key)
        if (labels == ALONE).all():
            raise DesignError(
                f"{runs.attrs.get('source', 'the runs')}: no two of the {runs.sizes['run']} runs share a {key}, so the "
                f"error that they would share cannot be told from scatter. Fit the card without errors.{key}."
            )
        loading = loading_of(runs, key, labels)
        out = out.assign({group_dim(key): ("run", labels), loading_name(key): ("run", loading)})
    return out


def own_error(key: str) -> float:
    """Return how much of an error a run has that is in no fitted group: none of a lean, being in the middle."""
    return 0.0 if key == LEAN else 1.0


def _find_effect(key: str, theta: Mapping[str, Any], inputs: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the effect on each run, 0 where its group was not fitted, and whether it was."""
    dim = group_dim(key)
    if dim not in inputs:
        return 0.0, 0.0
    errors = theta[error_name(key)]
    labels, loading = inputs[dim], inputs[loading_name(key)].variable
    place = errors.indexes[dim].get_indexer(labels.values.astype(str).ravel()).reshape(labels.shape)
    known = xr.DataArray((place >= 0).astype(float), dims=labels.dims)
    effect = errors.isel({dim: xr.DataArray(np.maximum(place, 0), dims=labels.dims)}).drop_vars(dim, errors="ignore")
    return effect * (known * loading), known


def new_errors(
    card: ModelCard, theta: Mapping[str, Any], inputs: Mapping[str, Any], like: xr.DataArray, rng: np.random.Generator
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an error drawn for each group that runs not yet made would form, and which of them each is in.

    They go to `respond` in place of the fitted groups' errors and with the inputs: the scatter is then that of runs
    alone. ``like`` has the dimensions of what is asked, ``point`` and where there are several ``family``.
    """
    asked = xr.Dataset({name: xr.DataArray(value).broadcast_like(like) for name, value in inputs.items()})
    asked = asked.transpose(*like.dims).stack(run=like.dims)
    errors, groups = {}, {}
    for key in card.errors:
        if not own_error(key):
            continue
        labels, sd, dim = labels_of_asked(asked, key), theta[sd_name(key)], group_dim(key)
        names = np.unique(labels)
        unit = xr.DataArray(rng.standard_normal((*sd.shape, len(names))), dims=(*sd.dims, dim), coords={dim: names})
        errors[error_name(key)] = sd * unit
        groups[dim] = xr.DataArray(labels.reshape(like.shape), dims=like.dims)
        groups[loading_name(key)] = xr.ones_like(groups[dim], dtype=float)
    return errors, groups


def alone(card: ModelCard, theta: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters as they hold for a run in no fitted group: its errors are part of its scatter."""
    if not card.errors:
        return dict(theta)
    variance = theta["sigma"] ** 2 + sum(own_error(key) * theta[sd_name(key)] ** 2 for key in card.errors)
    return {**theta, "sigma": np.sqrt(variance)}
