# ruff: noqa: TID252  (lazy_loader reads relative imports only)
from .identifiability import identifiability
from .prior_predictive import prior_predictive
from .unidentified import identified, ridge_of, unidentified

__all__ = ["identifiability", "identified", "prior_predictive", "ridge_of", "unidentified"]
