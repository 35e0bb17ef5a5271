"""A card that is written is the card that was meant: every shipped one, and what may be added to one."""

import tomllib

import pytest

import bayescale as bs
from bayescale.report.card_text import card_text

ADDED = ["chinchilla+drift", "kaplan+budget", "chinchilla+design", "chinchilla+drift+curve", "power:tokens"]
OWN = {
    "title": "mine",
    "law": {"expression": "E + a*n^-alpha"},
    "priors": {
        "E": {"dist": "Beta", "a": 4, "b": 2, "of": "min(loss)"},
        "a": {"dist": "LogNormal", "median": 0.3, "sigma": 1.0},
        "alpha": {"dist": "LogNormal", "median": 0.35, "sigma": 0.4},
    },
}
FILTERED = {"extends": "chinchilla", "curve": {"filters": {"first": 0.05, "spike": False}}}


def plain(card):
    return card.model_dump(mode="json", exclude={"name"})


@pytest.mark.parametrize("name", [*bs.list_cards(), *ADDED])
def test_every_card_is_read_back_as_it_was(name):
    card = bs.load_card(name)
    assert plain(bs.cards.make_card(tomllib.loads(card_text(card.model_dump(mode="json"))))) == plain(card)


@pytest.mark.parametrize("content", [OWN, FILTERED])
def test_a_card_of_ones_own_is_too(content):
    card = bs.cards.make_card(content)
    assert plain(bs.cards.make_card(tomllib.loads(card_text(card.model_dump(mode="json"))))) == plain(card)
