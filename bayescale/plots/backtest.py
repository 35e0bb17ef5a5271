"""The largest runs, predicted from the smaller ones: did the bands hold?"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayescale.plots.parts import axes, held_of_family, legend_on_top, note
from bayescale.plots.style import FAINT, FIRST, INK, MISSED, MUTED

# Runs within half a decade of the factor are those that test a step of that size.
FAR = 0.5


def plot_backtest(
    held: xr.Dataset,
    *,
    factor: float | None = None,
    prob: float = 0.9,
    family: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw each left-out run against the band that was predicted for it, in % of the predicted loss.

    Parameters
    ----------
    held : xarray.Dataset
        `backtest`.
    factor : float, optional
        Which of its factors; by default the largest.
    prob : float
        Mass of the band.
    family : str, optional
        One family; by default all of them, as the errors are relative.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_backtest
    >>> held = bs.backtest(bs.load_shipped("tinylm"), factor=10)
    >>> plot_backtest(held).get_xlabel()
    'decades of compute beyond the fitted runs'
    """
    ax = axes(ax)
    held = held_of_family(held, family)
    ax.set_xlabel("decades of compute beyond the fitted runs")
    ax.set_ylabel("loss against the prediction (%)")
    if not held.sizes["held_out"]:
        note(ax, "no run could be held out")
        return ax
    factor = float(held["factor"].max()) if factor is None else factor
    one = held.isel(held_out=held["factor"].values == factor).sel(prob=prob)
    x = _apart(one["decades_beyond"].values)
    low, high, seen = (100 * (one[name] / one["median"] - 1).values for name in ("lower", "upper", "loss"))
    inside = (seen >= low) & (seen <= high)
    ax.axhline(0, color=MUTED, linewidth=1)
    if (start := np.log10(factor) - FAR) > 0 and x.max() > start:
        ax.axvspan(start, x.max() + 0.04, color=FAINT, alpha=0.3, linewidth=0, zorder=0)
        ax.annotate(
            f"about {factor:g}x out", (start, 0), xycoords=("data", "axes fraction"), xytext=(4, 5), fontsize=8.5,
            textcoords="offset points", color=MUTED,
        )  # fmt: skip
    ax.vlines(x, low, high, color=FIRST, alpha=0.32, linewidth=3.2, label=f"predicted {100 * prob:g}% band")
    ax.plot(x[inside], seen[inside], "o", color=FIRST, markersize=4.5, label=f"inside: {inside.sum()} of {len(x)}")
    ax.plot(
        x[~inside], seen[~inside], "X", color=MISSED, markersize=6, markeredgecolor="white", markeredgewidth=0.4,
        label=f"outside: {(~inside).sum()}",
    )  # fmt: skip
    ax.margins(x=0.05, y=0.06)
    legend_on_top(ax, 3)
    ax.tick_params(colors=INK)
    return ax


def _apart(x: np.ndarray) -> np.ndarray:
    """Move runs of equal compute apart a little, so that their bands can be seen."""
    span = max(np.ptp(x), 0.5)
    out = x.astype(float).copy()
    for value in np.unique(np.round(x, 3)):
        same = np.flatnonzero(np.abs(x - value) < 2e-3)
        out[same] += (np.arange(len(same)) - (len(same) - 1) / 2) * 0.012 * span
    return out
