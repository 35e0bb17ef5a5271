"""The largest runs, predicted from the smaller ones: did the bands hold?"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from bayescale.errors import QuestionError, did_you_mean
from bayescale.forms import score as score_of
from bayescale.forms.backtest import STEP
from bayescale.plots.drawing import (
    AT_X,
    NEW,
    on_axes,
    put_legend_on_top,
    select_held_out,
    write_note,
    write_text,
)
from bayescale.plots.style import DASHED, FAINT, FIRST, FORM_COLOURS, INK, MISSED, MUTED

# Runs within half a decade of the factor are those that test a step of that size.
FAR = 0.5
SCORES = {
    "winkler": "interval score of the {prob:g}% band (% of the loss)",
    "crps": "CRPS (% of the loss)",
    "elpd": "log score of a run",
    "width": "width of the {prob:g}% band, median (%)",
    "error": "error, median (%)",
    "bias": "prediction over the loss (%)",
}
# Each family has its own marker, where there are few families; a run outside of its band is hollow.
MARKERS = ("o", "s", "^", "D")
HOLLOW: dict[str, Any] = {"markersize": 6, "color": MISSED, "markerfacecolor": "white", "markeredgewidth": 1.6}
BEYOND = "decades of compute beyond the fitted runs"
NOTHING = "no run could be held out"
Held = xr.Dataset | Mapping[str, xr.Dataset]


@on_axes
def plot_backtest(
    held: xr.Dataset,
    *,
    factor: float | None = None,
    prob: float = 0.9,
    family: str | None = None,
    ax: Axes = NEW,
) -> None:
    """Draw each left-out run against the band that was predicted for it, in % of what was predicted.

    Parameters
    ----------
    held : xarray.Dataset
        From `backtest`.
    factor : float, optional
        One factor of the backtest; by default the largest.
    prob : float
        Mass of the band.
    family : str, optional
        One family; by default all families, as the errors are relative.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_backtest
    >>> held = bs.backtest(bs.load_shipped("tinylm"), "chinchilla", factor=10)
    >>> plot_backtest(held).get_xlabel()
    'decades of compute beyond the fitted runs'
    """
    held = select_held_out(held, family)
    ax.set_xlabel(BEYOND)
    response = held.attrs.get("response", "loss")
    ax.set_ylabel(f"{response} against the prediction (%)")
    if not held.sizes["held_out"]:
        write_note(ax, NOTHING)
        return
    factor = float(held["factor"].max()) if factor is None else factor
    test = held.isel(held_out=held["factor"].values == factor).sel(prob=prob)
    x = _spread_equal(test["decades_beyond"].values)
    low, high, seen = (100 * (test[name] / test["median"] - 1).values for name in ("lower", "upper", response))
    inside = (seen >= low) & (seen <= high)
    ax.axhline(0, color=MUTED, linewidth=1)
    if (start := np.log10(factor) - FAR) > 0 and x.max() > start:
        ax.axvspan(start, x.max() + 0.04, color=FAINT, alpha=0.3, linewidth=0, zorder=0)
        write_text(ax, f"about {factor:g}x out", (start, 0), coords=AT_X, shift=(4, 5), fontsize=8.5)
    ax.vlines(x, low, high, color=FIRST, alpha=0.32, linewidth=3.2, label=f"predicted {100 * prob:g}% band")
    families = test["family"].values if "family" in test.coords else np.full(len(x), "")
    names = np.unique(families)
    several = 1 < len(names) <= len(MARKERS)
    for name, marker in zip(names, MARKERS, strict=False) if several else [("inside", "o")]:
        here = families == name if several else np.full(len(x), True)
        label = f"{name}: {inside[here].sum()} of {here.sum()}" + " inside" * several
        ax.plot(x[here & inside], seen[here & inside], marker, color=FIRST, markersize=4.5, label=label)
        ax.plot(x[here & ~inside], seen[here & ~inside], marker, **HOLLOW)
    count = (~inside).sum()
    ax.plot([], [], "o", label=f"hollow: outside ({count})" if several else f"outside: {count}", **HOLLOW)
    ax.margins(x=0.05, y=0.06)
    put_legend_on_top(ax, 2 if several else 3)
    ax.tick_params(colors=INK)


def _spread_equal(x: np.ndarray) -> np.ndarray:
    """Move runs of equal compute a little to the sides, so that all bands can be seen."""
    span = max(np.ptp(x), 0.5)
    out = x.astype(float).copy()
    for value in np.unique(np.round(x, 3)):
        same = np.flatnonzero(np.abs(x - value) < 2e-3)
        out[same] += (np.arange(len(same)) - (len(same) - 1) / 2) * 0.012 * span
    return out


@on_axes
def plot_backtest_coverage(held: Held, *, prob: float = 0.9, family: str | None = None, ax: Axes = NEW) -> None:
    """Draw how often the bands held, by distance from the fitted runs, with the 95% interval of that share.

    Parameters
    ----------
    held : xarray.Dataset or mapping of str to xarray.Dataset
        From `backtest`, by name where there are several backtests. All factors are put together.
    prob : float
        Mass of the band.
    family : str, optional
        One family; by default all families.

    Notes
    -----
    The interval of Wilson takes runs as independent. Runs beyond one cut-off share errors, so the interval is too
    narrow where there are many runs.

    Examples
    --------
    >>> import xarray as xr
    >>> from bayescale.plots import plot_backtest_coverage
    >>> seen = {name: ("held_out", [value]) for name, value in
    ...         {"loss": 2.0, "median": 2.1, "elpd": 1.0, "crps": 0.05}.items()}
    >>> band = {"lower": (("prob", "held_out"), [[1.9]]), "upper": (("prob", "held_out"), [[2.2]])}
    >>> held = xr.Dataset(seen | band, {"prob": [0.9], "decades_beyond": ("held_out", [1.2])})
    >>> plot_backtest_coverage(held).get_ylabel()
    'runs inside of the 90% band (%)'
    """
    from scipy.stats import binomtest

    tables = list(_score_by_distance(held, prob, family))
    _set_distance_axis(ax, [table for _, table, _, _ in tables])
    ax.axhline(100 * prob, color=INK, linewidth=1.2, linestyle=DASHED, zorder=1)
    for name, table, colour, shift in tables:
        intervals = [
            binomtest(int(inside), int(runs)).proportion_ci(method="wilson")
            for inside, runs in zip(table["inside"], table["runs"], strict=True)
        ]
        ends = 100 * np.array([(interval.low, interval.high) for interval in intervals]).reshape(-1, 2)
        x = table.index.to_numpy() + shift
        ax.vlines(x, *ends.T, color=colour, alpha=0.4, linewidth=1.8)
        label = f"{name}: {table['inside'].sum():.0f} of {table['runs'].sum():.0f} inside"
        ax.plot(x, 100 * table["coverage"], "o", color=colour, markersize=6, label=label)
    if len(tables) == 1:
        runs = tables[0][1]["runs"]
        for at, count in zip(runs.index, runs, strict=True):
            write_text(ax, f"{count:.0f} runs", (at, 1.0), coords=AT_X, shift=(0, 2), ha="center", va="bottom")
    ax.set_ylim(-3, 103)
    ax.set_yticks([tick for tick in (0, 25, 50, 75, 100) if abs(tick - 100 * prob) > 6] + [100 * prob])
    ax.set_ylabel(f"runs inside of the {100 * prob:g}% band (%)")
    if tables:
        ax.legend(loc="lower left")


@on_axes
def plot_backtest_scores(
    held: Held, score: str = "winkler", *, prob: float = 0.9, family: str | None = None, ax: Axes = NEW
) -> None:
    """Draw one score of a backtest by distance from the fitted runs; the bias of each run is drawn too.

    Parameters
    ----------
    held : xarray.Dataset or mapping of str to xarray.Dataset
        From `backtest`, by name where there are several backtests. All factors are put together.
    score : str
        ``winkler``, ``crps``, ``elpd`` (a run), ``width``, ``error`` or ``bias``.
    prob : float
        Mass of the band.
    family : str, optional
        One family; by default all families.

    Raises
    ------
    QuestionError
        If there is no such score, or no band of that mass.

    Examples
    --------
    >>> import xarray as xr
    >>> from bayescale.plots import plot_backtest_scores
    >>> seen = {name: ("held_out", [value]) for name, value in
    ...         {"loss": 2.0, "median": 2.1, "elpd": 1.0, "crps": 0.05}.items()}
    >>> band = {"lower": (("prob", "held_out"), [[1.9]]), "upper": (("prob", "held_out"), [[2.2]])}
    >>> held = xr.Dataset(seen | band, {"prob": [0.9], "decades_beyond": ("held_out", [1.2])})
    >>> plot_backtest_scores(held, "width").get_ylabel()
    'width of the 90% band, median (%)'
    """
    if score not in SCORES:
        raise QuestionError(f"there is no score {score!r}.{did_you_mean(score, SCORES)} Scores: {', '.join(SCORES)}.")
    tables = list(_score_by_distance(held, prob, family))
    _set_distance_axis(ax, [table for _, table, _, _ in tables])
    if score == "bias":
        ax.axhline(0, color=MUTED, linewidth=1, zorder=1)
    for (name, table, colour, shift), line in zip(tables, itertools.cycle(("-", "--", "-.", ":")), strict=False):
        values = table["elpd"] / table["runs"] if score == "elpd" else table[score]
        if score == "bias":
            each = select_held_out(_name_backtests(held)[name], family)
            off = 100 * (each["median"] / each[each.attrs.get("response", "loss")] - 1)
            ax.plot(each["decades_beyond"], off, ".", color=colour, alpha=0.25, markersize=5, markeredgewidth=0)
        ax.plot(table.index + shift, values, marker="o", linestyle=line, color=colour, markersize=5, label=name)
    ax.set_ylabel(SCORES[score].format(prob=100 * prob))
    if score in ("winkler", "crps", "width", "error"):
        ax.set_ylim(bottom=0)
    if tables:
        put_legend_on_top(ax, 2)


def _name_backtests(held: Held) -> dict[str, xr.Dataset]:
    return {str(held.attrs.get("model", "bands")): held} if isinstance(held, xr.Dataset) else dict(held)


def _score_by_distance(held: Held, prob: float, family: str | None) -> Iterator[tuple[str, pd.DataFrame, str, float]]:
    """Yield each backtest with predictions: name, scores by the middle of each half decade, colour and shift."""
    named = _name_backtests(held)
    for i, (name, backtest) in enumerate(named.items()):
        of_family = select_held_out(backtest, family)
        if of_family.sizes["held_out"]:
            shift = 0.07 * STEP * (i - (len(named) - 1) / 2)
            yield name, score_of(of_family, by="distance", prob=prob), FORM_COLOURS[i % len(FORM_COLOURS)], shift


def _set_distance_axis(ax: Axes, tables: list[pd.DataFrame]) -> None:
    ax.set_xlabel(BEYOND)
    if not tables:
        write_note(ax, NOTHING)
        return
    last = max(table.index.max() for table in tables) + STEP / 2
    ax.set_xlim(0, last)
    ax.set_xticks(np.arange(0, last + 1e-9, STEP))
