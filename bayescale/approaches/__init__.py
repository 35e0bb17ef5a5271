"""Hoffmann et al.'s three approaches to the compute-optimal split, each Bayesian, and whether they agree."""

import sys
import warnings
from types import ModuleType
from typing import Any

from bayescale.approaches.agreement import agreement
from bayescale.approaches.approaches import approaches, approaches_table, published_beside
from bayescale.approaches.envelope_fit import envelope_fit
from bayescale.approaches.isoflop_fit import isoflop_fit, profile_curves
from bayescale.approaches.ladder import ladder
from bayescale.approaches.parabola_minima import line_through, parabola_minima, params_on_line
from bayescale.approaches.sample_estimator import line_split

__all__ = [
    "agreement",
    "approaches",
    "approaches_table",
    "envelope_fit",
    "isoflop_fit",
    "ladder",
    "line_split",
    "line_through",
    "parabola_minima",
    "params_on_line",
    "profile_curves",
    "published_beside",
]


class _CallableModule(ModuleType):
    """The namespace, which was a function in version 0.1 and may be called as one until version 0.3."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        text = (
            "bayescale.approaches(...) is now bayescale.approaches.approaches(...); the old call goes with version 0.3"
        )
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return approaches(*args, **options)


sys.modules[__name__].__class__ = _CallableModule
