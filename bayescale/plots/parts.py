"""What several figures share: an Axes to draw on, one family's part of an answer, bands."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayescale.answers import BANDS, bands
from bayescale.errors import QuestionError, did_you_mean
from bayescale.plots.style import BAND_ALPHA, INK, MUTED, SIZE, compute_axis, style


def axes(ax: Axes | None) -> Axes:
    """Return the Axes given, or a new one in the house style."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    with style():
        return plt.subplots(layout="constrained")[1]


def of_family(answer: xr.Dataset, family: str | None) -> xr.Dataset:
    """Return one family's part of an answer; as it is where there are no families.

    Raises
    ------
    QuestionError
        If there are several families and none, or an unknown one, is named.
    """
    if "family" not in answer.dims:
        return answer
    known = [str(name) for name in answer["family"].values]
    if family is None and len(known) == 1:
        family = known[0]
    if family is None:
        raise QuestionError(f"a figure is of one family; pass family=, one of: {', '.join(known)}.")
    if family not in known:
        raise QuestionError(
            f"there is no family {family!r}.{did_you_mean(family, known)} Families: {', '.join(known)}."
        )
    return answer.sel(family=family, drop=True)


def runs_of_family(runs: xr.Dataset, family: str | None) -> xr.Dataset:
    """Return one family's runs; all of them where they have no families."""
    if "family" not in runs.coords or family is None:
        return runs
    return runs.isel(run=runs["family"].values == family)


def held_of_family(held: xr.Dataset, family: str | None) -> xr.Dataset:
    """Return one family's part of a backtest; all of it for None or where the runs have no families."""
    if family is None or not held.sizes["held_out"]:
        return held
    return held.isel(held_out=held["family"].values == family)


def draw_bands(ax: Axes, x: Any, draws: xr.DataArray, colour: str, *, label: str | None = None, line: str = "-") -> Any:
    """Draw the median and the 50, 80 and 95% bands of draws over ``x``; return the bands."""
    found = bands(draws, BANDS)
    order = np.argsort(np.asarray(x))
    at = np.asarray(x)[order]
    for prob in sorted(BANDS, reverse=True):
        low, high = (found[side].sel(prob=prob).values[order] for side in ("lower", "upper"))
        ax.fill_between(at, low, high, color=colour, alpha=BAND_ALPHA, linewidth=0)
    ax.plot(at, found["median"].values[order], line, color=colour, label=label)
    return found


def mark_data_end(ax: Axes, compute: float, height: float = 0.04) -> None:
    """Draw the line beyond which there are no runs, and say so at that height."""
    ax.axvline(compute, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    ax.annotate(
        "no runs\nbeyond here",
        (compute, height),
        xycoords=("data", "axes fraction"),
        xytext=(4, 0),
        textcoords="offset points",
        va="top" if height > 0.5 else "bottom",
        fontsize=8,
        color=MUTED,
    )


def legend_on_top(ax: Axes, columns: int = 2, **options: Any) -> None:
    """Put the legend above everything that is drawn, in room made for it, so that it hides nothing."""
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


def legend_above(ax: Axes, columns: int) -> None:
    """Put the legend above the axes, where there is nothing that it could hide."""
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns, frameon=False, fontsize=8.5,
              columnspacing=1.0, handlelength=1.4)  # fmt: skip


def measure_axis(ax: Axes, measure: str) -> None:
    """Make the horizontal axis that of how large runs are: by compute, or by what else the law takes."""
    compute_axis(ax)
    if measure != "compute":
        ax.set_xlabel(measure.replace("_", " "))


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """Make the vertical axis one of named rows, the first at the top."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")


def loss_label(unit: str) -> str:
    """Return the label of a loss axis."""
    return f"loss ({unit})" if unit else "loss"


def note(ax: Axes, text: str, x: float = 0.5, y: float = 0.5) -> None:
    """Write a line in the middle of an empty figure."""
    ax.text(x, y, text, transform=ax.transAxes, ha="center", va="center", color=INK, wrap=True)
