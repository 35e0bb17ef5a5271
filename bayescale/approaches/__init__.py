"""Hoffmann et al.'s three approaches to the compute-optimal split, each Bayesian, and whether they agree."""

import sys as _sys
import types as _types
import warnings as _warnings
from typing import Any as _Any

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


class _CallableModule(_types.ModuleType):
    """The namespace, which was a function in version 0.1 and may be called as one until version 0.3."""

    def __call__(self, *args: _Any, **options: _Any) -> _Any:
        text = (
            "bayescale.approaches(...) is now bayescale.approaches.approaches(...); the old call goes with version 0.3"
        )
        _warnings.warn(text, DeprecationWarning, stacklevel=2)
        return approaches(*args, **options)


_sys.modules[__name__].__class__ = _CallableModule
