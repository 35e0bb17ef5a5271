"""One verdict on the bands, of backtests made by hand."""

import numpy as np
import pytest
import xarray as xr
from trust.test_grade import backtested

from bayescale.report.numbers import _backtest
from bayescale.report.words import held_text, judgement, nearest_test
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
    n = {"backtest": {"forecast": _backtest("forecast", held, {"decades_beyond": beyond, "family_decades_beyond": of})}}
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
    assert held_text(*nearest_test(n, "forecast")) == "2 of 6 times about 100x out for y"
    assert record_of(held, 2.0).verdict == "held"


def test_the_worst_is_by_verdict_and_then_by_level_and_the_first_of_those_alike():
    few, failed, wrong, held = (record_of(backtested(*counts), 1.0) for counts in ((0, 2), (15, 20), (5, 20), (20, 20)))
    assert worst_of([held, few]) is few
    assert worst_of([few, failed, held]) is failed
    assert worst_of([failed, wrong]) is wrong
    assert [VERDICTS.index(one.verdict) for one in (held, few, failed, wrong)] == [0, 2, 3, 3]
