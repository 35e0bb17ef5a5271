"""Do a card's beliefs come back? The ranks of simulation-based calibration against what chance allows."""

import xarray as xr
from matplotlib.axes import Axes

from bayescale.plots.parts import axes, legend_on_top
from bayescale.plots.style import FAINT, FIRST, INK, MISSED, MUTED


def plot_calibration(found: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw, for each parameter, how far the ranks of its true values are from uniform, and the band of chance.

    A line that lies above throughout says that the posterior is too high, one below that it is too low; one that goes
    from above on the left to below on the right, that it is too narrow; from below to above, too wide.

    Parameters
    ----------
    found : xarray.Dataset
        `rank_ecdf`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from bayescale.plots.calibration import plot_calibration
    >>> from bayescale.trust.ranks import rank_ecdf
    >>> from bayescale.trust.sbc import calibrate
    >>> plot_calibration(rank_ecdf(calibrate("power", simulations=20))).get_ylabel()
    'ECDF of the ranks, less the uniform one'
    """
    ax = axes(ax)
    x = found["share"].values
    prob = found.attrs["prob"]
    ax.axhline(0, color=MUTED, linewidth=1)
    ax.fill_between(
        x, found["lower"].values, found["upper"].values, color=FAINT, alpha=0.5, linewidth=0,
        label=f"{100 * prob:g}% of sound posteriors",
    )  # fmt: skip
    outside = found["outside"].values
    inside = [str(name) for name in found["parameter"].values[~outside]]
    for line, label in zip(found["difference"].values[~outside], _labels(inside), strict=True):
        ax.plot(x, line, color=FIRST, linewidth=0.9, alpha=max(0.25, 0.8 - 0.02 * len(inside)), label=label)
    for name, line in zip(found["parameter"].values[outside], found["difference"].values[outside], strict=True):
        ax.plot(x, line, color=MISSED, linewidth=1.4, label=f"{name}: outside")
    ax.set_xlabel("rank of the truth among posterior draws, as a share")
    ax.set_ylabel("ECDF of the ranks, less the uniform one")
    ax.set_xlim(0, 1)
    legend_on_top(ax, 2)
    ax.tick_params(colors=INK)
    return ax


def _labels(names: list[str]) -> list[str]:
    """Return a label for the first line alone: which parameters, or how many of them, are inside."""
    said = ", ".join(names) if len(names) <= 3 else f"{len(names)} quantities"
    return [f"inside: {said}", *[""] * (len(names) - 1)][: len(names)]
