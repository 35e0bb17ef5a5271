import numpy as np
import pytest
from matplotlib.figure import Figure
from pinned import BESIROGLU, ROUNDED, pinned_fit

from bayescale.answers.off_optimal import convergence_gap, off_optimal
from bayescale.errors import QuestionError
from bayescale.plots import plot_convergence_gap, plot_off_optimal, style


@pytest.fixture
def ax():
    with style():
        yield Figure(layout="constrained").subplots()


def test_a_curve_for_each_budget_with_its_least_at_the_best_size(ax):
    answer = off_optimal(pinned_fit(spread=0.05, draws=20), [1e22, 1e25], [0.5, 0.8, 1.0, 1.5, 3.0])
    assert plot_off_optimal(answer, ax=ax) is ax
    ax.figure.canvas.draw()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["1e+22 FLOP", "1e+25 FLOP"]
    curve = ax.lines[0]
    np.testing.assert_allclose(curve.get_xdata(), answer["factor"])
    assert np.argmin(curve.get_ydata()) == 2
    np.testing.assert_allclose(curve.get_ydata(), answer["extra_compute"].isel(point=0).median(("chain", "draw")))
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0.5x", "1x", "2x", "3x"]


def test_a_size_that_never_gets_there_leaves_the_figure_at_the_top(ax):
    # Below 0.146 times the best size Besiroglu et al.'s law never comes to the optimal loss.
    plot_off_optimal(off_optimal(pinned_fit(draws=4), 1e24, [0.1, 0.5, 1, 2]), ax=ax)
    top = ax.get_ylim()[1]
    assert np.isfinite(top)
    assert top < ax.lines[0].get_ydata()[0] < np.inf


def test_the_gap_to_convergence_starts_at_zero_and_marks_the_last_run(ax):
    answer = convergence_gap(pinned_fit(spread=0.05, draws=20), [1e20, 1e22, 1e24])
    assert plot_convergence_gap(answer, ax=ax) is ax
    ax.figure.canvas.draw()
    assert ax.get_ylim()[0] == 0
    np.testing.assert_allclose(ax.lines[0].get_ydata(), answer["gap"].median(("chain", "draw")))
    assert ax.get_yticklabels()[1].get_text().endswith("%")
    assert any("no runs" in text.get_text() for text in ax.texts)


def test_a_figure_of_several_families_asks_which(ax):
    fit = pinned_fit(families={"old": ROUNDED, "new": BESIROGLU}, draws=3)
    for plot, answer in (
        (plot_off_optimal, off_optimal(fit, 1e23)),
        (plot_convergence_gap, convergence_gap(fit, 1e23)),
    ):
        with pytest.raises(QuestionError, match="one of: new, old"):
            plot(answer, ax=ax)
        plot(answer, family="old", ax=ax)
