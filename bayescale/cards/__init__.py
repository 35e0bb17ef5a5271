"""Model cards: a law, a prior for each parameter, what is pooled, and the noise."""

from bayescale.cards.card import Card, card_from_json
from bayescale.cards.files import list_cards, load_card, make_card
from bayescale.priors import Prior

__all__ = ["Card", "Prior", "card_from_json", "list_cards", "load_card", "make_card"]
