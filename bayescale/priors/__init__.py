"""Priors that a person can judge: the distributions that a card may name."""

from bayescale.priors.distributions import DISTRIBUTIONS
from bayescale.priors.prior import Prior

__all__ = ["DISTRIBUTIONS", "Prior"]
