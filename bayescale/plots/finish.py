"""A run in progress: the band of its last loss as it trains, and how such bands came out."""

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from bayescale.plots.parts import axes, legend_on_top
from bayescale.plots.style import FIRST, INK, MISSED, MUTED


def plot_finish(
    answer: xr.Dataset, *, run: str | None = None, known: float | None = None, ax: Axes | None = None
) -> Axes:
    """Draw what was known of a run's last loss after each of its checkpoints.

    Parameters
    ----------
    answer : xarray.Dataset
        `finish`.
    run : str, optional
        Which run; by default the first.
    known : float, optional
        How it came out, where that is known by now.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from bayescale.plots.finish import plot_finish
    >>> band = {name: (("run", "seen"), [value]) for name, value in
    ...         {"lower": [2.0, 2.4], "median": [2.5, 2.5], "upper": [3.0, 2.6], "seen_tokens": [0.0, 1e9]}.items()}
    >>> one = xr.Dataset(band, {"run": ["a"], "tokens": ("run", [4e9])}, {"prob": 0.9, "loss_unit": "nats/token"})
    >>> plot_finish(one).get_xlabel()
    'share of the run that was seen'
    """
    ax = axes(ax)
    name = str(answer["run"].values[0]) if run is None else run
    one = answer.sel(run=name)
    clock = "tokens" if "tokens" in one.coords else "step"
    share = (one[f"seen_{clock}"] / one[clock]).values
    told = np.isfinite(share)
    # The band before any checkpoint is so much wider that it would flatten all others.
    told &= (share > 0) | (told.sum() == 1)
    x, lower, middle, upper = (np.asarray(v)[told] for v in (share, one["lower"], one["median"], one["upper"]))
    ax.fill_between(x, lower, upper, color=FIRST, alpha=0.2, linewidth=0)
    ax.plot(x, middle, color=FIRST, marker="o", markersize=3)
    if known is not None:
        ax.axhline(known, color=INK, linestyle="--", linewidth=1.3)
        ax.annotate(f"came out at {known:.4g}", (x[0], known), xytext=(0, 3), textcoords="offset points", fontsize=8.5)
    if "safe_from" in one and np.isfinite(float(one["safe_from"])):
        at = float(one["safe_from"]) / float(one[clock])
        ax.axvline(at, color=MUTED, linestyle=":", label="may be stopped from here")
        legend_on_top(ax, 1)
    ax.set_xlabel("share of the run that was seen")
    ax.set_ylabel(f"its last loss ({answer.attrs['loss_unit']})\nmedian and {100 * answer.attrs['prob']:g}% band")
    ax.set_title(name)
    return ax


def plot_ends(found: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how far each run came out from its predicted median, against its band.

    Parameters
    ----------
    found : pandas.DataFrame
        A row for each run: low, median, high, came_out; and set, what they belong to.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> from bayescale.plots.finish import plot_ends
    >>> rows = pd.DataFrame({"set": "x", "low": [2.0], "median": [2.1], "high": [2.2], "came_out": [2.15]})
    >>> plot_ends(rows).get_title()
    '1 of 1 within their bands'
    """
    ax = axes(ax)
    rows = found.assign(width=(found["high"] - found["low"]) / found["median"]).sort_values(["set", "width"])
    off = [100 * (rows[name] / rows["median"] - 1).to_numpy() for name in ("low", "high", "came_out")]
    place = np.arange(len(rows))
    held = (off[0] <= off[2]) & (off[2] <= off[1])
    ax.vlines(place, off[0], off[1], color=FIRST, alpha=0.35, linewidth=2)
    ax.plot(place[held], off[2][held], "o", color=INK, markersize=3)
    ax.plot(place[~held], off[2][~held], "o", color=MISSED, markersize=3)
    names = rows["set"].to_numpy()
    logs = list(dict.fromkeys(names))
    ax.set_xticks([float(place[names == name].mean()) for name in logs], logs)
    ax.tick_params(axis="x", length=0)
    ax.set_xlabel("runs, by the width of their band")
    ax.set_ylabel("last loss against the median, %")
    ax.set_title(f"{int(held.sum())} of {len(rows)} within their bands")
    return ax
