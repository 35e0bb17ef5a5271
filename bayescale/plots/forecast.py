"""One answer from several forms: what each says alone, what they say together, and how far that is from the runs."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayescale.answers import bands, response_names
from bayescale.cards.card import DRIFTING
from bayescale.plots.parts import (
    axes,
    draw_bands,
    legend_on_top,
    loss_label,
    mark_data_end,
    of_family,
    runs_of_family,
)
from bayescale.plots.style import FIRST, INK, KNOWN, MISSED, MUTED, SECOND, compute_axis, loss_text

# Of the forms; the first colour is that of all of them together.
OF_FORMS = (SECOND, KNOWN, MISSED, "#6a4c93", "#8a6d00")
LINES = ("--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)))
# The thick and the thin part of a row.
INNER, OUTER = 0.5, 0.9
TEXT = 8.5
WITHIN = (0.3, 0.7)


def plot_forecast(
    far: xr.Dataset, *, point: int = -1, known: float | None = None, family: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw what each form says of one run, with its weight before and after its rehearsals, and all of them together.

    Parameters
    ----------
    far : xarray.Dataset
        `forecast`.
    point : int
        Which of its points; by default the last.
    known : float, optional
        How the run came out, where that is known by now.
    family : str, optional
        Which family, where there are several.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_forecast
    >>> far = bs.forecast(bs.load_shipped("tinylm"), compute="100x")           # doctest: +SKIP
    >>> plot_forecast(far, family="english").get_ylim()                        # doctest: +SKIP
    (-7.2, -0.45)
    """
    ax = axes(ax)
    one = of_family(far, family).isel(point=point)
    response, names = _response(one), _by_weight(one)
    together = bands(one[response], (INNER, OUTER))
    low, high = (float(together[side].sel(prob=OUTER)) for side in ("lower", "upper"))
    ax.axvspan(low, high, color=FIRST, alpha=0.09, linewidth=0, zorder=0)
    if known is not None:
        ax.axvline(known, color=INK, linestyle="--", linewidth=1.3, zorder=1)
        ax.annotate(f"came out at {known:.4g} ", (known, -0.18), ha="right", va="center", fontsize=TEXT)
    for row, name in enumerate(names, 1):
        found = bands(one[f"form_{response}"].sel(form=name), (INNER, OUTER))
        # What counts for little is drawn faintly.
        strength = 0.35 + 0.65 * min(2 * float(one["weight"].sel(form=name)), 1.0)
        _draw_row(ax, found, -row, OF_FORMS[(row - 1) % len(OF_FORMS)], strength)
        said = (f"{100 * float(one[weight].sel(form=name)):.0f}%" for weight in ("prior_weight", "weight"))
        _beside(ax, -row, *said)
    last = -len(names) - 1.35
    _draw_row(ax, together, last, FIRST, 1.0)
    median, lower, upper = loss_text(float(together["median"]), low, high, width=high - low)
    left, right = ax.get_xlim()
    # Under its band, but within the axes: the line is about half as wide as they are.
    place = np.clip((float(together["median"]) - left) / (right - left), *WITHIN)
    ax.annotate(f"{median} ({100 * OUTER:g}%: {lower} to {upper})", (place, last), xycoords=("axes fraction", "data"),
                xytext=(0, -9), textcoords="offset points", ha="center", va="top", fontsize=TEXT, color=FIRST,
                bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5})  # fmt: skip
    ax.axhline(last + 0.68, color=MUTED, linewidth=0.8)
    _beside(ax, 0, "weight\nbefore", "weight\nnow", color=MUTED)
    ax.set_yticks([*(-row for row in range(1, len(names) + 1)), last], [*_short(names), "together"])
    ax.get_yticklabels()[-1].set_fontweight("bold")
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.set_ylim(last - 0.85, 0.1 if known is not None else -0.45)
    beyond = float(one["decades_beyond"])
    where = f"at {10**beyond:.3g}x the largest run" if beyond > 0 else "within the runs"
    ax.set_xlabel(f"{_label(far, response)} of one new run {where}\n{100 * INNER:g} and {100 * OUTER:g}% bands")
    return ax


def _draw_row(ax: Axes, found: xr.Dataset, y: float, colour: str, strength: float) -> None:
    for prob, width in ((OUTER, 2.0), (INNER, 6.5)):
        ends = (float(found[side].sel(prob=prob)) for side in ("lower", "upper"))
        ax.hlines(y, *ends, color=colour, alpha=strength, linewidth=width)
    ax.plot([float(found["median"])], [y], "o", color="white", markeredgecolor=colour, markersize=5.5, zorder=3)


def _beside(ax: Axes, y: float, before: str, now: str, color: str = INK) -> None:
    """Write the two weights of a row to the right of it."""
    for x, text in ((1.09, before), (1.24, now)):
        at, lift = ((x, 1.0), (0, 3)) if y == 0 else ((x, y), (0, 0))
        coords = "axes fraction" if y == 0 else ("axes fraction", "data")
        ax.annotate(text, at, xycoords=coords, xytext=lift, textcoords="offset points", ha="right",
                    va="bottom" if y == 0 else "center", fontsize=TEXT, color=color,
                    annotation_clip=False)  # fmt: skip


def plot_forecast_path(
    path: xr.Dataset,
    runs: xr.Dataset | None = None,
    *,
    held: xr.Dataset | None = None,
    family: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the loss of a run at the forecast's split against its compute, by all forms together and by each.

    Parameters
    ----------
    path : xarray.Dataset
        `forecast` at several computes.
    runs : xarray.Dataset, optional
        The runs, which need not lie at the split.
    held : xarray.Dataset, optional
        Larger runs that the forecast did not see, as `read_runs` gives them.
    family : str, optional
        Which family, where there are several.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from bayescale.plots.forecast import plot_forecast_path
    >>> draws = np.random.default_rng(1).normal(2.0, 0.1, (1, 100, 2))  # chain, draw, point
    >>> path = {name: (("chain", "draw", "point"), draws) for name in ("loss", "expected_loss")}
    >>> path |= {"form_loss": (("form", "chain", "draw", "point"), draws[None]), "weight": ("form", [1.0])}
    >>> at = {"form": ["chinchilla+drift"], "compute": ("point", [1e21, 1e22])}
    >>> ax = plot_forecast_path(xr.Dataset(path, at, {"loss_unit": "nats/token", "largest_run_flop": 1e20}))
    >>> ax.get_legend().get_texts()[1].get_text()
    'chinchilla, 100%'
    """
    ax = axes(ax)
    one = of_family(path, family)
    response, x = _response(one), one["compute"].values
    largest = float(path.attrs["largest_run_flop"])
    _shade_beyond(ax, largest, float(x.max()))
    draw_bands(ax, x, one[response], FIRST, label="together, 50, 80, 95%")
    order, names = np.argsort(x), _by_weight(one)
    for i, (name, short) in enumerate(zip(names, _short(names), strict=True)):
        median = one[f"form_{response}"].sel(form=name).median(("chain", "draw")).values
        share = 100 * float(one["weight"].sel(form=name))
        line, colour = LINES[i % len(LINES)], OF_FORMS[i % len(OF_FORMS)]
        ax.plot(x[order], median[order], linestyle=line, color=colour, linewidth=1.1, label=f"{short}, {share:.0f}%")
    for seen, marker, label in ((runs, "o", "runs"), (held, "D", "larger runs, not seen")):
        if seen is not None:
            mine = runs_of_family(seen, family)
            filled = INK if seen is runs else "white"
            ax.scatter(mine["compute"].values, mine[response].values, s=13, marker=marker, facecolors=filled,
                       edgecolors=INK, linewidths=0.6, zorder=3, label=label)  # fmt: skip
    mark_data_end(ax, largest, height=0.68)
    compute_axis(ax)
    ax.margins(x=0.02)
    ax.set_ylabel(_label(path, response))
    legend_on_top(ax, 2, fontsize=8)
    return ax


def _shade_beyond(ax: Axes, largest: float, last: float) -> None:
    """Shade every decade beyond the largest run a little more than the one before, and name where it ends."""
    for decade in range(max(int(np.ceil(np.log10(last / largest) - 1e-6)), 0)):
        start, end = largest * 10.0**decade, min(largest * 10.0 ** (decade + 1), last)
        ax.axvspan(start, end, color=MUTED, alpha=min(0.05 * (decade + 1), 0.3), linewidth=0, zorder=0)
        ax.annotate(f"{end / largest:.3g}x", (end, 0.0), xycoords=("data", "axes fraction"), xytext=(-3, 4),
                    textcoords="offset points", ha="right", fontsize=8, color=MUTED)  # fmt: skip


def _response(far: xr.Dataset) -> str:
    return response_names(far)[1]


def _label(far: xr.Dataset, response: str) -> str:
    return loss_label(far.attrs.get("loss_unit", "")) if response == "loss" else response


def _by_weight(far: xr.Dataset) -> list[str]:
    """Return the forms, the one that counts most first."""
    return [str(name) for name in far["form"].values[np.argsort(-far["weight"].values, kind="stable")]]


def _short(names: list[str]) -> list[str]:
    """Return the names without what all of them end in."""
    return [name.removesuffix(DRIFTING) for name in names] if all(name.endswith(DRIFTING) for name in names) else names
