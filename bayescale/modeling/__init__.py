"""From a card and runs to a PyMC model."""

from bayescale.modeling.build import build_model, family_names, model_data
from bayescale.modeling.design import check_design, laws_for

__all__ = [
    "build_model",
    "check_design",
    "family_names",
    "laws_for",
    "model_data",
]
