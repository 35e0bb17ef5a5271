"""The published irreducible loss of each domain, from N and from C."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayescale.plots.parts import axes, legend_on_top, loss_label
from bayescale.plots.style import FAINT, FIRST, MUTED, SECOND

READINGS = (("params", "from model size", FIRST, "o"), ("compute", "from compute", SECOND, "D"))


def plot_domains(floors: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw the two readings of each domain's irreducible loss, and how its optimal size grows with compute.

    Parameters
    ----------
    floors : xarray.Dataset
        `irreducible_by_domain`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from bayescale.papers.domains import irreducible_by_domain
    >>> from bayescale.plots.domains import plot_domains
    >>> plot_domains(irreducible_by_domain()).get_xlabel()
    'irreducible loss (nats/token)'
    """
    ax = axes(ax)
    rows = np.arange(floors.sizes["domain"])[::-1]
    floor = floors["irreducible_loss"].transpose("domain", "resource")
    ax.hlines(rows, floor.min("resource"), floor.max("resource"), color=FAINT, linewidth=3, zorder=1)
    for resource, label, colour, marker in READINGS:
        ax.plot(floor.sel(resource=resource).values, rows, marker, color=colour, markersize=5.5, label=label)
    for i, row in enumerate(rows):
        _write_exponent(ax, row, floors.isel(domain=i))
    ax.set_xlim(-0.2, 1.5 * float(floor.max()))
    ax.set_yticks(rows, [str(name) for name in floors["domain"].values])
    ax.set_xlabel(f"irreducible {loss_label(floors.attrs['loss_unit'])}")
    legend_on_top(ax)
    return ax


def _write_exponent(ax: Axes, row: int, one: xr.Dataset) -> None:
    said = "no floor resolved" if not float(one["irreducible_loss"].max()) else ""
    exponent = float(one["optimal_exponent"])
    if np.isfinite(exponent):
        said = f"{said}; " * bool(said) + f"best N ~ C^{exponent:g}"
    ax.annotate(
        said,
        (float(one["irreducible_loss"].max()), row),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
        color=MUTED,
    )
