"""The prior predictive as text, for a terminal."""

import math
from typing import Any

import numpy as np
import plotext
import xarray as xr
from matplotlib.ticker import MaxNLocator

from bayescale.answers import bands
from bayescale.laws import scale_of
from bayescale.numbers import human_number
from bayescale.plots.prior_predictive import ROUND_STEPS, is_wide, response_axis

HEIGHT, ALONE = 14, 60
COLUMNS = 120  # more than a panel has, so that no column of a band stays empty
MOST = 7  # ticks on an axis
FRAME = 8  # columns of a panel that its ticks and frame take
LIGHT, DARK, LINE = "░", "▒", "braille"
KEY = f"{LIGHT} 95% of draws, {DARK} 50%, line: the median"


def picture(prior: xr.Dataset, width: int = 100) -> str:
    """Return what a card expects along each input as text: the median and the 50 and 95% bands, a panel each.

    Parameters
    ----------
    prior : xarray.Dataset
        `prior_predictive`.
    width : int
        Columns of the terminal.

    Returns
    -------
    str

    Examples
    --------
    >>> from bayescale.design.prior_predictive import prior_predictive
    >>> from bayescale.plots.text import picture
    >>> "model size" in picture(prior_predictive("chinchilla"))
    True
    """
    names = [str(name) for name in prior["input"].values]
    across = 2 if len(names) == 4 else min(len(names), 3)
    down = -(-len(names) // across)
    figure = plotext.figure
    figure.clear.all()
    plotext.terminal.limit(False, False)
    figure.plot_size(min(width, ALONE) if len(names) == 1 else width, HEIGHT * down)
    panels = [figure]
    if len(names) > 1:
        figure.subplots(down, across)
        panels = [figure.subplot(i // across + 1, i % across + 1) for i in range(len(names))]
    for panel, name in zip(panels, names, strict=True):
        _draw_panel(panel, prior.sel(input=name), response_axis(prior), width // across - FRAME)
    text = figure.build().string(colorless=True)
    figure.clear.all()
    return "\n".join(line.rstrip() for line in text.splitlines())


def _draw_panel(panel: Any, one: xr.Dataset, axis: tuple[float, float, bool], room: int) -> None:
    low, high, log_response = axis
    x = one["value"].values
    found = bands(one[f"expected_{one.attrs['response']}"], (0.5, 0.95), dim=("draw",))
    # The logarithms are taken here: plotext's own log axis does not keep the limits that it is given.
    places = _scaled(x, is_wide(x))
    at = np.linspace(places[0], places[-1], COLUMNS)
    label = scale_of(str(one["input"].values)).meaning.partition(" (")[0]
    panel.label(label if len(label) <= room else f"{label[: room - 1]}…", "x")
    _set_ruler(panel.ruler("x", "lower"), x[0], x[-1], is_wide(x))
    _set_ruler(panel.ruler("y", "left"), low, high, log_response)

    def line(y: xr.DataArray, marker: str) -> Any:
        heights = np.interp(at, places, _scaled(np.clip(y.values, low, high), log_response))
        return panel.signal(at.tolist(), heights.tolist(), marker=marker)

    for prob, marker in ((0.95, LIGHT), (0.5, DARK)):
        upper, lower = (line(found[side].sel(prob=prob), marker) for side in ("upper", "lower"))
        panel.draw(upper.fill(lower))
    panel.draw(line(found["median"], LINE).lines())


def _scaled(values: Any, on_log: bool) -> np.ndarray:
    return np.log10(values) if on_log else np.asarray(values, dtype=float)


def _set_ruler(ruler: Any, low: float, high: float, on_log: bool) -> None:
    ticks = _ticks(low, high, on_log)
    ruler.lim(*_scaled([low, high], on_log).tolist())
    ruler.ticks(_scaled(ticks, on_log).tolist(), [human_number(tick) for tick in ticks])


def _ticks(low: float, high: float, on_log: bool) -> list[float]:
    """Return at most `MOST` round values between the limits."""
    if not on_log:
        found = MaxNLocator(MOST - 1, steps=ROUND_STEPS).tick_values(low, high)
        return [float(tick) for tick in found if low <= tick <= high]
    decades = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    for factors in ((1, 2, 3, 4, 6, 8), (1, 2, 5), (1, 3), (1,)):
        ticks = [factor * 10.0**k for k in (decades.start - 1, *decades) for factor in factors]
        ticks = [tick for tick in ticks if low / 1.001 <= tick <= high * 1.001]
        if len(ticks) <= MOST:
            return ticks
    return ticks[:: -(-len(ticks) // MOST)]
