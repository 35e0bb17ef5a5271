import numpy as np
import pytest

from bayescale.laws import get_law
from bayescale.runs.curves.schedule import learning_rate_areas

LAW = get_law("annealing")
PAPER = {"L0": 2.6, "A": 0.5, "alpha": 0.5, "C": 0.4}  # made up: no published fit is at hand


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
