"""What a card believes before it has seen a run."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from bayescale.answers import BANDS, bands
from bayescale.errors import QuestionError
from bayescale.laws import scale_of
from bayescale.plots.parts import loss_label
from bayescale.plots.style import BAND_ALPHA, FIRST, INK, MUTED, SECOND, log_axis, style

PANEL, ALONE = (3.1, 2.7), (4.4, 3.2)
SINGLE_DRAWS = 6
# A response whose 95% band spans more than this factor is drawn on a log axis.
WIDE = 5.0
# An input that spans less than this factor is drawn on an axis of plain numbers, as bits and losses are read.
NARROW = 20.0
# Between ticks of plain numbers: bits are read in twos and fours.
ROUND_STEPS = (1, 2, 4, 5, 10)


def plot_prior_predictive(
    prior: xr.Dataset, runs: xr.Dataset | None = None, *, axes: Sequence[Axes] | None = None
) -> list[Axes]:
    """Draw the responses that a card's priors imply along each input: 50, 80 and 95% bands, and a few single draws.

    Parameters
    ----------
    prior : xarray.Dataset
        `prior_predictive`.
    runs : xarray.Dataset, optional
        The runs, as dots: they differ from the reference run in the other inputs too.
    axes : sequence of matplotlib.axes.Axes, optional
        One for each input of the law; by default those of a new figure, at most three abreast.

    Returns
    -------
    list of matplotlib.axes.Axes

    Raises
    ------
    QuestionError
        If there are not as many axes as inputs.

    Examples
    --------
    >>> from bayescale.design.prior_predictive import prior_predictive
    >>> from bayescale.plots.prior_predictive import plot_prior_predictive
    >>> [ax.get_xlabel() for ax in plot_prior_predictive(prior_predictive("chinchilla"))]
    ['model size N (parameters)', 'training tokens D']
    """
    names = [str(name) for name in prior["input"].values]
    panels = _panels(len(names)) if axes is None else list(axes)
    if len(panels) != len(names):
        raise QuestionError(f"one axes for each input of the law: {', '.join(names)}; got {len(panels)}.")
    for ax, name in zip(panels, names, strict=True):
        _draw_input(ax, prior.sel(input=name), name)
        if runs is not None:
            ax.scatter(runs[name].values, runs[prior.attrs["response"]].values, color=INK, s=9, linewidth=0, zorder=3)
    _share_response_axis(panels, prior)
    _name_what_is_drawn(panels, prior, runs)
    return panels


def _panels(count: int) -> list[Axes]:
    import matplotlib.pyplot as plt

    across = 2 if count == 4 else min(count, 3)
    down = -(-count // across)
    with style():
        width, height = ALONE if count == 1 else PANEL
        size = (width * across, height * down + 0.3)
        figure, grid = plt.subplots(down, across, figsize=size, layout="constrained", squeeze=False)
    for ax in grid.flat[count:]:
        figure.delaxes(ax)
    return list(grid.flat[:count])


def _draw_input(ax: Axes, one: xr.Dataset, name: str) -> None:
    x, expected = one["value"].values, one[f"expected_{one.attrs['response']}"]
    found = bands(expected, BANDS, dim=("draw",))
    for prob in sorted(BANDS, reverse=True):
        low, high = (found[side].sel(prob=prob).values for side in ("lower", "upper"))
        ax.fill_between(x, low, high, color=FIRST, alpha=BAND_ALPHA, linewidth=0)
    ax.plot(x, found["median"].values, color=FIRST)
    ax.plot(x, expected.isel(draw=slice(SINGLE_DRAWS)).T.values, color=SECOND, linewidth=0.7, alpha=0.8)
    ax.axvline(float(one["reference"]), color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1, clip_on=False)
    ax.set_xlim(x[0], x[-1])
    if is_wide(x):
        log_axis(ax.xaxis)
    else:
        ax.xaxis.set_major_locator(MaxNLocator(5, steps=ROUND_STEPS))
    ax.set_xlabel(input_label(name))


def is_wide(x: np.ndarray) -> bool:
    """Return whether an input spans so much that its axis is logarithmic."""
    return bool(x[0] > 0 and x[-1] > NARROW * x[0])


def input_label(name: str) -> str:
    """Return what an axis says of an input: its meaning in short, its symbol, its unit."""
    scale = scale_of(name)
    meaning = scale.meaning.partition(" (")[0].partition(",")[0]
    unit = "" if scale.unit == "1" or scale.unit in meaning else f" ({scale.unit})"
    return f"{meaning} {scale.symbol}{unit}"


def response_axis(prior: xr.Dataset) -> tuple[float, float, bool]:
    """Return the limits of the response over all inputs, and whether it is on a log axis: shares from 0 to 1."""
    response = prior.attrs["response"]
    if response != "loss":
        return 0.0, 1.0, False
    expected = prior[f"expected_{response}"]
    low = float(expected.quantile(0.025, dim="draw").min())
    high = float(expected.quantile(0.975, dim="draw").max())
    return low / 1.1, high * 1.1, high > WIDE * low > 0


def _share_response_axis(panels: list[Axes], prior: xr.Dataset) -> None:
    """Give every panel the same response axis, so that what matters most is seen to."""
    response = prior.attrs["response"]
    low, high, on_log = response_axis(prior)
    for i, ax in enumerate(panels):
        if on_log:
            ax.set_yscale("log")
            ax.yaxis.set_major_locator(LogLocator(base=10, subs=_factors(high / low), numticks=20))
            ax.yaxis.set_minor_locator(NullLocator())
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.set_ylim(low, high)
        place = ax.get_subplotspec()
        if i == 0 or place is None or place.is_first_col():
            ax.set_ylabel(loss_label(prior.attrs["loss_unit"]) if response == "loss" else response)


def _factors(span: float) -> tuple[float, ...]:
    """Return which multiples of a power of ten have a tick on a log axis of that span."""
    if span < 10:
        return (1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
    return (1.0, 2.0, 5.0) if span < 100 else (1.0, 3.0) if span < 1000 else (1.0,)


def _name_what_is_drawn(panels: list[Axes], prior: xr.Dataset, runs: xr.Dataset | None) -> None:
    """Put one legend above all panels."""
    handles = [
        Line2D([], [], color=FIRST, label="median, 50, 80, 95%"),
        Line2D([], [], color=SECOND, linewidth=0.9, label="single draws"),
        Line2D([], [], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="reference run"),
    ]
    if runs is not None:
        handles.append(Line2D([], [], color=INK, marker="o", markersize=3, linestyle="", label="runs"))
    figure = panels[0].get_figure(root=True)
    assert figure is not None
    figure.legend(handles=handles, loc="outside upper left", ncols=2 if len(panels) == 1 else 4, frameon=False)
