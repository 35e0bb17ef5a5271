"""Prior and posterior: what the runs said, what was put in, and how far the answers lean on the priors."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from bayescale.errors import QuestionError, did_you_mean
from bayescale.inference.diagnostics import parameter_of
from bayescale.plots.drawing import (
    AT_HEIGHT,
    NEW,
    choose_family,
    name_rows,
    on_axes,
    put_legend_above,
    set_log_axis,
    write_text,
)
from bayescale.plots.style import DASHED, FIRST, FORM_COLOURS, INK, MARKERS, MISSED, MUTED

# As in the answers: below this share the posterior is at least half as wide as the prior.
LEARNED = 0.5
# Smaller sensitivities are drawn here.
SMALLEST = 0.003


@on_axes
def plot_prior_posterior(learned: xr.Dataset, *, family: str | None = None, ax: Axes = NEW) -> None:
    """Draw prior and posterior of each parameter, relative to the median of the prior.

    `arviz.plot_prior_posterior` draws the densities of the same tree.

    Parameters
    ----------
    learned : xarray.Dataset
        From `prior_to_posterior`.
    family : str, optional
        The family whose parameters are drawn beside the shared ones; by default the parameters of all families.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_prior_posterior
    >>> learned = bs.inference.prior_to_posterior(bs.fit(bs.load_shipped("tinylm"), seed=1))
    >>> plot_prior_posterior(learned, family="english").get_xscale()
    'log'
    """
    names = [str(name) for name in learned["parameter"].values]
    keep = [name for name in names if family is None or "[" not in name or name.endswith(f"[{family}]")]
    for y, name in enumerate(keep):
        row = {key: float(value) for key, value in learned.sel(parameter=name).data_vars.items()}
        colour = FIRST if row["learned"] >= LEARNED else MISSED
        both = ((0.17, "prior_", MUTED, 0.5, 4, "prior, 95%"), (-0.17, "", colour, 1, 3, "posterior, 95%"))
        for shift, prefix, shade, alpha, width, label in both:
            ends = [row[f"{prefix}{end}"] / row["prior_median"] for end in ("lower", "upper")]
            style: dict[str, Any] = {"color": shade, "alpha": alpha, "linewidth": width, "solid_capstyle": "butt"}
            ax.plot(ends, [y + shift] * 2, label=label if y == 0 else None, **style)
        ax.plot([row["median"] / row["prior_median"]], [y - 0.17], "o", color=colour, markersize=5)
        text = f"{row['median']:.3g}  ({100 * max(row['learned'], 0):.0f}% learned)"
        write_text(
            ax, text, (1.01, y), coords=AT_HEIGHT, va="center", fontsize=8.5, color=colour, annotation_clip=False
        )
    name_rows(ax, [parameter_of(name)[0] if family else name for name in keep])
    ax.set_ylim(top=-1.3)  # room for the legend
    set_log_axis(ax.xaxis)
    ax.set_xlabel("relative to the prior's median")
    ax.legend(loc="upper right", ncols=2)


@on_axes
def plot_prior_sensitivity(sensitivity: xr.Dataset, *, family: str | None = None, ax: Axes = NEW) -> None:
    """Draw how sensitive each answer is to each prior, to all of them and to the runs.

    Parameters
    ----------
    sensitivity : xarray.Dataset
        From `prior_sensitivity`.
    family : str, optional
        The family of the answers, where there are several.

    Raises
    ------
    QuestionError
        If there are several families and none, or an unknown one, is named.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_prior_sensitivity
    >>> from bayescale.trust.sensitivity import prior_sensitivity
    >>> sensitivity = prior_sensitivity(bs.fit(bs.load_shipped("tinylm"), seed=1))
    >>> plot_prior_sensitivity(sensitivity, family="english").get_xlabel()
    'sensitivity of the answer'
    """
    known = sorted(set(sensitivity["family"].values.tolist()))
    if family is not None and family not in known:
        meant = did_you_mean(family, known)
        raise QuestionError(f"there are no answers of a family {family!r}.{meant} Families: {', '.join(known)}.")
    sensitivity = sensitivity.isel(answer=sensitivity["family"].values == choose_family(known, family))
    names = [str(name) for name in sensitivity["prior"].values]
    rows = [*names, "all priors", "all runs"]
    answers = sensitivity.sizes["answer"]
    for i, answer in enumerate(sensitivity["answer"].values):
        of_answer = sensitivity.sel(answer=answer)
        totals = [float(of_answer[f"{name}_sensitivity"]) for name in ("prior", "likelihood")]
        values = np.maximum([*of_answer["sensitivity"].values, *totals], SMALLEST)
        y = np.arange(len(rows)) + 0.5 * (i - (answers - 1) / 2) / max(answers, 2)
        marker, colour = MARKERS[i % len(MARKERS)], FORM_COLOURS[i % len(FORM_COLOURS)]
        ax.plot(values, y, marker, color=colour, markersize=5, label=str(answer).removesuffix(f" ({family})"))
    ax.axvline(sensitivity.attrs["threshold"], color=MISSED, linewidth=1.2, linestyle=DASHED)
    ax.axhline(len(names) - 0.5, color=MUTED, linewidth=0.8)
    name_rows(ax, rows)
    ax.set_xscale("log")
    ax.set_xlim(SMALLEST * 0.8, None)
    ticks = [SMALLEST, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0]
    shown = [tick for tick in ticks if tick <= ax.get_xlim()[1]]
    ax.set_xticks(shown, [f"{tick:g}" + (" or less" if tick == SMALLEST else "") for tick in shown])
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("sensitivity of the answer")
    put_legend_above(ax, 2)


@on_axes
def plot_moved_by_priors(sensitivity: xr.Dataset, answer: str, *, ax: Axes = NEW) -> None:
    """Draw one answer as it is, and with each prior in turn made wider and narrower.

    Parameters
    ----------
    sensitivity : xarray.Dataset
        From `prior_sensitivity`.
    answer : str
        One of its answers, such as ``"expected loss at 100x"``.

    Raises
    ------
    QuestionError
        If there is no such answer.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_moved_by_priors
    >>> from bayescale.trust.sensitivity import prior_sensitivity
    >>> sensitivity = prior_sensitivity(bs.fit(bs.load_shipped("tinylm"), seed=1))
    >>> plot_moved_by_priors(sensitivity, "exponent a (english)").get_xlabel()
    'exponent a (english)'
    """
    known = [str(name) for name in sensitivity["answer"].values]
    if answer not in known:
        raise QuestionError(f"there is no answer {answer!r}.{did_you_mean(answer, known)} Answers: {', '.join(known)}.")
    of_answer = sensitivity.sel(answer=answer)
    names = [str(name) for name in of_answer["prior"].values]
    low, middle, high = (float(of_answer[name]) for name in ("lower", "median", "upper"))
    ax.axvspan(low, high, color=MUTED, alpha=0.13, linewidth=0, label="as it is, 90%")
    ax.axvline(middle, color=INK, linewidth=1)
    for counted, shift, colour, marker, label in (
        (0.5, -0.16, MISSED, "o", "prior 1.4 times wider"),
        (2.0, 0.16, FIRST, "s", "narrower"),
    ):
        row = of_answer.sel(counted=counted)
        y = np.arange(len(names)) + shift
        good = row["reliable"].values
        ax.hlines(y[good], row["moved_lower"][good], row["moved_upper"][good], color=colour, alpha=0.45, linewidth=2.4)
        ax.plot(row["moved_median"][good], y[good], marker, color=colour, markersize=5, label=label)
        for at in np.flatnonzero(~good):
            write_text(ax, "needs a fit", (middle, y[at]), shift=(4, 0), va="center", fontsize=7.5, color=colour)
    name_rows(ax, names)
    unit = str(of_answer["units"].item())
    if unit in ("parameters", "tokens"):
        set_log_axis(ax.xaxis)
    ax.set_xlabel(answer + (f", {unit}" if unit not in ("", "1") else ""))
    put_legend_above(ax, 3)
