"""Bigger or longer: what more compute buys as parameters, and what as tokens."""

import xarray as xr
from matplotlib.axes import Axes

from bayescale.answers import bands
from bayescale.numbers import human_number
from bayescale.plots.parts import axes, legend_on_top, of_family
from bayescale.plots.style import FIRST, MUTED, SECOND, log_axis

APART = 0.14
WAYS = (
    ("fall_bigger", "bigger: into parameters", FIRST, APART),
    ("fall_longer", "longer: into tokens", SECOND, -APART),
)


def plot_bigger_or_longer(answer: xr.Dataset, *, family: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw the fall of the loss that more compute buys as parameters and as tokens, with 50 and 95% bands, at each run.

    Parameters
    ----------
    answer : xarray.Dataset
        `bigger_or_longer`.
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
    >>> from bayescale.answers import bigger_or_longer
    >>> from bayescale.plots.bigger_or_longer import plot_bigger_or_longer
    >>> answer = bigger_or_longer(bs.fit(bs.load_shipped("tinylm"), seed=1), ["100k", "10M"], "100M")
    >>> plot_bigger_or_longer(answer, family="english").get_xscale()
    'log'
    """
    ax = axes(ax)
    one = of_family(answer, family)
    rows = list(range(one.sizes["point"]))[::-1]
    for name, label, colour, up in WAYS:
        found = bands(one[name], (0.5, 0.95))
        at = [row + up for row in rows]
        for prob, width in ((0.95, 1.4), (0.5, 4.0)):
            limits = found.sel(prob=prob)
            ax.hlines(at, limits["lower"].values, limits["upper"].values, color=colour, linewidth=width, alpha=0.6)
        ax.plot(found["median"].values, at, "o", color=colour, markersize=5, label=label)
    log_axis(ax.xaxis)
    ax.set_yticks(rows, [_where(one, i) for i in range(len(rows))])
    ax.set_ylim(-0.5, len(rows) - 0.5)
    for row, share in zip(rows, one["probability_bigger"].values, strict=True):
        ax.annotate(
            f"bigger buys more: {_percent(float(share))}",
            (1.0, row + 2.4 * APART),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="center",
            fontsize=8,
            color=MUTED,
        )
    ax.set_xlabel(f"fall of the loss per unit of ln C ({one.attrs['loss_unit']})")
    ax.grid(axis="y", visible=False)
    legend_on_top(ax)
    return ax


def _percent(share: float) -> str:
    """Write a probability so that only what no draw contradicts is called all or none."""
    if 0.99 < share < 1:
        return "> 99%"
    return "< 1%" if 0 < share < 0.01 else f"{100 * share:.0f}%"


def _where(one: xr.Dataset, i: int) -> str:
    params, tokens = (human_number(float(one[name].values[i])) for name in ("params", "tokens"))
    return f"N = {params}\nD = {tokens}"
