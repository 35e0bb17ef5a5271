"""Where L(C) and L(D) cross: the two curves, and the draws of their crossing."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayescale.answers import BANDS, bands
from bayescale.plots.parts import axes, legend_on_top, loss_label, mark_data_end, of_family
from bayescale.plots.style import BAND_ALPHA, FIRST, INK, SECOND, compute_axis

CURVES = (("loss_of_compute", "L(C): this compute", FIRST), ("loss_of_tokens", "L(D(C)): its tokens", SECOND))
SHOWN = 1000  # draws of the crossing


def plot_crossing(answer: xr.Dataset, *, family: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw L(C) and L(D(C)) against compute with their bands, and a cloud of the draws of their crossing.

    Parameters
    ----------
    answer : xarray.Dataset
        `crossing` or `kaplan_crossing`.
    family : str, optional
        Which family, where there are several.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from bayescale.answers.crossing import kaplan_crossing
    >>> from bayescale.plots.crossing import plot_crossing
    >>> plot_crossing(kaplan_crossing({"alpha_C": 0.002, "alpha_D": 0.003})).get_xscale()
    'log'
    """
    ax = axes(ax)
    one = of_family(answer, family)
    x = one["at_compute"].values
    for name, label, colour in CURVES:
        found = bands(one[name], BANDS, dim=("sample",))
        for prob in sorted(BANDS, reverse=True):
            limits = found.sel(prob=prob)
            ax.fill_between(x, limits["lower"], limits["upper"], color=colour, alpha=BAND_ALPHA, linewidth=0)
        ax.plot(x, found["median"].values, color=colour, label=label)
    height = ax.get_ylim()
    compute, loss = (one[name].values.ravel() for name in ("compute", "loss"))
    crossed = np.isfinite(compute)
    if crossed.any():
        every = max(1, int(crossed.sum()) // SHOWN)
        label = f"crossing: {100 * float(one['probability']):.3g}% of draws"
        shown = (compute[crossed][::every], loss[crossed][::every])
        ax.scatter(*shown, s=8, color=INK, alpha=0.4 if crossed.sum() > 1 else 1.0, linewidth=0, zorder=3, label=label)
    compute_axis(ax)
    # A few draws cross so far out that nothing else could be seen.
    ax.set_xlim(x.min(), x.max())
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:.3g}")
    ax.yaxis.set_minor_formatter("{x:.3g}")
    ax.set_ylim(height)
    ax.set_ylabel(loss_label(one.attrs["loss_unit"]))
    if "largest_run_flop" in one.attrs:
        mark_data_end(ax, one.attrs["largest_run_flop"])
    legend_on_top(ax)
    return ax
