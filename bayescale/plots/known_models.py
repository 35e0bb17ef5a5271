"""Well-known models: the loss that each form expects of them, against their compute."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayescale.answers import bands
from bayescale.plots.parts import axes, legend_on_top, loss_label, mark_data_end, of_family
from bayescale.plots.style import FORM_COLOURS, INK, MARKERS, compute_axis

APART = 1.07  # forms stand side by side at one compute


def plot_known_models(models: xr.Dataset, *, family: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw the expected loss of each model with its 50 and 95% bands against its compute, for each form.

    Parameters
    ----------
    models : xarray.Dataset
        `known_models`.
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
    >>> from bayescale.answers.known_models import known_models
    >>> from bayescale.plots.known_models import plot_known_models
    >>> models = known_models(bs.fit(bs.load_shipped("tinylm"), seed=1))
    >>> plot_known_models(models, family="english").get_xscale()
    'log'
    """
    ax = axes(ax)
    one = of_family(models, family)
    found = bands(one["expected_loss"], (0.5, 0.95))
    x = one["compute"].values
    forms = [str(name) for name in one["form"].values]
    for k, (form, colour, marker) in enumerate(zip(forms, FORM_COLOURS, MARKERS, strict=False)):
        at = x * APART ** (k - (len(forms) - 1) / 2)
        mine = found.sel(form=form)
        for prob, width in ((0.95, 1.2), (0.5, 3.6)):
            limits = mine.sel(prob=prob)
            ax.vlines(at, limits["lower"].values, limits["upper"].values, color=colour, linewidth=width, alpha=0.6)
        ax.plot(at, mine["median"].values, marker, color=colour, markersize=5, label=form)
    _name_models(ax, x, found["upper"].sel(prob=0.95).max("form").values, one["model"].values)
    compute_axis(ax)
    if "largest_run_flop" in one.attrs:
        mark_data_end(ax, one.attrs["largest_run_flop"])
    ax.set_ylabel(loss_label(one.attrs["loss_unit"]))
    legend_on_top(ax)
    return ax


def _name_models(ax: Axes, x: np.ndarray, top: np.ndarray, names: np.ndarray) -> None:
    """Write each name upright above its bands: several models took about the same compute."""
    for at, height, name in zip(x, top, names, strict=True):
        ax.annotate(
            str(name),
            (at, height),
            xytext=(0, 5),
            textcoords="offset points",
            rotation=90,
            ha="center",
            va="bottom",
            fontsize=8,
            color=INK,
        )
    ax.margins(x=0.1)
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.2 * (high - low))
