"""From a card and runs to a PyMC model."""

from bayescale.modeling.build import build, build_model
from bayescale.modeling.design import laws_for
from bayescale.modeling.problem import Problem, family_names, prepare

__all__ = ["Problem", "build", "build_model", "family_names", "laws_for", "prepare"]
