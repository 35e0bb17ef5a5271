"""How to spend a budget: the compute-optimal split, IsoFLOP curves, and what other sizes cost."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter

from bayescale.answers import bands
from bayescale.numbers import human_number, scientific
from bayescale.plots.drawing import (
    AT_HEIGHT,
    NEW,
    draw_bands,
    draw_intervals,
    label_loss,
    mark_data_end,
    on_axes,
    put_legend_on_top,
    select_family,
    select_runs,
    set_log_axis,
    set_size_axis,
    write_text,
)
from bayescale.plots.style import DASHED, FIRST, FORM_COLOURS, INK, MUTED, SECOND

LABELS = {
    "params": "compute-optimal N (parameters)",
    "tokens": "compute-optimal D (tokens)",
    "tokens_per_param": "tokens per parameter at the optimum",
}
# A run belongs to a budget where its compute is within this factor of the budget.
NEAR = 1.5
SHADES = ("#8fb8a0", "#4a9c8b", "#22708a", FIRST, "#4b2a7b")
TOP = 2.0  # the extra compute beyond which the curve is not followed: three times the optimal compute
TOLERATED = 0.2  # the extra compute that Kaplan et al. 2020 tolerate when they say which range of sizes suffices
APART = 0.14
WAYS = (
    ("fall_bigger", "bigger: into parameters", FIRST, APART),
    ("fall_longer", "longer: into tokens", SECOND, -APART),
)


@on_axes
def plot_frontier(
    splits: Mapping[str, xr.Dataset] | xr.Dataset,
    runs: xr.Dataset | None = None,
    *,
    quantity: Literal["params", "tokens", "tokens_per_param"] = "params",
    family: str | None = None,
    ax: Axes = NEW,
) -> None:
    """Draw the compute-optimal N, D or D/N against compute with its bands, for one form or several.

    Parameters
    ----------
    splits : xarray.Dataset or mapping of str to xarray.Dataset
        From `optimal_split` at several computes, by model where there are several.
    runs : xarray.Dataset, optional
        The runs, as dots.
    quantity : {"params", "tokens", "tokens_per_param"}
        What is drawn.
    family : str, optional
        The family, where there are several.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_frontier
    >>> split = bs.optimal_split(bs.fit(bs.load_shipped("tinylm"), seed=1), ["1x", "100x"], family="english")
    >>> plot_frontier(split, quantity="tokens").get_ylabel()
    'compute-optimal D (tokens)'
    """
    named = {str(splits.attrs["model"]): splits} if isinstance(splits, xr.Dataset) else splits
    for (name, split), colour, line in zip(named.items(), FORM_COLOURS, ("-", "--", "-.", ":"), strict=False):
        split = select_family(split, family)
        exponent = {"params": "a", "tokens": "b"}.get(quantity)
        label = f"{name}: grows as C^{float(np.median(split[exponent])):.2f}" if exponent else name
        draw_bands(ax, split["compute"].values, split[quantity], colour, label=label, line=line)
    if runs is not None:
        shown = select_runs(runs, family)
        y = shown["tokens"] / shown["params"] if quantity == "tokens_per_param" else shown[quantity]
        x = shown["compute"].values
        ax.scatter(x, y.values, color=MUTED, alpha=0.6, s=9, linewidth=0, zorder=1.5, label="runs")
    mark_data_end(ax, split)
    set_size_axis(ax)
    ax.set_yscale("log")
    set_log_axis(ax.yaxis)
    ax.set_ylabel(LABELS[quantity])
    put_legend_on_top(ax, 1)


@on_axes
def plot_isoflop(
    curves: xr.Dataset, runs: xr.Dataset | None = None, *, family: str | None = None, ax: Axes = NEW
) -> None:
    """Draw the loss against N at a few budgets, the optimum of each, and the runs near them.

    Parameters
    ----------
    curves : xarray.Dataset
        From `extrapolate` at several N for each compute. The optima are marked where the answer also holds
        ``best_params`` and ``best_loss``, dims ``budget``, with the coord ``budget_compute``.
    runs : xarray.Dataset, optional
        The runs; those within a factor of 1.5 of a budget are drawn in its colour.
    family : str, optional
        The family, where there are several.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_isoflop
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> curves = bs.extrapolate(fit, params=[1e5, 1e6, 1e7], compute="1x", family="english")
    >>> plot_isoflop(curves).get_xlabel()
    'parameters N'
    """
    curves = select_family(curves, family)
    shown = select_runs(runs, family) if runs is not None else None
    budgets = np.unique(curves["compute"].values)
    shades = SHADES[-len(budgets) :] if len(budgets) <= len(SHADES) else (FIRST,) * len(budgets)
    lows, bottoms, near_runs = [], [], []
    for budget, shade in zip(budgets, shades, strict=True):
        part = curves.isel(point=curves["compute"].values == budget)
        beyond = budget > curves.attrs["largest_run_flop"] * 1.01
        label = f"{scientific(budget, 2)} FLOP" + (" (no runs here)" if beyond else "")
        limits = draw_bands(ax, part["params"].values, part["loss"], shade, label=label, line="--" if beyond else "-",
                            prob=(0.5, 0.95))  # fmt: skip
        lows.append(float(limits["lower"].sel(prob=0.95).min()))
        bottoms.append(float(limits["median"].min()))
        if shown is not None:
            near = np.abs(np.log(shown["compute"].values / budget)) < np.log(NEAR)
            n, loss = (shown[name].values[near] for name in ("params", "loss"))
            ax.scatter(n, loss, color=shade, s=20, edgecolor="white", linewidth=0.5, zorder=3)
            near_runs += list(loss)
    if "best_params" in curves:
        _mark_optima(ax, curves, shades)
    # The arms of the curves go on for ever; what matters is the bottom of each, and the runs.
    height = max(max(bottoms) - min(lows), 1e-9)
    ax.set_ylim(min(lows) - 0.05 * height, max([*near_runs, max(bottoms) + 0.35 * height]))
    set_log_axis(ax.xaxis)
    ax.set_xlabel("parameters N")
    ax.set_ylabel(label_loss(curves.attrs["loss_unit"]))
    put_legend_on_top(ax)


def _mark_optima(ax: Axes, curves: xr.Dataset, shades: tuple[str, ...]) -> None:
    n, loss = bands(curves["best_params"]), bands(curves["best_loss"])["median"].values
    order = np.argsort(curves["budget_compute"].values)
    for i, shade in zip(order, shades, strict=True):
        low, high = (float(n[side].sel(prob=0.95)[i]) for side in ("lower", "upper"))
        ax.plot([low, high], [loss[i]] * 2, color=INK, linewidth=1.2, zorder=3.4, solid_capstyle="butt")
        ax.plot([float(n["median"][i])], [loss[i]], "D", color=shade, markeredgecolor=INK, markersize=6, zorder=3.5)


@on_axes
def plot_off_optimal(answer: xr.Dataset, *, family: str | None = None, ax: Axes = NEW) -> None:
    """Draw the extra compute that other sizes than the best take for the same loss, with its bands, at each budget.

    Parameters
    ----------
    answer : xarray.Dataset
        From `off_optimal`.
    family : str, optional
        The family, where there are several.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.answers import off_optimal
    >>> from bayescale.plots import plot_off_optimal
    >>> answer = off_optimal(bs.fit(bs.load_shipped("tinylm"), seed=1), "10x")
    >>> plot_off_optimal(answer, family="english").get_ylabel()
    'extra compute for the same loss'
    """
    answer = select_family(answer, family)
    factors = answer["factor"].values
    # A size that never reaches the loss takes infinite compute: its draws leave the figure at the top.
    shown = answer["extra_compute"].clip(max=10 * TOP)
    for i, colour in zip(range(answer.sizes["point"]), FORM_COLOURS, strict=False):
        label = f"{float(answer['compute'].values[i]):.3g} FLOP"
        draw_bands(ax, factors, shown.isel(point=i), colour, label=label)
    ax.axhline(TOLERATED, color=MUTED, linewidth=1, linestyle=DASHED, zorder=1)
    text = f"{100 * TOLERATED:.0f}%"
    write_text(ax, text, (1.0, TOLERATED), coords=AT_HEIGHT, shift=(-2, 2), ha="right", va="bottom")
    ax.set_xscale("log")
    ax.set_xticks([x for x in (0.1, 0.2, 0.3, 0.5, 1, 2, 3, 5, 10) if factors.min() <= x <= factors.max()])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_ylim(-0.02 * TOP, min(TOP, 1.05 * float(shown.max())))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_xlabel("size as a multiple of the best N")
    ax.set_ylabel("extra compute for the same loss")
    put_legend_on_top(ax)


@on_axes
def plot_convergence_gap(answer: xr.Dataset, *, family: str | None = None, ax: Axes = NEW) -> None:
    """Draw how far above its converged loss the optimal model stops, with its bands, against compute.

    Parameters
    ----------
    answer : xarray.Dataset
        From `convergence_gap`, at several computes.
    family : str, optional
        The family, where there are several.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.answers import convergence_gap
    >>> from bayescale.plots import plot_convergence_gap
    >>> answer = convergence_gap(bs.fit(bs.load_shipped("tinylm"), seed=1), ["1x", "10x", "100x"])
    >>> plot_convergence_gap(answer, family="english").get_ylabel()
    'above the loss with unlimited tokens'
    """
    answer = select_family(answer, family)
    last = int(np.argmax(answer["compute"].values))
    size = human_number(float(answer["params"].isel(point=last).median()), 2)
    label = f"{answer.attrs['model']}: up to N = {size}"
    draw_bands(ax, answer["compute"].values, answer["gap"], FIRST, label=label)
    set_size_axis(ax)
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    ax.set_ylabel("above the loss with unlimited tokens")
    mark_data_end(ax, answer)
    put_legend_on_top(ax)


@on_axes
def plot_bigger_or_longer(answer: xr.Dataset, *, family: str | None = None, ax: Axes = NEW) -> None:
    """Draw the fall of the loss that more compute buys as parameters and as tokens, with 50 and 95% bands, at each run.

    Parameters
    ----------
    answer : xarray.Dataset
        From `bigger_or_longer`.
    family : str, optional
        The family, where there are several.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.answers import bigger_or_longer
    >>> from bayescale.plots import plot_bigger_or_longer
    >>> answer = bigger_or_longer(bs.fit(bs.load_shipped("tinylm"), seed=1), ["100k", "10M"], "100M")
    >>> plot_bigger_or_longer(answer, family="english").get_xscale()
    'log'
    """
    answer = select_family(answer, family)
    rows = np.arange(answer.sizes["point"])[::-1]
    for name, label, colour, up in WAYS:
        limits = bands(answer[name], (0.5, 0.95))
        draw_intervals(ax, rows + up, limits, colour, {0.95: 1.4, 0.5: 4.0}, alpha=0.6)
        ax.plot(limits["median"].values, rows + up, "o", color=colour, markersize=5, label=label)
    set_log_axis(ax.xaxis)
    sizes = ([human_number(float(value)) for value in answer[name].values] for name in ("params", "tokens"))
    ax.set_yticks(rows, [f"N = {params}\nD = {tokens}" for params, tokens in zip(*sizes, strict=True)])
    ax.set_ylim(-0.5, len(rows) - 0.5)
    for row, share in zip(rows, answer["probability_bigger"].values, strict=True):
        text = f"bigger buys more: {_write_probability(float(share))}"
        write_text(ax, text, (1.0, row + 2.4 * APART), coords=AT_HEIGHT, ha="right", va="center")
    ax.set_xlabel(f"fall of the loss per unit of ln C ({answer.attrs['loss_unit']})")
    ax.grid(axis="y", visible=False)
    put_legend_on_top(ax)


def _write_probability(share: float) -> str:
    """Write a probability as 0% or 100% only where no draw contradicts it."""
    if 0.99 < share < 1:
        return "> 99%"
    return "< 1%" if 0 < share < 0.01 else f"{100 * share:.0f}%"
