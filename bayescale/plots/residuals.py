"""What the fitted form leaves over."""

from typing import Literal

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bayescale.answers import bands
from bayescale.layers.curve import logged_in
from bayescale.numbers import human_number
from bayescale.plots.parts import axes, legend_on_top, loss_label, runs_of_family
from bayescale.plots.style import FIRST, MUTED, RUN_COLOURS, compute_axis
from bayescale.posterior import Posterior


def plot_residuals(
    fit: xr.DataTree,
    *,
    against: Literal["compute", "fitted"] = "compute",
    family: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how far each run lies from the fitted form, in % of its loss, with the 90% interval of the posterior.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`.
    against : {"compute", "fitted"}
        The horizontal axis: the run's compute, or its fitted loss.
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
    >>> from bayescale.plots import plot_residuals
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> plot_residuals(fit, family="english").get_ylabel()
    'loss above the fitted form (%)'
    """
    ax = axes(ax)
    view = Posterior(fit, family)
    runs = runs_of_family(view.runs, family).drop_vars("family", errors="ignore")
    inputs = {name: runs[name] for name in view.law.inputs} | logged_in(runs)
    expected, local = view.respond(inputs)
    found = bands(100 * xr.ufuncs.log(runs["loss"] / expected), (0.9,)).sel(prob=0.9)
    sigma = 100 * float(local["sigma"].median())
    x = runs["compute"].values if against == "compute" else expected.median(("chain", "draw")).values
    y, low, high = (found[name].values for name in ("median", "lower", "upper"))
    n = runs["params"].values
    ax.axhspan(
        -2 * sigma,
        2 * sigma,
        color=FIRST,
        alpha=0.09,
        linewidth=0,
        label=f"twice the scale of run noise, ±{2 * sigma:.2g}%",
    )
    ax.axhline(0, color=MUTED, linewidth=1)
    ax.vlines(x, low, high, color=MUTED, alpha=0.45, linewidth=1.2)
    drawn = ax.scatter(x, y, c=n, cmap=RUN_COLOURS, norm=LogNorm(n.min() / 1.01, n.max() * 1.01), s=17, zorder=3)
    bar = ax.figure.colorbar(drawn, ax=ax, pad=0.02, fraction=0.045, aspect=28)
    bar.ax.yaxis.set_major_locator(
        LogLocator(subs=(1.0,) if n.max() / n.min() >= 100 else (1.0, 2.0, 5.0), numticks=12)
    )
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: human_number(value)))
    bar.ax.yaxis.set_minor_formatter(NullFormatter())
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, color=MUTED)
    bar.set_label("run's parameters N", fontsize=8.5)
    if against == "compute":
        compute_axis(ax)
    else:
        ax.set_xlabel("fitted " + loss_label(fit.attrs["loss_unit"]))
    ax.set_ylabel("loss above the fitted form (%)")
    ax.margins(y=0.06)
    legend_on_top(ax)
    return ax
