"""The prior predictive as text, for a terminal."""

from typing import Any

import numpy as np
import xarray as xr

from bayescale.answers import bands
from bayescale.laws import scale_of
from bayescale.numbers import human_number
from bayescale.plots.ticks import count_panels, is_wide, limit_response, round_ticks

HEIGHT, ALONE = 14, 60
COLUMNS = 120  # more than a panel has, so that no column of a band stays empty
MOST = 7  # ticks on an axis
FRAME = 8  # columns of a panel that its ticks and frame take
LIGHT, DARK, LINE = "░", "▒", "braille"
KEY = f"{LIGHT} 95% of draws, {DARK} 50%, line: the median"


def picture(prior: xr.Dataset, width: int = 100) -> str:
    """Draw what a card expects along each input as text: the median and the 50 and 95% bands, a panel for each input.

    Parameters
    ----------
    prior : xarray.Dataset
        From `prior_predictive`.
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
    import plotext

    names = [str(name) for name in prior["input"].values]
    across, down = count_panels(len(names))
    figure = plotext.figure
    figure.clear.all()
    plotext.terminal.limit(False, False)
    figure.plot_size(min(width, ALONE) if len(names) == 1 else width, HEIGHT * down)
    panels = [figure]
    if len(names) > 1:
        figure.subplots(down, across)
        panels = [figure.subplot(i // across + 1, i % across + 1) for i in range(len(names))]
    for panel, name in zip(panels, names, strict=True):
        _draw_panel(panel, prior.sel(input=name), limit_response(prior), width // across - FRAME)
    text = figure.build().string(colorless=True)
    figure.clear.all()
    return "\n".join(line.rstrip() for line in text.splitlines())


def _draw_panel(panel: Any, prior: xr.Dataset, axis: tuple[float, float, bool], room: int) -> None:
    low, high, log_response = axis
    x = prior["value"].values
    limits = bands(prior[f"expected_{prior.attrs['response']}"], (0.5, 0.95), dim=("draw",))
    # The logarithms are taken here, as the log axis of plotext does not keep the limits that it is given.
    places = _scale_values(x, is_wide(x))
    at = np.linspace(places[0], places[-1], COLUMNS)
    label = scale_of(str(prior["input"].values)).meaning.partition(" (")[0]
    panel.label(label if len(label) <= room else f"{label[: room - 1]}…", "x")
    _set_ruler(panel.ruler("x", "lower"), x[0], x[-1], is_wide(x))
    _set_ruler(panel.ruler("y", "left"), low, high, log_response)

    def line(y: xr.DataArray, marker: str) -> Any:
        heights = np.interp(at, places, _scale_values(np.clip(y.values, low, high), log_response))
        return panel.signal(at.tolist(), heights.tolist(), marker=marker)

    for prob, marker in ((0.95, LIGHT), (0.5, DARK)):
        upper, lower = (line(limits[side].sel(prob=prob), marker) for side in ("upper", "lower"))
        panel.draw(upper.fill(lower))
    panel.draw(line(limits["median"], LINE).lines())


def _scale_values(values: Any, on_log: bool) -> np.ndarray:
    return np.log10(values) if on_log else np.asarray(values, dtype=float)


def _set_ruler(ruler: Any, low: float, high: float, on_log: bool) -> None:
    ticks = round_ticks(low, high, on_log, MOST)
    ruler.lim(*_scale_values([low, high], on_log).tolist())
    ruler.ticks(_scale_values(ticks, on_log).tolist(), [human_number(tick) for tick in ticks])
