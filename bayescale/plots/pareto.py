"""Time against compute: what each batch takes to reach a loss, and where the accelerators end."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from bayescale.answers import BANDS, bands
from bayescale.numbers import human_number
from bayescale.plots.parts import axes, of_family
from bayescale.plots.style import BAND_ALPHA, FIRST, INK, MISSED, MUTED, SECOND, compute_axis, log_axis

HOUR, DAY = 3600, 86400
DURATIONS = {60: "1 min", 600: "10 min", HOUR: "1 h", 3 * HOUR: "3 h", 8 * HOUR: "8 h", DAY: "1 day", 3 * DAY: "3 days",
             10 * DAY: "10 days", 30 * DAY: "30 days", 100 * DAY: "100 days", 365 * DAY: "1 year",
             3650 * DAY: "10 years"}  # fmt: skip
NAMED = 5  # batches that are written beside the curve


def plot_pareto(
    front: xr.Dataset, *, deadlines: xr.Dataset | None = None, family: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw time against compute over the batches, with bands, the limit of accelerators and what no batch beats.

    Parameters
    ----------
    front : xarray.Dataset
        What `time_and_compute` returned.
    deadlines : xarray.Dataset, optional
        What `cost_of_deadline` returned: a dot at each deadline that can be met.
    family : str, optional
        Which family, where there are several.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Notes
    -----
    At one batch and size time and compute are in proportion: the band runs along a diagonal, and its limits in time
    belong to those in compute.

    Examples
    --------
    >>> from bayescale.answers import time_and_compute
    >>> from bayescale.plots.pareto import plot_pareto
    >>> kaplan = dict(N_c=6.5e13, alpha_N=0.077, S_c=2.1e3, alpha_S=0.76, B_star=2e8, alpha_B=0.21)
    >>> plot_pareto(time_and_compute(kaplan, 2.6, "2B", seconds_per_step=2)).get_ylabel()
    'time to a loss of 2.6'
    """
    ax = axes(ax)
    one = of_family(front, family)
    time, shortest = ("time", "shortest_time") if "time" in one else ("steps", "fewest_steps")
    across, up = bands(one["compute"], BANDS), bands(one[time], BANDS)
    for prob in sorted(BANDS, reverse=True):
        low, high = ([found[side].sel(prob=prob).values for found in (across, up)] for side in ("lower", "upper"))
        edge = [np.append(below, above[::-1]) for below, above in zip(low, high, strict=True)]
        ax.fill(*edge, color=FIRST, alpha=BAND_ALPHA, linewidth=0)
    allowed = int(one["feasible"].sum())  # the batches are in order
    x, y = across["median"].values, up["median"].values
    ax.plot(x[:allowed], y[:allowed], "-", color=FIRST, label="median and 50, 80, 95%")
    if allowed < len(x):
        beyond = slice(max(allowed - 1, 0), None)
        ax.plot(x[beyond], y[beyond], ":", color=FIRST, label="more accelerators than there are")
        _mark_limit(ax, one, across, up)
    _name_batches(ax, one["batch"].values, x, y)
    dashes = (0, (4, 3))
    ax.axhline(float(one[shortest].median()), color=MUTED, linewidth=1, linestyle=dashes, label="no batch is faster")
    ax.axvline(float(one["least_compute"].median()), color=MUTED, linewidth=1, linestyle=":", label="none is cheaper")
    if deadlines is not None:
        met = of_family(deadlines, family)
        met = met.isel(point=met["batch"].notnull().values)
        found = [bands(met[name], BANDS)["median"].values for name in ("compute", "time")]
        ax.plot(*found, "o", color=SECOND, markersize=5, label=f"in time with {100 * float(met['sure']):.0f}%")
    compute_axis(ax)
    ax.set_yscale("log")
    _time_axis(ax) if time == "time" else log_axis(ax.yaxis)
    ax.set_ylabel(f"{time} to a loss of {float(one['loss']):g}")
    ax.legend(loc="upper right")  # where no front goes
    return ax


def _mark_limit(ax: Axes, one: xr.Dataset, across: xr.Dataset, up: xr.Dataset) -> None:
    """Mark the largest batch that the accelerators allow, if it is one of those drawn."""
    at = np.flatnonzero(one["batch"].values == float(one["largest_batch"]))
    if not at.size:
        return
    here = [found.isel(point=at[0]).sel(prob=max(BANDS)) for found in (across, up)]
    count, batch = (human_number(float(one[name].isel(point=at[0]))) for name in ("accelerators", "batch"))
    ax.plot(
        *([float(found[side]) for side in ("lower", "upper")] for found in here),
        color=MISSED, linewidth=1.5, label=f"all {count} accelerators: {batch} tokens a step",
    )  # fmt: skip
    ax.plot(*([float(found["median"])] for found in here), "D", color=MISSED, markersize=5)


def _name_batches(ax: Axes, batches: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    for i in np.unique(np.linspace(0, len(batches) - 1, NAMED).round().astype(int)):
        ax.plot(x[i], y[i], ".", color=INK, markersize=5)
        ax.annotate(
            human_number(float(batches[i]), 2), (x[i], y[i]), xytext=(5, 4), textcoords="offset points", fontsize=8,
            color=MUTED,
        )  # fmt: skip


def _time_axis(ax: Axes) -> None:
    ax.yaxis.set_major_locator(FixedLocator(list(DURATIONS)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: DURATIONS.get(round(value), "")))
    ax.yaxis.set_minor_formatter(NullFormatter())
