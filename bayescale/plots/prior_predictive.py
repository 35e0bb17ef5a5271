"""What a card believes before it has seen a run."""

from collections.abc import Sequence

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from bayescale.errors import QuestionError
from bayescale.laws import scale_of
from bayescale.plots.drawing import draw_bands, label_loss, set_log_axis
from bayescale.plots.style import DASHED, FIRST, INK, MUTED, SECOND, style
from bayescale.plots.ticks import FACTORS, STEPS, count_panels, is_wide, limit_response

PANEL, ALONE = (3.1, 2.7), (4.4, 3.2)
SINGLE_DRAWS = 6


def plot_prior_predictive(
    prior: xr.Dataset, runs: xr.Dataset | None = None, *, axes: Sequence[Axes] | None = None
) -> list[Axes]:
    """Draw the responses that a card's priors imply along each input: 50, 80 and 95% bands, and a few single draws.

    Parameters
    ----------
    prior : xarray.Dataset
        From `prior_predictive`.
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
    >>> from bayescale.plots import plot_prior_predictive
    >>> [ax.get_xlabel() for ax in plot_prior_predictive(prior_predictive("chinchilla"))]
    ['model size N (parameters)', 'training tokens D']
    """
    names = [str(name) for name in prior["input"].values]
    panels = _make_panels(len(names)) if axes is None else list(axes)
    if len(panels) != len(names):
        raise QuestionError(f"one axes for each input of the law: {', '.join(names)}; got {len(panels)}.")
    for ax, name in zip(panels, names, strict=True):
        _draw_input(ax, prior.sel(input=name), name)
        if runs is not None:
            ax.scatter(runs[name].values, runs[prior.attrs["response"]].values, color=INK, s=9, linewidth=0, zorder=3)
    _share_response_axis(panels, prior)
    _put_legend(panels, prior, runs)
    return panels


def _make_panels(count: int) -> list[Axes]:
    import matplotlib.pyplot as plt

    across, down = count_panels(count)
    with style():
        width, height = ALONE if count == 1 else PANEL
        size = (width * across, height * down + 0.3)
        figure, grid = plt.subplots(down, across, figsize=size, layout="constrained", squeeze=False)
    for ax in grid.flat[count:]:
        figure.delaxes(ax)
    return list(grid.flat[:count])


def _draw_input(ax: Axes, prior: xr.Dataset, name: str) -> None:
    x, expected = prior["value"].values, prior[f"expected_{prior.attrs['response']}"]
    draw_bands(ax, x, expected, FIRST, dim=("draw",))
    ax.plot(x, expected.isel(draw=slice(SINGLE_DRAWS)).T.values, color=SECOND, linewidth=0.7, alpha=0.8)
    ax.axvline(float(prior["reference"]), color=MUTED, linewidth=1, linestyle=DASHED, zorder=1, clip_on=False)
    ax.set_xlim(x[0], x[-1])
    if is_wide(x):
        set_log_axis(ax.xaxis)
    else:
        ax.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
    ax.set_xlabel(_label_input(name))


def _label_input(name: str) -> str:
    """Return the label of the axis of an input: its meaning in short, its symbol, its unit."""
    scale = scale_of(name)
    meaning = scale.meaning.partition(" (")[0].partition(",")[0]
    unit = "" if scale.unit == "1" or scale.unit in meaning else f" ({scale.unit})"
    return f"{meaning} {scale.symbol}{unit}"


def _share_response_axis(panels: list[Axes], prior: xr.Dataset) -> None:
    """Give every panel the same response axis: a reader then sees which input matters most."""
    response = prior.attrs["response"]
    low, high, on_log = limit_response(prior)
    for i, ax in enumerate(panels):
        if on_log:
            ax.set_yscale("log")
            ax.yaxis.set_major_locator(LogLocator(base=10, subs=_choose_factors(high / low), numticks=20))
            ax.yaxis.set_minor_locator(NullLocator())
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.set_ylim(low, high)
        place = ax.get_subplotspec()
        if i == 0 or place is None or place.is_first_col():
            ax.set_ylabel(label_loss(prior.attrs["loss_unit"]) if response == "loss" else response)


def _choose_factors(span: float) -> tuple[int, ...]:
    """Return the multiples of a power of ten that have a tick on a log axis of that span."""
    return next((FACTORS[k] for k, most in enumerate((10, 100, 1000)) if span < most), FACTORS[-1])


def _put_legend(panels: list[Axes], prior: xr.Dataset, runs: xr.Dataset | None) -> None:
    """Put one legend above all panels."""
    handles = [
        Line2D([], [], color=FIRST, label="median, 50, 80, 95%"),
        Line2D([], [], color=SECOND, linewidth=0.9, label="single draws"),
        Line2D([], [], color=MUTED, linewidth=1, linestyle=DASHED, label="reference run"),
    ]
    if runs is not None:
        handles.append(Line2D([], [], color=INK, marker="o", markersize=3, linestyle="", label="runs"))
    figure = panels[0].get_figure(root=True)
    assert figure is not None
    figure.legend(handles=handles, loc="outside upper left", ncols=2 if len(panels) == 1 else 4, frameon=False)
