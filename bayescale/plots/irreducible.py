"""The irreducible loss: what was believed before the runs, and after."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from scipy.stats import gaussian_kde

from bayescale.answers import bands
from bayescale.plots.parts import axes, legend_on_top, note, of_family
from bayescale.plots.style import FIRST, INK, KNOWN, MUTED, loss_text


def plot_irreducible(
    floor: xr.Dataset, *, truth: float | None = None, family: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the prior and posterior densities of the irreducible loss, the lowest loss seen, and the truth where known.

    Parameters
    ----------
    floor : xarray.Dataset
        `irreducible_loss`.
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
    >>> from bayescale.plots import plot_irreducible
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> plot_irreducible(bs.irreducible_loss(fit), family="english").get_ylabel()
    'density'
    """
    ax = axes(ax)
    one = of_family(floor, family)
    lowest = float(one["lowest_seen"])
    draws = one["irreducible_loss"].values.ravel()
    if np.ptp(draws) == 0:
        note(ax, f"{one.attrs['model']}: zero by assumption")
        return ax
    grid = np.linspace(0, lowest * 1.05, 400)
    if "prior" in one:
        prior = one["prior"].values.ravel()
        ax.plot(grid, gaussian_kde(prior)(grid), color=MUTED, linestyle="--", linewidth=1.5, label="before the runs")
    # The posterior may be much narrower than the steps of the prior's grid.
    fine = np.unique(np.concatenate([grid, np.linspace(draws.min(), draws.max(), 300)]))
    density = gaussian_kde(draws)(fine)
    ax.plot(fine, density, color=FIRST, label="after the runs")
    found = bands(one["irreducible_loss"])
    low, high = (float(found[side].sel(prob=0.95)) for side in ("lower", "upper"))
    inside = (fine >= low) & (fine <= high)
    ax.fill_between(
        fine[inside],
        0,
        density[inside],
        color=FIRST,
        alpha=0.18,
        linewidth=0,
        label="95%: {} to {}".format(*loss_text(low, high, width=high - low)),
    )
    ax.axvline(lowest, color=INK, linewidth=1.2, linestyle=":", label=f"lowest loss seen, {lowest:.3f}")
    if truth is not None:
        ax.axvline(truth, color=KNOWN, linewidth=1.6, linestyle="--", label=f"known floor, {truth:.4g}")
    ax.set_ylim(0, density.max() * 1.04)
    ax.set_xlim(0 if low < 0.25 * lowest else 0.2 * lowest, lowest * 1.05)
    ax.set_yticks([])
    ax.set_xlabel(f"irreducible loss ({one.attrs['loss_unit']})")
    ax.set_ylabel("density")
    legend_on_top(ax)
    return ax
