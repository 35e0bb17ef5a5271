import numpy as np
import pytest

from bayescale.errors import QuestionError
from bayescale.laws import get_law
from bayescale.laws.annealing import learning_rate_areas

LAW = get_law("annealing")
PAPER = {"L0": 2.6, "A": 0.5, "alpha": 0.5, "C": 0.4}  # made up: no published fit is at hand
STEPS = np.arange(400)
SCHEDULES = {
    "cosine": 3e-4 * np.minimum(STEPS / 40, 0.5 * (1 + np.cos(np.pi * STEPS / 400))),
    "warmup, stable, decay": 3e-4 * np.clip(np.minimum(STEPS / 40, (400 - STEPS) / 80), 0, 1),
    "steps": np.repeat([3e-4, 9e-5, 3e-5, 3e-4], 100),
}


@pytest.mark.parametrize("decay", [0.0, 0.9, 0.999])
@pytest.mark.parametrize("lr", SCHEDULES.values(), ids=SCHEDULES)
def test_areas_are_the_double_sum(lr, decay):
    falls = [0.0, *(lr[:-1] - lr[1:])]
    remembered = [sum(falls[k] * decay ** (i - k) for k in range(i + 1)) for i in range(len(lr))]
    areas = learning_rate_areas(lr, decay)
    np.testing.assert_allclose(areas["annealing"], np.cumsum(remembered), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(areas["lr_area"], [lr[: i + 1].sum() for i in range(len(lr))], rtol=1e-12)


def test_a_constant_learning_rate_anneals_nothing_and_a_fall_is_felt_for_as_long_as_it_is_remembered():
    assert not learning_rate_areas(np.full(50, 3e-4))["annealing"].any()
    fallen = learning_rate_areas(np.r_[3e-4, np.zeros(20_000)], decay=0.999)
    assert fallen["annealing"][-1] == pytest.approx(3e-4 / (1 - 0.999), rel=1e-6)
    assert (learning_rate_areas(np.linspace(1e-6, 3e-4, 50))["annealing"][1:] < 0).all(), "warm-up is the reverse"


def test_schedules_are_taken_along_the_last_axis():
    together = learning_rate_areas(np.array(list(SCHEDULES.values())))
    for k, lr in enumerate(SCHEDULES.values()):
        np.testing.assert_array_equal(together["annealing"][k], learning_rate_areas(lr)["annealing"])


@pytest.mark.parametrize(
    ("lr", "decay", "message"),
    [
        ([1e-3, -1e-4], 0.999, r"found -0.0001 at step 1"),
        ([1e-3, 1e-3, np.nan], 0.999, r"found nan at step 2"),
        ([1e-3], 1.0, r"decay must be a share from 0 to below 1, got 1.0"),
    ],
)
def test_a_schedule_that_is_none_is_refused(lr, decay, message):
    with pytest.raises(QuestionError, match=message):
        learning_rate_areas(lr, decay)


def test_the_loss_is_the_papers_formula():
    # Tissue et al. 2024: L = L0 + A S1^-alpha - C S2.
    assert LAW.paper(np, PAPER, lr_area=4.0, annealing=0.2) == pytest.approx(2.6 + 0.5 / 2 - 0.4 * 0.2)
    assert LAW.paper(np, PAPER, lr_area=4.0, annealing=0.0) == pytest.approx(2.85)


def test_decaying_to_nothing_ends_below_a_constant_learning_rate_for_as_many_steps():
    decayed = learning_rate_areas(3e-4 * np.minimum(1, np.arange(20_000, 0, -1) / 4000))
    constant = learning_rate_areas(np.full(20_000, 3e-4))
    losses = [LAW.paper(np, PAPER, **areas) for areas in (decayed, constant)]
    assert losses[0][-1] < losses[1][-1]
    np.testing.assert_allclose(losses[0][:16_000], losses[1][:16_000], rtol=1e-12)


def test_the_reference_run_is_of_those_points_where_the_learning_rate_has_fallen():
    x0 = LAW.reference({"lr_area": [1.0, 4.0], "annealing": [0.0, -0.1, 0.2, 0.8]})
    assert x0 == pytest.approx({"lr_area": 2.0, "annealing": 0.4})
    theta = LAW.from_paper(np, PAPER, x0)
    assert theta == pytest.approx({"L0": 2.6, "from_lr_area": 0.5 / 2**0.5, "alpha": 0.5, "annealed": 0.16})
