"""How parameters differ between groups of runs: the level of the groups at hand, and how each group differs from it."""

from collections.abc import Mapping
from typing import Any, NamedTuple, override

import numpy as np
import xarray as xr
from pydantic import Field

from bayescale.errors import did_you_mean
from bayescale.laws import Law
from bayescale.layers.groups import FAMILY, Group, Term, along_slope, groups_of, parse_pooling
from bayescale.layers.layer import Context, Known, Layer, ModelCard, Theta
from bayescale.priors import Prior

EFFECT_EXAMPLE = "{dist = 'Normal', mu = 0, sigma = 0.3}"
# What [pooling] may say beside how each parameter is pooled.
SETTINGS = ("default", "spread", "effect", "correlated")
# Runs for each parameter of the law in every group, from which on a group's own runs pin its parameters.
CENTRED_FROM = 3
# How strongly the correlations of group effects are drawn to none: 2 is a weak prior (Lewandowski et al. 2009).
LKJ_ETA = 2.0
CHOLESKY = "_cholesky"  # ends the name of a matrix whose upper half is 0, which no diagnosis is made for
Effects = Mapping[tuple[str, str], tuple[Any, Any]]


class Grouping(NamedTuple):
    """The groupings of the runs by name, and which of them have groups with runs enough to pin their parameters."""

    groups: Mapping[str, Group]
    centred: Mapping[str, bool]


class PoolingLayer(Layer):
    """How each parameter of the law and of the noise is pooled over groups of runs."""

    table = "pooling"
    field: tuple[Any, Any] = (dict[str, bool | str | Prior], Field(default_factory=dict))
    always = True

    @override
    def complete_table(self, content: Mapping[str, Any], defaults: dict[str, Any], response: str) -> dict[str, Any]:
        given = content.get("pooling")
        if given is None:
            return {"pooling": defaults["pooling"]}
        if not isinstance(given, dict):
            return {}
        ways = " ".join(str(way) for way in given.values())
        effect = "effect" if "effect(" in ways else "slope("
        shipped = {"spread": ("partial", defaults["pooling"]["spread"]), "effect": (effect, defaults["effect"])}
        return {"pooling": {name: prior for name, (word, prior) in shipped.items() if word in ways} | given}

    @override
    def priors(self, card: ModelCard) -> dict[str, Prior]:
        return {}  # spreads and effects belong to the groups of the runs

    @override
    def check(self, card: ModelCard, law: Law) -> None:
        poolable = (*law.parameter_names, *card.noise.priors)
        for name, way in card.pooling.items():
            if name in ("spread", "effect"):
                if not isinstance(way, Prior):
                    example = "{dist = 'HalfNormal', sigma = 0.3}" if name == "spread" else EFFECT_EXAMPLE
                    raise ValueError(f"pooling.{name}: must be a prior, for example {example}.")
                if name == "effect" and (way.dist != "Normal" or way.arguments["mu"] != 0):
                    raise ValueError(
                        f"pooling.effect: must be normal about 0, for example {EFFECT_EXAMPLE}; got {way}."
                    )
            elif name == "correlated":
                if not isinstance(way, bool):
                    raise ValueError(f"pooling.correlated: accepted are true, false; got {way!r}.")
            elif name not in (*poolable, "default"):
                raise ValueError(
                    f"pooling.{name}: there is no such parameter.{did_you_mean(name, (*poolable, *SETTINGS))} "
                    f"Parameters: {', '.join(poolable)}; and {', '.join(SETTINGS)}."
                )
            else:
                try:
                    parse_pooling(way if isinstance(way, str) else repr(way))
                except ValueError as error:
                    raise ValueError(f"pooling.{name}: {error}") from None

    @override
    def know(self, card: ModelCard, runs: xr.Dataset, context: Context) -> Known:
        law = card.get_law()
        labels = runs[FAMILY].values if FAMILY in runs.coords else np.full(runs.sizes["run"], context.families[0])
        index = np.searchsorted(np.array(context.families), labels).astype("int64")
        arrays = {"family_index": index}
        for prior in card.all_priors.values():
            if prior.of:
                arrays[of_name(prior)] = _average_loss(prior, runs["loss"].values.astype(float), index)
        groups = groups_of({term for name in card.all_priors for term in card.terms(name)}, runs, context.families)
        arrays |= {family_map(name): group.of_family for name, group in groups.items() if name != FAMILY}
        arrays |= slope_arrays(card, groups)
        fewest = {name: int(np.bincount(group.of_family[index]).min()) for name, group in groups.items()}
        centred = {name: count >= CENTRED_FROM * len(law.parameters) for name, count in fewest.items()}
        # One level has no effects that could be centred.
        key = tuple((name, n := len(group.levels), n > 1 and centred[name]) for name, group in groups.items())
        return Known(arrays, group_coords(card, law, groups), key, Grouping(groups, centred))

    def create_parameters(self, card: ModelCard, grouping: Grouping, data: Mapping[str, Any]) -> Theta:
        """Create all parameters in the PyMC model at hand, as each run sees them."""
        law, groups = card.get_law(), grouping.groups
        effects = group_effects(card, law, groups, grouping.centred, data)
        return {name: pooled(name, card, law, groups, effects, data) for name in card.all_priors}


POOLING = PoolingLayer()


def _average_loss(prior: Prior, loss: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return the loss that a prior is a multiple of: that of each family, then their geometric mean."""
    share = 0.0 if prior.of == "min(loss)" else 0.5
    each = [np.quantile(loss[index == k], share) for k in range(index.max() + 1)]
    return np.array(np.exp(np.mean(np.log(each))))


def of_name(prior: Prior) -> str:
    """Return the name of the data that a prior is a multiple of: ``min_of_loss``."""
    return f"{str(prior.of)[:-1].replace('(', '_of_')}"


def family_map(group: str) -> str:
    """Return the name of the data that say which level of a group each family is of."""
    return f"{group}_of_family"


def slope_place(term: Term) -> str:
    """Return the name of the data that say where each level of a group lies along a slope."""
    return f"{term.group}{'_log' * term.log}_slope"


def slope_arrays(card: ModelCard, groups: Mapping[str, Group]) -> dict[str, np.ndarray]:
    """Return where the levels of each group lie along the card's slopes."""
    terms = {term for name in card.all_priors for term in card.terms(name) if term.kind == "slope"}
    known = [(term, groups[term.group].levels) for term in sorted(terms)]
    return {slope_place(term): along_slope(term, levels) for term, levels in known if len(levels) > 1}


def named(name: str, group: str, what: str = "") -> str:
    """Return the name of a part of a parameter: ``E_spread`` of families, ``E_corpus_spread`` of any other group."""
    return "_".join(filter(None, (name, "" if group == FAMILY else group, what)))


def terms_over(card: ModelCard, groups: Mapping[str, Group], kind: str) -> dict[str, list[str]]:
    """Return the parameters that have a term of that kind, by group; of groups that have more than one level."""
    parameters: dict[str, list[str]] = {}
    for name in card.all_priors:
        for term in card.terms(name):
            if term.kind == kind and len(groups[term.group].levels) > 1:
                parameters.setdefault(term.group, []).append(name)
    return parameters


def group_effects(
    card: ModelCard, law: Law, groups: Mapping[str, Group], centred: Mapping[str, bool], data: Mapping[str, Any]
) -> Effects:
    """Create all group effects: by parameter and group, those of its levels and that of the population's centre.

    Effects sum to zero about the level of the groups at hand, which the runs pin, so that the sampler sees no ridge
    between level and effects. A population centre that differs from the level by spread / sqrt(levels) makes them
    exactly independent normal effects about that centre.
    """
    import pymc as pm

    effects: dict[tuple[str, str], tuple[Any, Any]] = {}
    for group, names in terms_over(card, groups, "partial").items():
        together = _select_correlated(card, law, names)
        if len(together) > 1:
            effects |= _create_correlated(card, group, groups[group], together)
        for name in names:
            if (name, group) not in effects:
                effects[name, group] = _create_independent(card, name, group, groups[group], centred[group])
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


def _create_independent(card: ModelCard, name: str, group: str, of: Group, centred: bool) -> tuple[Any, Any]:
    import pymc as pm

    spread = card.spread.in_pymc(named(name, group, "spread"))
    offset = named(name, group, "offset")
    if centred:
        effect = pm.ZeroSumNormal(offset, sigma=spread, dims=group)
    else:
        effect = spread * pm.ZeroSumNormal(offset, sigma=1.0, dims=group)
    centre = pm.Normal(named(name, group, "centre_offset"), 0.0, 1.0)
    return effect, spread * centre / np.sqrt(len(of.levels))


def _create_correlated(
    card: ModelCard, group: str, of: Group, names: list[str]
) -> dict[tuple[str, str], tuple[Any, Any]]:
    """Create the effects of several parameters that go together from group to group."""
    import pymc as pm

    spreads = pm.math.stack([card.spread.in_pymc(named(name, group, "spread")) for name in names])
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


def group_coords(card: ModelCard, law: Law, groups: Mapping[str, Group]) -> dict[str, list[str]]:
    """Return the coords of a model with group effects."""
    coords = {name: list(group.levels) for name, group in groups.items() if len(group.levels) > 1}
    for group, names in terms_over(card, groups, "partial").items():
        if len(together := _select_correlated(card, law, names)) > 1:
            coords[f"{group}_parameter"] = together
            coords[f"{group}_pair"] = [f"{b}, {a}" for i, b in enumerate(together) for a in together[:i]]
    return coords


def _select_correlated(card: ModelCard, law: Law, names: list[str]) -> list[str]:
    return [name for name in names if name in law.parameter_names] if card.correlated else []


def draw_prior(name: str, prior: Prior, data: Mapping[str, Any], dims: str | None = None) -> Any:
    """Create one parameter as its prior says: a share of a loss of the runs, where it is one."""
    if prior.of is None:
        return prior.in_pymc(name, dims)
    import pymc as pm

    share = prior.in_pymc(f"{name}_share", dims)
    return pm.Deterministic(name, share * data[of_name(prior)], dims=dims)


def pooled(
    name: str, card: ModelCard, law: Law, groups: Mapping[str, Group], effects: Effects, data: Mapping[str, Any]
) -> Any:
    """Create one parameter under its pooling, as each run sees it."""
    import pymc as pm

    prior, families = card.all_priors[name], len(groups[FAMILY].levels)
    terms = [term for term in card.terms(name) if len(groups[term.group].levels) > 1]
    if not terms:
        return draw_prior(name, prior, data)
    alone = next((term.group for term in terms if term.kind == "none"), None)
    if alone == FAMILY and len(terms) == 1:
        return draw_prior(name, prior, data, dims=FAMILY)[data["family_index"]]
    level = draw_prior(f"{name}_level", prior, data, dims=alone)
    support = support_of(law, name)
    own = {term.group: effects[name, term.group] for term in terms if term.kind != "none"}
    if alone is None:
        pm.Deterministic(
            f"{name}_population", apart(pm.math, support, level, sum(centre for _, centre in own.values()))
        )
    for group, (effect, _) in own.items():
        if group != FAMILY and (name, group) in effects:
            pm.Deterministic(named(name, group), effect, dims=group)
    total = sum(effect[_select_families(group, data)] for group, (effect, _) in own.items())
    level = level if alone is None else level[_select_families(alone, data)]
    value = pm.Deterministic(name, apart(pm.math, support, level, total + np.zeros(families)), dims=FAMILY)
    return value[data["family_index"]]


def _select_families(group: str, data: Mapping[str, Any]) -> Any:
    return slice(None) if group == FAMILY else data[family_map(group)]


def support_of(law: Law, name: str) -> str:
    """Return what values a parameter of the law or the noise may take: positive, real, share."""
    supports: dict[str, str] = {"undertuned": "share"} | {p.name: p.support for p in law.parameters}
    return supports.get(name, "positive")


def apart(xp: Any, support: str, level: Any, effect: Any) -> Any:
    """Return a group's value: it differs from the level by a factor, by a difference, or on the logit of a share."""
    if support == "positive":
        return level * xp.exp(effect)
    if support == "real":
        return level + effect
    odds = level * xp.exp(effect)
    return odds / (1 - level + odds)


class EffectPlace(NamedTuple):
    """Where the effects of a group's levels stand among the latents, and how much each family has of each.

    They sum to zero, as in the model. A slope is the difference between two levels, its ends.
    """

    place: slice
    of_family: np.ndarray


# By parameter: the place of its levels among the latents, the level of each family, and the effects of its groups.
Places = dict[str, tuple[slice, np.ndarray, tuple[EffectPlace, ...]]]


def places_of(card: ModelCard, groups: Mapping[str, Group]) -> Places:
    """Return the place of each parameter of the law among the latents of its linear form, and of its group effects."""
    places: Places = {}
    start = 0
    for name in card.get_law().parameter_names:
        if name in card.fixed:
            continue
        terms = [term for term in card.terms(name) if len(groups[term.group].levels) > 1]
        alone = next((term.group for term in terms if term.kind == "none"), None)
        level = slice(start, start + (len(groups[alone].levels) if alone else 1))
        level_of = groups[alone].of_family if alone else np.zeros(len(groups[FAMILY].levels), dtype=int)
        start = level.stop
        effects: list[EffectPlace] = []
        for term in terms:
            if term.kind != "none":
                of_family = _share_effects(card, term, groups[term.group])
                effects.append(EffectPlace(slice(start, start + len(of_family)), of_family))
                start += len(of_family)
        places[name] = level, level_of, tuple(effects)
    return places


def _share_effects(card: ModelCard, term: Term, group: Group) -> np.ndarray:
    """Return how much each family has of each latent, dims (latent, family); a spread is in the middle of its prior."""
    if term.kind == "slope":
        along = along_slope(term, group.levels)[group.of_family] * card.effect.arguments["sigma"]
        return np.stack([-along, along])
    size = card.effect.arguments["sigma"] if term.kind == "effect" else card.spread.median
    count = len(group.levels)
    return size * (np.eye(count) - 1 / count)[:, group.of_family]
