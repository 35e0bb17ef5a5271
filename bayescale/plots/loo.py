"""Kaplan against Chinchilla, run by run."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayescale.plots.parts import axes, legend_on_top, runs_of_family
from bayescale.plots.style import FIRST, MUTED, SECOND, compute_axis


def plot_loo_by_run(
    loo: xr.Dataset,
    runs: xr.Dataset,
    *,
    models: tuple[str, str] | None = None,
    family: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw, for each run, how much better one form predicts it than the other, with that run left out.

    Parameters
    ----------
    loo : xarray.Dataset
        `compare`.
    runs : xarray.Dataset
        The runs that were compared on.
    models : tuple of str, optional
        The form that is better above zero, and the one below; by default the first two of the table.
    family : str, optional
        One family; by default all runs.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import xarray as xr
    >>> from bayescale.plots.loo import plot_loo_by_run
    >>> each = {"elpd_i": (("model", "run"), [[1.5, 1.0, 2.0], [1.0, 1.2, 1.5]])}
    >>> loo = xr.Dataset(each, {"model": ["chinchilla", "kaplan"]})
    >>> runs = xr.Dataset({"compute": ("run", [1e18, 1e19, 1e20])})
    >>> plot_loo_by_run(loo, runs).get_legend().get_texts()[0].get_text()
    'chinchilla better: 2 runs, 1.0 in all'
    """
    ax = axes(ax)
    first, second = models or tuple(str(name) for name in loo["model"].values[:2])
    difference = (loo["elpd_i"].sel(model=first) - loo["elpd_i"].sel(model=second)).values
    if family is not None and "family" in runs.coords:
        difference = difference[runs["family"].values == family]
    mine = runs_of_family(runs, family)
    x = mine["compute"].values
    for sign, colour, marker, name in ((1, FIRST, "o", first), (-1, SECOND, "s", second)):
        which = np.sign(difference) == sign
        total = np.abs(difference[which]).sum()
        label = f"{name} better: {which.sum()} runs, {total:.1f} in all"
        ax.plot(x[which], difference[which], marker, color=colour, markersize=4.5, alpha=0.85, label=label)
        ax.vlines(x[which], 0, difference[which], color=colour, alpha=0.35, linewidth=1)
    ax.axhline(0, color=MUTED, linewidth=1)
    if np.abs(difference).max() > 8 * max(np.quantile(np.abs(difference), 0.75), 0.1):
        ax.set_yscale("symlog", linthresh=1)
    compute_axis(ax)
    ax.set_ylabel("difference in log density")
    ax.margins(y=0.08)
    legend_on_top(ax, 1)
    return ax
