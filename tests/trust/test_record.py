"""One verdict on the bands, of backtests made by hand."""

import numpy as np
import pytest
import xarray as xr
from trust.test_grade import backtested

from bayescale.report.numbers import backtest_numbers
from bayescale.report.words.extrapolation import record_text
from bayescale.report.words.phrases import deciding_test, held_text, judgement
from bayescale.trust import grade
from bayescale.trust.record import VERDICTS, record_of, worst_of


def both(far, near):
    """A backtest at one cut-off: bands that held (inside, of) as far out as it says, and the same just beyond it."""
    parts = [backtested(*far, 100.0), backtested(*near, 100.0)]
    parts[1]["decades_beyond"] = ("held_out", np.full(near[1], 0.5))
    return xr.concat(parts, "held_out", data_vars="minimal")


def letter_and_words(held, beyond=2.0, families=None):
    """What the grade and the report say of one backtest: the level, or that of each family, and the verdict."""
    of = dict.fromkeys(families or ["all"], beyond)
    held = (
        held if "family" in held.coords else held.assign_coords(family=("held_out", ["all"] * held.sizes["held_out"]))
    )
    answer = xr.Dataset(
        {"expected_loss": ("point", [2.0])}, {"decades_beyond": ("point", [beyond])}, {"verdict": "converged"}
    )
    levels = [grade(answer, held, family=name if families else None).parts[2].level for name in of]
    n = {
        "backtest": {
            "forecast": backtest_numbers("forecast", held, {"decades_beyond": beyond, "family_decades_beyond": of})
        }
    }
    return levels if families else levels[0], judgement(n, "forecast"), n


@pytest.mark.parametrize(
    ("far", "near", "level", "verdict"),
    [
        ((6, 6), (40, 42), "good", "held"),
        ((5, 6), (25, 42), "fair", "failed"),  # 30 of 48 in all, which the grade did not see
        ((6, 6), (10, 42), "poor", "failed"),
        ((0, 6), (42, 42), "poor", "failed"),
        ((4, 6), (42, 42), "fair", "failed"),
        ((0, 2), (40, 42), "fair", "few"),
        ((2, 2), (10, 42), "poor", "failed"),
        ((0, 1), (1, 3), "fair", "few"),
        ((0, 0), (40, 42), "fair", "few"),
    ],
)
def test_the_letter_and_the_words_are_of_one_verdict(far, near, level, verdict):
    assert letter_and_words(both(far, near))[:2] == (level, verdict)


def test_what_decided_is_said():
    said = record_of(both((5, 6), (25, 42)), 2.0).sentence
    assert said == "about 100x out on these runs 90% bands held 5 of 6, and 30 of 48 in all"
    said = record_of(both((0, 6), (42, 42)), 2.0).sentence
    assert said == "about 100x out on these runs 90% bands held 0 of 6"
    said = record_of(both((0, 0), (40, 42)), 2.0).sentence
    assert said == "on the way to 100x out on these runs 90% bands held 40 of 42: too few to say"


def test_a_family_that_failed_alone_is_told_of_where_all_together_held():
    held = xr.concat([backtested(40, 40, 100.0), backtested(2, 6, 100.0)], "held_out", data_vars="minimal")
    held = held.assign_coords(family=("held_out", np.repeat(["x", "y"], [40, 6])))
    levels, verdict, n = letter_and_words(held, families=["x", "y"])
    assert (levels, verdict) == (["good", "poor"], "failed")
    assert n["backtest"]["forecast"]["record"] == {"verdict": "failed", "factor": "100", "family": "y"}
    assert held_text(*deciding_test(n, "forecast")) == "2 of 6 times about 100x out for y"
    assert record_of(held, 2.0).verdict == "held"


def at_each(counts):
    """A backtest whose bands held (inside, of) at each cut-off, all of the runs as far out as it says."""
    parts = [backtested(*count, factor) for factor, count in counts.items()]
    return xr.concat(parts, "held_out", data_vars="minimal")


@pytest.mark.parametrize("beyond", [1.0, 2.0, np.inf])
def test_bands_that_failed_at_any_cut_off_count_and_every_cut_off_is_told(beyond):
    found = record_of(at_each({3.0: (1, 15), 10.0: (15, 15)}), beyond)
    assert (found.verdict, found.level, found.factor) == ("failed", "poor", 3.0)
    assert found.sentence == "about 10x out on these runs 90% bands held 15 of 15, about 3x out 1 of 15"
    # Farther than the question is a test of the same way to predict.
    assert record_of(at_each({10.0: (15, 15), 100.0: (1, 15)}), 1.0).level == "poor"


def test_what_chance_explains_at_another_cut_off_does_not_count():
    # 4 of 6 alone is seen in 11% of bands that hold 90%, 15 of 20 in 4%, which of two cut-offs is 9%.
    for count in ((1, 2), (4, 6), (15, 20)):
        assert record_of(at_each({3.0: count, 10.0: (15, 15)}), 1.0).level == "good"
    assert record_of(at_each({3.0: (14, 20), 10.0: (15, 15)}), 1.0).level == "fair"
    # At the question's own cut-off no such allowance is made.
    assert record_of(at_each({3.0: (15, 15), 10.0: (15, 20)}), 1.0).level == "fair"


def test_the_words_are_of_the_cut_off_that_decided():
    held = at_each({3.0: (1, 15), 10.0: (15, 15)})
    level, verdict, n = letter_and_words(held, beyond=1.0)
    assert (level, verdict) == ("poor", "failed")
    assert n["backtest"]["forecast"]["record"]["factor"] == "3"
    assert held_text(*deciding_test(n, "forecast")) == "1 of 15 times about 3x out"
    assert record_text(n, "forecast") == "1 of 15 at 3x, 15 of 15 at 10x"


def test_the_worst_is_by_verdict_and_then_by_level_and_the_first_of_those_alike():
    few, failed, wrong, held = (record_of(backtested(*counts), 1.0) for counts in ((0, 2), (15, 20), (5, 20), (20, 20)))
    assert worst_of([held, few]) is few
    assert worst_of([few, failed, held]) is failed
    assert worst_of([failed, wrong]) is wrong
    assert [VERDICTS.index(one.verdict) for one in (held, few, failed, wrong)] == [0, 2, 3, 3]
