"""The latents of a card as `identifiability` has them: where each stands, and what those off the law add."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bayescale.cards.card import Card
from bayescale.layers.drift import Spans, basis, below_top, decades_below
from bayescale.layers.groups import FAMILY, Group, Term, along_slope
from bayescale.layers.shared_errors import Sharing, own_error

Array = NDArray[Any]


class Effects(NamedTuple):
    """Where the effects of a group's levels stand among the latents, and how much each family has of each.

    They sum to zero, as in the model. A slope is the difference between two levels, its ends.
    """

    place: slice
    of_family: Array


# Where a parameter's level stands among the latents, which of several is each family's, and the effects of groups.
Places = dict[str, tuple[slice, Array, tuple[Effects, ...]]]


def places_of(card: Card, groups: Mapping[str, Group]) -> Places:
    """Return where each parameter of the law stands among the latents, and the effects of groups on it."""
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
        effects: list[Effects] = []
        for term in terms:
            if term.kind != "none":
                of_family = _of_family(card, term, groups[term.group])
                effects.append(Effects(slice(start, start + len(of_family)), of_family))
                start += len(of_family)
        places[name] = level, level_of, tuple(effects)
    return places


def _of_family(card: Card, term: Term, group: Group) -> Array:
    """Return how much each family has of each latent, dims (latent, family); a spread is in the middle of its prior."""
    if term.kind == "slope":
        along = along_slope(term, group.levels)[group.of_family] * card.effect.arguments["sigma"]
        return np.stack([-along, along])
    size = card.effect.arguments["sigma"] if term.kind == "effect" else float(card.spread.scipy.ppf(0.5))
    count = len(group.levels)
    return size * (np.eye(count) - 1 / count)[:, group.of_family]


def off_law_of(card: Card, spans: Spans, scales: dict[str, Array], count: int) -> tuple[Array, Array]:
    """Return what each step of the drift adds to log loss at these scales, and by how much the scatter grows there.

    The drift's own parameters are held at their priors' medians: what they are is not known before sampling.
    """
    if not spans:
        return np.zeros((count, 0)), np.ones(count)
    priors = card.discrepancy.priors if card.discrepancy else card.noise.growth
    middle = {name: float(prior.scipy.ppf(0.5)) for name, prior in priors.items()}
    first = next(iter(spans))
    growth = np.exp(middle["sigma_growth"] * decades_below(scales[first], spans[first]))
    if card.discrepancy is None:
        return np.zeros((count, 0)), growth
    rate = {name: middle["tau"] * np.exp(middle["tau_growth"] * below_top(span)) for name, span in spans.items()}
    return np.concatenate([basis(scales[name], span) * rate[name] for name, span in spans.items()], axis=-1), growth


def shared_errors_of(card: Card, sharing: Sharing, count: int) -> tuple[Array, Array]:
    """Return what the error of each group adds to log loss, and the standard deviation of what a run shares with none.

    How large errors are is held at the median of its prior, as of the drift. Runs in no group are new.
    """
    columns, variance = [np.zeros((count, 0))], np.zeros(count)
    for key, prior in card.errors.items():
        sd = float(prior.scipy.ppf(0.5))
        index = sharing[key].member if key in sharing else np.full(count, -1)
        members = np.arange(len(sharing[key].names)) if key in sharing else np.zeros(0)
        loading = sharing[key].loading if key in sharing else np.zeros(count)
        columns.append(sd * loading[:, None] * (index[:, None] == members))
        variance += np.where(index < 0, own_error(key) * sd**2, 0.0)
    return np.concatenate(columns, axis=1), np.sqrt(variance)
