"""Does the answer hang on one run?"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayescale.plots.parts import axes, legend_on_top, measure_axis, of_family
from bayescale.plots.style import FIRST, FORM_COLOURS, INK, MARKERS, MISSED, MUTED

NAMED = 3


def plot_influence(moved: xr.Dataset, *, family: str | None = None, named: int = NAMED, ax: Axes | None = None) -> Axes:
    """Draw how far the answer would move if each run had not been there, over the run's compute.

    Parameters
    ----------
    moved : xarray.Dataset
        `influence`.
    family : str, optional
        Whose answer, where there are several.
    named : int
        How many runs to name.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots.influence import plot_influence
    >>> from bayescale.trust.influence import influence
    >>> moved = influence(bs.fit(bs.load_shipped("tinylm"), seed=1))
    >>> plot_influence(moved, family="english").get_xlabel()
    'training compute C (FLOP)'
    """
    ax = axes(ax)
    one = of_family(moved, family)
    x, measure = _sizes(one)
    shift, reliable = one["shift"].values, one["reliable"].values
    half = float(50 * (one["upper"] - one["lower"]) / one["median"])
    ax.axhline(0, color=MUTED, linewidth=1)
    labels = one["run_family"].values
    groups = sorted(set(labels.tolist()))
    for i, name in enumerate(groups):
        of = (labels == name) & reliable
        colour, text = FORM_COLOURS[i % len(FORM_COLOURS)], f"{name} run" if name else "a run"
        ax.vlines(x[of], 0, shift[of], color=colour, alpha=0.35, linewidth=1)
        ax.plot(x[of], shift[of], MARKERS[i % len(MARKERS)], color=colour, markersize=4.5, label=text)
    if (~reliable).any():
        ax.plot(x[~reliable], shift[~reliable], "X", color=MISSED, markersize=7, label="needs a fit without it")
    largest = np.argsort(-np.abs(shift))[:named]
    for number, at in enumerate(largest, 1):
        ax.annotate(str(number), (x[at], shift[at]), xytext=(6, 0), textcoords="offset points", va="center",
                    fontsize=8.5, color=INK)  # fmt: skip
    lines = [f"{number}  {one['run'].values[at]}: {shift[at]:+.2g}%" for number, at in enumerate(largest, 1)]
    lines += [f"half the 90% band: {half:.2g}%"]
    ax.annotate("\n".join(lines), (0.015, 0.02), xycoords="axes fraction", fontsize=8, color=INK,
                bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1.5})  # fmt: skip
    measure_axis(ax, measure)
    ax.set_ylabel(f"shift of the {moved.attrs['answer']}\nwithout the run (%)")
    ax.margins(x=0.06, y=0.22)
    legend_on_top(ax, 3, fontsize=8.5)
    return ax


def plot_pareto_k(moved: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw the Pareto k of leaving out each run, over the run's compute, and up to where it can be trusted.

    Parameters
    ----------
    moved : xarray.Dataset
        `influence` or `check_predictive`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import xarray as xr
    >>> from bayescale.plots.influence import plot_pareto_k
    >>> told = {"pareto_k": ("run", [0.1, 0.8]), "reliable": ("run", [True, False])}
    >>> moved = xr.Dataset(told, {"compute": ("run", [1e18, 1e19])}, {"good_k": 0.7})
    >>> [text.get_text() for text in plot_pareto_k(moved).get_legend().get_texts()]
    ['can be told: 1 runs', 'needs a fit: 1']
    """
    ax = axes(ax)
    x, measure = _sizes(moved)
    k, reliable = moved["pareto_k"].values, moved["reliable"].values
    ax.axhline(moved.attrs["good_k"], color=MISSED, linewidth=1.2, linestyle=(0, (4, 3)))
    ax.plot(x[reliable], k[reliable], "o", color=FIRST, markersize=4, label=f"can be told: {reliable.sum()} runs")
    ax.plot(x[~reliable], k[~reliable], "X", color=MISSED, markersize=7, label=f"needs a fit: {(~reliable).sum()}")
    measure_axis(ax, measure)
    ax.set_ylabel("Pareto k of leaving the run out")
    ax.margins(y=0.08)
    legend_on_top(ax, 2, fontsize=8.5)
    return ax


def _sizes(moved: xr.Dataset) -> tuple[np.ndarray, str]:
    measure = "compute" if "compute" in moved.coords else moved.attrs["measure"]
    return moved[measure].values, measure
