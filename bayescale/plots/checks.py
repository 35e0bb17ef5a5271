"""Are the runs such as the model would make?"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayescale.errors import QuestionError, did_you_mean
from bayescale.plots.parts import axes, legend_above, legend_on_top, measure_axis
from bayescale.plots.style import BAND_ALPHA, FIRST, FORM_COLOURS, INK, MARKERS, MISSED, MUTED


def plot_loo_pit(checked: xr.Dataset, *, group: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw where runs fall in the predictions made without them, less what chance would have it, with the 95% band.

    Parameters
    ----------
    checked : xarray.Dataset
        `check_predictive`.
    group : str, optional
        Which of its groups; by default all runs.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    QuestionError
        If there is no such group.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots.checks import plot_loo_pit
    >>> from bayescale.trust.checks import check_predictive
    >>> checked = check_predictive(bs.fit(bs.load_shipped("tinylm"), seed=1))
    >>> plot_loo_pit(checked, group="english").get_xlabel()
    'place in the prediction made without the run'
    """
    ax = axes(ax)
    one = checked.sel(group=_group(checked, group)).dropna("step")
    x = one["ecdf_at"].values
    low, high, line = (100 * (one[name].values - x) for name in ("ecdf_lower", "ecdf_upper", "ecdf"))
    outside = (line < low) | (line > high)
    ax.fill_between(x, low, high, color=MUTED, alpha=BAND_ALPHA, linewidth=0, label="by chance, 95%")
    ax.axhline(0, color=MUTED, linewidth=1)
    ax.plot(x, line, color=FIRST, label=f"{one['group'].item()}, {int(one['runs'])}")
    if outside.any():
        ax.plot(x[outside], line[outside], "o", color=MISSED, markersize=3.5, label="outside")
    ax.set_xlim(0, 1)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["below\nall draws", "25%", "middle", "75%", "above\nall draws"])
    ax.set_xlabel("place in the prediction made without the run")
    ax.set_ylabel("runs below that place, over even (% points)")
    legend_on_top(ax, 3, fontsize=8.5)
    return ax


def plot_coverage(checked: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw the share of the runs inside bands predicted without them, against the share that the bands promise.

    Parameters
    ----------
    checked : xarray.Dataset
        `check_predictive`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import xarray as xr
    >>> from bayescale.plots.checks import plot_coverage
    >>> shares = {"coverage": [0.5, 0.85], "coverage_lower": [0.3, 0.7], "coverage_upper": [0.7, 0.95]}
    >>> inside = {name: (("group", "prob"), [share]) for name, share in shares.items()}
    >>> checked = xr.Dataset(inside | {"runs": ("group", [20])}, {"group": ["all runs"], "prob": [0.5, 0.9]})
    >>> plot_coverage(checked).get_legend().get_texts()[0].get_text()
    'all runs, 20'
    """
    ax = axes(ax)
    promised = 100 * checked["prob"].values
    ax.axline((0, 0), slope=1, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    groups = [str(name) for name in checked["group"].values]
    apart = 1.1 * (np.arange(len(groups)) - (len(groups) - 1) / 2)
    for i, name in enumerate(groups):
        one = checked.sel(group=name)
        colour, marker = (INK if i == 0 else FORM_COLOURS[(i - 1) % len(FORM_COLOURS)]), MARKERS[i % len(MARKERS)]
        ends = (100 * one[f"coverage_{end}"].values for end in ("lower", "upper"))
        ax.vlines(promised + apart[i], *ends, color=colour, alpha=0.4, linewidth=1.4)
        label = f"{name}, {int(one['runs'])}"
        ax.plot(promised + apart[i], 100 * one["coverage"], marker, color=colour, markersize=5, label=label)
    ax.set_xticks(promised, [f"{p:g}%" for p in promised])
    ax.set_xlim(promised.min() - 8, 104)
    ax.set_ylim(100 * float(checked["coverage_lower"].min()) - 6, 104)
    ax.set_xlabel("share of the runs that the band promises")
    ax.set_ylabel("share of the runs inside (%)")
    legend_above(ax, 2)
    return ax


def plot_left_out_runs(
    checked: xr.Dataset, *, prob: float = 0.9, family: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw each run against the band predicted without it, in % of the prediction, over compute.

    Parameters
    ----------
    checked : xarray.Dataset
        `check_predictive`.
    prob : float
        Mass of the band.
    family : str, optional
        One family; by default all runs, as the errors are relative.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    QuestionError
        If there is no band of that mass, or no such family.

    Examples
    --------
    >>> import xarray as xr
    >>> from bayescale.plots.checks import plot_left_out_runs
    >>> band = {"lower": (("prob", "run"), [[2.4, 1.9]]), "upper": (("prob", "run"), [[2.6, 2.1]])}
    >>> middle = {"median": ("run", [2.5, 2.0]), "loss": ("run", [2.55, 2.2])}
    >>> at = {"prob": [0.9], "compute": ("run", [1e18, 1e19])}
    >>> ax = plot_left_out_runs(xr.Dataset(band | middle, at, {"response": "loss"}))
    >>> [text.get_text() for text in ax.get_legend().get_texts()][1:]
    ['inside: 1 of 2', 'outside: 1']
    """
    ax = axes(ax)
    if prob not in checked["prob"].values:
        raise QuestionError(f"there is no band of mass {prob!r}; accepted: {_listed(checked['prob'].values)}.")
    if family is not None:
        known = sorted(set(checked["run_family"].values.tolist()))
        if family not in known:
            meant = did_you_mean(family, known)
            raise QuestionError(f"there is no family {family!r}.{meant} Families: {', '.join(known)}.")
        checked = checked.isel(run=checked["run_family"].values == family)
    one, response = checked.sel(prob=prob), checked.attrs["response"]
    low, high, seen = (100 * (one[name] / one["median"] - 1).values for name in ("lower", "upper", response))
    measure = "compute" if "compute" in one.coords else checked.attrs["measure"]
    x, inside = one[measure].values, (seen >= low) & (seen <= high)
    ax.axhline(0, color=MUTED, linewidth=1)
    ax.vlines(x, low, high, color=FIRST, alpha=0.25, linewidth=2.6, label=f"{100 * prob:g}% band without it")
    ax.plot(x[inside], seen[inside], "o", color=FIRST, markersize=4, label=f"inside: {inside.sum()} of {len(x)}")
    label = f"outside: {(~inside).sum()}"
    ax.plot(x[~inside], seen[~inside], "X", color=MISSED, markersize=6, markeredgecolor="white", markeredgewidth=0.4,
            label=label)  # fmt: skip
    measure_axis(ax, measure)
    ax.set_ylabel(f"{response} against the prediction (%)")
    ax.margins(x=0.04, y=0.08)
    legend_on_top(ax, 3, fontsize=8.5)
    return ax


def _group(checked: xr.Dataset, group: str | None) -> str:
    known = [str(name) for name in checked["group"].values]
    if group is not None and group not in known:
        raise QuestionError(f"there is no group {group!r}.{did_you_mean(group, known)} Groups: {', '.join(known)}.")
    return group or known[0]


def _listed(values: np.ndarray) -> str:
    return ", ".join(f"{value:g}" for value in values)
