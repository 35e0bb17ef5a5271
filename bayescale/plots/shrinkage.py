"""What families lend one another: each family's estimate alone, partially pooled and as one with all others."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayescale.plots.parts import axes
from bayescale.plots.style import FIRST, INK, MUTED, SIZE

_STYLES: dict[str, dict[str, Any]] = {
    "none": {"color": MUTED, "marker": "o", "markerfacecolor": "none", "label": "each family alone"},
    "partial": {"color": FIRST, "marker": "o", "label": "partially pooled"},
    "complete": {"color": INK, "marker": "|", "label": "all as one"},
}


def plot_shrinkage(found: xr.Dataset, parameter: str = "alpha", *, prob: float = 0.9, ax: Axes | None = None) -> Axes:
    """Draw one parameter of every family with no, partial and complete pooling: medians and bands.

    Parameters
    ----------
    found : xarray.Dataset
        `shrinkage`.
    parameter : str
        A parameter of the law.
    prob : float
        Probability of the bands.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from bayescale.plots import plot_shrinkage
    >>> plot_shrinkage(bs.shrinkage(bs.load_shipped("tinylm")), "E")       # doctest: +SKIP
    """
    families = [str(name) for name in found["family"].values]
    own, ax = ax is None, axes(ax)
    figure = ax.get_figure(root=True)
    if own and figure is not None:
        figure.set_figheight(max(SIZE[1], 0.42 * len(families) + 1))
    tail = (1 - prob) / 2
    quantiles = found[parameter].quantile([tail, 0.5, 1 - tail], ("chain", "draw"))
    for k, (pooling, style) in enumerate(_STYLES.items()):
        low, middle, high = quantiles.sel(pooling=pooling).transpose("quantile", "family").values
        place = np.arange(len(families)) + 0.22 * (k - 1)
        ax.errorbar(
            middle, place, xerr=np.stack([middle - low, high - middle]), linestyle="", linewidth=1.4, markersize=5,
            **style,
        )  # fmt: skip
    counts = found["runs"].values
    ax.set_yticks(range(len(families)), [f"{name} ({n} runs)" for name, n in zip(families, counts, strict=True)])
    ax.invert_yaxis()
    ax.set_xlabel(f"{parameter}, median and {100 * prob:.0f}% band")
    # To the left, over the families' names, which may leave the axes less room than the legend takes.
    ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, columnspacing=1.0, handlelength=1.4)
    return ax
