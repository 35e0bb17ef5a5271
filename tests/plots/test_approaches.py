import numpy as np
import pytest
import xarray as xr
from approaches.test_approaches import line_fit, made_up_answer
from matplotlib.figure import Figure

from bayescale import plots
from bayescale.approaches import profile_curves
from bayescale.plots import plot_agreement, plot_best_sizes, plot_exponents, plot_ladder, plot_profiles


@pytest.fixture
def ax():
    with plots.style():
        yield Figure(layout="constrained").subplots()


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_exponents_have_a_row_for_each_approach_beside_the_published(ax):
    plot_exponents(made_up_answer(), ax=ax)
    ax.figure.canvas.draw()
    assert [tick.get_text() for tick in ax.get_yticklabels()] == [
        "1: envelope",
        "2: IsoFLOP, parabola",
        "2: IsoFLOP, corrected",
        "3: parametric law",
    ]
    middles = [line.get_xdata()[0] for line in ax.lines if line.get_markerfacecolor() == "white"]
    assert middles == pytest.approx([0.52, 0.51, 0.50, 0.49], abs=0.003)
    published = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o" and line.get_markersize() == 4]
    assert published == [0.50, 0.49, 0.49, 0.46]  # Hoffmann et al. 2022, Table 2
    assert labels(ax) == ["Hoffmann et al., their runs (10 to 90%)"]


def test_the_published_estimates_can_be_left_out(ax):
    plot_exponents(made_up_answer(), published=False, ax=ax)
    assert ax.get_legend() is None


def test_best_sizes_stand_side_by_side_at_each_budget(ax):
    plot_best_sizes(made_up_answer(), ax=ax)
    ax.figure.canvas.draw()
    assert len(labels(ax)) == 4
    first = ax.lines[0].get_xdata()
    assert (first < [1e21, 1e23]).all()
    assert ax.get_xscale() == ax.get_yscale() == "log"


def test_profiles_show_runs_shapes_and_minima(ax):
    curves = profile_curves(line_fit(), points=101)
    plot_profiles(curves, ax=ax)
    ax.figure.canvas.draw()
    assert labels(ax) == ["1e19 FLOP", "1e20 FLOP", "1e21 FLOP"]
    minima = ax.lines[-1]
    assert minima.get_xdata() == pytest.approx([1e9 * 0.1**0.5, 1e9, 1e9 * 10**0.5])
    assert minima.get_ydata() == pytest.approx([2.6, 2.4, 2.2])
    assert sum(len(c.get_offsets()) for c in ax.collections if hasattr(c, "get_sizes") and len(c.get_sizes())) == 15


def test_agreement_marks_the_runs_among_the_replicates(ax):
    plot_agreement(made_up_answer(), ax=ax)
    assert labels(ax) == ["simulated from the law", "the runs (tail 0.4)"]
    assert ax.lines[0].get_xdata()[0] == 0.5
    assert sum(patch.get_height() for patch in ax.patches) == pytest.approx(296, abs=3)


def test_a_ladder_has_its_published_values(ax):
    a = np.random.default_rng(1).normal([0.84, 0.7, 0.5], 0.01, (2, 100, 3))
    answer = xr.Dataset(
        {"a": (("chain", "draw", "experiment"), a), "published": ("experiment", [0.835, 0.706, 0.497])},
        coords={"experiment": ["Kaplan", "head", "tuned"]},
    )
    plot_ladder(answer, ax=ax)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["Kaplan", "head", "tuned"]
    assert labels(ax) == ["published"]
    dots = next(line for line in ax.lines if line.get_label() == "published")
    assert dots.get_xdata().tolist() == [0.835, 0.706, 0.497]
