"""What the runs cannot tell apart: two parameters of one posterior, together."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.stats import gaussian_kde, spearmanr

from bayescale.errors import QuestionError, did_you_mean
from bayescale.inference import verdict
from bayescale.plots.parts import axes, legend_on_top, note, of_family
from bayescale.plots.style import FIRST, MUTED
from bayescale.posterior import Posterior

Draws = NDArray[np.float64]

# The shares of the draws that the contours hold.
WITHIN = (0.95, 0.5)
# Draws that are shown and smoothed at most, and cells of the grid a side.
SHOWN, CELLS = 1000, 60
# Room about the posterior, in its own width, and the height of a marginal, as a share of the figure.
ROOM, HEIGHT = 0.5, 0.15
# A bent ridge is blurred by the bandwidth that suits a straight one: this much of it is used.
NARROWER = 0.75


def plot_ridge(
    fit: xr.DataTree, x: str = "E", y: str = "alpha", *, family: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the joint posterior of two parameters, with the prior, their marginals and their correlation.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`.
    x, y : str
        Two parameters of the law or of the noise, as they are sampled.
    family : str, optional
        Which family, where there are several.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

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
    >>> from bayescale.plots.ridge import plot_ridge
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> plot_ridge(fit, "E", "alpha", family="english").get_xlabel()
    'E (nats/byte)'
    """
    ax = axes(ax)
    _check_names(fit, x, y)
    after = _draws(fit, "posterior", x, y, family)
    for name, draws in zip((x, y), after, strict=True):
        if np.ptp(draws) == 0:
            note(ax, f"{name} is held at {draws[0]:.4g}")
            return ax
    prior = "prior" in fit.children and {x, y} <= set(fit["prior"].data_vars)
    before = _draws(fit, "prior", x, y, family) if prior else None
    view = np.array([_view(draws, None if before is None else before[i]) for i, draws in enumerate(after)])
    shown = _thinned(after)
    ax.plot(*shown, ".", color=FIRST, markersize=2.5, alpha=0.35, markeredgewidth=0)
    _draw_joint(ax, shown, view, FIRST, "-", "after the runs", NARROWER)
    _draw_marginals(ax, shown, view, FIRST, "-", None)
    if before is not None:
        _draw_joint(ax, _thinned(before), view, MUTED, "--", "before the runs")
        _draw_marginals(ax, _thinned(before), view, MUTED, "--", shown)
    ax.set(xlim=view[0], ylim=view[1], xlabel=_label(fit, x), ylabel=_label(fit, y))
    found = f"rank correlation {spearmanr(*after).statistic:+.2f}"
    legend_on_top(ax, title=found if verdict(fit).passed else f"{found} (NOT CONVERGED)", alignment="left")
    return ax


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


def _draws(fit: xr.DataTree, group: str, x: str, y: str, family: str | None) -> Draws:
    """Return the draws of both, dims (which, draw)."""
    one = of_family(fit[group].to_dataset()[[x, y]], family)
    return np.stack([one[name].transpose("chain", "draw").values.ravel() for name in (x, y)])


def _thinned(draws: Draws) -> Draws:
    return draws[:, :: -(-draws.shape[1] // SHOWN)]


def _view(after: Draws, before: Draws | None) -> tuple[float, float]:
    """Return the limits of an axis: the posterior with room about it, no further out than the prior goes."""
    low, high = np.quantile(after, [0.002, 0.998])
    room = ROOM * (high - low)
    least, most = (-np.inf, np.inf) if before is None else np.quantile(before, [0.002, 0.998])
    return min(low, max(low - room, least)), max(high, min(high + room, most))


def _draw_joint(
    ax: Axes, draws: Draws, view: Draws, colour: str, line: str, label: str, bandwidth: float = 1.0
) -> None:
    """Draw the contours that hold half and nearly all of the draws."""
    density = gaussian_kde(draws, lambda of: bandwidth * of.scotts_factor())
    levels = np.quantile(density(draws), [1 - share for share in WITHIN])
    across, up = np.meshgrid(*(np.linspace(low, high, CELLS) for low, high in view))
    heights = density([across.ravel(), up.ravel()]).reshape(across.shape)
    ax.contour(across, up, heights, levels=levels, colors=colour, linestyles=line, linewidths=(1.0, 1.6))
    ax.plot([], [], color=colour, linestyle=line, label=label)


def _draw_marginals(ax: Axes, draws: Draws, view: Draws, colour: str, line: str, against: Draws | None) -> None:
    """Draw the density of each along its own axis; `against` gives the height, so that areas can be compared."""
    for i, (low, high) in enumerate(view):
        grid = np.linspace(low, high, 200)
        highest = gaussian_kde(draws[i] if against is None else against[i])(grid).max()
        height = HEIGHT * gaussian_kde(draws[i])(grid) / highest
        on_axis = ax.get_yaxis_transform() if i else ax.get_xaxis_transform()
        curve = (height, grid) if i else (grid, height)
        ax.plot(*curve, color=colour, linestyle=line, linewidth=1.2, transform=on_axis)
        if against is None:
            fill = ax.fill_betweenx if i else ax.fill_between
            fill(grid, 0, height, color=colour, alpha=0.18, linewidth=0, transform=on_axis)


def _label(fit: xr.DataTree, name: str) -> str:
    unit = {p.name: p.unit for p in Posterior(fit).law.parameters}.get(name, "1")
    unit = Posterior(fit).loss_unit if unit == "loss" else unit
    return name if unit in ("1", "") else f"{name} ({unit})"
