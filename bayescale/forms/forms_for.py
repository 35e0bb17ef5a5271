"""The forms that a forecast asks, each with what it is worth before it has predicted a run."""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayescale.cards import Card, load_card
from bayescale.cards.card import split_name
from bayescale.cards.files import DEFAULTS
from bayescale.errors import DesignError, QuestionError
from bayescale.shipped_files import shipped_path

Forms = Mapping[str, float]
# The quantities along which a curve may run where runs have no N and D: amounts of data first, then sizes of the model.
QUANTITIES = ("compute", "tokens", "examples", "words", "unique_tokens", "step", "params", "width", "depth")


def shipped_forms(column: str = "") -> dict[str, float]:
    """Return the forms of `models/defaults.toml` with their weights before any rehearsal.

    Those in N and D; or, given a column, those in one variable along it.

    Examples
    --------
    >>> from bayescale.forms.forms_for import shipped_forms
    >>> "chinchilla+drift" in shipped_forms()
    True
    >>> "broken-1:examples+drift" in shipped_forms("examples")
    True
    """
    content = tomllib.loads((shipped_path("models") / f"{DEFAULTS}.toml").read_text())
    if not column:
        return {str(name): float(weight) for name, weight in content["forecast"].items()}
    return {along(str(name), column): float(weight) for name, weight in content["forecast_one"].items()}


def along(name: str, column: str) -> str:
    """Return the name of a card in one variable along that column: ``power+drift`` is ``power:examples+drift``."""
    form, added = split_name(name)
    return "".join((form, ":", column, *added))


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
    # Forms are known by the names of their cards, as posteriors carry those names.
    for model, weight in given:
        card = load_card(model)
        if card.name in cards:
            raise QuestionError(f"the form {card.name!r} is named twice.")
        cards[card.name], weights[card.name] = card, float(weight)
    return _check_forms(cards, weights)


def keep_forms(models: "Forms | Iterable[str | Path | Card] | str | Path | Card | None") -> Any:
    """Return forms that can be read more than once: those of an iterator as a list, all others as they are."""
    return models if isinstance(models, Mapping | str | Path | Card | None) else list(models)


def _shipped_for(runs: xr.Dataset) -> tuple[dict[str, Card], dict[str, float]]:
    weights = shipped_forms() if {"params", "tokens"} <= set(runs) else shipped_forms(_first_varied(runs))
    cards = {name: load_card(name) for name in weights}
    return _check_forms(cards, {card.name: weights[name] for name, card in cards.items()})


def _first_varied(runs: xr.Dataset) -> str:
    """Return the first quantity that the runs differ by: the names of the forms say which it is."""
    varied = [name for name in QUANTITIES if name in runs and len(np.unique(runs[name].values)) > 1]
    if not varied:
        raise DesignError(
            "a forecast asks forms in N and D, or in one quantity that the runs differ by; these runs have neither. "
            f"Name forms that suit them. Quantities: {', '.join(QUANTITIES)}."
        )
    return varied[0]


def _check_forms(cards: dict[str, Card], weights: dict[str, float]) -> tuple[dict[str, Card], dict[str, float]]:
    if not cards:
        raise QuestionError("name at least one form.")
    for name, weight in weights.items():
        if not weight > 0:
            raise QuestionError(f"the form {name!r} has the weight {weight!r}; a weight is positive.")
    responses = {name: card.get_law().response for name, card in cards.items()}
    if len(set(responses.values())) > 1:
        listed = ", ".join(f"{name} of {response}" for name, response in responses.items())
        raise QuestionError(f"forms of different responses have no answer in common: {listed}.")
    total = sum(weights.values())
    return cards, {name: weight / total for name, weight in weights.items()}
