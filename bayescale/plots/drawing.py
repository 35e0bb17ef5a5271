"""What several figures share: the axes, the selection of one family, bands, legends and labels."""

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bayescale.answers import BANDS, bands
from bayescale.errors import QuestionError, did_you_mean
from bayescale.numbers import human_number
from bayescale.plots.style import BAND_ALPHA, DASHED, INK, MUTED, RUN_COLOURS, SIZE, style

NEW: Any = None  # the default of `ax`, for which `on_axes` makes a new figure
AT_HEIGHT, AT_X = ("axes fraction", "data"), ("data", "axes fraction")  # coordinates of a text
AX_SECTIONS = """
ax : matplotlib.axes.Axes, optional
    The axes to draw on; by default those of a new figure in the house style.

Returns
-------
matplotlib.axes.Axes
"""


def on_axes[**P](draw: Callable[P, None]) -> Callable[P, Axes]:
    """Make a public plot of a function that draws on ``ax``.

    The plot makes a new figure where no axes are given, and returns the axes. The decorator adds both facts to the
    docstring.
    """

    @wraps(draw)
    def plot(*args: P.args, **kwargs: P.kwargs) -> Axes:
        ax: Any = kwargs.get("ax")
        if ax is None:
            import matplotlib.pyplot as plt

            with style():
                ax = plt.subplots(layout="constrained")[1]
        draw(*args, **kwargs | {"ax": ax})  # type: ignore[arg-type]
        return ax

    before, heading, after = f"{inspect.getdoc(draw)}".partition("Parameters\n----------\n")
    # The parameters end where the next section of the docstring begins.
    plot.__doc__ = before + heading + re.sub(r"\n(?=\n\w+\n---)", AX_SECTIONS, after, count=1)
    plot.__signature__ = inspect.signature(draw).replace(return_annotation=Axes)  # type: ignore[attr-defined]
    return plot


def choose_family(known: Sequence[str], family: str | None) -> str:
    """Return the family to draw: the one that is named, or the only one.

    Raises
    ------
    QuestionError
        If there are several families and none is named, or there is no family of that name.
    """
    if family is None and len(known) > 1:
        raise QuestionError(f"a figure is of one family; say which family, one of: {', '.join(known)}.")
    if family is not None and family not in known:
        raise QuestionError(
            f"there is no family {family!r}.{did_you_mean(family, known)} Families: {', '.join(known)}."
        )
    return known[0] if family is None else family


def select_family(answer: xr.Dataset, family: str | None) -> xr.Dataset:
    """Return the part of an answer that is of one family; the whole answer where it has no families."""
    if "family" not in answer.dims:
        return answer
    known = [str(name) for name in answer["family"].values]
    return answer.sel(family=choose_family(known, family), drop=True)


def select_runs(runs: xr.Dataset, family: str | None) -> xr.Dataset:
    """Return the runs of one family; all runs for None or where they have no families."""
    if "family" not in runs.coords or family is None:
        return runs
    return runs.isel(run=runs["family"].values == family)


def select_held_out(held: xr.Dataset, family: str | None) -> xr.Dataset:
    """Return the part of a backtest that is of one family; all of it for None or where it has no families."""
    if family is None or not held.sizes["held_out"]:
        return held
    return held.isel(held_out=held["family"].values == family)


def draw_bands(
    ax: Axes,
    x: Any,
    draws: xr.DataArray,
    colour: str,
    *,
    label: str | None = None,
    line: str = "-",
    prob: Iterable[float] = BANDS,
    dim: Sequence[str] = ("chain", "draw"),
    **options: Any,
) -> xr.Dataset:
    """Draw the median and the bands of draws over ``x``, or an upright interval at a single ``x``; return the bands."""
    limits = bands(draws, prob, dim=dim)
    order = np.argsort(np.asarray(x))
    at = np.asarray(x)[order]
    masses = sorted(prob, reverse=True)
    if at.size == 1:
        draw_intervals(ax, at, limits, colour, dict(zip(masses, (1.5, 3.5, 6.0), strict=False)), upright=True)
    for each in masses if at.size > 1 else []:
        low, high = (limits[side].sel(prob=each).values[order] for side in ("lower", "upper"))
        ax.fill_between(at, low, high, color=colour, alpha=BAND_ALPHA, linewidth=0)
    marker = "o" if at.size == 1 else ""
    ax.plot(at, limits["median"].values[order], f"{marker}{line}", color=colour, label=label, **options)
    return limits


def draw_intervals(
    ax: Axes,
    places: Any,
    limits: xr.Dataset,
    colour: str,
    widths: dict[float, float],
    *,
    upright: bool = False,
    alpha: float = 1.0,
) -> None:
    """Draw an interval at each place, on its side or upright: a line for each mass, of the width that it has."""
    lines = ax.vlines if upright else ax.hlines
    for prob, width in sorted(widths.items(), reverse=True):
        low, high = (limits[side].sel(prob=prob).values for side in ("lower", "upper"))
        lines(places, low, high, color=colour, linewidth=width, alpha=alpha)


def scatter_by_params(ax: Axes, x: Any, y: Any, params: np.ndarray) -> None:
    """Draw runs as dots in the colour of their N, with a colour bar."""
    low, high = params.min(), params.max()
    dots = ax.scatter(
        x, y, c=params, cmap=RUN_COLOURS, norm=LogNorm(low / 1.01, high * 1.01), s=17, linewidth=0, zorder=3
    )
    bar = ax.figure.colorbar(dots, ax=ax, pad=0.02, fraction=0.045, aspect=28)
    bar.ax.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high / low >= 100 else (1.0, 2.0, 5.0), numticks=12))
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: human_number(value)))
    bar.ax.yaxis.set_minor_formatter(NullFormatter())
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, color=MUTED)
    bar.set_label("run's parameters N", fontsize=8.5)


def mark_data_end(ax: Axes, answer: xr.Dataset, height: float = 0.04) -> None:
    """Draw the compute of the largest run, beyond which there are no runs, where the answer knows it."""
    if "largest_run_flop" in answer.attrs:
        mark_end(ax, answer.attrs["largest_run_flop"], height)


def mark_end(ax: Axes, x: float, height: float = 0.04) -> None:
    """Draw a line beyond which there are no runs, with a text at that height."""
    ax.axvline(x, color=MUTED, linewidth=1, linestyle=DASHED, zorder=1)
    align = "top" if height > 0.5 else "bottom"
    write_text(ax, "no runs\nbeyond here", (x, height), coords=AT_X, shift=(4, 0), va=align)


def write_text(
    ax: Axes,
    text: str,
    at: tuple[Any, Any],
    *,
    coords: Any = "data",
    shift: tuple[float, float] = (0, 0),
    fontsize: float = 8,
    color: str = MUTED,
    **options: Any,
) -> None:
    """Write a text at a place, moved by so many points."""
    ax.annotate(
        text, at, xycoords=coords, xytext=shift, textcoords="offset points", fontsize=fontsize, color=color, **options
    )


def write_note(ax: Axes, text: str) -> None:
    """Write a line in the middle of an empty figure."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=INK, wrap=True)


def put_legend_on_top(ax: Axes, columns: int = 2, **options: Any) -> None:
    """Make room at the top of the axes and put the legend there, above everything that is drawn."""
    rows = -(-len(ax.get_legend_handles_labels()[0]) // columns) + bool(options.get("title"))
    figure = ax.get_figure(root=True)
    height = figure.get_size_inches()[1] if figure is not None else SIZE[1]
    share = (0.075 * rows + 0.05) * SIZE[1] / height
    low, high = ax.get_ylim()
    if ax.get_yscale() == "log":
        ax.set_ylim(low, high * (high / low) ** (share / (1 - share)))
    else:
        ax.set_ylim(low, high + (high - low) * share / (1 - share))
    ax.legend(loc="upper left", ncols=columns, columnspacing=1.0, handlelength=1.4, **options)


def put_legend_above(ax: Axes, columns: int) -> None:
    """Put the legend outside of the axes, above them."""
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns, frameon=False, fontsize=8.5,
              columnspacing=1.0, handlelength=1.4)  # fmt: skip


def set_log_axis(axis: Any) -> None:
    """Make an axis logarithmic, with ticks written as people write them: 1M."""
    axis._set_axes_scale("log")
    low, high = sorted(axis.get_view_interval())
    decades = np.log10(high / low)
    subs = (1.0,) if decades >= 2.5 else (1.0, 3.0) if decades >= 1.2 else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(base=10, subs=subs, numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda value, _: human_number(value)))
    axis.set_minor_formatter(NullFormatter())


def set_size_axis(ax: Axes, measure: str = "compute") -> None:
    """Make the horizontal axis one of training compute, or of another measure of how large runs are."""
    ax.set_xscale("log")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.xaxis.set_major_locator(LogLocator(base=10, numticks=9))
    ax.set_xlabel("training compute C (FLOP)" if measure == "compute" else measure.replace("_", " "))


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """Make the vertical axis one of named rows, the first at the top."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")


def label_loss(unit: str) -> str:
    """Return the label of a loss axis."""
    return f"loss ({unit})" if unit else "loss"
