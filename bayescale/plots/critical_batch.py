"""The critical batch against the loss."""

import xarray as xr
from matplotlib.axes import Axes

from bayescale.plots.parts import axes, draw_bands, loss_label, mark_data_end, of_family
from bayescale.plots.style import FIRST, log_axis


def plot_critical_batch(answer: xr.Dataset, *, family: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw the critical batch against the loss with its bands; training goes from left to right.

    Parameters
    ----------
    answer : xarray.Dataset
        What `critical_batch` returned at several losses.
    family : str, optional
        Which family, where there are several.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from bayescale.answers import critical_batch
    >>> from bayescale.plots.critical_batch import plot_critical_batch
    >>> plot_critical_batch(critical_batch({"B_star": 2e8, "alpha_B": 0.21}, [2, 3, 4])).get_ylabel()
    'critical batch (tokens)'
    """
    ax = axes(ax)
    one = of_family(answer, family)
    fall = 100 * float(one["fall_to_double"].median())
    draw_bands(
        ax, one["loss"].values, one["critical_batch"], FIRST, label=f"doubles for every {fall:.0f}% off the loss"
    )
    if "lowest_seen" in one.attrs:
        mark_data_end(ax, one.attrs["lowest_seen"])
    ax.set_yscale("log")
    log_axis(ax.yaxis)
    ax.invert_xaxis()
    ax.set_xlabel(loss_label(one.attrs["loss_unit"]))
    ax.set_ylabel("critical batch (tokens)")
    ax.legend(loc="upper left")
    return ax
