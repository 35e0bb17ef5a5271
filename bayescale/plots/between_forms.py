"""Where between Kaplan's form and Chinchilla's do the runs stand?"""

import xarray as xr
from matplotlib.axes import Axes

from bayescale.plots.parts import axes
from bayescale.plots.style import FIRST, INK, MUTED, SECOND
from bayescale.posterior import Posterior

SHOWN = 1500


def plot_between_forms(fit: xr.DataTree, *, family: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw the posterior of the coupled law's floor and coupling, with the places of Chinchilla and of Kaplan.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior of the law `coupled`.
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
    >>> from bayescale.plots import plot_between_forms
    >>> fit = bs.fit(bs.load_shipped("tinylm"), model="coupled", seed=1)
    >>> plot_between_forms(fit, family="english").get_ylabel()
    'coupling kappa'
    """
    ax = axes(ax)
    view = Posterior(fit, family)
    theta = view.law_theta
    drawn = {name: theta[name].stack(sample=("chain", "draw")).values for name in ("E", "kappa", "beta")}
    every = max(drawn["E"].size // SHOWN, 1)
    ax.scatter(drawn["E"][::every], drawn["kappa"][::every], s=5, color=FIRST, alpha=0.25, linewidths=0, zorder=2)
    ax.axhline(1.0, color=SECOND, linewidth=1.6, zorder=3)
    ax.annotate("Chinchilla: kappa = 1", (0.02, 1.0), xycoords=("axes fraction", "data"), xytext=(0, 4),
                textcoords="offset points", color=SECOND, fontsize=9)  # fmt: skip
    beta = xr.DataArray(drawn["beta"]).quantile([0.05, 0.95]).values
    ax.vlines(0.0, *beta, color=INK, linewidth=3, zorder=4)
    ax.annotate("Kaplan: E = 0, kappa = beta", (0.0, beta.mean()), xytext=(8, 0), textcoords="offset points",
                color=INK, fontsize=9, va="center")  # fmt: skip
    ax.set_xlim(left=-0.04 * float(drawn["E"].max()))
    ax.set_ylim(0, max(1.15, float(xr.DataArray(drawn["kappa"]).quantile(0.995))))
    ax.set_xlabel(f"irreducible loss E ({view.loss_unit})")
    ax.set_ylabel("coupling kappa")
    ax.tick_params(colors=MUTED, which="both", length=3)
    return ax
