"""The parameters of a posterior: two together, and each family with and without pooling."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from bayescale.errors import QuestionError, did_you_mean
from bayescale.inference import verdict
from bayescale.plots.drawing import (
    AT_HEIGHT,
    NEW,
    on_axes,
    put_legend_on_top,
    select_family,
    write_note,
    write_text,
)
from bayescale.plots.style import FIRST, INK, MUTED, SECOND
from bayescale.posterior import Posterior

Draws = NDArray[np.float64]

# The shares of the draws inside the contours.
WITHIN = (0.95, 0.5)
# At most so many draws are shown and smoothed, on a grid of so many cells a side.
SHOWN, CELLS = 1000, 60
# The room about the posterior, in its own width, and the height of a marginal, as a share of the figure.
ROOM, HEIGHT = 0.5, 0.15
# The bandwidth that suits a straight ridge blurs a bent one, so only this much of it is used.
NARROWER = 0.75
BETWEEN = 1500  # draws between the two forms
POOLINGS: dict[str, dict[str, Any]] = {
    "none": {"color": MUTED, "marker": "o", "markerfacecolor": "none", "label": "each family alone"},
    "partial": {"color": FIRST, "marker": "o", "label": "partially pooled"},
    "complete": {"color": INK, "marker": "|", "label": "all as one"},
}


@on_axes
def plot_ridge(fit: xr.DataTree, x: str = "E", y: str = "alpha", *, family: str | None = None, ax: Axes = NEW) -> None:
    """Draw the joint posterior of two parameters, with the prior, their marginals and their correlation.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`.
    x, y : str
        Two parameters of the law or of the noise, as they are sampled.
    family : str, optional
        The family, where there are several.

    Raises
    ------
    QuestionError
        If the posterior has no such parameters, or several families and none is named.

    Notes
    -----
    The contours hold 50 and 95% of the draws. The correlation is that of the ranks, which a bend does not weaken.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_ridge
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> plot_ridge(fit, "E", "alpha", family="english").get_xlabel()
    'E (nats/byte)'
    """
    from scipy.stats import spearmanr

    _check_names(fit, x, y)
    after = _take_draws(fit, "posterior", x, y, family)
    for name, draws in zip((x, y), after, strict=True):
        if np.ptp(draws) == 0:
            write_note(ax, f"{name} is held at {draws[0]:.4g}")
            return
    prior = "prior" in fit.children and {x, y} <= set(fit["prior"].data_vars)
    before = _take_draws(fit, "prior", x, y, family) if prior else None
    view = np.array([_limit_view(draws, None if before is None else before[i]) for i, draws in enumerate(after)])
    shown = _thin_draws(after)
    ax.plot(*shown, ".", color=FIRST, markersize=2.5, alpha=0.35, markeredgewidth=0)
    _draw_joint(ax, shown, view, FIRST, "-", "after the runs", NARROWER)
    _draw_marginals(ax, shown, view, FIRST, "-", None)
    if before is not None:
        _draw_joint(ax, _thin_draws(before), view, MUTED, "--", "before the runs")
        _draw_marginals(ax, _thin_draws(before), view, MUTED, "--", shown)
    ax.set(xlim=view[0], ylim=view[1], xlabel=_label_parameter(fit, x), ylabel=_label_parameter(fit, y))
    title = f"rank correlation {spearmanr(*after).statistic:+.2f}"
    put_legend_on_top(ax, title=title if verdict(fit).passed else f"{title} (NOT CONVERGED)", alignment="left")


def _check_names(fit: xr.DataTree, x: str, y: str) -> None:
    known = list(Posterior(fit).card.all_priors)
    for name in (x, y):
        if name not in known:
            raise QuestionError(
                f"the model {fit.attrs['model']} has no parameter {name!r}.{did_you_mean(name, known)} "
                f"It has: {', '.join(known)}."
            )
    if x == y:
        raise QuestionError(f"a ridge is of two parameters; got {x!r} twice.")


def _take_draws(fit: xr.DataTree, group: str, x: str, y: str, family: str | None) -> Draws:
    """Return the draws of both parameters, dims (which, draw)."""
    of_family = select_family(fit[group].to_dataset()[[x, y]], family)
    return np.stack([of_family[name].transpose("chain", "draw").values.ravel() for name in (x, y)])


def _thin_draws(draws: Draws) -> Draws:
    return draws[:, :: -(-draws.shape[1] // SHOWN)]


def _limit_view(after: Draws, before: Draws | None) -> tuple[float, float]:
    """Return the limits of an axis: the posterior with room about it, no further out than the prior goes."""
    low, high = np.quantile(after, [0.002, 0.998])
    room = ROOM * (high - low)
    least, most = (-np.inf, np.inf) if before is None else np.quantile(before, [0.002, 0.998])
    return min(low, max(low - room, least)), max(high, min(high + room, most))


def _draw_joint(
    ax: Axes, draws: Draws, view: Draws, colour: str, line: str, label: str, bandwidth: float = 1.0
) -> None:
    """Draw the contours that hold half and nearly all of the draws."""
    from scipy.stats import gaussian_kde

    density = gaussian_kde(draws, lambda kde: bandwidth * kde.scotts_factor())
    levels = np.quantile(density(draws), [1 - share for share in WITHIN])
    across, up = np.meshgrid(*(np.linspace(low, high, CELLS) for low, high in view))
    heights = density([across.ravel(), up.ravel()]).reshape(across.shape)
    ax.contour(across, up, heights, levels=levels, colors=colour, linestyles=line, linewidths=(1.0, 1.6))
    ax.plot([], [], color=colour, linestyle=line, label=label)


def _draw_marginals(ax: Axes, draws: Draws, view: Draws, colour: str, line: str, against: Draws | None) -> None:
    """Draw the density of each parameter along its axis, in the scale of the draws `against`, if there are any."""
    from scipy.stats import gaussian_kde

    for i, (low, high) in enumerate(view):
        grid = np.linspace(low, high, 200)
        highest = gaussian_kde(draws[i] if against is None else against[i])(grid).max()
        height = HEIGHT * gaussian_kde(draws[i])(grid) / highest
        on_axis = ax.get_yaxis_transform() if i else ax.get_xaxis_transform()
        ax.plot(*((height, grid) if i else (grid, height)), color=colour, linestyle=line, linewidth=1.2,
                transform=on_axis)  # fmt: skip
        if against is None:
            fill = ax.fill_betweenx if i else ax.fill_between
            fill(grid, 0, height, color=colour, alpha=0.18, linewidth=0, transform=on_axis)


def _label_parameter(fit: xr.DataTree, name: str) -> str:
    unit = {p.name: p.unit for p in Posterior(fit).law.parameters}.get(name, "1")
    unit = Posterior(fit).loss_unit if unit == "loss" else unit
    return name if unit in ("1", "") else f"{name} ({unit})"


@on_axes
def plot_between_forms(fit: xr.DataTree, *, family: str | None = None, ax: Axes = NEW) -> None:
    """Draw the floor and the coupling of the coupled law, and where the forms of Chinchilla and Kaplan lie.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior of the law `coupled`.
    family : str, optional
        The family, where there are several.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_between_forms
    >>> fit = bs.fit(bs.load_shipped("tinylm"), model="coupled", seed=1)
    >>> plot_between_forms(fit, family="english").get_ylabel()
    'coupling kappa'
    """
    view = Posterior(fit, family)
    theta = view.law_theta
    E, kappa, beta = (theta[name].stack(sample=("chain", "draw")) for name in ("E", "kappa", "beta"))
    step = max(E.size // BETWEEN, 1)
    ax.scatter(E.values[::step], kappa.values[::step], s=5, color=FIRST, alpha=0.25, linewidths=0, zorder=2)
    ax.axhline(1.0, color=SECOND, linewidth=1.6, zorder=3)
    write_text(ax, "Chinchilla: kappa = 1", (0.02, 1.0), coords=AT_HEIGHT, shift=(0, 4), fontsize=9, color=SECOND)
    ax.vlines(0.0, *beta.quantile([0.05, 0.95]).values, color=INK, linewidth=3, zorder=4)
    middle = beta.quantile([0.05, 0.95]).values.mean()
    write_text(ax, "Kaplan: E = 0, kappa = beta", (0.0, middle), shift=(8, 0), fontsize=9, color=INK, va="center")
    ax.set_xlim(left=-0.04 * float(E.max()))
    ax.set_ylim(0, max(1.15, float(kappa.quantile(0.995))))
    ax.set_xlabel(f"irreducible loss E ({view.loss_unit})")
    ax.set_ylabel("coupling kappa")
    ax.tick_params(colors=MUTED, which="both", length=3)


@on_axes
def plot_shrinkage(pooled: xr.Dataset, parameter: str = "alpha", *, prob: float = 0.9, ax: Axes = NEW) -> None:
    """Draw one parameter of every family with no, partial and complete pooling: medians and bands.

    Parameters
    ----------
    pooled : xarray.Dataset
        From `shrinkage`.
    parameter : str
        A parameter of the law.
    prob : float
        Mass of the bands.

    Examples
    --------
    >>> from bayescale.plots import plot_shrinkage
    >>> plot_shrinkage(bs.forms.shrinkage(bs.load_shipped("tinylm")), "E")       # doctest: +SKIP
    """
    families = [str(name) for name in pooled["family"].values]
    figure = ax.get_figure(root=True)
    if figure is not None and len(figure.axes) == 1:
        figure.set_figheight(max(figure.get_figheight(), 0.42 * len(families) + 1))
    tail = (1 - prob) / 2
    quantiles = pooled[parameter].quantile([tail, 0.5, 1 - tail], ("chain", "draw"))
    for k, (pooling, marks) in enumerate(POOLINGS.items()):
        low, middle, high = quantiles.sel(pooling=pooling).transpose("quantile", "family").values
        place = np.arange(len(families)) + 0.22 * (k - 1)
        ends = np.stack([middle - low, high - middle])
        ax.errorbar(middle, place, xerr=ends, linestyle="", linewidth=1.4, markersize=5, **marks)
    counts = pooled["runs"].values
    ax.set_yticks(range(len(families)), [f"{name} ({n} runs)" for name, n in zip(families, counts, strict=True)])
    ax.invert_yaxis()
    ax.set_xlabel(f"{parameter}, median and {100 * prob:.0f}% band")
    # The legend grows to the left, over the names of the families, which may leave it less room than it takes.
    ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, columnspacing=1.0, handlelength=1.4)
