"""A family that was not seen: the population's answer to any question, from the same posterior."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayescale.cards import Card, card_from_json
from bayescale.errors import DesignError, QuestionError, did_you_mean
from bayescale.inference.diagnostics import require_quotable
from bayescale.inference.sampling import SEED
from bayescale.layers import layers_of
from bayescale.layers.groups import FAMILY, Term, along_slope
from bayescale.layers.pooling import apart, named, support_of
from bayescale.runs.reading.schema import label_text

NAME = "a new family"
PARTIAL = "partial(corpus)"


def new_family(fit: xr.DataTree, *, seed: int = SEED, allow_unconverged: bool = False, **groups: Any) -> xr.DataTree:
    """Return the posterior of a family that was not seen, to be asked like any other.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`, of a card that pools partially over families.
    seed : int
        Seed of the draws of what a new family has of its own.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics.
    **groups : str or float
        What is known of it, by group: ``corpus="c4"`` takes the effect of that corpus and draws all others; ``lr=3e-4``
        is a place on the slope of a card with ``slope(log lr)``, also between the numbers of the runs and beyond.

    Returns
    -------
    xarray.DataTree
        As `fit` gives, without families: each parameter is a draw from the population, given the groups that are known.
        Every answer takes it (``bs.extrapolate(bs.inference.new_family(fit), ...)``).

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, has no families, has no such group, or says nothing of a family not seen.

    Notes
    -----
    The effect of a level that was not seen is normal about the population's centre, and the centre is known within
    spread / sqrt(K) of the K levels that were: together spread sqrt(1 + 1/K) about the level of those.

    Examples
    --------
    >>> import bayescale as bs
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> bs.irreducible_loss(bs.inference.new_family(fit))["irreducible_loss"].dims
    ('chain', 'draw')
    """
    require_quotable(fit, allow_unconverged)
    groups = {name: label_text(label) for name, label in groups.items()}
    check_known(fit, groups)
    card = card_from_json(fit.attrs["card"])
    kept = ("sample_stats", "observed_data")
    trees = {name: node.to_dataset() for name, node in fit.children.items() if name in kept}
    for group in ("posterior", "prior"):
        if group in fit.children:
            trees[group] = _draw_family(card, fit[group].to_dataset(), groups, seed, fit.attrs["reference"])
    constant = fit["constant_data"].to_dataset()
    labels = [FAMILY, *{term.group for name in card.all_priors for term in card.terms(name)}]
    trees["constant_data"] = constant.drop_vars(labels, errors="ignore")
    known = "".join(f", {name} {label}" for name, label in groups.items())
    tree = xr.DataTree.from_dict(trees)
    tree.attrs.update(fit.attrs | {"families": json.dumps([NAME + known])})
    return tree


def check_known(fit: xr.DataTree, groups: Mapping[str, str]) -> None:
    """Refuse what cannot be known of a family that was not seen.

    Raises
    ------
    QuestionError
        If the posterior has no families, or no such group, or the group no such level.
    """
    card, posterior = card_from_json(fit.attrs["card"]), fit["posterior"].to_dataset()
    if FAMILY not in posterior.dims:
        raise QuestionError("this posterior has one family, or pools completely: a new family is like that one.")
    able = [name for name in posterior.dims if name in {t.group for p in card.all_priors for t in card.terms(p)}]
    for name, label in groups.items():
        if name not in able or name == FAMILY:
            known = [str(group) for group in able if group != FAMILY]
            raise QuestionError(
                f"{name}={label!r}: the model {card.name!r} has no group {name!r}.{did_you_mean(name, known)} "
                f"Groups: {', '.join(known) or f'none; a card names them, such as alpha = {PARTIAL!r}'}."
            )
        levels = [str(level) for level in posterior[name].values]
        terms = {term for p in card.all_priors for term in card.terms(p) if term.group == name}
        if all(term.kind == "slope" for term in terms):
            try:
                for term in terms:
                    along_slope(term, levels, [label])
            except DesignError as error:
                raise QuestionError(f"{name}={label!r}: {error}") from None
        elif label not in levels:
            raise QuestionError(
                f"{name}={label!r}: not among the runs.{did_you_mean(label, levels)} Accepted: {', '.join(levels)}; or "
                f"nothing for one that was not seen."
            )


def _draw_family(card: Card, drawn: xr.Dataset, groups: dict[str, str], seed: int, reference: str) -> xr.Dataset:
    """Return the draws of one family that was not seen."""
    law, rng = card.get_law(), np.random.default_rng([seed, 7])
    effects = _draw_effects(card, drawn, groups, rng)
    theta = {
        name: _combine_terms(card, name, drawn, groups, effects) if FAMILY in drawn[name].dims else drawn[name]
        for name in card.all_priors
        if name in drawn
    }
    out = xr.Dataset(theta)
    for layer in layers_of(card):
        out = out.assign(layer.draw_new_family(card, drawn, rng))
    if set(law.parameter_names) <= set(theta):
        out = out.assign(law.to_paper(np, {name: theta[name] for name in law.parameter_names}, json.loads(reference)))
    return out.drop_attrs()


def unseen_parameters(fit: xr.DataTree, names: Iterable[str], *, seed: int = SEED) -> dict[str, xr.DataArray]:
    """Return the draws of some parameters of a family that was not seen: those that `new_family` gives.

    Raises
    ------
    QuestionError
        If the posterior has no families, or says nothing of a family not seen.
    """
    check_known(fit, {})
    # Labels of draws are compared at each step of the arithmetic, which takes longer than the arithmetic.
    drawn = fit["posterior"].to_dataset().drop_vars(["chain", "draw"], errors="ignore")
    card = card_from_json(fit.attrs["card"])
    effects = _draw_effects(card, drawn, {}, np.random.default_rng([seed, 7]))
    return {
        name: _combine_terms(card, name, drawn, {}, effects) if FAMILY in drawn[name].dims else drawn[name]
        for name in names
    }


Effects = dict[tuple[str, str], xr.DataArray]


def _draw_effects(card: Card, drawn: xr.Dataset, groups: dict[str, str], rng: np.random.Generator) -> Effects:
    """Return the effects of groups that are not known, by parameter and group; correlated where the card says so."""
    effects: Effects = {}
    like = drawn[next(iter(card.all_priors))].isel({FAMILY: 0}, drop=True, missing_dims="ignore")
    for name in card.all_priors:
        for term in card.terms(name):
            if term.kind == "partial" and term.group not in groups and term.group in drawn.dims:
                effects[name, term.group] = like.copy(data=rng.standard_normal(like.shape))
    for group in {group for _, group in effects}:
        if f"{group}_correlation" in drawn:
            _correlate_effects(effects, group, drawn[f"{group}_correlation"])
    return {
        (name, group): z * drawn[named(name, group, "spread")] * np.sqrt(1 + 1 / drawn.sizes[group])
        for (name, group), z in effects.items()
    }


def _correlate_effects(effects: Effects, group: str, pairs: xr.DataArray) -> None:
    """Give independent normal effects of one group the correlations of each draw, in place."""
    labels = [str(pair).split(", ") for pair in pairs[f"{group}_pair"].values]
    names = list(dict.fromkeys([labels[0][1], *(later for later, _ in labels)]))
    matrix = np.broadcast_to(np.eye(len(names)), (*pairs.shape[:2], len(names), len(names))).copy()
    for k, (later, earlier) in enumerate(labels):
        i, j = names.index(later), names.index(earlier)
        matrix[..., i, j] = matrix[..., j, i] = pairs.isel({f"{group}_pair": k}).values
    independent = np.stack([effects[name, group].values for name in names], axis=-1)
    together = np.einsum("...ij,...j->...i", np.linalg.cholesky(matrix), independent)
    for i, name in enumerate(names):
        effects[name, group] = effects[name, group].copy(data=together[..., i])


def _combine_terms(card: Card, name: str, drawn: xr.Dataset, groups: dict[str, str], effects: Effects) -> xr.DataArray:
    terms = [term for term in card.terms(name) if term.group in drawn.dims]
    level = drawn[f"{name}_level"] if f"{name}_level" in drawn else drawn[name]
    total: xr.DataArray | float = 0.0
    for term in terms:
        if term.kind == "none":
            level = level.sel({term.group: _find_level(name, term, groups)}, drop=True)
        elif term.kind == "slope":
            levels, told = drawn[term.group].values.tolist(), _find_level(name, term, groups)
            total = total + drawn[named(name, term.group, "slope")] * along_slope(term, levels, [told])[0]
        elif term.group in groups or term.kind == "effect":
            known = drawn[named(name, term.group)]
            total = total + known.sel({term.group: _find_level(name, term, groups)}, drop=True)
        else:
            total = total + effects[name, term.group]
    return apart(np, support_of(card.get_law(), name), level, total)


def _find_level(name: str, term: Term, groups: dict[str, str]) -> str:
    if term.group not in groups:
        why = "is its own in each" if term.kind == "none" else "depends on the"
        ask = "nothing is known of another"
        if term.group != FAMILY:
            ask = f"say which: new_family(fit, {term.group}=...) (on the command line: --known {term.group}=...)"
        raise QuestionError(f"{name} {why} {term.group}: {ask}.")
    return groups[term.group]
