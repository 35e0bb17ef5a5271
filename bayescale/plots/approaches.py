"""Hoffmann et al.'s three approaches side by side, the profiles of approach 2, and a ladder of experiments."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayescale.answers import bands
from bayescale.approaches import published_beside
from bayescale.numbers import scientific
from bayescale.plots.parts import axes, legend_on_top, loss_label
from bayescale.plots.style import BAND_ALPHA, FIRST, FORM_COLOURS, INK, MUTED, SECOND, compute_axis, log_axis

TITLES = {
    "envelope": "1: envelope",
    "isoflop parabola": "2: IsoFLOP, parabola",
    "isoflop corrected": "2: IsoFLOP, corrected",
    "parametric": "3: parametric law",
}


def plot_exponents(answer: xr.Dataset, *, published: bool = True, ax: Axes | None = None) -> Axes:
    """Draw the exponent a of N_opt ~ C**a by approach: the median with its 50 and 95% bands.

    Parameters
    ----------
    answer : xarray.Dataset
        From `approaches`.
    published : bool
        Whether to draw Hoffmann et al.'s own estimates, which are of their runs.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from bayescale.plots.approaches import plot_exponents
    >>> a = np.random.default_rng(1).normal(0.5, 0.02, (2, 50, 2))
    >>> names = ["envelope", "parametric"]
    >>> answer = xr.Dataset({"a": (("chain", "draw", "approach"), a)}, {"approach": names})
    >>> plot_exponents(answer).get_xlabel()
    'exponent a of the compute-optimal N ~ C^a'
    """
    ax = axes(ax)
    names = answer["approach"].values.tolist()
    heights = -np.arange(len(names), dtype=float)
    _draw_intervals(ax, answer["a"].transpose("approach", ...), heights, [_colour(k) for k in range(len(names))])
    if published:
        for height, (_, row) in zip(heights, published_beside(names).iterrows(), strict=True):
            ax.plot([row["published_a_low"], row["published_a_high"]], [height - 0.25] * 2, color=MUTED, linewidth=1.2)
            label = "Hoffmann et al., their runs (10 to 90%)" if height == 0 else None
            ax.plot([row["published_a"]], [height - 0.25], "o", color=MUTED, markersize=4, label=label)
    ax.set_yticks(heights, [TITLES.get(name, name) for name in names])
    ax.set_ylim(heights[-1] - 0.6, 0.6)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("exponent a of the compute-optimal N ~ C^a")
    if published:
        legend_on_top(ax, 1)
    return ax


def plot_best_sizes(answer: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw the compute-optimal N at each budget by approach: medians with 50 and 95% bands, side by side.

    Parameters
    ----------
    answer : xarray.Dataset
        From `approaches`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from bayescale.plots.approaches import plot_best_sizes
    >>> n = np.random.default_rng(1).lognormal(20, 0.2, (2, 50, 2, 1))
    >>> coords = {"approach": ["envelope", "parametric"], "compute": ("point", [1e21])}
    >>> answer = xr.Dataset({"params": (("chain", "draw", "approach", "point"), n)}, coords)
    >>> plot_best_sizes(answer).get_ylabel()
    'compute-optimal N (parameters)'
    """
    ax = axes(ax)
    names = answer["approach"].values.tolist()
    compute = answer["compute"].values
    for k, name in enumerate(names):
        aside = compute * 10 ** (0.09 * (k - (len(names) - 1) / 2))
        found = bands(answer["params"].sel(approach=name))
        for prob, width in ((0.95, 1.2), (0.5, 4.0)):
            low, high = (found[side].sel(prob=prob).values for side in ("lower", "upper"))
            ax.vlines(aside, low, high, color=_colour(k), linewidth=width)
        ax.plot(aside, found["median"].values, "o", color=_colour(k), markersize=4, label=TITLES.get(name, name))
    compute_axis(ax)
    ax.set_yscale("log")
    log_axis(ax.yaxis)
    ax.set_ylabel("compute-optimal N (parameters)")
    legend_on_top(ax)
    return ax


def plot_profiles(curves: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw the IsoFLOP profiles: the runs at each budget, the fitted shape with its 95% band, and its minimum.

    Parameters
    ----------
    curves : xarray.Dataset
        From `profile_curves`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.approaches import isoflop_fit, profile_curves
    >>> from bayescale.plots.approaches import plot_profiles
    >>> from bayescale.runs.curves.profiles import profiles_of_curves
    >>> from bayescale.runs.curves.envelope import curves_of_runs
    >>> runs = bs.load_shipped("tinylm")
    >>> english = curves_of_runs(runs.isel(run=runs["family"].values == "english"))
    >>> plot_profiles(profile_curves(isoflop_fit(profiles_of_curves(english), seed=1))).get_xlabel()
    'parameters N'
    """
    import matplotlib as mpl

    ax = axes(ax)
    budgets = curves["budget"].values
    shades = mpl.colormaps["viridis"](np.linspace(0.05, 0.85, budgets.size))
    found, best = bands(curves["loss"], [0.95]).isel(prob=0), bands(curves["params_opt"], [0.95]).isel(prob=0)
    for k, (budget, shade) in enumerate(zip(budgets, shades, strict=True)):
        n = curves["params"].isel(budget=k).values
        low, high, middle = (found[side].isel(budget=k).values for side in ("lower", "upper", "median"))
        ax.fill_between(n, low, high, color=shade, alpha=BAND_ALPHA, linewidth=0)
        ax.plot(n, middle, color=shade, linewidth=1.4, label=f"{scientific(float(budget), 2)} FLOP")
        mine = curves["budget_index"].values == k
        ax.scatter(curves["run_params"].values[mine], curves["run_loss"].values[mine], color=[shade], s=14, zorder=3)
    lowest = curves["best_loss"].median(("chain", "draw")).values
    ax.hlines(lowest, best["lower"].values, best["upper"].values, color=INK, linewidth=1.2, zorder=3.4)
    ax.plot(best["median"].values, lowest, "D", color="white", markeredgecolor=INK, markersize=4.5, zorder=3.5)
    # The arms go on beyond the runs; the figure is of the runs.
    seen = curves["run_loss"].values
    room = 0.05 * (seen.max() - seen.min())
    ax.set_ylim(seen.min() - room, seen.max() + room)
    log_axis(ax.xaxis)
    ax.set_xlabel("parameters N")
    ax.set_ylabel(loss_label(str(curves.attrs["loss_unit"])))
    legend_on_top(ax, 3)
    return ax


def plot_agreement(answer: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw the exponent by parabolas through the runs among those of runs that are simulated from the parametric law.

    Parameters
    ----------
    answer : xarray.Dataset
        From `agreement` or `approaches`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from bayescale.plots.approaches import plot_agreement
    >>> again = np.random.default_rng(1).normal(0.5, 0.02, 200)
    >>> answer = xr.Dataset({"quick_a": 0.51, "tail_a": 0.6, "replicated_a": ("replicate", again)})
    >>> plot_agreement(answer).get_ylabel()
    'replicates'
    """
    ax = axes(ax)
    again = answer["replicated_a"].values
    again = again[np.isfinite(again)]
    low, high = np.quantile(again, (0.005, 0.995))
    ax.hist(again[(again >= low) & (again <= high)], bins=30, color=FIRST, alpha=0.5, label="simulated from the law")
    tail = float(answer["tail_a"])
    ax.axvline(float(answer["quick_a"]), color=SECOND, label=f"the runs (tail {tail:.2g})")
    ax.set_xlabel("a by parabolas and a line through their minima")
    ax.set_ylabel("replicates")
    legend_on_top(ax, 1)
    return ax


def plot_ladder(answer: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw the exponent of each experiment of a ladder, next to the published one where there is one.

    Parameters
    ----------
    answer : xarray.Dataset
        From `ladder`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from bayescale.plots.approaches import plot_ladder
    >>> a = np.random.default_rng(1).normal([0.8, 0.5], 0.01, (2, 50, 2))
    >>> answer = xr.Dataset({"a": (("chain", "draw", "experiment"), a)}, {"experiment": ["before", "after"]})
    >>> [label.get_text() for label in plot_ladder(answer).get_yticklabels()]
    ['before', 'after']
    """
    ax = axes(ax)
    names = answer["experiment"].values.tolist()
    heights = -np.arange(len(names), dtype=float)
    _draw_intervals(ax, answer["a"].transpose("experiment", ...), heights, [FIRST] * len(names))
    if "published" in answer:
        ax.plot(answer["published"].values, heights - 0.22, "o", color=MUTED, markersize=4, label="published")
    ax.set_yticks(heights, names)
    ax.set_ylim(heights[-1] - 0.6, 0.6)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("exponent a of the compute-optimal N ~ C^a")
    if "published" in answer:
        legend_on_top(ax, 1)
    return ax


def _colour(k: int) -> str:
    return FORM_COLOURS[k % len(FORM_COLOURS)]


def _draw_intervals(ax: Axes, draws: xr.DataArray, heights: np.ndarray, colours: list[str]) -> None:
    """Draw a median with its 50 and 95% bands, lying, at each height: one for each entry of the first dimension."""
    found = bands(draws)
    for k, (height, colour) in enumerate(zip(heights, colours, strict=True)):
        for prob, width in ((0.95, 1.5), (0.5, 5.0)):
            low, high = (float(found[side].sel(prob=prob)[k]) for side in ("lower", "upper"))
            ax.plot([low, high], [height] * 2, color=colour, linewidth=width, solid_capstyle="butt")
        ax.plot([float(found["median"][k])], [height], "o", color="white", markeredgecolor=colour, markersize=6)
