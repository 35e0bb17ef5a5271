"""Where the fitted runs lie along a scale, and how far below the largest of them another run is."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from bayescale.laws import Law


class Span(NamedTuple):
    """Where the fitted runs lie on log10 of a scale: the smallest, the middle and the largest."""

    low: float
    middle: float
    high: float


Spans = Mapping[str, Span]


def measure(law: Law) -> str:
    """Return the scale by which runs of this law are large: compute where it follows, or the first that it takes."""
    follows = {"params", "tokens"} <= set(law.inputs) or {"params", "step", "batch"} <= set(law.inputs)
    return "compute" if follows or "compute" in law.inputs else law.inputs[0]


def decades_below(scale: Any, span: Span) -> Any:
    """Return how far below the largest fitted run a scale lies, in decades; 0 beyond that run."""
    return np.maximum(span.high - np.log10(scale), 0.0)
