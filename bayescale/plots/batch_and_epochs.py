"""How to train: the critical batch, time against compute, and the worth of epochs."""

from typing import Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, PercentFormatter

from bayescale.answers import BANDS, bands
from bayescale.numbers import human_number
from bayescale.plots.drawing import (
    NEW,
    draw_bands,
    label_loss,
    mark_end,
    on_axes,
    select_family,
    set_log_axis,
    set_size_axis,
    write_text,
)
from bayescale.plots.style import BAND_ALPHA, DASHED, FIRST, INK, MISSED, MUTED, SECOND

HOUR, DAY = 3600, 86400
DURATIONS = {60: "1 min", 600: "10 min", HOUR: "1 h", 3 * HOUR: "3 h", 8 * HOUR: "8 h", DAY: "1 day", 3 * DAY: "3 days",
             10 * DAY: "10 days", 30 * DAY: "30 days", 100 * DAY: "100 days", 365 * DAY: "1 year",
             3650 * DAY: "10 years"}  # fmt: skip
NAMED = 5  # batches that are written beside the curve


@on_axes
def plot_critical_batch(answer: xr.Dataset, *, family: str | None = None, ax: Axes = NEW) -> None:
    """Draw the critical batch against the loss with its bands; training goes from left to right.

    Parameters
    ----------
    answer : xarray.Dataset
        From `critical_batch`, at several losses.
    family : str, optional
        The family, where there are several.

    Examples
    --------
    >>> from bayescale.answers import critical_batch
    >>> from bayescale.plots import plot_critical_batch
    >>> plot_critical_batch(critical_batch({"B_star": 2e8, "alpha_B": 0.21}, [2, 3, 4])).get_ylabel()
    'critical batch (tokens)'
    """
    answer = select_family(answer, family)
    label = f"doubles for every {100 * float(answer['fall_to_double'].median()):.0f}% off the loss"
    draw_bands(ax, answer["loss"].values, answer["critical_batch"], FIRST, label=label)
    if "lowest_seen" in answer.attrs:
        mark_end(ax, answer.attrs["lowest_seen"])
    ax.set_yscale("log")
    set_log_axis(ax.yaxis)
    ax.invert_xaxis()
    ax.set_xlabel(label_loss(answer.attrs["loss_unit"]))
    ax.set_ylabel("critical batch (tokens)")
    ax.legend(loc="upper left")


@on_axes
def plot_pareto(
    front: xr.Dataset, *, deadlines: xr.Dataset | None = None, family: str | None = None, ax: Axes = NEW
) -> None:
    """Draw time against compute over the batches, with bands, the limit of accelerators and what no batch beats.

    Parameters
    ----------
    front : xarray.Dataset
        From `time_and_compute`.
    deadlines : xarray.Dataset, optional
        From `cost_of_deadline`: a dot at each deadline that can be met.
    family : str, optional
        The family, where there are several.

    Notes
    -----
    At one batch and size, time and compute are in proportion. The band runs along a diagonal, so its limits in time
    belong to those in compute.

    Examples
    --------
    >>> from bayescale.answers import time_and_compute
    >>> from bayescale.plots import plot_pareto
    >>> kaplan = dict(N_c=6.5e13, alpha_N=0.077, S_c=2.1e3, alpha_S=0.76, B_star=2e8, alpha_B=0.21)
    >>> plot_pareto(time_and_compute(kaplan, 2.6, "2B", seconds_per_step=2)).get_ylabel()
    'time to a loss of 2.6'
    """
    front = select_family(front, family)
    time, shortest = ("time", "shortest_time") if "time" in front else ("steps", "fewest_steps")
    across, up = bands(front["compute"], BANDS), bands(front[time], BANDS)
    for prob in sorted(BANDS, reverse=True):
        low, high = ([limits[side].sel(prob=prob).values for limits in (across, up)] for side in ("lower", "upper"))
        edge = [np.append(below, above[::-1]) for below, above in zip(low, high, strict=True)]
        ax.fill(*edge, color=FIRST, alpha=BAND_ALPHA, linewidth=0)
    allowed = int(front["feasible"].sum())  # the batches are in order
    x, y = across["median"].values, up["median"].values
    ax.plot(x[:allowed], y[:allowed], "-", color=FIRST, label="median and 50, 80, 95%")
    if allowed < len(x):
        beyond = slice(max(allowed - 1, 0), None)
        ax.plot(x[beyond], y[beyond], ":", color=FIRST, label="more accelerators than there are")
        _mark_limit(ax, front, across, up)
    batches = front["batch"].values
    for i in np.unique(np.linspace(0, len(batches) - 1, NAMED).round().astype(int)):
        ax.plot(x[i], y[i], ".", color=INK, markersize=5)
        write_text(ax, human_number(float(batches[i]), 2), (x[i], y[i]), shift=(5, 4))
    ax.axhline(float(front[shortest].median()), color=MUTED, linewidth=1, linestyle=DASHED, label="no batch is faster")
    ax.axvline(float(front["least_compute"].median()), color=MUTED, linewidth=1, linestyle=":", label="none is cheaper")
    if deadlines is not None:
        met = select_family(deadlines, family)
        met = met.isel(point=met["batch"].notnull().values)
        dots = [bands(met[name], BANDS)["median"].values for name in ("compute", "time")]
        ax.plot(*dots, "o", color=SECOND, markersize=5, label=f"in time with {100 * float(met['sure']):.0f}%")
    set_size_axis(ax)
    ax.set_yscale("log")
    if time == "time":
        ax.yaxis.set_major_locator(FixedLocator(list(DURATIONS)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: DURATIONS.get(round(value), "")))
        ax.yaxis.set_minor_formatter(NullFormatter())
    else:
        set_log_axis(ax.yaxis)
    ax.set_ylabel(f"{time} to a loss of {float(front['loss']):g}")
    ax.legend(loc="upper right")  # where no front goes


def _mark_limit(ax: Axes, front: xr.Dataset, across: xr.Dataset, up: xr.Dataset) -> None:
    """Mark the largest batch that the accelerators allow, if it is one of those drawn."""
    at = np.flatnonzero(front["batch"].values == float(front["largest_batch"]))
    if not at.size:
        return
    here = [limits.isel(point=at[0]).sel(prob=max(BANDS)) for limits in (across, up)]
    count, batch = (human_number(float(front[name].isel(point=at[0]))) for name in ("accelerators", "batch"))
    ends = ([float(limits[side]) for side in ("lower", "upper")] for limits in here)
    ax.plot(*ends, color=MISSED, linewidth=1.5, label=f"all {count} accelerators: {batch} tokens a step")
    ax.plot(*([float(limits["median"])] for limits in here), "D", color=MISSED, markersize=5)


@on_axes
def plot_epochs(
    value: xr.Dataset, *, quantity: Literal["worth", "loss"] = "worth", family: str | None = None, ax: Axes = NEW
) -> None:
    """Draw what each epoch is worth, or the loss after it beside that of as many fresh tokens, with bands.

    Parameters
    ----------
    value : xarray.Dataset
        From `value_of_epochs`, at several numbers of epochs.
    quantity : {"worth", "loss"}
        What is drawn.
    family : str, optional
        The family, where there are several.

    Examples
    --------
    >>> from bayescale.answers import value_of_epochs
    >>> from bayescale.plots import plot_epochs
    >>> published = dict(E=1.8691, A=520.8, B=1487.7, alpha=0.35266, beta=0.35266, R_D=15.387756, R_N=5.309743)
    >>> plot_epochs(value_of_epochs(published, "25B", "7B"), quantity="loss").get_xlabel()
    'epochs over 25B tokens'
    """
    value = select_family(value, family)
    epochs = value["epochs"].values
    if quantity == "worth":
        share, last = float(value["share"]), float(value["last_worthwhile"].median())
        draw_bands(ax, epochs, value["worth"], FIRST, label="worth of the last epoch")
        ax.axhline(share, color=MUTED, linewidth=1, linestyle=":")
        label = f"under {100 * share:g}% after {last:.0f} epochs"
        ax.axvline(last, color=SECOND, linewidth=1.2, linestyle=DASHED, label=label)
        ax.set_ylim(0, 1.02)
        ax.yaxis.set_major_formatter(PercentFormatter(1.0))
        ax.set_ylabel("worth, as a share of fresh tokens")
    else:
        label = f"repeated, N = {human_number(float(value['params']))}"
        draw_bands(ax, epochs, value["expected_loss"], FIRST, label=label)
        draw_bands(ax, epochs, value["loss_if_fresh"], SECOND, label="as many fresh tokens", line="--")
        ax.set_ylabel(label_loss(value.attrs["loss_unit"]))
    if epochs.size > 1:
        ax.set_xlim(np.min(epochs), np.max(epochs))
    set_log_axis(ax.xaxis)
    ax.set_xlabel(f"epochs over {human_number(float(value['unique_tokens']))} tokens")
    ax.legend(loc="upper right")  # worth and loss fall
