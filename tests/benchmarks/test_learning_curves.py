"""What docs/curves.md says of real curves: no rate of logging narrows an answer, and runs end inside their bands."""

import pytest

from docs import make_curves


def inside(found):
    return ((found["low"] <= found["came_out"]) & (found["came_out"] <= found["high"])).mean()


@pytest.mark.slow
def test_no_rate_of_logging_narrows_the_answer(shared_data):
    rates = make_curves.logging_rates(make_curves.gemstones())
    assert rates["converged"].all()
    widths = rates[[name for name in rates if name.endswith("_width")]]
    assert (widths.max() / widths.min() < 1.15).all()


@pytest.mark.slow
def test_runs_end_inside_the_bands_of_their_first_part(shared_data):
    assert 0.85 <= inside(make_curves.runs_in_progress()[0]) <= 0.95


@pytest.mark.slow
def test_runs_cool_down_to_what_their_hot_checkpoints_promise(shared_data):
    # Of 20 sound bands 15 or fewer hold once in 25.
    assert inside(make_curves.runs_cooled()) > 0.75
