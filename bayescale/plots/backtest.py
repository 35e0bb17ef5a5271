"""The largest runs, predicted from the smaller ones: did the bands hold?"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from scipy.stats import binomtest

from bayescale.errors import QuestionError, did_you_mean
from bayescale.forms import score as score_of
from bayescale.forms.backtest import STEP
from bayescale.plots.parts import axes, held_of_family, legend_on_top, note
from bayescale.plots.style import FAINT, FIRST, FORM_COLOURS, INK, MISSED, MUTED

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
# Families by shape, where they are few; a run outside of its band is hollow.
MARKERS = ("o", "s", "^", "D")
HOLLOW: dict[str, Any] = {"markerfacecolor": "white", "markeredgewidth": 1.6}
BEYOND = "decades of compute beyond the fitted runs"
NOTHING = "no run could be held out"
Held = xr.Dataset | Mapping[str, xr.Dataset]


def plot_backtest(
    held: xr.Dataset,
    *,
    factor: float | None = None,
    prob: float = 0.9,
    family: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw each left-out run against the band that was predicted for it, in % of what was predicted.

    Parameters
    ----------
    held : xarray.Dataset
        `backtest`.
    factor : float, optional
        Which of its factors; by default the largest.
    prob : float
        Mass of the band.
    family : str, optional
        One family; by default all of them, as the errors are relative.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_backtest
    >>> held = bs.backtest(bs.load_shipped("tinylm"), "chinchilla", factor=10)
    >>> plot_backtest(held).get_xlabel()
    'decades of compute beyond the fitted runs'
    """
    ax = axes(ax)
    held = held_of_family(held, family)
    ax.set_xlabel(BEYOND)
    response = held.attrs.get("response", "loss")
    ax.set_ylabel(f"{response} against the prediction (%)")
    if not held.sizes["held_out"]:
        note(ax, NOTHING)
        return ax
    factor = float(held["factor"].max()) if factor is None else factor
    one = held.isel(held_out=held["factor"].values == factor).sel(prob=prob)
    x = _apart(one["decades_beyond"].values)
    low, high, seen = (100 * (one[name] / one["median"] - 1).values for name in ("lower", "upper", response))
    inside = (seen >= low) & (seen <= high)
    ax.axhline(0, color=MUTED, linewidth=1)
    if (start := np.log10(factor) - FAR) > 0 and x.max() > start:
        ax.axvspan(start, x.max() + 0.04, color=FAINT, alpha=0.3, linewidth=0, zorder=0)
        ax.annotate(
            f"about {factor:g}x out", (start, 0), xycoords=("data", "axes fraction"), xytext=(4, 5), fontsize=8.5,
            textcoords="offset points", color=MUTED,
        )  # fmt: skip
    ax.vlines(x, low, high, color=FIRST, alpha=0.32, linewidth=3.2, label=f"predicted {100 * prob:g}% band")
    families = one["family"].values if "family" in one.coords else np.full(len(x), "")
    names = np.unique(families)
    several = 1 < len(names) <= len(MARKERS)
    if several:
        for name, marker in zip(names, MARKERS, strict=False):
            mine = families == name
            said = f"{name}: {inside[mine].sum()} of {mine.sum()} inside"
            ax.plot(x[mine & inside], seen[mine & inside], marker, color=FIRST, markersize=4.5, label=said)
            ax.plot(x[mine & ~inside], seen[mine & ~inside], marker, color=MISSED, markersize=6, **HOLLOW)
        ax.plot([], [], "o", color=MISSED, markersize=6, **HOLLOW, label=f"hollow: outside ({(~inside).sum()})")
    else:
        ax.plot(x[inside], seen[inside], "o", color=FIRST, markersize=4.5, label=f"inside: {inside.sum()} of {len(x)}")
        said = f"outside: {(~inside).sum()}"
        ax.plot(x[~inside], seen[~inside], "o", color=MISSED, markersize=6, **HOLLOW, label=said)
    ax.margins(x=0.05, y=0.06)
    legend_on_top(ax, 2 if several else 3)
    ax.tick_params(colors=INK)
    return ax


def _apart(x: np.ndarray) -> np.ndarray:
    """Move runs of equal compute apart a little, so that their bands can be seen."""
    span = max(np.ptp(x), 0.5)
    out = x.astype(float).copy()
    for value in np.unique(np.round(x, 3)):
        same = np.flatnonzero(np.abs(x - value) < 2e-3)
        out[same] += (np.arange(len(same)) - (len(same) - 1) / 2) * 0.012 * span
    return out


def plot_backtest_coverage(held: Held, *, prob: float = 0.9, family: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw how often the bands held, by distance from the fitted runs, with the 95% interval of so many runs.

    Parameters
    ----------
    held : xarray.Dataset or mapping of str to xarray.Dataset
        `backtest`, by name where there are several. All factors are put together.
    prob : float
        Mass of the band.
    family : str, optional
        One family; by default all of them.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Notes
    -----
    The interval (Wilson's) takes runs as independent; those beyond one cut-off share its errors, so that it is too
    narrow where there are many.

    Examples
    --------
    >>> import xarray as xr
    >>> from bayescale.plots.backtest import plot_backtest_coverage
    >>> seen = {name: ("held_out", [value]) for name, value in
    ...         {"loss": 2.0, "median": 2.1, "elpd": 1.0, "crps": 0.05}.items()}
    >>> band = {"lower": (("prob", "held_out"), [[1.9]]), "upper": (("prob", "held_out"), [[2.2]])}
    >>> held = xr.Dataset(seen | band, {"prob": [0.9], "decades_beyond": ("held_out", [1.2])})
    >>> plot_backtest_coverage(held).get_ylabel()
    'runs inside of the 90% band (%)'
    """
    ax = axes(ax)
    drawn = list(_by_distance(held, prob, family))
    _distance_axis(ax, [table for _, table, _, _ in drawn])
    ax.axhline(100 * prob, color=INK, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
    for name, table, colour, shift in drawn:
        intervals = [
            binomtest(int(inside), int(runs)).proportion_ci(method="wilson")
            for inside, runs in zip(table["inside"], table["runs"], strict=True)
        ]
        ends = 100 * np.array([(interval.low, interval.high) for interval in intervals]).reshape(-1, 2)
        x = table.index.to_numpy() + shift
        ax.vlines(x, *ends.T, color=colour, alpha=0.4, linewidth=1.8)
        label = f"{name}: {table['inside'].sum():.0f} of {table['runs'].sum():.0f} inside"
        ax.plot(x, 100 * table["coverage"], "o", color=colour, markersize=6, label=label)
    if len(drawn) == 1:
        _count_runs(ax, drawn[0][1])
    ax.set_ylim(-3, 103)
    ax.set_yticks([tick for tick in (0, 25, 50, 75, 100) if abs(tick - 100 * prob) > 6] + [100 * prob])
    ax.set_ylabel(f"runs inside of the {100 * prob:g}% band (%)")
    if drawn:
        ax.legend(loc="lower left")
    return ax


def plot_backtest_scores(
    held: Held, score: str = "winkler", *, prob: float = 0.9, family: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw one score of a backtest by distance from the fitted runs; of the bias, each run besides.

    Parameters
    ----------
    held : xarray.Dataset or mapping of str to xarray.Dataset
        `backtest`, by name where there are several. All factors are put together.
    score : str
        ``winkler``, ``crps``, ``elpd`` (a run), ``width``, ``error`` or ``bias``.
    prob : float
        Mass of the band.
    family : str, optional
        One family; by default all of them.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    QuestionError
        If there is no such score, or no band of that mass.

    Examples
    --------
    >>> import xarray as xr
    >>> from bayescale.plots.backtest import plot_backtest_scores
    >>> seen = {name: ("held_out", [value]) for name, value in
    ...         {"loss": 2.0, "median": 2.1, "elpd": 1.0, "crps": 0.05}.items()}
    >>> band = {"lower": (("prob", "held_out"), [[1.9]]), "upper": (("prob", "held_out"), [[2.2]])}
    >>> held = xr.Dataset(seen | band, {"prob": [0.9], "decades_beyond": ("held_out", [1.2])})
    >>> plot_backtest_scores(held, "width").get_ylabel()
    'width of the 90% band, median (%)'
    """
    if score not in SCORES:
        raise QuestionError(f"there is no score {score!r}.{did_you_mean(score, SCORES)} Scores: {', '.join(SCORES)}.")
    ax = axes(ax)
    drawn = list(_by_distance(held, prob, family))
    _distance_axis(ax, [table for _, table, _, _ in drawn])
    if score == "bias":
        ax.axhline(0, color=MUTED, linewidth=1, zorder=1)
    for (name, table, colour, shift), line in zip(drawn, _lines(), strict=False):
        values = table["elpd"] / table["runs"] if score == "elpd" else table[score]
        if score == "bias":
            one = _named(held)[name]
            one = held_of_family(one, family)
            off = 100 * (one["median"] / one[one.attrs.get("response", "loss")] - 1)
            ax.plot(one["decades_beyond"], off, ".", color=colour, alpha=0.25, markersize=5, markeredgewidth=0)
        ax.plot(table.index + shift, values, marker="o", linestyle=line, color=colour, markersize=5, label=name)
    ax.set_ylabel(SCORES[score].format(prob=100 * prob))
    if score in ("winkler", "crps", "width", "error"):
        ax.set_ylim(bottom=0)
    if drawn:
        legend_on_top(ax, 2)
    return ax


def _lines() -> Iterator[str]:
    while True:
        yield from ("-", "--", "-.", ":")


def _named(held: Held) -> dict[str, xr.Dataset]:
    return {str(held.attrs.get("model", "bands")): held} if isinstance(held, xr.Dataset) else dict(held)


def _by_distance(held: Held, prob: float, family: str | None) -> Iterator[tuple[str, pd.DataFrame, str, float]]:
    """Yield each backtest that predicted anything: name, scores by the middle of each half decade, colour and shift."""
    named = _named(held)
    for i, (name, every) in enumerate(named.items()):
        one = held_of_family(every, family)
        if one.sizes["held_out"]:
            shift = 0.07 * STEP * (i - (len(named) - 1) / 2)
            yield name, score_of(one, by="distance", prob=prob), FORM_COLOURS[i % len(FORM_COLOURS)], shift


def _distance_axis(ax: Axes, tables: list[pd.DataFrame]) -> None:
    ax.set_xlabel(BEYOND)
    if not tables:
        note(ax, NOTHING)
        return
    last = max(table.index.max() for table in tables) + STEP / 2
    ax.set_xlim(0, last)
    ax.set_xticks(np.arange(0, last + 1e-9, STEP))


def _count_runs(ax: Axes, table: pd.DataFrame) -> None:
    for x, runs in zip(table.index, table["runs"], strict=True):
        ax.annotate(f"{runs:.0f} runs", (x, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 2),
                    textcoords="offset points", ha="center", va="bottom", fontsize=8, color=MUTED)  # fmt: skip
