"""Run by run: does the answer hang on one run, which form predicts it better, and does it lie off the law?"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayescale.plots.drawing import (
    NEW,
    on_axes,
    put_legend_on_top,
    select_family,
    select_runs,
    set_size_axis,
    write_text,
)
from bayescale.plots.style import DASHED, FIRST, FORM_COLOURS, INK, MARKERS, MISSED, MUTED, SECOND

INFLUENTIAL, OUTLYING = 3, 8  # runs that are named
LINE = 0.05  # the height of a name, as a share of the vertical axis


@on_axes
def plot_influence(moved: xr.Dataset, *, family: str | None = None, named: int = INFLUENTIAL, ax: Axes = NEW) -> None:
    """Draw how far the answer would move if each run had not been there, over the compute of the run.

    Parameters
    ----------
    moved : xarray.Dataset
        From `influence`.
    family : str, optional
        The family of the answer, where there are several.
    named : int
        How many runs to name.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_influence
    >>> from bayescale.trust.influence import influence
    >>> moved = influence(bs.fit(bs.load_shipped("tinylm"), seed=1))
    >>> plot_influence(moved, family="english").get_xlabel()
    'training compute C (FLOP)'
    """
    moved = select_family(moved, family)
    x, measure = _measure_runs(moved)
    shift, reliable = moved["shift"].values, moved["reliable"].values
    half = float(50 * (moved["upper"] - moved["lower"]) / moved["median"])
    ax.axhline(0, color=MUTED, linewidth=1)
    families = moved["run_family"].values
    for i, name in enumerate(sorted(set(families.tolist()))):
        here = (families == name) & reliable
        colour, label = FORM_COLOURS[i % len(FORM_COLOURS)], f"{name} run" if name else "a run"
        ax.vlines(x[here], 0, shift[here], color=colour, alpha=0.35, linewidth=1)
        ax.plot(x[here], shift[here], MARKERS[i % len(MARKERS)], color=colour, markersize=4.5, label=label)
    if (~reliable).any():
        ax.plot(x[~reliable], shift[~reliable], "X", color=MISSED, markersize=7, label="needs a fit without it")
    lines = []
    for number, at in enumerate(np.argsort(-np.abs(shift))[:named], 1):
        write_text(ax, str(number), (x[at], shift[at]), shift=(6, 0), va="center", fontsize=8.5, color=INK)
        lines.append(f"{number}  {moved['run'].values[at]}: {shift[at]:+.2g}%")
    text = "\n".join([*lines, f"half the 90% band: {half:.2g}%"])
    box = {"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1.5}
    write_text(ax, text, (0.015, 0.02), coords="axes fraction", color=INK, bbox=box)
    set_size_axis(ax, measure)
    ax.set_ylabel(f"shift of the {moved.attrs['answer']}\nwithout the run (%)")
    ax.margins(x=0.06, y=0.22)
    put_legend_on_top(ax, 3, fontsize=8.5)


@on_axes
def plot_pareto_k(moved: xr.Dataset, *, ax: Axes = NEW) -> None:
    """Draw the Pareto k of leaving out each run, over the compute of the run, and up to where it can be trusted.

    `arviz.plot_khat` draws the same values of the result of `arviz.loo`.

    Parameters
    ----------
    moved : xarray.Dataset
        From `influence` or `check_predictive`.

    Examples
    --------
    >>> import xarray as xr
    >>> from bayescale.plots import plot_pareto_k
    >>> each = {"pareto_k": ("run", [0.1, 0.8]), "reliable": ("run", [True, False])}
    >>> moved = xr.Dataset(each, {"compute": ("run", [1e18, 1e19])}, {"good_k": 0.7})
    >>> [text.get_text() for text in plot_pareto_k(moved).get_legend().get_texts()]
    ['can be told: 1 runs', 'needs a fit: 1']
    """
    x, measure = _measure_runs(moved)
    k, reliable = moved["pareto_k"].values, moved["reliable"].values
    ax.axhline(moved.attrs["good_k"], color=MISSED, linewidth=1.2, linestyle=DASHED)
    ax.plot(x[reliable], k[reliable], "o", color=FIRST, markersize=4, label=f"can be told: {reliable.sum()} runs")
    ax.plot(x[~reliable], k[~reliable], "X", color=MISSED, markersize=7, label=f"needs a fit: {(~reliable).sum()}")
    set_size_axis(ax, measure)
    ax.set_ylabel("Pareto k of leaving the run out")
    ax.margins(y=0.08)
    put_legend_on_top(ax, 2, fontsize=8.5)


def _measure_runs(moved: xr.Dataset) -> tuple[np.ndarray, str]:
    measure = "compute" if "compute" in moved.coords else moved.attrs["measure"]
    return moved[measure].values, measure


@on_axes
def plot_loo_by_run(
    loo: xr.Dataset,
    runs: xr.Dataset,
    *,
    models: tuple[str, str] | None = None,
    family: str | None = None,
    ax: Axes = NEW,
) -> None:
    """Draw, for each run, how much better one form predicts it than the other, with that run left out.

    Parameters
    ----------
    loo : xarray.Dataset
        From `compare`.
    runs : xarray.Dataset
        The runs that were compared on.
    models : tuple of str, optional
        The form that is better above zero, and the one below; by default the first two of the table.
    family : str, optional
        One family; by default all runs.

    Examples
    --------
    >>> import xarray as xr
    >>> from bayescale.plots import plot_loo_by_run
    >>> each = {"elpd_i": (("model", "run"), [[1.5, 1.0, 2.0], [1.0, 1.2, 1.5]])}
    >>> loo = xr.Dataset(each, {"model": ["chinchilla", "kaplan"]})
    >>> runs = xr.Dataset({"compute": ("run", [1e18, 1e19, 1e20])})
    >>> plot_loo_by_run(loo, runs).get_legend().get_texts()[0].get_text()
    'chinchilla better: 2 runs, 1.0 in all'
    """
    first, second = models or tuple(str(name) for name in loo["model"].values[:2])
    difference = (loo["elpd_i"].sel(model=first) - loo["elpd_i"].sel(model=second)).values
    if family is not None and "family" in runs.coords:
        difference = difference[runs["family"].values == family]
    x = select_runs(runs, family)["compute"].values
    for sign, colour, marker, name in ((1, FIRST, "o", first), (-1, SECOND, "s", second)):
        which = np.sign(difference) == sign
        label = f"{name} better: {which.sum()} runs, {np.abs(difference[which]).sum():.1f} in all"
        ax.plot(x[which], difference[which], marker, color=colour, markersize=4.5, alpha=0.85, label=label)
        ax.vlines(x[which], 0, difference[which], color=colour, alpha=0.35, linewidth=1)
    ax.axhline(0, color=MUTED, linewidth=1)
    if np.abs(difference).max() > 8 * max(np.quantile(np.abs(difference), 0.75), 0.1):
        ax.set_yscale("symlog", linthresh=1)
    set_size_axis(ax)
    ax.set_ylabel("difference in log density")
    ax.margins(y=0.08)
    put_legend_on_top(ax, 1)


@on_axes
def plot_outliers(outliers: xr.Dataset, *, named: int = OUTLYING, ax: Axes = NEW) -> None:
    """Draw the residual of each run against how likely it is undertuned, or against its weight in the fit.

    Parameters
    ----------
    outliers : xarray.Dataset
        From `outlier_runs` or `undertuned_runs`.
    named : int
        How many of the farthest runs to name, at most. A name that would lie on another name is left out.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_outliers
    >>> plot_outliers(bs.answers.outlier_runs(bs.fit(bs.load_shipped("tinylm"), seed=1))).get_xlabel()
    'residual of log loss about the law (%)'
    """
    undertuned = "probability" in outliers
    x, y = 100 * outliers["residual"].values, outliers["probability" if undertuned else "weight"].values
    out = y > 0.5 if undertuned else y < 0.5
    ax.axvline(0, color=MUTED, linewidth=1)
    ax.axhline(0.5, color=MUTED, linewidth=1, linestyle=":")
    ax.plot(x[~out], y[~out], "o", color=FIRST, markersize=4.5, alpha=0.7)
    ax.plot(x[out], y[out], "D", color=MISSED, markersize=5.5)
    right = x < np.median([x.min(), x.max()])
    for at in _keep_apart(y, np.flatnonzero(out))[:named]:
        side, shift = ("left", 6) if right[at] else ("right", -6)
        name = str(outliers["run"].values[at])
        write_text(ax, name, (x[at], y[at]), shift=(shift, 0), va="center", ha=side, fontsize=8.5, color=INK)
    ax.set_ylim(-0.04, 1.04)
    ax.set_xlabel("residual of log loss about the law (%)")
    ax.set_ylabel("probability of being undertuned" if undertuned else "weight against a run on the law")


def _keep_apart(y: np.ndarray, places: np.ndarray) -> list[int]:
    """Return the places that lie at least a line apart; of two that do not, the first."""
    kept: list[int] = []
    for at in places.tolist():
        if all(abs(y[at] - y[other]) >= LINE for other in kept):
            kept.append(at)
    return kept
