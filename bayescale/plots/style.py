"""The look of every figure in one place: colours, sizes, and how big numbers are written on an axis."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bayescale.numbers import human_number

# Okabe and Ito's colours, darkened a little for thin lines on white; told apart with every common colour blindness.
FIRST = "#0a5c9e"
SECOND = "#c8560b"
KNOWN = "#00795c"
MISSED = "#b8266b"
INK = "#222222"
MUTED = "#6b6b6b"
FAINT = "#c9c9c9"
FORM_COLOURS = (FIRST, SECOND, KNOWN, MISSED)
RUN_COLOURS = "viridis"
MARKERS = ("o", "s", "^", "D", "v", "P")

# One panel: readable at the width of a phone, two abreast on a desktop.
SIZE = (5.0, 3.8)
DPI = 200
BAND_ALPHA = 0.19

_RC = {
    "figure.figsize": SIZE,
    "figure.dpi": 100,
    "savefig.dpi": DPI,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#ececec",
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 8.5,
    "legend.frameon": True,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "legend.borderpad": 0.3,
    "lines.linewidth": 1.8,
}


@contextmanager
def style() -> Iterator[None]:
    """Give figures made within their look; outside it nothing is changed.

    Examples
    --------
    >>> import matplotlib as mpl
    >>> from bayescale.plots import style
    >>> before = mpl.rcParams["font.size"]
    >>> with style():
    ...     inside = mpl.rcParams["axes.spines.top"]
    >>> inside, mpl.rcParams["font.size"] == before
    (False, True)
    """
    with mpl.rc_context(_RC):
        yield
        interactive = mpl.is_interactive()
    # A notebook's backend turns itself on at the first figure: undoing that would hide all later ones.
    mpl.interactive(interactive)


def loss_text(*values: float, width: float) -> list[str]:
    """Write losses with the digits that a band of that width supports.

    Examples
    --------
    >>> from bayescale.plots.style import loss_text
    >>> loss_text(1.5234, 1.6178, width=0.09)
    ['1.523', '1.618']
    """
    digits = min(max(1 - math.floor(math.log10(max(width, 1e-9))), 2), 4)
    return [f"{value:.{digits}f}" for value in values]


def log_axis(axis: Any, *, human: bool = True) -> None:
    """Make an axis logarithmic, its ticks written as people write them (1M), or as powers of ten."""
    axis._set_axes_scale("log")
    if not human:
        return
    low, high = sorted(axis.get_view_interval())
    decades = np.log10(high / low)
    subs = (1.0,) if decades >= 2.5 else (1.0, 3.0) if decades >= 1.2 else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(base=10, subs=subs, numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda value, _: human_number(value)))
    axis.set_minor_formatter(NullFormatter())


def compute_axis(ax: Axes) -> None:
    """Label the horizontal axis as training compute, in powers of ten."""
    ax.set_xscale("log")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.xaxis.set_major_locator(LogLocator(base=10, numticks=9))
    ax.set_xlabel("training compute C (FLOP)")
