"""How far do the answers lean on the priors?"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from bayescale.errors import QuestionError, did_you_mean
from bayescale.plots.parts import axes, legend_above, name_rows
from bayescale.plots.style import FIRST, FORM_COLOURS, INK, MARKERS, MISSED, MUTED, log_axis

# Smaller sensitivities are drawn here.
SMALLEST = 0.003


def plot_prior_sensitivity(found: xr.Dataset, *, family: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw how sensitive each answer is to each prior, to all of them and to the runs.

    Parameters
    ----------
    found : xarray.Dataset
        `prior_sensitivity`.
    family : str, optional
        Whose answers, where there are several families.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    QuestionError
        If there are several families and none, or an unknown one, is named.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots.sensitivity import plot_prior_sensitivity
    >>> from bayescale.trust.sensitivity import prior_sensitivity
    >>> found = prior_sensitivity(bs.fit(bs.load_shipped("tinylm"), seed=1))
    >>> plot_prior_sensitivity(found, family="english").get_xlabel()
    'sensitivity of the answer'
    """
    ax = axes(ax)
    found = _of_family(found, family)
    names = [str(name) for name in found["prior"].values]
    rows = [*names, "all priors", "all runs"]
    answers = found.sizes["answer"]
    for i, answer in enumerate(found["answer"].values):
        one = found.sel(answer=answer)
        values = [*one["sensitivity"].values, float(one["prior_sensitivity"]), float(one["likelihood_sensitivity"])]
        y = np.arange(len(rows)) + 0.5 * (i - (answers - 1) / 2) / max(answers, 2)
        text = str(answer).removesuffix(f" ({family})")
        ax.plot(np.maximum(values, SMALLEST), y, MARKERS[i % len(MARKERS)], color=FORM_COLOURS[i % len(FORM_COLOURS)],
                markersize=5, label=text)  # fmt: skip
    threshold = found.attrs["threshold"]
    ax.axvline(threshold, color=MISSED, linewidth=1.2, linestyle=(0, (4, 3)))
    ax.axhline(len(names) - 0.5, color=MUTED, linewidth=0.8)
    name_rows(ax, rows)
    ax.set_xscale("log")
    ax.set_xlim(SMALLEST * 0.8, None)
    ticks = [SMALLEST, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0]
    shown = [tick for tick in ticks if tick <= ax.get_xlim()[1]]
    ax.set_xticks(shown, [f"{tick:g}" + (" or less" if tick == SMALLEST else "") for tick in shown])
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("sensitivity of the answer")
    legend_above(ax, 2)
    return ax


def plot_moved_by_priors(found: xr.Dataset, answer: str, *, ax: Axes | None = None) -> Axes:
    """Draw one answer as it is, and with each prior in turn made wider and narrower.

    Parameters
    ----------
    found : xarray.Dataset
        `prior_sensitivity`.
    answer : str
        Which of its answers, such as ``"expected loss at 100x"``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    QuestionError
        If there is no such answer.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots.sensitivity import plot_moved_by_priors
    >>> from bayescale.trust.sensitivity import prior_sensitivity
    >>> found = prior_sensitivity(bs.fit(bs.load_shipped("tinylm"), seed=1))
    >>> plot_moved_by_priors(found, "exponent a (english)").get_xlabel()
    'exponent a (english)'
    """
    ax = axes(ax)
    known = [str(name) for name in found["answer"].values]
    if answer not in known:
        raise QuestionError(f"there is no answer {answer!r}.{did_you_mean(answer, known)} Answers: {', '.join(known)}.")
    one = found.sel(answer=answer)
    names = [str(name) for name in one["prior"].values]
    ax.axvspan(float(one["lower"]), float(one["upper"]), color=MUTED, alpha=0.13, linewidth=0, label="as it is, 90%")
    ax.axvline(float(one["median"]), color=INK, linewidth=1)
    for counted, shift, colour, marker, label in (
        (0.5, -0.16, MISSED, "o", "prior 1.4 times wider"),
        (2.0, 0.16, FIRST, "s", "narrower"),
    ):
        row = one.sel(counted=counted)
        y = np.arange(len(names)) + shift
        good = row["reliable"].values
        ax.hlines(y[good], row["moved_lower"][good], row["moved_upper"][good], color=colour, alpha=0.45, linewidth=2.4)
        ax.plot(row["moved_median"][good], y[good], marker, color=colour, markersize=5, label=label)
        for at in np.flatnonzero(~good):
            ax.annotate("needs a fit", (float(one["median"]), y[at]), xytext=(4, 0), textcoords="offset points",
                        va="center", fontsize=7.5, color=colour)  # fmt: skip
    name_rows(ax, names)
    unit = str(one["units"].item())
    if unit in ("parameters", "tokens"):
        log_axis(ax.xaxis)
    ax.set_xlabel(answer + (f", {unit}" if unit not in ("", "1") else ""))
    legend_above(ax, 3)
    return ax


def _of_family(found: xr.Dataset, family: str | None) -> xr.Dataset:
    known = sorted(set(found["family"].values.tolist()))
    if family is None and len(known) == 1:
        return found
    if family is None:
        raise QuestionError(f"a figure is of one family; pass family=, one of: {', '.join(known)}.")
    if family not in known:
        meant = did_you_mean(family, known)
        raise QuestionError(f"there are no answers of a family {family!r}.{meant} Families: {', '.join(known)}.")
    return found.isel(answer=found["family"].values == family)
