"""Repeats: the worth of each epoch, or the loss, against epochs over the same tokens."""

from typing import Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from bayescale.numbers import human_number
from bayescale.plots.parts import axes, draw_bands, loss_label, of_family
from bayescale.plots.style import FIRST, MUTED, SECOND, log_axis

Quantity = Literal["worth", "loss"]


def plot_epochs(
    value: xr.Dataset, *, quantity: Quantity = "worth", family: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw what each epoch is worth, or the loss after it beside that of as many fresh tokens, with bands.

    Parameters
    ----------
    value : xarray.Dataset
        What `value_of_epochs` returned at several numbers of epochs.
    quantity : {"worth", "loss"}
        What is drawn.
    family : str, optional
        Which family, where there are several.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from bayescale.answers import value_of_epochs
    >>> from bayescale.plots.epochs import plot_epochs
    >>> published = dict(E=1.8691, A=520.8, B=1487.7, alpha=0.35266, beta=0.35266, R_D=15.387756, R_N=5.309743)
    >>> plot_epochs(value_of_epochs(published, "25B", "7B"), quantity="loss").get_xlabel()
    'epochs over 25B tokens'
    """
    ax = axes(ax)
    one = of_family(value, family)
    epochs = one["epochs"].values
    if quantity == "worth":
        draw_bands(ax, epochs, one["worth"], FIRST, label="worth of the last epoch")
        last = float(one["last_worthwhile"].median())
        ax.axhline(float(one["share"]), color=MUTED, linewidth=1, linestyle=":")
        ax.axvline(last, color=SECOND, linewidth=1.2, linestyle=(0, (4, 3)),
                   label=f"under {100 * float(one['share']):g}% after {last:.0f} epochs")  # fmt: skip
        ax.set_ylim(0, 1.02)
        ax.yaxis.set_major_formatter(PercentFormatter(1.0))
        ax.set_ylabel("worth, as a share of fresh tokens")
    else:
        draw_bands(ax, epochs, one["expected_loss"], FIRST, label=f"repeated, N = {human_number(float(one['params']))}")
        draw_bands(ax, epochs, one["loss_if_fresh"], SECOND, label="as many fresh tokens", line="--")
        ax.set_ylabel(loss_label(one.attrs["loss_unit"]))
    ax.set_xlim(np.min(epochs), np.max(epochs))
    log_axis(ax.xaxis)
    ax.set_xlabel(f"epochs over {human_number(float(one['unique_tokens']))} tokens")
    ax.legend(loc="upper right")  # worth and loss fall
    return ax
