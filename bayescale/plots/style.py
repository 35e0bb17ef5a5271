"""The house style of every figure: colours, sizes and line styles."""

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl

# The colours of Okabe and Ito, a little darker for thin lines on white: readers with any common colour blindness can
# tell them apart.
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
DASHED = (0, (4, 3))

# The size of one panel: readable at the width of a phone, two side by side on a desktop.
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
    """Apply the house style to the figures that are made inside this context; figures outside are not changed.

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
    # The backend of a notebook becomes interactive with its first figure. A reset would hide all later figures.
    mpl.interactive(interactive)
