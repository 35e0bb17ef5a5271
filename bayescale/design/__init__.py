"""What the runs can tell before anything is sampled."""

from bayescale.design.identifiability import identifiability
from bayescale.design.prior_predictive import prior_predictive
from bayescale.design.unidentified import identified, ridge_of, unidentified

__all__ = ["identifiability", "identified", "prior_predictive", "ridge_of", "unidentified"]
