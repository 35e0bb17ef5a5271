"""IsoFLOP view: loss against N at fixed compute."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayescale.answers import bands
from bayescale.numbers import scientific
from bayescale.plots.parts import axes, legend_on_top, loss_label, of_family, runs_of_family
from bayescale.plots.style import BAND_ALPHA, FIRST, INK, log_axis

# A run belongs to a budget where its compute is within this factor of it.
NEAR = 1.5
_SHADES = ("#8fb8a0", "#4a9c8b", "#22708a", FIRST, "#4b2a7b")


def plot_isoflop(
    curves: xr.Dataset, runs: xr.Dataset | None = None, *, family: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the loss against N at a few budgets, the optimum of each, and the runs near them.

    Parameters
    ----------
    curves : xarray.Dataset
        `extrapolate` at several N for each compute. Where it also holds ``best_params`` and ``best_loss``, dims
        ``budget``, with the coord ``budget_compute``, the optima are marked.
    runs : xarray.Dataset, optional
        The runs; those within a factor of 1.5 of a budget are drawn in its colour.
    family : str, optional
        Which family, where there are several.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_isoflop
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> curves = bs.extrapolate(fit, params=[1e5, 1e6, 1e7], compute="1x", family="english")
    >>> plot_isoflop(curves).get_xlabel()
    'parameters N'
    """
    ax = axes(ax)
    one = of_family(curves, family)
    mine = runs_of_family(runs, family) if runs is not None else None
    budgets = np.unique(one["compute"].values)
    shades = _SHADES[-len(budgets) :] if len(budgets) <= len(_SHADES) else [FIRST] * len(budgets)
    largest = one.attrs["largest_run_flop"]
    lows, bottoms, near_runs = [], [], []
    for budget, shade in zip(budgets, shades, strict=True):
        part = one.isel(point=one["compute"].values == budget)
        beyond = budget > largest * 1.01
        found = bands(part["loss"])
        n = part["params"].values
        for prob in (0.95, 0.5):
            low, high = (found[side].sel(prob=prob).values for side in ("lower", "upper"))
            ax.fill_between(n, low, high, color=shade, alpha=BAND_ALPHA, linewidth=0)
        name = f"{scientific(budget, 2)} FLOP" + (" (no runs here)" if beyond else "")
        ax.plot(n, found["median"].values, "--" if beyond else "-", color=shade, label=name)
        lows.append(float(found["lower"].sel(prob=0.95).min()))
        bottoms.append(float(found["median"].min()))
        if mine is not None:
            near = np.abs(np.log(mine["compute"].values / budget)) < np.log(NEAR)
            ax.scatter(
                mine["params"].values[near],
                mine["loss"].values[near],
                color=shade,
                s=20,
                edgecolor="white",
                linewidth=0.5,
                zorder=3,
            )
            near_runs += list(mine["loss"].values[near])
    _mark_optima(ax, one, shades)
    # The arms of the curves go on for ever; what matters is the bottom of each, and the runs.
    height = max(max(bottoms) - min(lows), 1e-9)
    ax.set_ylim(min(lows) - 0.05 * height, max([*near_runs, max(bottoms) + 0.35 * height]))
    log_axis(ax.xaxis)
    ax.set_xlabel("parameters N")
    ax.set_ylabel(loss_label(one.attrs["loss_unit"]))
    legend_on_top(ax)
    return ax


def _mark_optima(ax: Axes, one: xr.Dataset, shades: "tuple[str, ...] | list[str]") -> None:
    if "best_params" not in one:
        return
    n, loss = bands(one["best_params"]), bands(one["best_loss"])["median"].values
    order = np.argsort(one["budget_compute"].values)
    for i, shade in zip(order, shades, strict=True):
        low, high = (float(n[side].sel(prob=0.95)[i]) for side in ("lower", "upper"))
        ax.plot([low, high], [loss[i]] * 2, color=INK, linewidth=1.2, zorder=3.4, solid_capstyle="butt")
        ax.plot([float(n["median"][i])], [loss[i]], "D", color=shade, markeredgecolor=INK, markersize=6, zorder=3.5)
