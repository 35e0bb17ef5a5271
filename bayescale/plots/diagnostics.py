"""May the posterior be quoted? The checks of the sampler, and the ranks of its chains."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayescale.inference import Check, verdict
from bayescale.inference.diagnostics import PARETO_K, parameter_of
from bayescale.plots.drawing import AT_HEIGHT, NEW, name_rows, on_axes, write_text
from bayescale.plots.style import FIRST, FORM_COLOURS, INK, MISSED, MUTED
from bayescale.posterior import Posterior

_WORST_SHOWN = 1.6


@on_axes
def plot_diagnostics(fit: xr.DataTree, *, ax: Axes = NEW) -> None:
    """Draw each check of a posterior as the share of its limit that the worst parameter uses up.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_diagnostics
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> len(plot_diagnostics(fit).get_yticklabels())
    6
    """
    checks = verdict(fit).checks
    for y, check in enumerate(checks):
        used = min(_share_of_limit(check), _WORST_SHOWN)
        colour, marker = (FIRST, "o") if check.passed else (MISSED, "X")
        ax.plot([0, used], [y, y], color=colour, linewidth=2, alpha=0.5, solid_capstyle="butt")
        ax.plot([used], [y], marker, color=colour, markersize=8)
        text = _describe_check(check)
        write_text(ax, text, (1.02, y), coords=AT_HEIGHT, va="center", color=INK, annotation_clip=False)
    ax.axvline(1, color=MISSED, linewidth=1.3, linestyle="--")
    name_rows(ax, [check.name for check in checks])
    ax.set_xlim(-0.06, _WORST_SHOWN * 1.08)
    ax.set_xticks([0, 0.5, 1, 1.5], ["0", "half", "limit", "1.5x"])
    ax.set_xlabel("share of the limit used up, at worst")


def _share_of_limit(check: Check) -> float:
    if check.name == "R-hat":
        return max(check.value - 1, 0) / (check.limit - 1)
    if check.name == "E-BFMI" or check.name.endswith("ESS"):
        return check.limit / max(check.value, 1e-9)
    return check.value / check.limit if check.limit else (0.0 if check.value <= 0 else _WORST_SHOWN)


def _describe_check(check: Check) -> str:
    if check.name == "R-hat":
        return f"{check.value:.3f}, at most {check.limit:g}\n{check.worst}"
    if check.name.endswith("ESS"):
        return f"{check.value:.0f}, at least {check.limit:g}\n{check.worst}"
    if check.name == PARETO_K:
        return f"{check.value:.2f}, at most {check.limit:.2f}"
    if check.name == "E-BFMI":
        return f"{check.value:.2f}, at least {check.limit:g}"
    if check.name == "tree depth":
        return f"{check.value:.1%}, at most {check.limit:.0%}"
    return f"{check.value:g}, at most {check.limit:g}"


@on_axes
def plot_ranks(fit: xr.DataTree, parameter: str | None = None, *, bins: int = 20, ax: Axes = NEW) -> None:
    """Draw the ranks of the draws of one parameter by chain; chains that agree are all near level.

    `arviz.plot_rank` draws all parameters of the same tree.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`.
    parameter : str, optional
        Such as ``alpha`` or ``alpha[english]``; by default the parameter with the highest R-hat.
    bins : int
        Bins over the ranks.

    References
    ----------
    Vehtari et al. 2021, arXiv 1903.08008, section 4.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from bayescale.plots import plot_ranks
    >>> draws = xr.Dataset({"alpha": (("chain", "draw"), np.random.default_rng(1).normal(0.3, 0.02, (4, 100)))})
    >>> plot_ranks(xr.DataTree.from_dict({"posterior": draws}), "alpha").get_xlabel()
    'rank of the draws of alpha, from lowest to highest'
    """
    first = next(iter(Posterior(fit).card.all_priors)) if parameter is None else parameter
    label = parameter or next((check.worst for check in verdict(fit).checks if check.name == "R-hat"), first)
    posterior = fit["posterior"].to_dataset()
    if parameter is None and parameter_of(label)[0] not in posterior:
        # Auxiliary variables are checked, but not kept.
        label = first
    name, family = parameter_of(label)
    draws = posterior[name]
    if family and family in draws["family"].values:
        draws = draws.sel(family=family)
    values = draws.transpose("chain", "draw", ...).values.reshape(draws.sizes["chain"], draws.sizes["draw"], -1)[..., 0]
    ranks = values.ravel().argsort().argsort().reshape(values.shape)
    edges = np.linspace(0, ranks.size, bins + 1)
    level = values.shape[1] / bins
    spread = 2 * np.sqrt(level * (1 - 1 / bins)) / level
    ax.axhspan(1 - spread, 1 + spread, color=MUTED, alpha=0.12, linewidth=0, label="by chance")
    for i, chain in enumerate(ranks):
        heights = np.histogram(chain, edges)[0] / level
        ax.stairs(heights, edges / ranks.size, color=FORM_COLOURS[i % len(FORM_COLOURS)], label=f"chain {i + 1}")
    ax.set_ylim(0, 2)
    ax.set_xlabel(f"rank of the draws of {label}, from lowest to highest")
    ax.set_ylabel("draws in the bin, 1 = even")
    ax.legend(loc="lower center", ncols=3)
