"""The loss against compute: of one form and of several, where L(C) and L(D) cross, of known models, and residuals."""

from typing import Any, Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayescale.answers import bands
from bayescale.layers import read_inputs
from bayescale.numbers import loss_text
from bayescale.plots.drawing import (
    NEW,
    draw_bands,
    draw_intervals,
    label_loss,
    mark_data_end,
    on_axes,
    put_legend_on_top,
    scatter_by_params,
    select_family,
    select_held_out,
    select_runs,
    set_size_axis,
    write_text,
)
from bayescale.plots.style import FIRST, FORM_COLOURS, INK, KNOWN, MARKERS, MUTED, SECOND
from bayescale.posterior import Posterior

CURVES = (("loss_of_compute", "L(C): this compute", FIRST), ("loss_of_tokens", "L(D(C)): its tokens", SECOND))
CROSSINGS = 1000  # draws of the crossing that are shown
APART = 1.07  # the forms of known models stand side by side at one compute


@on_axes
def plot_loss_against_compute(
    path: xr.Dataset,
    runs: xr.Dataset | None = None,
    *,
    held: xr.Dataset | None = None,
    floor: xr.Dataset | None = None,
    truth: float | None = None,
    family: str | None = None,
    ax: Axes = NEW,
) -> None:
    """Draw the predicted loss of a run at the recommended split against its compute, and the runs.

    Parameters
    ----------
    path : xarray.Dataset
        From `extrapolate` at several computes.
    runs : xarray.Dataset, optional
        The runs, coloured by N.
    held : xarray.Dataset, optional
        From `backtest`; the runs that it left out are ringed.
    floor : xarray.Dataset, optional
        From `irreducible_loss`, drawn as a level band.
    truth : float, optional
        The known entropy rate of the data.
    family : str, optional
        The family, where there are several.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_loss_against_compute
    >>> runs = bs.load_shipped("tinylm")
    >>> path = bs.extrapolate(bs.fit(runs, seed=1), ["1x", "10x", "100x"], family="english")
    >>> plot_loss_against_compute(path, runs, family="english").get_xscale()
    'log'
    """
    path = select_family(path, family)
    x = path["compute"].values
    if floor is not None:
        _draw_floor(ax, select_family(floor, family))
    limits = draw_bands(ax, x, path["loss"], FIRST, label="predicted, 50, 80, 95%")
    if runs is not None:
        _draw_runs(ax, select_runs(runs, family), select_held_out(held, family) if held is not None else None)
    if truth is not None:
        ax.axhline(truth, color=KNOWN, linestyle="--", linewidth=1.4, label=f"known floor {truth:.4g}", zorder=1.5)
    mark_data_end(ax, path, height=0.78)
    set_size_axis(ax)
    _write_last(ax, x.max(), limits.isel(point=int(np.argmax(x))))
    ax.set_ylabel(label_loss(path.attrs["loss_unit"]))
    put_legend_on_top(ax)


def _write_last(ax: Axes, x: float, limits: xr.Dataset) -> None:
    low, high = (float(limits[side].sel(prob=0.95)) for side in ("lower", "upper"))
    median = float(limits["median"])
    ax.plot([x], [median], "o", color=FIRST, markersize=5, zorder=4)
    text = "{}\n(95%: {} to {})".format(*loss_text(median, low, high, width=high - low))
    write_text(ax, text, (x, high), shift=(2, 5), ha="right", va="bottom", fontsize=8.5, color=FIRST)


def _draw_floor(ax: Axes, floor: xr.Dataset) -> None:
    limits = bands(floor["irreducible_loss"])
    if not float(limits["median"]):
        return
    low, high = (float(limits[side].sel(prob=0.95)) for side in ("lower", "upper"))
    ax.axhspan(low, high, color=SECOND, alpha=0.13, linewidth=0, label="irreducible loss, 95%", zorder=0.5)
    ax.axhline(float(limits["median"]), color=SECOND, linewidth=1, zorder=0.6)


def _draw_runs(ax: Axes, runs: xr.Dataset, held: xr.Dataset | None) -> None:
    x, y = runs["compute"].values, runs["loss"].values
    scatter_by_params(ax, x, y, runs["params"].values)
    if held is not None and held.sizes["held_out"]:
        # At least one backtest predicted these runs without having seen them.
        out = np.isin(runs["run"].values, held["run"].values)
        ring: dict[str, Any] = {"facecolors": "none", "edgecolors": INK, "linewidths": 0.7}
        ax.scatter(x[out], y[out], s=42, zorder=3, label="left out in the backtest", **ring)


@on_axes
def plot_forms(
    paths: dict[str, xr.Dataset], runs: xr.Dataset | None = None, *, family: str | None = None, ax: Axes = NEW
) -> None:
    """Draw the predicted bands of several forms against compute, each at its own recommended split.

    Parameters
    ----------
    paths : dict of str to xarray.Dataset
        From `extrapolate` at several computes, by model.
    runs : xarray.Dataset, optional
        The runs.
    family : str, optional
        The family, where there are several.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from bayescale.plots import plot_forms
    >>> draws = (("chain", "draw", "point"), np.random.default_rng(1).normal(2.0, 0.1, (1, 100, 2)))
    >>> about = {"loss_unit": "nats/token", "largest_run_flop": 1e20}
    >>> path = xr.Dataset({"loss": draws}, {"compute": ("point", [1e21, 1e22])}, about)
    >>> ax = plot_forms({"chinchilla": path, "coupled": path})
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['chinchilla', 'coupled']
    """
    if runs is not None:
        x, y = (select_runs(runs, family)[name].values for name in ("compute", "loss"))
        ax.scatter(x, y, color=MUTED, s=11, linewidth=0, zorder=3, label="runs")
    for (name, path), colour, line in zip(paths.items(), FORM_COLOURS, ("-", "--", "-.", ":"), strict=False):
        path = select_family(path, family)
        draw_bands(ax, path["compute"].values, path["loss"], colour, label=name, line=line)
    mark_data_end(ax, path, height=0.78)
    set_size_axis(ax)
    ax.set_ylabel(label_loss(path.attrs["loss_unit"]))
    put_legend_on_top(ax, 3)


@on_axes
def plot_crossing(answer: xr.Dataset, *, family: str | None = None, ax: Axes = NEW) -> None:
    """Draw L(C) and L(D(C)) against compute with their bands, and a cloud of the draws of their crossing.

    Parameters
    ----------
    answer : xarray.Dataset
        From `crossing` or `kaplan_crossing`.
    family : str, optional
        The family, where there are several.

    Examples
    --------
    >>> from bayescale.answers import kaplan_crossing
    >>> from bayescale.plots import plot_crossing
    >>> plot_crossing(kaplan_crossing({"alpha_C": 0.002, "alpha_D": 0.003})).get_xscale()
    'log'
    """
    answer = select_family(answer, family)
    x = answer["at_compute"].values
    for name, label, colour in CURVES:
        draw_bands(ax, x, answer[name], colour, label=label, dim=("sample",))
    height = ax.get_ylim()
    compute, loss = (answer[name].values.ravel() for name in ("compute", "loss"))
    crossed = np.isfinite(compute)
    if count := int(crossed.sum()):
        step = max(1, count // CROSSINGS)
        label = f"crossing: {100 * float(answer['probability']):.3g}% of draws"
        shown, alpha = (compute[crossed][::step], loss[crossed][::step]), 0.4 if count > 1 else 1.0
        ax.scatter(*shown, s=8, color=INK, alpha=alpha, linewidth=0, zorder=3, label=label)
    set_size_axis(ax)
    # A few draws cross so far out that nothing else could be seen.
    ax.set_xlim(x.min(), x.max())
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:.3g}")
    ax.yaxis.set_minor_formatter("{x:.3g}")
    ax.set_ylim(height)
    ax.set_ylabel(label_loss(answer.attrs["loss_unit"]))
    mark_data_end(ax, answer)
    put_legend_on_top(ax)


@on_axes
def plot_known_models(models: xr.Dataset, *, family: str | None = None, ax: Axes = NEW) -> None:
    """Draw the expected loss of each well-known model with its 50 and 95% bands against its compute, for each form.

    Parameters
    ----------
    models : xarray.Dataset
        From `known_models`.
    family : str, optional
        The family, where there are several.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.answers import known_models
    >>> from bayescale.plots import plot_known_models
    >>> models = known_models(bs.fit(bs.load_shipped("tinylm"), seed=1))
    >>> plot_known_models(models, family="english").get_xscale()
    'log'
    """
    models = select_family(models, family)
    limits = bands(models["expected_loss"], (0.5, 0.95))
    x = models["compute"].values
    forms = [str(name) for name in models["form"].values]
    for k, (form, colour, marker) in enumerate(zip(forms, FORM_COLOURS, MARKERS, strict=False)):
        at, of_form = x * APART ** (k - (len(forms) - 1) / 2), limits.sel(form=form)
        draw_intervals(ax, at, of_form, colour, {0.95: 1.2, 0.5: 3.6}, upright=True, alpha=0.6)
        ax.plot(at, of_form["median"].values, marker, color=colour, markersize=5, label=form)
    top = limits["upper"].sel(prob=0.95).max("form").values
    for at, height, name in zip(x, top, models["model"].values, strict=True):
        # The names are upright, as several models took about the same compute.
        write_text(ax, str(name), (at, height), shift=(0, 5), rotation=90, ha="center", va="bottom", color=INK)
    ax.margins(x=0.1)
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.2 * (high - low))
    set_size_axis(ax)
    mark_data_end(ax, models)
    ax.set_ylabel(label_loss(models.attrs["loss_unit"]))
    put_legend_on_top(ax)


@on_axes
def plot_residuals(
    fit: xr.DataTree,
    *,
    against: Literal["compute", "fitted"] = "compute",
    family: str | None = None,
    ax: Axes = NEW,
) -> None:
    """Draw how far each run lies from the fitted form, in % of its loss, with the 90% interval of the posterior.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`.
    against : {"compute", "fitted"}
        The horizontal axis: the compute of the run, or its fitted loss.
    family : str, optional
        The family, where there are several.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_residuals
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> plot_residuals(fit, family="english").get_ylabel()
    'loss above the fitted form (%)'
    """
    view = Posterior(fit, family)
    runs = select_runs(view.runs, family).drop_vars("family", errors="ignore")
    inputs = read_inputs(view.card, runs)
    expected, local = view.respond(inputs)
    limits = bands(100 * xr.ufuncs.log(runs["loss"] / expected), (0.9,)).sel(prob=0.9)
    noise = 200 * float(local["sigma"].median())
    x = runs["compute"].values if against == "compute" else expected.median(("chain", "draw")).values
    y, low, high = (limits[name].values for name in ("median", "lower", "upper"))
    label = f"twice the scale of run noise, ±{noise:.2g}%"
    ax.axhspan(-noise, noise, color=FIRST, alpha=0.09, linewidth=0, label=label)
    ax.axhline(0, color=MUTED, linewidth=1)
    ax.vlines(x, low, high, color=MUTED, alpha=0.45, linewidth=1.2)
    scatter_by_params(ax, x, y, runs["params"].values)
    if against == "compute":
        set_size_axis(ax)
    else:
        ax.set_xlabel("fitted " + label_loss(fit.attrs["loss_unit"]))
    ax.set_ylabel("loss above the fitted form (%)")
    ax.margins(y=0.06)
    put_legend_on_top(ax)
