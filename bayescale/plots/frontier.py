"""The recommended split: N, D or tokens per parameter against compute."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayescale.plots.parts import axes, draw_bands, legend_on_top, mark_data_end, of_family, runs_of_family
from bayescale.plots.style import FORM_COLOURS, MUTED, compute_axis, log_axis

Quantity = Literal["params", "tokens", "tokens_per_param"]
LABELS = {
    "params": "compute-optimal N (parameters)",
    "tokens": "compute-optimal D (tokens)",
    "tokens_per_param": "tokens per parameter at the optimum",
}


def plot_frontier(
    splits: Mapping[str, xr.Dataset] | xr.Dataset,
    runs: xr.Dataset | None = None,
    *,
    quantity: Quantity = "params",
    family: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the compute-optimal N, D or D/N against compute with its bands, for one form or several.

    Parameters
    ----------
    splits : xarray.Dataset or mapping of str to xarray.Dataset
        `optimal_split` at several computes, by model where there are several.
    runs : xarray.Dataset, optional
        The runs, as dots.
    quantity : {"params", "tokens", "tokens_per_param"}
        What is drawn.
    family : str, optional
        Which family, where there are several.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_frontier
    >>> split = bs.optimal_split(bs.fit(bs.load_shipped("tinylm"), seed=1), ["1x", "100x"], family="english")
    >>> plot_frontier(split, quantity="tokens").get_ylabel()
    'compute-optimal D (tokens)'
    """
    ax = axes(ax)
    named = {str(splits.attrs["model"]): splits} if isinstance(splits, xr.Dataset) else splits
    for (name, split), colour, line in zip(named.items(), FORM_COLOURS, ("-", "--", "-.", ":"), strict=False):
        one = of_family(split, family)
        draw_bands(ax, one["compute"].values, one[quantity], colour, label=f"{name}{_slope(one, quantity)}", line=line)
    if runs is not None:
        mine = runs_of_family(runs, family)
        y = mine["tokens"] / mine["params"] if quantity == "tokens_per_param" else mine[quantity]
        ax.scatter(mine["compute"].values, y.values, color=MUTED, alpha=0.6, s=9, linewidth=0, zorder=1.5, label="runs")
    mark_data_end(ax, one.attrs["largest_run_flop"])
    compute_axis(ax)
    ax.set_yscale("log")
    log_axis(ax.yaxis)
    ax.set_ylabel(LABELS[quantity])
    legend_on_top(ax, 1)
    return ax


def _slope(split: xr.Dataset, quantity: str) -> str:
    if quantity == "tokens_per_param":
        return ""
    a = split["a" if quantity == "params" else "b"]
    return f": grows as C^{float(np.median(a)):.2f}"
