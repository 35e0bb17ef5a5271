"""A posterior from one study as the prior of the next."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayescale.cards import Card, card_from_json
from bayescale.cards.files import make_card
from bayescale.errors import QuestionError, did_you_mean
from bayescale.inference.diagnostics import require_quotable
from bayescale.inference.new_family import new_family
from bayescale.inference.sampling import SEED
from bayescale.layers import layers_of
from bayescale.layers.groups import FAMILY
from bayescale.layers.pooling import support_of

DIGITS = 4


def prior_from(
    fit: xr.DataTree,
    *,
    family: str | None = None,
    name: str | None = None,
    widen: float = 1.0,
    seed: int = SEED,
    **groups: Any,
) -> Card:
    """Return a card whose priors are this posterior: what one study found, as the prior of the next.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`.
    family : str, optional
        The family that the next runs are of. By default, where the families were partially pooled, they are of one that
        was not seen: the priors are then the population's, with the spread between families in them.
    name : str, optional
        Name of the card; by default that of the fitted one with ``-next``.
    widen : float
        How many times wider than the posterior each prior is: 2 where the next study differs in what the model does not
        know.
    seed : int
        Seed of the draws of what a new family has of its own.
    **groups : str
        What is known of the new family, as in `new_family`.

    Returns
    -------
    Card
        With the same law and noise, and priors at the study's reference run (``reference``): log-normal for what is
        positive, normal for what may be negative, beta for a share. It pools as the fitted card does; its families, if
        the next runs have any, differ by the spread that this study found.

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, or there is no such family or group.

    Notes
    -----
    Each prior has the mean and the standard deviation of its parameter's draws, on the log where it is positive; how
    parameters go together is not carried over, so that the card is wider than the posterior. A card has one prior of
    spreads, whatever differs between which groups: it is that of all spreads that were found, taken together.

    Examples
    --------
    >>> import bayescale as bs
    >>> study = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> card = bs.inference.prior_from(study, family="english")
    >>> card.name, sorted(card.priors)
    ('chinchilla-next', ['E', 'alpha', 'beta', 'from_params', 'from_tokens'])
    """
    require_quotable(fit, None)
    if not widen > 0:
        raise QuestionError(f"widen: accepted is a number above 0; got {widen!r}.")
    card, posterior = card_from_json(fit.attrs["card"]), fit["posterior"].to_dataset()
    source = f"posterior of {fit.attrs.get('title', 'earlier runs')} ({fit.attrs['runs']} runs, model {card.name})"
    draws = _draws_of_family(fit, posterior, family, groups, seed)
    law = card.get_law()
    shapes = {p: _fit_prior(draws[p], _find_support(card, p), widen) | {"source": source} for p in card.all_priors}
    spreads = [posterior[v].values.ravel() for v in posterior.data_vars if str(v).endswith("_spread")]
    content: dict[str, Any] = card.model_dump(mode="json", exclude={"name"}, exclude_none=True)
    for layer in layers_of(card):
        content[layer.table] = layer.rewrite_table(content[layer.table], card, shapes)
    content["priors"] = {p: shapes[p] for p in law.parameter_names}
    content["reference"] = json.loads(fit.attrs["reference"])
    content["title"] = f"{card.title}; priors from {fit.attrs.get('title', 'earlier runs')}"
    if spreads:
        between = _fit_prior(xr.DataArray(np.concatenate(spreads)), "positive", widen)
        content["pooling"] |= {"spread": between | {"source": source}}
    return make_card(content, name or f"{card.name}-next")


def _draws_of_family(
    fit: xr.DataTree, posterior: xr.Dataset, family: str | None, groups: Mapping[str, Any], seed: int
) -> xr.Dataset:
    """Return the draws of the family that the next runs are of."""
    if family is None:
        unseen = bool(groups) or FAMILY in posterior.dims
        new = new_family(fit, seed=seed, allow_unconverged=False, **groups) if unseen else fit
        return new["posterior"].to_dataset()
    if groups:
        asked = ", ".join(f"{name}={label!r}" for name, label in groups.items())
        raise QuestionError(f"{asked} is of a family that was not seen, and {family!r} was: say one or the other.")
    if FAMILY not in posterior.dims or family not in posterior[FAMILY].values:
        known = [str(name) for name in posterior[FAMILY].values] if FAMILY in posterior.dims else []
        raise QuestionError(
            f"there is no family {family!r} in these runs.{did_you_mean(family, known)} "
            f"Families: {', '.join(known) or 'none'}."
        )
    return posterior.sel({FAMILY: family}, drop=True)


def _find_support(card: Card, name: str) -> str:
    """Return what values a parameter may take: the law's, or those that its prior allows."""
    law = card.get_law()
    of_law = name in law.parameter_names or card.all_priors[name].support[0] >= 0
    return support_of(law, name) if of_law else "real"


def _fit_prior(draws: xr.DataArray, support: str, widen: float) -> dict[str, Any]:
    """Return the prior with the mean and spread of these draws, as a card writes it."""
    values = draws.values.ravel()
    if np.ptp(values) == 0:
        return {"dist": "Fixed", "value": float(values[0])}
    if support == "positive":
        logs = np.log(values)
        return _write_prior("LogNormal", median=float(np.exp(logs.mean())), sigma=widen * float(logs.std()))
    if support == "real" or values.min() < 0:
        return _write_prior("Normal", mu=float(values.mean()), sigma=widen * float(values.std()))
    from scipy import stats

    a, b, _, _ = stats.beta.fit(values, floc=0, fscale=1)
    return _write_prior("Beta", a=float(a) / widen**2, b=float(b) / widen**2)


def _write_prior(dist: str, **arguments: float) -> dict[str, Any]:
    return {"dist": dist} | {name: float(f"{value:.{DIGITS}g}") for name, value in arguments.items()}
