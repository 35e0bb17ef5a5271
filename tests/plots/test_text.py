import pytest

from bayescale.design.prior_predictive import prior_predictive
from bayescale.plots.text import DARK, HEIGHT, LIGHT, MOST, picture
from bayescale.plots.ticks import round_ticks


@pytest.mark.parametrize(("card", "rows"), [("zhang", 1), ("chinchilla", 1), ("width-depth", 2), ("precision-post", 2)])
@pytest.mark.parametrize("width", [80, 100])
def test_a_picture_fits_the_terminal(card, rows, width):
    lines = picture(prior_predictive(card, draws=200), width).splitlines()
    assert len(lines) == HEIGHT * rows
    assert max(map(len, lines)) <= width
    assert all(any(shade in line for line in lines) for shade in (LIGHT, DARK))


def test_the_same_prior_gives_the_same_picture():
    prior, other = prior_predictive("kaplan"), prior_predictive("loss-to-error")
    first = picture(prior)
    assert picture(other) != first
    assert picture(prior) == first
    assert "\x1b" not in first


def test_the_line_is_the_median():
    prior = prior_predictive("zhang", draws=50)
    prior["expected_accuracy"] = prior["expected_accuracy"] * 0 + 0.5
    rows = picture(prior).splitlines()
    drawn = [i for i, line in enumerate(rows) if any("\u2800" < c <= "\u28ff" for c in line)]
    assert len(drawn) == 1
    ticks = {line.strip().partition("┤")[0]: i for i, line in enumerate(rows) if "┤" in line}
    assert ticks["0.6"] < drawn[0] <= ticks["0.4"]


@pytest.mark.parametrize(
    ("low", "high", "on_log", "wanted"),
    [
        (1.3, 9.0, True, [2, 3, 4, 6, 8]),
        (0.9, 25.0, True, [1, 2, 5, 10, 20]),
        (1e7, 1e11, True, [1e7, 1e8, 1e9, 1e10, 1e11]),
        (0.9, 1e5, True, [1, 10, 100, 1e3, 1e4, 1e5]),
        (1e3, 1e12, True, [1e3, 1e5, 1e7, 1e9, 1e11]),
        (2.0, 16.0, False, [4, 8, 12, 16]),
        (0.0, 1.0, False, [0, 0.2, 0.4, 0.6, 0.8, 1]),
    ],
)
def test_ticks_are_few_and_round(low, high, on_log, wanted):
    found = round_ticks(low, high, on_log, MOST)
    assert found == pytest.approx(wanted)
    assert len(found) <= MOST
