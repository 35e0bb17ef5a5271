"""A parameter under its pooling, in PyMC: the level of the groups at hand, and how each of them differs from it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayescale.cards.card import Card
from bayescale.laws import Law
from bayescale.layers.groups import FAMILY, Group, Term, along_slope
from bayescale.priors import Prior
from bayescale.priors.distributions import DISTRIBUTIONS

# How strongly the correlations of group effects are drawn to none: 2 is a weak prior (Lewandowski et al. 2009).
LKJ_ETA = 2.0
CHOLESKY = "_cholesky"  # ends the name of a matrix whose upper half is 0, which no diagnosis is made for
Effects = Mapping[tuple[str, str], tuple[Any, Any]]


def of_name(prior: Prior) -> str:
    """Return the name of the data that a prior is a multiple of: ``min_of_loss``."""
    return f"{str(prior.of)[:-1].replace('(', '_of_')}"


def family_map(group: str) -> str:
    """Return the name of the data that say which level of a group each family is of."""
    return f"{group}_of_family"


def slope_place(term: Term) -> str:
    """Return the name of the data that say where each level of a group lies along a slope."""
    return f"{term.group}{'_log' * term.log}_slope"


def slope_arrays(card: Card, groups: Mapping[str, Group]) -> dict[str, np.ndarray]:
    """Return where the levels of each group lie along the card's slopes."""
    terms = {term for name in card.all_priors for term in card.terms(name) if term.kind == "slope"}
    known = [(term, groups[term.group].levels) for term in sorted(terms)]
    return {slope_place(term): along_slope(term, levels) for term, levels in known if len(levels) > 1}


def named(name: str, group: str, what: str = "") -> str:
    """Return the name of a part of a parameter: ``E_spread`` of families, ``E_corpus_spread`` of any other group."""
    return "_".join(filter(None, (name, "" if group == FAMILY else group, what)))


def terms_over(card: Card, groups: Mapping[str, Group], kind: str) -> dict[str, list[str]]:
    """Return the parameters that have a term of that kind, by group; of groups that have more than one level."""
    found: dict[str, list[str]] = {}
    for name in card.all_priors:
        for term in card.terms(name):
            if term.kind == kind and len(groups[term.group].levels) > 1:
                found.setdefault(term.group, []).append(name)
    return found


def group_effects(
    card: Card, law: Law, groups: Mapping[str, Group], centred: Mapping[str, bool], data: Mapping[str, Any]
) -> Effects:
    """Create all group effects: by parameter and group, those of its levels and that of the population's centre.

    Effects sum to zero about the level of the groups at hand, which the runs pin, so that the sampler sees no ridge
    between level and effects. A population centre that differs from the level by spread / sqrt(levels) makes them
    exactly independent normal effects about that centre.
    """
    effects: dict[tuple[str, str], tuple[Any, Any]] = {}
    for group, names in terms_over(card, groups, "partial").items():
        together = _together(card, law, names)
        if len(together) > 1:
            effects |= _correlated(card, group, groups[group], together)
        for name in names:
            if (name, group) not in effects:
                effects[name, group] = _independent(card, name, group, groups[group], centred[group])
    for group, names in terms_over(card, groups, "effect").items():
        for name in names:
            sigma = card.effect.arguments["sigma"]
            effects[name, group] = pm.ZeroSumNormal(named(name, group, "offset"), sigma=sigma, dims=group), 0.0
    for group, names in terms_over(card, groups, "slope").items():
        for name in names:
            # Its ends differ as two levels do whose effects sum to zero.
            sigma = np.sqrt(2) * card.effect.arguments["sigma"]
            slope = pm.Normal(named(name, group, "slope"), 0.0, sigma)
            (term,) = (term for term in card.terms(name) if term.group == group)
            effects[name, group] = slope * data[slope_place(term)], 0.0
    return effects


def _independent(card: Card, name: str, group: str, of: Group, centred: bool) -> tuple[Any, Any]:
    spread = DISTRIBUTIONS[card.spread.dist].pymc(named(name, group, "spread"), **card.spread.arguments)
    offset = named(name, group, "offset")
    if centred:
        effect = pm.ZeroSumNormal(offset, sigma=spread, dims=group)
    else:
        effect = spread * pm.ZeroSumNormal(offset, sigma=1.0, dims=group)
    centre = pm.Normal(named(name, group, "centre_offset"), 0.0, 1.0)
    return effect, spread * centre / np.sqrt(len(of.levels))


def _correlated(card: Card, group: str, of: Group, names: list[str]) -> dict[tuple[str, str], tuple[Any, Any]]:
    """Create the effects of several parameters that go together from group to group."""
    create, arguments = DISTRIBUTIONS[card.spread.dist].pymc, card.spread.arguments
    spreads = pt.stack([create(named(name, group, "spread"), **arguments) for name in names])
    root = pm.LKJCorr(f"{group}{CHOLESKY}", n=len(names), eta=LKJ_ETA)
    rows, columns = np.tril_indices(len(names), -1)
    pm.Deterministic(f"{group}_correlation", (root[rows] * root[columns]).sum(axis=-1), dims=f"{group}_pair")
    scaled = spreads[:, None] * root
    offsets = pm.ZeroSumNormal(f"{group}_offset", sigma=1.0, dims=(f"{group}_parameter", group))
    centres = pm.Normal(f"{group}_centre_offset", 0.0, 1.0, dims=f"{group}_parameter")
    # Sums, not products of matrices: these are small, and PyTensor wants a BLAS for the latter. Not centred, however
    # many runs there are: centred, what five parameters share narrows to a funnel, and draws diverge.
    effects = (scaled[:, :, None] * offsets[None]).sum(axis=1)
    centre = (scaled * centres).sum(axis=-1) / np.sqrt(len(of.levels))
    return {(name, group): (effects[i], centre[i]) for i, name in enumerate(names)}


def group_coords(card: Card, law: Law, groups: Mapping[str, Group]) -> dict[str, list[str]]:
    """Return the coords of a model with group effects."""
    coords = {name: list(group.levels) for name, group in groups.items() if len(group.levels) > 1}
    for group, names in terms_over(card, groups, "partial").items():
        if len(together := _together(card, law, names)) > 1:
            coords[f"{group}_parameter"] = together
            coords[f"{group}_pair"] = [f"{b}, {a}" for i, b in enumerate(together) for a in together[:i]]
    return coords


def _together(card: Card, law: Law, names: list[str]) -> list[str]:
    return [name for name in names if name in law.parameter_names] if card.correlated else []


def draw_prior(name: str, prior: Prior, data: Mapping[str, Any], dims: str | None = None) -> Any:
    """Create one parameter as its prior says: a share of a loss of the runs, where it is one."""
    create = DISTRIBUTIONS[prior.dist].pymc
    if prior.of is None:
        return create(name, dims=dims, **prior.arguments)
    share = create(f"{name}_share", dims=dims, **prior.arguments)
    return pm.Deterministic(name, share * data[of_name(prior)], dims=dims)


def pooled(
    name: str, card: Card, law: Law, groups: Mapping[str, Group], effects: Effects, data: Mapping[str, Any]
) -> Any:
    """Create one parameter under its pooling, as each run sees it."""
    prior, families = card.all_priors[name], len(groups[FAMILY].levels)
    terms = [term for term in card.terms(name) if len(groups[term.group].levels) > 1]
    if not terms:
        return draw_prior(name, prior, data)
    alone = next((term.group for term in terms if term.kind == "none"), None)
    if alone == FAMILY and len(terms) == 1:
        return draw_prior(name, prior, data, dims=FAMILY)[data["family_index"]]
    level = draw_prior(f"{name}_level", prior, data, dims=alone)
    support = support_of(law, name)
    mine = {term.group: effects[name, term.group] for term in terms if term.kind != "none"}
    if alone is None:
        pm.Deterministic(f"{name}_population", apart(pt, support, level, sum(centre for _, centre in mine.values())))
    for group, (effect, _) in mine.items():
        if group != FAMILY and (name, group) in effects:
            pm.Deterministic(named(name, group), effect, dims=group)
    total = sum(effect[_of_family(group, data)] for group, (effect, _) in mine.items())
    level = level if alone is None else level[_of_family(alone, data)]
    value = pm.Deterministic(name, apart(pt, support, level, total + np.zeros(families)), dims=FAMILY)
    return value[data["family_index"]]


def _of_family(group: str, data: Mapping[str, Any]) -> Any:
    return slice(None) if group == FAMILY else data[family_map(group)]


def support_of(law: Law, name: str) -> str:
    """Return what values a parameter of the law or the noise may take: positive, real, share."""
    return ({"undertuned": "share"} | {p.name: p.support for p in law.parameters}).get(name, "positive")


def apart(xp: Any, support: str, level: Any, effect: Any) -> Any:
    """Return a group's value: it differs from the level by a factor, by a difference, or on the logit of a share."""
    if support == "positive":
        return level * xp.exp(effect)
    if support == "real":
        return level + effect
    odds = level * xp.exp(effect)
    return odds / (1 - level + odds)
