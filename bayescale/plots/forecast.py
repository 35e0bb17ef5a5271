"""One answer from several forms: what each says alone, what they say together, and how far that is from the runs."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayescale.answers import bands, response_names
from bayescale.cards.card import DRIFTING
from bayescale.numbers import loss_text
from bayescale.plots.drawing import (
    AT_HEIGHT,
    AT_X,
    NEW,
    draw_bands,
    draw_intervals,
    label_loss,
    mark_data_end,
    on_axes,
    put_legend_on_top,
    select_family,
    select_runs,
    set_size_axis,
    write_text,
)
from bayescale.plots.style import FIRST, INK, KNOWN, MISSED, MUTED, SECOND

# The colours of single forms; the first colour is that of all forms together.
FORMS = (SECOND, KNOWN, MISSED, "#6a4c93", "#8a6d00")
LINES = ("--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)))
# The masses of the thick and the thin part of a row, and their widths.
INNER, OUTER = 0.5, 0.9
WIDTHS = {OUTER: 2.0, INNER: 6.5}
TEXT = 8.5
WITHIN = (0.3, 0.7)


@on_axes
def plot_forecast(
    far: xr.Dataset, *, point: int = -1, known: float | None = None, family: str | None = None, ax: Axes = NEW
) -> None:
    """Draw what each form says of one run, with its weight before and after its rehearsals, and all of them together.

    Parameters
    ----------
    far : xarray.Dataset
        From `forecast`.
    point : int
        The number of the point; by default the last.
    known : float, optional
        How the run came out, where that is known by now.
    family : str, optional
        The family, where there are several.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.plots import plot_forecast
    >>> far = bs.forecast(bs.load_shipped("tinylm"), compute="100x")           # doctest: +SKIP
    >>> plot_forecast(far, family="english").get_ylim()                        # doctest: +SKIP
    (-7.2, -0.45)
    """
    of_family = select_family(far, family).isel(point=point)
    response, names = _find_response(of_family), _sort_by_weight(of_family)
    together = bands(of_family[response], (INNER, OUTER))
    median, low, high = (float(together["median"]), *(float(together[s].sel(prob=OUTER)) for s in ("lower", "upper")))
    ax.axvspan(low, high, color=FIRST, alpha=0.09, linewidth=0, zorder=0)
    if known is not None:
        ax.axvline(known, color=INK, linestyle="--", linewidth=1.3, zorder=1)
        text = f"came out at {known:.4g} "
        write_text(ax, text, (known, -0.18), ha="right", va="center", fontsize=TEXT, color=INK)
    for row, name in enumerate(names, 1):
        limits = bands(of_family[f"form_{response}"].sel(form=name), (INNER, OUTER))
        before, now = (float(of_family[weight].sel(form=name)) for weight in ("prior_weight", "weight"))
        # A form that counts for little is drawn faintly.
        strength = 0.35 + 0.65 * min(2 * now, 1.0)
        _draw_row(ax, limits, -row, FORMS[(row - 1) % len(FORMS)], strength)
        _write_weights(
            ax, (f"{100 * before:.0f}%", f"{100 * now:.0f}%"), -row, coords=AT_HEIGHT, va="center", color=INK
        )
    last = -len(names) - 1.35
    _draw_row(ax, together, last, FIRST, 1.0)
    left, right = ax.get_xlim()
    # The text stands under the band of the last row, but within the axes: it is about half as wide as they are.
    place = np.clip((median - left) / (right - left), *WITHIN)
    middle, lower, upper = loss_text(median, low, high, width=high - low)
    text = f"{middle} ({100 * OUTER:g}%: {lower} to {upper})"
    box = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5}
    write_text(ax, text, (place, last), coords=AT_HEIGHT, shift=(0, -9), ha="center", va="top", fontsize=TEXT,
               color=FIRST, bbox=box)  # fmt: skip
    ax.axhline(last + 0.68, color=MUTED, linewidth=0.8)
    _write_weights(ax, ("weight\nbefore", "weight\nnow"), 1.0, coords="axes fraction", va="bottom", shift=(0, 3))
    ax.set_yticks([*(-row for row in range(1, len(names) + 1)), last], [*_shorten_names(names), "together"])
    ax.get_yticklabels()[-1].set_fontweight("bold")
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.set_ylim(last - 0.85, 0.1 if known is not None else -0.45)
    beyond = float(of_family["decades_beyond"])
    where = f"at {10**beyond:.3g}x the largest run" if beyond > 0 else "within the runs"
    label = _label_response(far, response)
    ax.set_xlabel(f"{label} of one new run {where}\n{100 * INNER:g} and {100 * OUTER:g}% bands")


def _draw_row(ax: Axes, limits: xr.Dataset, y: float, colour: str, strength: float) -> None:
    draw_intervals(ax, y, limits, colour, WIDTHS, alpha=strength)
    ax.plot([float(limits["median"])], [y], "o", color="white", markeredgecolor=colour, markersize=5.5, zorder=3)


def _write_weights(ax: Axes, texts: tuple[str, str], y: float, **options: object) -> None:
    """Write the two weights of a row, or what they are, to the right of the axes."""
    for x, text in zip((1.09, 1.24), texts, strict=True):
        write_text(ax, text, (x, y), ha="right", fontsize=TEXT, annotation_clip=False, **options)  # type: ignore[arg-type]


@on_axes
def plot_forecast_path(
    path: xr.Dataset,
    runs: xr.Dataset | None = None,
    *,
    held: xr.Dataset | None = None,
    family: str | None = None,
    ax: Axes = NEW,
) -> None:
    """Draw the loss of a run at the forecast's split against its compute, by all forms together and by each.

    Parameters
    ----------
    path : xarray.Dataset
        From `forecast` at several computes.
    runs : xarray.Dataset, optional
        The runs, which need not lie at the split.
    held : xarray.Dataset, optional
        Larger runs that the forecast did not see, from `read_runs`.
    family : str, optional
        The family, where there are several.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from bayescale.plots import plot_forecast_path
    >>> draws = np.random.default_rng(1).normal(2.0, 0.1, (1, 100, 2))  # chain, draw, point
    >>> path = {name: (("chain", "draw", "point"), draws) for name in ("loss", "expected_loss")}
    >>> path |= {"form_loss": (("form", "chain", "draw", "point"), draws[None]), "weight": ("form", [1.0])}
    >>> at = {"form": ["chinchilla+drift"], "compute": ("point", [1e21, 1e22])}
    >>> ax = plot_forecast_path(xr.Dataset(path, at, {"loss_unit": "nats/token", "largest_run_flop": 1e20}))
    >>> ax.get_legend().get_texts()[1].get_text()
    'chinchilla, 100%'
    """
    of_family = select_family(path, family)
    response, x = _find_response(of_family), of_family["compute"].values
    _shade_beyond(ax, float(path.attrs["largest_run_flop"]), float(x.max()))
    draw_bands(ax, x, of_family[response], FIRST, label="together, 50, 80, 95%")
    order, names = np.argsort(x), _sort_by_weight(of_family)
    for i, (name, short) in enumerate(zip(names, _shorten_names(names), strict=True)):
        median = of_family[f"form_{response}"].sel(form=name).median(("chain", "draw")).values
        label = f"{short}, {100 * float(of_family['weight'].sel(form=name)):.0f}%"
        line, colour = LINES[i % len(LINES)], FORMS[i % len(FORMS)]
        ax.plot(x[order], median[order], linestyle=line, color=colour, linewidth=1.1, label=label)
    for seen, marker, filled, label in ((runs, "o", INK, "runs"), (held, "D", "white", "larger runs, not seen")):
        if seen is not None:
            at, y = (select_runs(seen, family)[name].values for name in ("compute", response))
            ax.scatter(at, y, s=13, marker=marker, facecolors=filled, edgecolors=INK, linewidths=0.6, zorder=3,
                       label=label)  # fmt: skip
    mark_data_end(ax, path, height=0.68)
    set_size_axis(ax)
    ax.margins(x=0.02)
    ax.set_ylabel(_label_response(path, response))
    put_legend_on_top(ax, 2, fontsize=8)


def _shade_beyond(ax: Axes, largest: float, last: float) -> None:
    """Shade each decade beyond the largest run a little darker than the one before, and write where it ends."""
    for decade in range(max(int(np.ceil(np.log10(last / largest) - 1e-6)), 0)):
        start, end = largest * 10.0**decade, min(largest * 10.0 ** (decade + 1), last)
        ax.axvspan(start, end, color=MUTED, alpha=min(0.05 * (decade + 1), 0.3), linewidth=0, zorder=0)
        write_text(ax, f"{end / largest:.3g}x", (end, 0.0), coords=AT_X, shift=(-3, 4), ha="right")


def _find_response(far: xr.Dataset) -> str:
    return response_names(far)[1]


def _label_response(far: xr.Dataset, response: str) -> str:
    return label_loss(far.attrs.get("loss_unit", "")) if response == "loss" else response


def _sort_by_weight(far: xr.Dataset) -> list[str]:
    """Return the names of the forms, the one with the largest weight first."""
    return [str(name) for name in far["form"].values[np.argsort(-far["weight"].values, kind="stable")]]


def _shorten_names(names: list[str]) -> list[str]:
    """Return the names without the ending that all of them have."""
    return [name.removesuffix(DRIFTING) for name in names] if all(name.endswith(DRIFTING) for name in names) else names
