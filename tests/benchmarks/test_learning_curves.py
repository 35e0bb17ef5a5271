"""What docs/curves.md says of real curves: no rate of logging narrows an answer, and runs end inside their bands."""

import pytest

import bayescale as bs
from benchmarks.sets import AbsentError
from docs import make_curves


@pytest.fixture(scope="module")
def gemstones():
    try:
        return make_curves.gemstones()
    except AbsentError as error:
        pytest.skip(f"needs public runs that may not be kept here: {error}")


@pytest.mark.slow
def test_no_rate_of_logging_narrows_the_answer(gemstones):
    rates = make_curves.logging_rates(gemstones)
    assert rates["converged"].all()
    widths = rates[[name for name in rates if name.endswith("_width")]]
    assert (widths.max() / widths.min() < 1.15).all()


@pytest.mark.slow
def test_runs_end_inside_the_bands_of_their_first_part(gemstones):
    found, _ = zip(
        make_curves.ends("gemstones", gemstones),
        make_curves.ends("tinylm", bs.load_shipped_curves("tinylm")),
        strict=True,
    )
    held = [((rows["low"] <= rows["came_out"]) & (rows["came_out"] <= rows["high"])) for rows in found]
    inside = sum(each.sum() for each in held) / sum(each.size for each in held)
    assert 0.85 <= inside <= 0.95
