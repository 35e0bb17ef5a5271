"""From a law, a model card and runs to a PyMC model."""

from bayescale.modeling.build import build_model, check_design, family_names, model_data
from bayescale.modeling.card import Card, Prior, list_cards, load_card

__all__ = ["Card", "Prior", "build_model", "check_design", "family_names", "list_cards", "load_card", "model_data"]
