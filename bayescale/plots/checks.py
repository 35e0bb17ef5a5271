"""Predictive checks and calibration: are the runs such as the model would make, and does the sampler find the truth?"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayescale.errors import QuestionError, did_you_mean
from bayescale.plots.drawing import (
    NEW,
    choose_family,
    on_axes,
    put_legend_above,
    put_legend_on_top,
    set_size_axis,
)
from bayescale.plots.style import (
    BAND_ALPHA,
    DASHED,
    FAINT,
    FIRST,
    FORM_COLOURS,
    INK,
    MARKERS,
    MISSED,
    MUTED,
)


@on_axes
def plot_loo_pit(checked: xr.Dataset, *, group: str | None = None, ax: Axes = NEW) -> None:
    """Draw the ECDF of the LOO-PIT less the uniform one: where runs fall in the predictions made without them.

    The band holds 95% of what chance alone gives. `arviz.plot_loo_pit` draws the same check of the same tree.

    Parameters
    ----------
    checked : xarray.Dataset
        From `check_predictive`.
    group : str, optional
        One group of the answer; by default all runs.

    Raises
    ------
    QuestionError
        If there is no such group.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_loo_pit
    >>> from bayescale.trust.checks import check_predictive
    >>> checked = check_predictive(bs.fit(bs.load_shipped("tinylm"), seed=1))
    >>> plot_loo_pit(checked, group="english").get_xlabel()
    'place in the prediction made without the run'
    """
    known = [str(name) for name in checked["group"].values]
    if group is not None and group not in known:
        raise QuestionError(f"there is no group {group!r}.{did_you_mean(group, known)} Groups: {', '.join(known)}.")
    group = group or known[0]
    of_group = checked.sel(group=group).dropna("step")
    x = of_group["ecdf_at"].values
    low, high, line = (100 * (of_group[name].values - x) for name in ("ecdf_lower", "ecdf_upper", "ecdf"))
    outside = (line < low) | (line > high)
    ax.fill_between(x, low, high, color=MUTED, alpha=BAND_ALPHA, linewidth=0, label="by chance, 95%")
    ax.axhline(0, color=MUTED, linewidth=1)
    ax.plot(x, line, color=FIRST, label=f"{group}, {int(of_group['runs'])}")
    if outside.any():
        ax.plot(x[outside], line[outside], "o", color=MISSED, markersize=3.5, label="outside")
    ax.set_xlim(0, 1)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["below\nall draws", "25%", "middle", "75%", "above\nall draws"])
    ax.set_xlabel("place in the prediction made without the run")
    ax.set_ylabel("runs below that place, over even (% points)")
    put_legend_on_top(ax, 3, fontsize=8.5)


@on_axes
def plot_coverage(checked: xr.Dataset, *, ax: Axes = NEW) -> None:
    """Draw the share of the runs inside bands predicted without them, against the share that the bands promise.

    Parameters
    ----------
    checked : xarray.Dataset
        From `check_predictive`.

    Examples
    --------
    >>> import xarray as xr
    >>> from bayescale.plots import plot_coverage
    >>> shares = {"coverage": [0.5, 0.85], "coverage_lower": [0.3, 0.7], "coverage_upper": [0.7, 0.95]}
    >>> inside = {name: (("group", "prob"), [share]) for name, share in shares.items()}
    >>> checked = xr.Dataset(inside | {"runs": ("group", [20])}, {"group": ["all runs"], "prob": [0.5, 0.9]})
    >>> plot_coverage(checked).get_legend().get_texts()[0].get_text()
    'all runs, 20'
    """
    promised = 100 * checked["prob"].values
    ax.axline((0, 0), slope=1, color=MUTED, linewidth=1, linestyle=DASHED)
    groups = [str(name) for name in checked["group"].values]
    apart = 1.1 * (np.arange(len(groups)) - (len(groups) - 1) / 2)
    for i, name in enumerate(groups):
        of_group = checked.sel(group=name)
        colour, marker = (INK if i == 0 else FORM_COLOURS[(i - 1) % len(FORM_COLOURS)]), MARKERS[i % len(MARKERS)]
        ends = (100 * of_group[f"coverage_{end}"].values for end in ("lower", "upper"))
        ax.vlines(promised + apart[i], *ends, color=colour, alpha=0.4, linewidth=1.4)
        label = f"{name}, {int(of_group['runs'])}"
        ax.plot(promised + apart[i], 100 * of_group["coverage"], marker, color=colour, markersize=5, label=label)
    ax.set_xticks(promised, [f"{p:g}%" for p in promised])
    ax.set_xlim(promised.min() - 8, 104)
    ax.set_ylim(100 * float(checked["coverage_lower"].min()) - 6, 104)
    ax.set_xlabel("share of the runs that the band promises")
    ax.set_ylabel("share of the runs inside (%)")
    put_legend_above(ax, 2)


@on_axes
def plot_left_out_runs(checked: xr.Dataset, *, prob: float = 0.9, family: str | None = None, ax: Axes = NEW) -> None:
    """Draw each run against the band predicted without it, in % of the prediction, over compute.

    Parameters
    ----------
    checked : xarray.Dataset
        From `check_predictive`.
    prob : float
        Mass of the band.
    family : str, optional
        One family; by default all runs, as the errors are relative.

    Raises
    ------
    QuestionError
        If there is no band of that mass, or no such family.

    Examples
    --------
    >>> import xarray as xr
    >>> from bayescale.plots import plot_left_out_runs
    >>> band = {"lower": (("prob", "run"), [[2.4, 1.9]]), "upper": (("prob", "run"), [[2.6, 2.1]])}
    >>> middle = {"median": ("run", [2.5, 2.0]), "loss": ("run", [2.55, 2.2])}
    >>> at = {"prob": [0.9], "compute": ("run", [1e18, 1e19])}
    >>> ax = plot_left_out_runs(xr.Dataset(band | middle, at, {"response": "loss"}))
    >>> [text.get_text() for text in ax.get_legend().get_texts()][1:]
    ['inside: 1 of 2', 'outside: 1']
    """
    if prob not in checked["prob"].values:
        listed = ", ".join(f"{value:g}" for value in checked["prob"].values)
        raise QuestionError(f"there is no band of mass {prob!r}; accepted: {listed}.")
    if family is not None:
        choose_family(sorted(set(checked["run_family"].values.tolist())), family)
        checked = checked.isel(run=checked["run_family"].values == family)
    bands, response = checked.sel(prob=prob), checked.attrs["response"]
    low, high, seen = (100 * (bands[name] / bands["median"] - 1).values for name in ("lower", "upper", response))
    measure = "compute" if "compute" in bands.coords else checked.attrs["measure"]
    x, inside = bands[measure].values, (seen >= low) & (seen <= high)
    ax.axhline(0, color=MUTED, linewidth=1)
    ax.vlines(x, low, high, color=FIRST, alpha=0.25, linewidth=2.6, label=f"{100 * prob:g}% band without it")
    ax.plot(x[inside], seen[inside], "o", color=FIRST, markersize=4, label=f"inside: {inside.sum()} of {len(x)}")
    label = f"outside: {(~inside).sum()}"
    ax.plot(x[~inside], seen[~inside], "X", color=MISSED, markersize=6, markeredgecolor="white", markeredgewidth=0.4,
            label=label)  # fmt: skip
    set_size_axis(ax, measure)
    ax.set_ylabel(f"{response} against the prediction (%)")
    ax.margins(x=0.04, y=0.08)
    put_legend_on_top(ax, 3, fontsize=8.5)


@on_axes
def plot_calibration(ranks: xr.Dataset, *, ax: Axes = NEW) -> None:
    """Draw simulation-based calibration: how far the ranks of the true values are from uniform, and the band of chance.

    A line above zero throughout says that the posterior is too high, and a line below zero that it is too low. A line
    from above on the left to below on the right says that the posterior is too narrow; the reverse, too wide.
    `arviz.plot_ecdf_pit` draws the same check of the ranks.

    Parameters
    ----------
    ranks : xarray.Dataset
        From `rank_ecdf`.

    Examples
    --------
    >>> from bayescale.plots import plot_calibration
    >>> from bayescale.trust.ranks import rank_ecdf
    >>> from bayescale.trust.sbc import calibrate
    >>> plot_calibration(rank_ecdf(calibrate("power", simulations=20))).get_ylabel()
    'ECDF of the ranks, less the uniform one'
    """
    x = ranks["share"].values
    prob = ranks.attrs["prob"]
    ax.axhline(0, color=MUTED, linewidth=1)
    ax.fill_between(
        x, ranks["lower"].values, ranks["upper"].values, color=FAINT, alpha=0.5, linewidth=0,
        label=f"{100 * prob:g}% of sound posteriors",
    )  # fmt: skip
    outside = ranks["outside"].values
    inside = [str(name) for name in ranks["parameter"].values[~outside]]
    label = f"inside: {', '.join(inside) if len(inside) <= 3 else f'{len(inside)} quantities'}"
    for i, line in enumerate(ranks["difference"].values[~outside]):
        # The legend has one entry for all of these lines.
        alpha = max(0.25, 0.8 - 0.02 * len(inside))
        ax.plot(x, line, color=FIRST, linewidth=0.9, alpha=alpha, label=label if i == 0 else "")
    for name, line in zip(ranks["parameter"].values[outside], ranks["difference"].values[outside], strict=True):
        ax.plot(x, line, color=MISSED, linewidth=1.4, label=f"{name}: outside")
    ax.set_xlabel("rank of the truth among posterior draws, as a share")
    ax.set_ylabel("ECDF of the ranks, less the uniform one")
    ax.set_xlim(0, 1)
    put_legend_on_top(ax, 2)
    ax.tick_params(colors=INK)
