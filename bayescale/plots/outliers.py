"""Which runs lie off the law?"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayescale.plots.parts import axes
from bayescale.plots.style import FIRST, INK, MISSED, MUTED

NAMED = 8
LINE = 0.05  # what a name takes of the vertical axis


def plot_outliers(found: xr.Dataset, *, named: int = NAMED, ax: Axes | None = None) -> Axes:
    """Draw each run's residual about the law against how likely it is undertuned, or how much the fit heeds it.

    Parameters
    ----------
    found : xarray.Dataset
        `outlier_runs` or `undertuned_runs`.
    named : int
        How many of the farthest runs to name, at most; one whose name would lie on another's has none.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots.outliers import plot_outliers
    >>> plot_outliers(bs.outlier_runs(bs.fit(bs.load_shipped("tinylm"), seed=1))).get_xlabel()
    'residual of log loss about the law (%)'
    """
    ax = axes(ax)
    undertuned = "probability" in found
    x, y = 100 * found["residual"].values, found["probability" if undertuned else "weight"].values
    out = y > 0.5 if undertuned else y < 0.5
    ax.axvline(0, color=MUTED, linewidth=1)
    ax.axhline(0.5, color=MUTED, linewidth=1, linestyle=":")
    ax.plot(x[~out], y[~out], "o", color=FIRST, markersize=4.5, alpha=0.7)
    ax.plot(x[out], y[out], "D", color=MISSED, markersize=5.5)
    right = x < np.median([x.min(), x.max()])
    for at in _apart(y, np.flatnonzero(out))[:named]:
        ax.annotate(
            str(found["run"].values[at]), (x[at], y[at]), xytext=(6 if right[at] else -6, 0), va="center",
            ha="left" if right[at] else "right", textcoords="offset points", fontsize=8.5, color=INK,
        )  # fmt: skip
    ax.set_ylim(-0.04, 1.04)
    ax.set_xlabel("residual of log loss about the law (%)")
    ax.set_ylabel("probability of being undertuned" if undertuned else "weight against a run on the law")
    return ax


def _apart(y: np.ndarray, places: np.ndarray) -> list[int]:
    """Return those of the places that lie a line apart, the first ones first."""
    kept: list[int] = []
    for at in places.tolist():
        if all(abs(y[at] - y[other]) >= LINE for other in kept):
            kept.append(at)
    return kept
