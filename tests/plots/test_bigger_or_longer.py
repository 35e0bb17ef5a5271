import numpy as np
import pytest
from matplotlib.figure import Figure
from pinned import BESIROGLU, ROUNDED, pinned_fit

from bayescale.answers.bigger_or_longer import bigger_or_longer
from bayescale.errors import QuestionError
from bayescale.plots import plot_bigger_or_longer, style


@pytest.fixture
def ax():
    with style():
        yield Figure(layout="constrained").subplots()


def test_each_run_has_both_falls_and_the_probability(ax):
    answer = bigger_or_longer(pinned_fit(spread=0.05), ["70B", "1B", "280B"], ["1.4T", "1.4T", "300B"])
    assert plot_bigger_or_longer(answer, ax=ax) is ax
    ax.figure.canvas.draw()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "bigger: into parameters",
        "longer: into tokens",
    ]
    ticks = [tick.get_text() for tick in ax.get_yticklabels()]
    assert ticks == ["N = 70B\nD = 1.4T", "N = 1B\nD = 1.4T", "N = 280B\nD = 300B"]
    for line, name in zip(ax.lines, ("fall_bigger", "fall_longer"), strict=True):
        np.testing.assert_allclose(line.get_xdata(), answer[name].median(("chain", "draw")))
    shares = [text.get_text().removeprefix("bigger buys more: ") for text in ax.texts]
    assert shares == [f"{100 * float(answer['probability_bigger'][0]):.0f}%", "100%", "0%"]
    assert ax.get_xlabel() == "fall of the loss per unit of ln C (nats/token)"


def test_only_what_no_draw_contradicts_is_called_all_or_none(ax):
    answer = bigger_or_longer(pinned_fit(spread=0.05, draws=2), [1e9, 1e9], [2e10, 2e10])
    answer["probability_bigger"] = ("point", np.array([0.998, 0.002]))
    plot_bigger_or_longer(answer, ax=ax)
    assert [text.get_text() for text in ax.texts] == ["bigger buys more: > 99%", "bigger buys more: < 1%"]


def test_a_figure_of_several_families_asks_which(ax):
    answer = bigger_or_longer(pinned_fit(families={"old": ROUNDED, "new": BESIROGLU}, draws=3), "70B", "1.4T")
    with pytest.raises(QuestionError, match="one of: new, old"):
        plot_bigger_or_longer(answer, ax=ax)
    plot_bigger_or_longer(answer, family="new", ax=ax)
    assert len(ax.get_yticks()) == 1
