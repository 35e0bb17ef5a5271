"""Hoffmann et al.'s three approaches to the compute-optimal split, each Bayesian, and whether they agree."""

from bayescale.approaches.agreement import agreement
from bayescale.approaches.envelope import envelope_fit
from bayescale.approaches.isoflop import isoflop_fit, profile_curves
from bayescale.approaches.ladder import ladder
from bayescale.approaches.minima import line_through, parabola_minima, params_on_line
from bayescale.approaches.posterior import line_split
from bayescale.approaches.together import approaches, approaches_table, published_beside

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
