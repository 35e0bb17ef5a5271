"""From a card and runs to a `pm.Model`: the only place that knows both the law and PyMC."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from bayescale.errors import DesignError
from bayescale.modeling.card import Card, Prior
from bayescale.modeling.noise import NOISES, total_scale
from bayescale.modeling.priors import DISTRIBUTIONS


@dataclass(frozen=True)
class ModelData:
    """What the model is conditioned on: arrays by name, the reference run and the families' names."""

    arrays: dict[str, np.ndarray]
    params0: float
    tokens0: float
    families: tuple[str, ...]
    centred: bool


# Runs for each parameter of the law in every family, from which on a family's own runs pin its parameters.
CENTRED_FROM = 3


def family_names(runs: xr.Dataset) -> tuple[str, ...]:
    """Return the families of the runs, sorted; a single unnamed one where the runs have no `family`."""
    return tuple(sorted(set(runs["family"].values.tolist()))) if "family" in runs.coords else ("all",)


def model_data(card: Card, runs: xr.Dataset) -> ModelData:
    """Return the arrays that condition the model, at the runs' geometric-mean scale."""
    families = family_names(runs)
    labels = runs["family"].values if "family" in runs.coords else np.full(runs.sizes["run"], "all")
    index = np.searchsorted(np.array(families), labels)
    params, tokens, loss = (runs[name].values.astype(float) for name in ("params", "tokens", "loss"))
    params0, tokens0 = float(np.exp(np.log(params).mean())), float(np.exp(np.log(tokens).mean()))
    se = runs["loss_se"].fillna(0.0).values / loss if "loss_se" in runs else np.zeros_like(loss)
    arrays = {
        "n": params / params0,
        "d": tokens / tokens0,
        "log_loss": np.log(loss),
        "relative_se": se,
        "family_index": index.astype("int64"),
    }
    for prior in card.all_priors.values():
        if prior.of:
            arrays[_of_name(prior)] = _of_scale(prior, loss, index)
    centred = len(families) > 1 and bool(np.bincount(index).min() >= CENTRED_FROM * len(card.get_law().parameters))
    return ModelData(arrays, params0, tokens0, families, centred)


def _of_name(prior: Prior) -> str:
    return f"{str(prior.of)[:-1].replace('(', '_of_')}"


def _of_scale(prior: Prior, loss: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return the loss that a prior is a multiple of: of each family, then their geometric mean."""
    share = 0.0 if prior.of == "min(loss)" else 0.5
    each = [np.quantile(loss[index == k], share) for k in range(index.max() + 1)]
    return np.array(np.exp(np.mean(np.log(each))))


def check_design(card: Card, runs: xr.Dataset) -> None:
    """Refuse runs that cannot identify the card's law.

    Raises
    ------
    DesignError
        If there are fewer runs than parameters, or every run has the same N or the same D.
    """
    law = card.get_law()
    where = runs.attrs.get("source", "the runs")
    needed = len(law.parameters) + 1
    count = runs.sizes["run"]
    if count < needed:
        raise DesignError(
            f"{where}: {count} run{'s' * (count != 1)} cannot fit the {len(law.parameters)} parameters of "
            f"{law.name!r} and its noise. It takes at least {needed} runs; 20 at three sizes is sound."
        )
    for name, symbol, cure in (("params", "N", "at another model size"), ("tokens", "D", "of another length")):
        values = np.unique(np.round(np.log(runs[name].values), 6))
        if len(values) < 2:
            raise DesignError(
                f"{where}, column {name}: all {count} runs have {symbol} = {runs[name].values[0]:.4g}, so how the loss "
                f"falls with {symbol} cannot be told. Add runs {cure}; at least two values are needed, four are sound."
            )


def _draw_prior(name: str, prior: Prior, data: dict[str, Any], dims: str | None = None) -> Any:
    create = DISTRIBUTIONS[prior.dist].pymc
    if prior.of is None:
        return create(name, dims=dims, **prior.arguments)
    share = create(f"{name}_share", dims=dims, **prior.arguments)
    return pm.Deterministic(name, share * data[_of_name(prior)], dims=dims)


def _parameter(name: str, card: Card, given: ModelData, data: dict[str, Any]) -> Any:
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
    value = pm.Deterministic(name, level * pt.exp(effect), dims="family")
    centre = pm.Normal(f"{name}_centre_offset", 0.0, 1.0)
    pm.Deterministic(f"{name}_population", level * pt.exp(spread * centre / np.sqrt(families)))
    return value[data["family_index"]]


def build_model(card: Card, runs: xr.Dataset) -> pm.Model:
    """Build the PyMC model of a card for these runs, with the runs as `pm.Data`.

    Parameters
    ----------
    card : Card
        The model card.
    runs : xarray.Dataset
        Validated runs, dims ``run``.

    Returns
    -------
    pymc.Model
        With coords ``run`` and ``family``; the law's parameters carry their own names, the observed variable is
        ``log_loss``.

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
    check_design(card, runs)
    given = model_data(card, runs)
    law, noise = card.get_law(), NOISES[card.noise.family]
    coords = {"family": list(given.families)} if len(given.families) > 1 else {}
    with pm.Model(coords=coords) as model:
        data: dict[str, Any] = {
            name: pm.Data(name if name != "log_loss" else "observed_log_loss", values)
            for name, values in given.arrays.items()
        }
        theta = {name: _parameter(name, card, given, data) for name in card.all_priors}
        log_mean = pt.log(law.mean(pt, data["n"], data["d"], theta))
        scale = total_scale(pt, theta["sigma"], data["relative_se"])
        noise.likelihood("log_loss", log_mean, scale, theta, observed=data["log_loss"])
    return model
