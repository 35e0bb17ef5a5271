"""What the runs said, and what was put in."""

import xarray as xr
from matplotlib.axes import Axes

from bayescale.inference.diagnostics import parameter_of
from bayescale.plots.parts import axes, name_rows
from bayescale.plots.style import FIRST, MISSED, MUTED, log_axis

# As in the answers: below this the posterior is at least half the prior's.
LEARNED = 0.5


def plot_prior_posterior(learned: xr.Dataset, *, family: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw prior and posterior of each parameter, relative to the prior's median.

    Parameters
    ----------
    learned : xarray.Dataset
        `prior_to_posterior`.
    family : str, optional
        One family's parameters and the shared ones; by default all.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_prior_posterior
    >>> learned = bs.prior_to_posterior(bs.fit(bs.load_shipped("tinylm"), seed=1))
    >>> plot_prior_posterior(learned, family="english").get_xscale()
    'log'
    """
    ax = axes(ax)
    names = [str(name) for name in learned["parameter"].values]
    keep = [name for name in names if family is None or "[" not in name or name.endswith(f"[{family}]")]
    for y, name in enumerate(keep):
        row = {key: float(value) for key, value in learned.sel(parameter=name).data_vars.items()}
        colour = FIRST if row["learned"] >= LEARNED else MISSED
        both = ((0.17, "prior_", MUTED, 4, "prior, 95%"), (-0.17, "", colour, 3, "posterior, 95%"))
        for shift, prefix, shade, width, label in both:
            ends = [row[f"{prefix}{end}"] / row["prior_median"] for end in ("lower", "upper")]
            ax.plot(
                ends,
                [y + shift] * 2,
                color=shade,
                alpha=0.5 if prefix else 1,
                linewidth=width,
                solid_capstyle="butt",
                label=label if y == 0 else None,
            )
        ax.plot([row["median"] / row["prior_median"]], [y - 0.17], "o", color=colour, markersize=5)
        ax.annotate(
            f"{row['median']:.3g}  ({100 * max(row['learned'], 0):.0f}% learned)",
            (1.01, y),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8.5,
            color=colour,
            annotation_clip=False,
        )
    name_rows(ax, [parameter_of(name)[0] if family else name for name in keep])
    ax.set_ylim(top=-1.3)  # room for the legend
    log_axis(ax.xaxis)
    ax.set_xlabel("relative to the prior's median")
    ax.legend(loc="upper right", ncols=2)
    return ax
