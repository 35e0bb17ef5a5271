import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from bayescale import plots
from bayescale.plots import plot_calibration
from bayescale.plots.style import MISSED

SHARE = np.linspace(0, 1, 5)
LINES = {"alpha": [0, 0.02, 0, -0.02, 0], "beta": [0, 0.01, 0.01, 0, 0], "sigma": [0, 0.2, 0.3, 0.1, 0]}


@pytest.fixture
def found():
    """Three parameters, of which sigma lies outside."""
    band = 0.1 * np.sin(np.pi * SHARE)
    columns = {
        "difference": (("parameter", "share"), np.array(list(LINES.values()))),
        "lower": ("share", -band),
        "upper": ("share", band),
        "outside": ("parameter", [False, False, True]),
    }
    return xr.Dataset(columns, coords={"parameter": list(LINES), "share": SHARE}, attrs={"prob": 0.99})


@pytest.fixture
def ax():
    with plots.style():
        yield Figure(layout="constrained").subplots()


def test_every_parameter_is_drawn_and_those_outside_are_named(found, ax):
    assert plot_calibration(found, ax=ax) is ax
    ax.figure.canvas.draw()
    said = [text.get_text() for text in ax.get_legend().get_texts()]
    assert said == ["99% of sound posteriors", "inside: alpha, beta", "sigma: outside"]
    drawn = {tuple(line.get_ydata()) for line in ax.lines}
    assert {tuple(line) for line in LINES.values()} <= drawn
    outside = next(line for line in ax.lines if line.get_label() == "sigma: outside")
    assert outside.get_ydata().tolist() == LINES["sigma"]
    assert outside.get_color() == MISSED
    low, high = ax.get_ylim()
    assert low < -0.1
    assert high > 0.3


def test_the_band_is_that_of_the_answer(found, ax):
    plot_calibration(found, ax=ax)
    corners = ax.collections[0].get_paths()[0].vertices
    assert corners[:, 1].max() == pytest.approx(0.1)
    assert corners[:, 1].min() == pytest.approx(-0.1)


def test_many_are_counted_rather_than_named(found, ax):
    many = found.isel(parameter=[0] * 7)
    plot_calibration(many, ax=ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()][1] == "inside: 7 quantities"
