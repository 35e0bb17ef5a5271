import numpy as np
import pytest
from matplotlib.figure import Figure

from bayescale.answers.crossing import kaplan_crossing
from bayescale.plots import plot_crossing, style


@pytest.fixture
def ax():
    with style():
        yield Figure(layout="constrained").subplots()


def labels(ax):
    ax.figure.canvas.draw()
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_both_curves_and_the_cloud_are_drawn(ax):
    answer = kaplan_crossing({"alpha_C": 0.01, "alpha_D": 0.01}, draws=400)
    assert plot_crossing(answer, ax=ax) is ax
    share = 100 * float(answer["probability"])
    assert labels(ax) == ["L(C): this compute", "L(D(C)): its tokens", f"crossing: {share:.3g}% of draws"]
    cloud = ax.collections[-1].get_offsets()
    crossed = answer["compute"].values[np.isfinite(answer["compute"].values)]
    assert len(cloud) == crossed.size < 400
    np.testing.assert_allclose(np.sort(cloud[:, 0]), np.sort(crossed))
    assert ax.get_ylabel() == "loss (nats/token)"
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_the_lines_are_the_medians(ax):
    answer = kaplan_crossing({"alpha_C": 0.002}, draws=300)
    plot_crossing(answer, ax=ax)
    for line, name in zip(ax.lines, ("loss_of_compute", "loss_of_tokens"), strict=True):
        np.testing.assert_allclose(line.get_ydata(), answer[name].median("sample"))
        np.testing.assert_allclose(line.get_xdata(), answer["at_compute"])


def test_constants_without_errors_are_one_point(ax):
    plot_crossing(kaplan_crossing(), ax=ax)
    assert len(ax.collections[-1].get_offsets()) == 1


def test_where_nothing_crosses_no_cloud_is_drawn(ax):
    plot_crossing(kaplan_crossing(b=0.6), ax=ax)
    assert labels(ax) == ["L(C): this compute", "L(D(C)): its tokens"]
