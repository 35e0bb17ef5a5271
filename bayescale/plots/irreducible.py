"""The irreducible loss: what was believed before the runs and after, and what papers published of each domain."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayescale.answers import bands
from bayescale.numbers import loss_text
from bayescale.plots.drawing import NEW, label_loss, on_axes, put_legend_on_top, select_family, write_note, write_text
from bayescale.plots.style import FAINT, FIRST, INK, KNOWN, MUTED, SECOND

READINGS = (("params", "from model size", FIRST, "o"), ("compute", "from compute", SECOND, "D"))


@on_axes
def plot_irreducible(
    floor: xr.Dataset, *, truth: float | None = None, family: str | None = None, ax: Axes = NEW
) -> None:
    """Draw the prior and posterior densities of the irreducible loss, the lowest loss seen, and the truth where known.

    Parameters
    ----------
    floor : xarray.Dataset
        From `irreducible_loss`.
    truth : float, optional
        The known entropy rate of the data.
    family : str, optional
        The family, where there are several.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_irreducible
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> plot_irreducible(bs.irreducible_loss(fit), family="english").get_ylabel()
    'density'
    """
    from scipy.stats import gaussian_kde

    floor = select_family(floor, family)
    lowest = float(floor["lowest_seen"])
    draws = floor["irreducible_loss"].values.ravel()
    if np.ptp(draws) == 0:
        write_note(ax, f"{floor.attrs['model']}: zero by assumption")
        return
    grid = np.linspace(0, lowest * 1.05, 400)
    if "prior" in floor:
        prior = gaussian_kde(floor["prior"].values.ravel())(grid)
        ax.plot(grid, prior, color=MUTED, linestyle="--", linewidth=1.5, label="before the runs")
    # The posterior may be much narrower than the steps of the grid of the prior.
    fine = np.unique(np.concatenate([grid, np.linspace(draws.min(), draws.max(), 300)]))
    density = gaussian_kde(draws)(fine)
    ax.plot(fine, density, color=FIRST, label="after the runs")
    limits = bands(floor["irreducible_loss"]).sel(prob=0.95)
    low, high = float(limits["lower"]), float(limits["upper"])
    inside = (fine >= low) & (fine <= high)
    label = "95%: {} to {}".format(*loss_text(low, high, width=high - low))
    ax.fill_between(fine[inside], 0, density[inside], color=FIRST, alpha=0.18, linewidth=0, label=label)
    ax.axvline(lowest, color=INK, linewidth=1.2, linestyle=":", label=f"lowest loss seen, {lowest:.3f}")
    if truth is not None:
        ax.axvline(truth, color=KNOWN, linewidth=1.6, linestyle="--", label=f"known floor, {truth:.4g}")
    ax.set_ylim(0, density.max() * 1.04)
    ax.set_xlim(0 if low < 0.25 * lowest else 0.2 * lowest, lowest * 1.05)
    ax.set_yticks([])
    ax.set_xlabel(f"irreducible loss ({floor.attrs['loss_unit']})")
    ax.set_ylabel("density")
    put_legend_on_top(ax)


@on_axes
def plot_domains(floors: xr.Dataset, *, ax: Axes = NEW) -> None:
    """Draw the two readings of the irreducible loss of each domain, and how its optimal size grows with compute.

    Parameters
    ----------
    floors : xarray.Dataset
        From `irreducible_by_domain`.

    Examples
    --------
    >>> from bayescale.papers.domains import irreducible_by_domain
    >>> from bayescale.plots import plot_domains
    >>> plot_domains(irreducible_by_domain()).get_xlabel()
    'irreducible loss (nats/token)'
    """
    rows = np.arange(floors.sizes["domain"])[::-1]
    floor = floors["irreducible_loss"].transpose("domain", "resource")
    ax.hlines(rows, floor.min("resource"), floor.max("resource"), color=FAINT, linewidth=3, zorder=1)
    for resource, label, colour, marker in READINGS:
        ax.plot(floor.sel(resource=resource).values, rows, marker, color=colour, markersize=5.5, label=label)
    for row, highest, exponent in zip(
        rows, floor.max("resource").values, floors["optimal_exponent"].values, strict=True
    ):
        resolved = [] if highest else ["no floor resolved"]
        grows = [f"best N ~ C^{exponent:g}"] if np.isfinite(exponent) else []
        write_text(ax, "; ".join(resolved + grows), (highest, row), shift=(8, 0), va="center")
    ax.set_xlim(-0.2, 1.5 * float(floor.max()))
    ax.set_yticks(rows, [str(name) for name in floors["domain"].values])
    ax.set_xlabel(f"irreducible {label_loss(floors.attrs['loss_unit'])}")
    put_legend_on_top(ax)
