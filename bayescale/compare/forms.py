"""The forms that a forecast asks, each with what it is worth before it has predicted a run."""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import xarray as xr

from bayescale.errors import DesignError, QuestionError
from bayescale.modeling import Card, load_card
from bayescale.modeling.cards import DEFAULTS
from bayescale.shipped_files import shipped_path

Forms = Mapping[str, float]


def shipped_forms() -> dict[str, float]:
    """Return the forms of `models/defaults.toml` with their weights before any rehearsal.

    Examples
    --------
    >>> from bayescale.compare.forms import shipped_forms
    >>> "chinchilla+drift" in shipped_forms()
    True
    """
    content = tomllib.loads((shipped_path("models") / f"{DEFAULTS}.toml").read_text())
    return {str(name): float(weight) for name, weight in content["forecast"].items()}


def forms_for(
    runs: xr.Dataset, models: "Forms | Iterable[str | Path | Card] | str | Path | Card | None" = None
) -> tuple[dict[str, Card], dict[str, float]]:
    """Return the cards to ask and their weights before any rehearsal; those given without weights are worth the same.

    Raises
    ------
    QuestionError
        If no form is named, one is named twice, a weight is not positive, or the forms are of different responses.
    DesignError
        If the runs lack what every shipped form takes.
    """
    if models is None:
        return _shipped_for(runs)
    if isinstance(models, str | Path | Card):
        models = [models]
    given = models.items() if isinstance(models, Mapping) else [(model, 1.0) for model in models]
    cards: dict[str, Card] = {}
    weights: dict[str, float] = {}
    # By the name of the card, not by that of its file or the one it was asked by: posteriors carry the card's.
    for model, weight in given:
        card = load_card(model)
        if card.name in cards:
            raise QuestionError(f"the form {card.name!r} is named twice.")
        cards[card.name], weights[card.name] = card, float(weight)
    return _checked(cards, weights)


def _shipped_for(runs: xr.Dataset) -> tuple[dict[str, Card], dict[str, float]]:
    weights = shipped_forms()
    cards = {name: load_card(name) for name in weights}
    cards = {name: card for name, card in cards.items() if all(column in runs for column in card.get_law().inputs)}
    if not cards:
        raise DesignError(
            "a forecast asks forms in N and D, and these runs lack one of them; name forms that suit them, such as "
            "['power-floor:tokens+drift', 'shifted:tokens+drift']."
        )
    return _checked(cards, {name: weights[name] for name in cards})


def _checked(cards: dict[str, Card], weights: dict[str, float]) -> tuple[dict[str, Card], dict[str, float]]:
    if not cards:
        raise QuestionError("name at least one form.")
    for name, weight in weights.items():
        if not weight > 0:
            raise QuestionError(f"the form {name!r} has the weight {weight!r}; a weight is positive.")
    responses = {name: card.get_law().response for name, card in cards.items()}
    if len(set(responses.values())) > 1:
        said = ", ".join(f"{name} of {response}" for name, response in responses.items())
        raise QuestionError(f"forms of different responses have no answer in common: {said}.")
    total = sum(weights.values())
    return cards, {name: weight / total for name, weight in weights.items()}
