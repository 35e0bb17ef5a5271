"""A run in progress: the band of its last loss as it trains, and how such bands came out."""

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from bayescale.plots.drawing import NEW, on_axes, put_legend_on_top, write_text
from bayescale.plots.style import FIRST, INK, MISSED, MUTED


@on_axes
def plot_finish(answer: xr.Dataset, *, run: str | None = None, known: float | None = None, ax: Axes = NEW) -> None:
    """Draw what was known of the last loss of a run after each of its checkpoints.

    Parameters
    ----------
    answer : xarray.Dataset
        From `finish`.
    run : str, optional
        The name of the run; by default the first run.
    known : float, optional
        The last loss of the run, where it is known by now.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from bayescale.plots import plot_finish
    >>> band = {name: (("run", "seen"), [value]) for name, value in
    ...         {"lower": [2.0, 2.4], "median": [2.5, 2.5], "upper": [3.0, 2.6], "seen_tokens": [0.0, 1e9]}.items()}
    >>> answer = xr.Dataset(band, {"run": ["a"], "tokens": ("run", [4e9])}, {"prob": 0.9, "loss_unit": "nats/token"})
    >>> plot_finish(answer).get_xlabel()
    'share of the run that was seen'
    """
    name = str(answer["run"].values[0]) if run is None else run
    of_run = answer.sel(run=name)
    clock = "tokens" if "tokens" in of_run.coords else "step"
    share = (of_run[f"seen_{clock}"] / of_run[clock]).values
    shown = np.isfinite(share)
    # The band before the first checkpoint is so wide that it would flatten all others.
    shown &= (share > 0) | (shown.sum() == 1)
    x, lower, middle, upper = (
        np.asarray(values)[shown] for values in (share, of_run["lower"], of_run["median"], of_run["upper"])
    )
    ax.fill_between(x, lower, upper, color=FIRST, alpha=0.2, linewidth=0)
    ax.plot(x, middle, color=FIRST, marker="o", markersize=3)
    if known is not None:
        ax.axhline(known, color=INK, linestyle="--", linewidth=1.3)
        write_text(ax, f"came out at {known:.4g}", (x[0], known), shift=(0, 3), fontsize=8.5, color=INK)
    if "safe_from" in of_run and np.isfinite(float(of_run["safe_from"])):
        at = float(of_run["safe_from"]) / float(of_run[clock])
        ax.axvline(at, color=MUTED, linestyle=":", label="may be stopped from here")
        put_legend_on_top(ax, 1)
    ax.set_xlabel("share of the run that was seen")
    ax.set_ylabel(f"its last loss ({answer.attrs['loss_unit']})\nmedian and {100 * answer.attrs['prob']:g}% band")
    ax.set_title(name)


@on_axes
def plot_ends(predicted: pd.DataFrame, *, ax: Axes = NEW) -> None:
    """Draw how far each run came out from its predicted median, against its band.

    Parameters
    ----------
    predicted : pandas.DataFrame
        A row for each run, with the columns low, median, high, came_out, and set: the log that the run is from.

    Examples
    --------
    >>> import pandas as pd
    >>> from bayescale.plots import plot_ends
    >>> rows = pd.DataFrame({"set": "x", "low": [2.0], "median": [2.1], "high": [2.2], "came_out": [2.15]})
    >>> plot_ends(rows).get_title()
    '1 of 1 within their bands'
    """
    width = (predicted["high"] - predicted["low"]) / predicted["median"]
    rows = predicted.assign(width=width).sort_values(["set", "width"])
    low, high, outcome = (100 * (rows[name] / rows["median"] - 1).to_numpy() for name in ("low", "high", "came_out"))
    place = np.arange(len(rows))
    inside = (low <= outcome) & (outcome <= high)
    ax.vlines(place, low, high, color=FIRST, alpha=0.35, linewidth=2)
    ax.plot(place[inside], outcome[inside], "o", color=INK, markersize=3)
    ax.plot(place[~inside], outcome[~inside], "o", color=MISSED, markersize=3)
    names = rows["set"].to_numpy()
    logs = list(dict.fromkeys(names))
    ax.set_xticks([float(place[names == name].mean()) for name in logs], logs)
    ax.tick_params(axis="x", length=0)
    ax.set_xlabel("runs, by the width of their band")
    ax.set_ylabel("last loss against the median, %")
    ax.set_title(f"{int(inside.sum())} of {len(rows)} within their bands")
