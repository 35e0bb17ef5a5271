"""The three approaches of Hoffmann et al. side by side, the IsoFLOP profiles, and a ladder of experiments."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayescale.answers import bands
from bayescale.approaches import published_beside
from bayescale.numbers import scientific
from bayescale.plots.drawing import (
    NEW,
    draw_bands,
    draw_intervals,
    label_loss,
    on_axes,
    put_legend_on_top,
    set_log_axis,
    set_size_axis,
)
from bayescale.plots.style import FIRST, FORM_COLOURS, INK, MUTED, SECOND

TITLES = {
    "envelope": "1: envelope",
    "isoflop parabola": "2: IsoFLOP, parabola",
    "isoflop corrected": "2: IsoFLOP, corrected",
    "parametric": "3: parametric law",
}


@on_axes
def plot_exponents(answer: xr.Dataset, *, published: bool = True, ax: Axes = NEW) -> None:
    """Draw the exponent a of N_opt ~ C**a by approach: the median with its 50 and 95% bands.

    Parameters
    ----------
    answer : xarray.Dataset
        From `approaches`.
    published : bool
        Whether to draw the estimates of Hoffmann et al., which are of their own runs.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from bayescale.plots import plot_exponents
    >>> a = np.random.default_rng(1).normal(0.5, 0.02, (2, 50, 2))
    >>> names = ["envelope", "parametric"]
    >>> answer = xr.Dataset({"a": (("chain", "draw", "approach"), a)}, {"approach": names})
    >>> plot_exponents(answer).get_xlabel()
    'exponent a of the compute-optimal N ~ C^a'
    """
    names = answer["approach"].values.tolist()
    colours = [FORM_COLOURS[k % len(FORM_COLOURS)] for k in range(len(names))]
    heights = _draw_exponents(ax, answer["a"], [TITLES.get(name, name) for name in names], colours)
    if published:
        for height, (_, row) in zip(heights, published_beside(names).iterrows(), strict=True):
            ax.plot([row["published_a_low"], row["published_a_high"]], [height - 0.25] * 2, color=MUTED, linewidth=1.2)
            label = "Hoffmann et al., their runs (10 to 90%)" if height == 0 else None
            ax.plot([row["published_a"]], [height - 0.25], "o", color=MUTED, markersize=4, label=label)
        put_legend_on_top(ax, 1)


@on_axes
def plot_best_sizes(answer: xr.Dataset, *, ax: Axes = NEW) -> None:
    """Draw the compute-optimal N at each budget by approach: medians with 50 and 95% bands, side by side.

    Parameters
    ----------
    answer : xarray.Dataset
        From `approaches`.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from bayescale.plots import plot_best_sizes
    >>> n = np.random.default_rng(1).lognormal(20, 0.2, (2, 50, 2, 1))
    >>> coords = {"approach": ["envelope", "parametric"], "compute": ("point", [1e21])}
    >>> answer = xr.Dataset({"params": (("chain", "draw", "approach", "point"), n)}, coords)
    >>> plot_best_sizes(answer).get_ylabel()
    'compute-optimal N (parameters)'
    """
    names = answer["approach"].values.tolist()
    for k, name in enumerate(names):
        colour = FORM_COLOURS[k % len(FORM_COLOURS)]
        aside = answer["compute"].values * 10 ** (0.09 * (k - (len(names) - 1) / 2))
        limits = bands(answer["params"].sel(approach=name))
        draw_intervals(ax, aside, limits, colour, {0.95: 1.2, 0.5: 4.0}, upright=True)
        ax.plot(aside, limits["median"].values, "o", color=colour, markersize=4, label=TITLES.get(name, name))
    set_size_axis(ax)
    ax.set_yscale("log")
    set_log_axis(ax.yaxis)
    ax.set_ylabel("compute-optimal N (parameters)")
    put_legend_on_top(ax)


@on_axes
def plot_profiles(curves: xr.Dataset, *, ax: Axes = NEW) -> None:
    """Draw the IsoFLOP profiles: the runs at each budget, the fitted shape with its 95% band, and its minimum.

    Parameters
    ----------
    curves : xarray.Dataset
        From `profile_curves`.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.approaches import isoflop_fit, profile_curves
    >>> from bayescale.plots import plot_profiles
    >>> from bayescale.runs.curves.profiles import profiles_of_curves
    >>> from bayescale.runs.curves.envelope import curves_of_runs
    >>> runs = bs.load_shipped("tinylm")
    >>> english = curves_of_runs(runs.isel(run=runs["family"].values == "english"))
    >>> plot_profiles(profile_curves(isoflop_fit(profiles_of_curves(english), seed=1))).get_xlabel()
    'parameters N'
    """
    import matplotlib as mpl

    budgets = curves["budget"].values
    shades = mpl.colormaps["viridis"](np.linspace(0.05, 0.85, budgets.size))
    for k, (budget, shade) in enumerate(zip(budgets, shades, strict=True)):
        profile, label = curves.isel(budget=k), f"{scientific(float(budget), 2)} FLOP"
        draw_bands(ax, profile["params"].values, profile["loss"], shade, label=label, prob=[0.95], linewidth=1.4)
        here = curves["budget_index"].values == k
        ax.scatter(curves["run_params"].values[here], curves["run_loss"].values[here], color=[shade], s=14, zorder=3)
    best = bands(curves["params_opt"], [0.95]).isel(prob=0)
    lowest = curves["best_loss"].median(("chain", "draw")).values
    ax.hlines(lowest, best["lower"].values, best["upper"].values, color=INK, linewidth=1.2, zorder=3.4)
    ax.plot(best["median"].values, lowest, "D", color="white", markeredgecolor=INK, markersize=4.5, zorder=3.5)
    # The fitted shapes go on beyond the runs, but the figure is of the runs.
    seen = curves["run_loss"].values
    room = 0.05 * (seen.max() - seen.min())
    ax.set_ylim(seen.min() - room, seen.max() + room)
    set_log_axis(ax.xaxis)
    ax.set_xlabel("parameters N")
    ax.set_ylabel(label_loss(str(curves.attrs["loss_unit"])))
    put_legend_on_top(ax, 3)


@on_axes
def plot_agreement(answer: xr.Dataset, *, ax: Axes = NEW) -> None:
    """Draw the posterior predictive check of the exponent: by parabolas through the runs, and through simulated runs.

    Parameters
    ----------
    answer : xarray.Dataset
        From `agreement` or `approaches`: the runs are simulated from the parametric law.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from bayescale.plots import plot_agreement
    >>> again = np.random.default_rng(1).normal(0.5, 0.02, 200)
    >>> answer = xr.Dataset({"quick_a": 0.51, "tail_a": 0.6, "replicated_a": ("replicate", again)})
    >>> plot_agreement(answer).get_ylabel()
    'replicates'
    """
    again = answer["replicated_a"].values
    again = again[np.isfinite(again)]
    low, high = np.quantile(again, (0.005, 0.995))
    ax.hist(again[(again >= low) & (again <= high)], bins=30, color=FIRST, alpha=0.5, label="simulated from the law")
    ax.axvline(float(answer["quick_a"]), color=SECOND, label=f"the runs (tail {float(answer['tail_a']):.2g})")
    ax.set_xlabel("a by parabolas and a line through their minima")
    ax.set_ylabel("replicates")
    put_legend_on_top(ax, 1)


@on_axes
def plot_ladder(answer: xr.Dataset, *, ax: Axes = NEW) -> None:
    """Draw the exponent of each experiment of a ladder, next to the published one where there is one.

    Parameters
    ----------
    answer : xarray.Dataset
        From `ladder`.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from bayescale.plots import plot_ladder
    >>> a = np.random.default_rng(1).normal([0.8, 0.5], 0.01, (2, 50, 2))
    >>> answer = xr.Dataset({"a": (("chain", "draw", "experiment"), a)}, {"experiment": ["before", "after"]})
    >>> [label.get_text() for label in plot_ladder(answer).get_yticklabels()]
    ['before', 'after']
    """
    names = answer["experiment"].values.tolist()
    heights = _draw_exponents(ax, answer["a"], names, [FIRST] * len(names))
    if "published" in answer:
        ax.plot(answer["published"].values, heights - 0.22, "o", color=MUTED, markersize=4, label="published")
        put_legend_on_top(ax, 1)


def _draw_exponents(ax: Axes, a: xr.DataArray, names: list[str], colours: list[str]) -> np.ndarray:
    """Draw an exponent a row, the median with its 50 and 95% bands; return the heights of the rows."""
    heights = -np.arange(len(names), dtype=float)
    limits = bands(a.transpose(..., "chain", "draw"))
    for k, (height, colour) in enumerate(zip(heights, colours, strict=True)):
        row = limits.isel(dict.fromkeys(limits["median"].dims, k))
        draw_intervals(ax, height, row, colour, {0.95: 1.5, 0.5: 5.0})
        ax.plot([float(row["median"])], [height], "o", color="white", markeredgecolor=colour, markersize=6)
    ax.set_yticks(heights, names)
    ax.set_ylim(heights[-1] - 0.6, 0.6)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("exponent a of the compute-optimal N ~ C^a")
    return heights
