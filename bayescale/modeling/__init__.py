"""From a law, a model card and runs to a PyMC model."""

from bayescale.modeling.build import build_model, family_names, model_data
from bayescale.modeling.card import Card
from bayescale.modeling.card_tables import Prior
from bayescale.modeling.cards import list_cards, load_card, make_card
from bayescale.modeling.design import check_design, laws_for
from bayescale.modeling.identify import identifiability
from bayescale.modeling.prior_predictive import prior_predictive
from bayescale.modeling.unidentified import identified, ridge_of, unidentified

__all__ = [
    "Card",
    "Prior",
    "build_model",
    "check_design",
    "family_names",
    "identifiability",
    "identified",
    "laws_for",
    "list_cards",
    "load_card",
    "make_card",
    "model_data",
    "prior_predictive",
    "ridge_of",
    "unidentified",
]
