"""What it costs to be off the optimal size, and how far from convergence the optimum stops."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter

from bayescale.numbers import human_number
from bayescale.plots.parts import axes, draw_bands, legend_on_top, mark_data_end, of_family
from bayescale.plots.style import FIRST, FORM_COLOURS, MUTED, compute_axis

TOP = 2.0  # extra compute beyond which the curve is not followed: three times the optimal
TOLERATED = 0.2  # the extra compute of which Kaplan et al. 2020 say from which to which size it suffices


def plot_off_optimal(answer: xr.Dataset, *, family: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw the extra compute that other sizes than the best take for the same loss, with its bands, at each budget.

    Parameters
    ----------
    answer : xarray.Dataset
        `off_optimal`.
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
    >>> from bayescale.answers.off_optimal import off_optimal
    >>> from bayescale.plots.off_optimal import plot_off_optimal
    >>> answer = off_optimal(bs.fit(bs.load_shipped("tinylm"), seed=1), "10x")
    >>> plot_off_optimal(answer, family="english").get_ylabel()
    'extra compute for the same loss'
    """
    ax = axes(ax)
    one = of_family(answer, family)
    # A size that never gets there takes infinite compute: its draws leave the figure at the top.
    shown = one["extra_compute"].clip(max=10 * TOP)
    for i, colour in zip(range(one.sizes["point"]), FORM_COLOURS, strict=False):
        label = f"{float(one['compute'].values[i]):.3g} FLOP"
        draw_bands(ax, one["factor"].values, shown.isel(point=i), colour, label=label)
    ax.axhline(TOLERATED, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    ax.annotate(
        f"{100 * TOLERATED:.0f}%",
        (1.0, TOLERATED),
        xycoords=("axes fraction", "data"),
        xytext=(-2, 2),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=8,
        color=MUTED,
    )
    ax.set_xscale("log")
    factors = one["factor"].values
    ax.set_xticks([x for x in (0.1, 0.2, 0.3, 0.5, 1, 2, 3, 5, 10) if factors.min() <= x <= factors.max()])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_ylim(-0.02 * TOP, min(TOP, 1.05 * float(shown.max())))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_xlabel("size as a multiple of the best N")
    ax.set_ylabel("extra compute for the same loss")
    legend_on_top(ax)
    return ax


def plot_convergence_gap(answer: xr.Dataset, *, family: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw how far above its converged loss the optimal model stops, with its bands, against compute.

    Parameters
    ----------
    answer : xarray.Dataset
        `convergence_gap` at several computes.
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
    >>> from bayescale.answers.off_optimal import convergence_gap
    >>> from bayescale.plots.off_optimal import plot_convergence_gap
    >>> answer = convergence_gap(bs.fit(bs.load_shipped("tinylm"), seed=1), ["1x", "10x", "100x"])
    >>> plot_convergence_gap(answer, family="english").get_ylabel()
    'above the loss with unlimited tokens'
    """
    ax = axes(ax)
    one = of_family(answer, family)
    last = int(np.argmax(one["compute"].values))
    size = human_number(float(one["params"].isel(point=last).median()), 2)
    label = f"{one.attrs['model']}: up to N = {size}"
    draw_bands(ax, one["compute"].values, one["gap"], FIRST, label=label)
    compute_axis(ax)
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    ax.set_ylabel("above the loss with unlimited tokens")
    if "largest_run_flop" in one.attrs:
        mark_data_end(ax, one.attrs["largest_run_flop"])
    legend_on_top(ax)
    return ax
