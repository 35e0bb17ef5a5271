"""Loss against compute: the bands, the runs, where the data end, and where the loss must stop."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bayescale.answers import bands
from bayescale.numbers import human_number
from bayescale.plots.parts import (
    axes,
    draw_bands,
    held_of_family,
    legend_on_top,
    loss_label,
    mark_data_end,
    of_family,
    runs_of_family,
)
from bayescale.plots.style import (
    FIRST,
    FORM_COLOURS,
    INK,
    KNOWN,
    MUTED,
    RUN_COLOURS,
    SECOND,
    compute_axis,
    loss_text,
)


def plot_loss_against_compute(
    path: xr.Dataset,
    runs: xr.Dataset | None = None,
    *,
    held: xr.Dataset | None = None,
    floor: xr.Dataset | None = None,
    truth: float | None = None,
    family: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the predicted loss of a run at the recommended split against its compute, and the runs.

    Parameters
    ----------
    path : xarray.Dataset
        `extrapolate` at several computes.
    runs : xarray.Dataset, optional
        The runs, coloured by N.
    held : xarray.Dataset, optional
        `backtest`; the runs that it left out are ringed.
    floor : xarray.Dataset, optional
        `irreducible_loss`, drawn as a level band.
    truth : float, optional
        The known entropy rate of the data.
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
    >>> from bayescale.plots import plot_loss_against_compute
    >>> runs = bs.load_shipped("tinylm")
    >>> path = bs.extrapolate(bs.fit(runs, seed=1), ["1x", "10x", "100x"], family="english")
    >>> plot_loss_against_compute(path, runs, family="english").get_xscale()
    'log'
    """
    ax = axes(ax)
    path = of_family(path, family)
    x = path["compute"].values
    if floor is not None:
        _draw_floor(ax, of_family(floor, family))
    found = draw_bands(ax, x, path["loss"], FIRST, label="predicted, 50, 80, 95%")
    if runs is not None:
        _draw_runs(ax, runs_of_family(runs, family), held_of_family(held, family) if held is not None else None)
    if truth is not None:
        ax.axhline(truth, color=KNOWN, linestyle="--", linewidth=1.4, label=f"known floor {truth:.4g}", zorder=1.5)
    mark_data_end(ax, path.attrs["largest_run_flop"], height=0.78)
    compute_axis(ax)
    last = int(np.argmax(x))
    _name_last(ax, x[last], found.isel(point=last))
    ax.set_ylabel(loss_label(path.attrs["loss_unit"]))
    legend_on_top(ax)
    return ax


def _name_last(ax: Axes, x: float, found: xr.Dataset) -> None:
    low, high = (float(found[side].sel(prob=0.95)) for side in ("lower", "upper"))
    median = float(found["median"])
    ax.plot([x], [median], "o", color=FIRST, markersize=5, zorder=4)
    ax.annotate(
        "{}\n(95%: {} to {})".format(*loss_text(median, low, high, width=high - low)),
        (x, high),
        xytext=(2, 5),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=8.5,
        color=FIRST,
    )


def _draw_floor(ax: Axes, floor: xr.Dataset) -> None:
    found = bands(floor["irreducible_loss"])
    if not float(found["median"]):
        return
    low, high = (float(found[side].sel(prob=0.95)) for side in ("lower", "upper"))
    ax.axhspan(low, high, color=SECOND, alpha=0.13, linewidth=0, label="irreducible loss, 95%", zorder=0.5)
    ax.axhline(float(found["median"]), color=SECOND, linewidth=1, zorder=0.6)


def _draw_runs(ax: Axes, runs: xr.Dataset, held: xr.Dataset | None) -> None:
    n = runs["params"].values
    low, high = n.min(), n.max()
    norm = LogNorm(low / 1.01, high * 1.01)
    drawn = ax.scatter(
        runs["compute"].values, runs["loss"].values, c=n, cmap=RUN_COLOURS, norm=norm, s=17, linewidth=0, zorder=3
    )
    if held is not None and held.sizes["held_out"]:
        # At least one backtest predicted these without having seen them.
        out = np.isin(runs["run"].values, held["run"].values)
        ax.scatter(
            runs["compute"].values[out],
            runs["loss"].values[out],
            s=42,
            facecolors="none",
            edgecolors=INK,
            linewidths=0.7,
            zorder=3,
            label="left out in the backtest",
        )
    bar = ax.figure.colorbar(drawn, ax=ax, pad=0.02, fraction=0.045, aspect=28)
    subs = (1.0,) if high / low >= 100 else (1.0, 2.0, 5.0)
    bar.ax.yaxis.set_major_locator(LogLocator(subs=subs, numticks=12))
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: human_number(value)))
    bar.ax.yaxis.set_minor_formatter(NullFormatter())
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, color=MUTED)
    bar.set_label("run's parameters N", fontsize=8.5)


def plot_forms(
    paths: "dict[str, xr.Dataset]",
    runs: xr.Dataset | None = None,
    *,
    family: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the predicted bands of several forms against compute, each at its own recommended split.

    Parameters
    ----------
    paths : dict of str to xarray.Dataset
        `extrapolate` at several computes, by model.
    runs : xarray.Dataset, optional
        The runs.
    family : str, optional
        Which family, where there are several.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from bayescale.plots.loss import plot_forms
    >>> draws = (("chain", "draw", "point"), np.random.default_rng(1).normal(2.0, 0.1, (1, 100, 2)))
    >>> about = {"loss_unit": "nats/token", "largest_run_flop": 1e20}
    >>> path = xr.Dataset({"loss": draws}, {"compute": ("point", [1e21, 1e22])}, about)
    >>> ax = plot_forms({"chinchilla": path, "coupled": path})
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['chinchilla', 'coupled']
    """
    ax = axes(ax)
    if runs is not None:
        mine = runs_of_family(runs, family)
        ax.scatter(mine["compute"].values, mine["loss"].values, color=MUTED, s=11, linewidth=0, zorder=3, label="runs")
    for (name, path), colour, line in zip(paths.items(), FORM_COLOURS, ("-", "--", "-.", ":"), strict=False):
        one = of_family(path, family)
        draw_bands(ax, one["compute"].values, one["loss"], colour, label=name, line=line)
    mark_data_end(ax, one.attrs["largest_run_flop"], height=0.78)
    compute_axis(ax)
    ax.set_ylabel(loss_label(one.attrs["loss_unit"]))
    legend_on_top(ax, 3)
    return ax
