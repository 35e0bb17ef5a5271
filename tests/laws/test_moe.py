import numpy as np
import pytest

from bayescale.laws import get_law

LAW = get_law("moe")
# Krajewski et al. 2024 as quoted by others (A, B and E are its a, b and c), and the dense fit beside it.
PAPER = {"A": 18.1, "alpha": 0.115, "B": 30.8, "beta": 0.147, "g": 2.1, "gamma": 0.58, "E": 0.47}
DENSE = {"A": 16.3, "alpha": 0.126, "B": 26.7, "beta": 0.127, "E": 0.47}


@pytest.mark.parametrize("granularity", [1, 4, 16])
def test_the_loss_is_the_papers_formula(granularity):
    size = (2.1 / granularity**0.58 + 18.1) / 1e9**0.115
    expected = 0.47 + size + 30.8 / 1e11**0.147
    assert LAW.paper(np, PAPER, params=1e9, tokens=1e11, granularity=granularity) == pytest.approx(expected, rel=1e-12)


def test_finer_experts_take_off_no_more_than_their_share():
    coarse, fine, finest = (
        LAW.paper(np, PAPER, params=1e9, tokens=1e11, granularity=g) for g in (1.0, 8.0, 1e30)
    )  # fmt: skip
    assert coarse > fine > finest
    assert coarse - finest == pytest.approx(2.1 / 1e9**0.115, rel=1e-12)
    theta = LAW.from_paper(np, PAPER, {"params": 1e9, "tokens": 1e11})
    assert theta["removable"] == pytest.approx(2.1 / 20.2)
    assert theta["from_params"] * theta["removable"] == pytest.approx(coarse - finest, rel=1e-12)


def test_without_that_share_it_is_chinchilla():
    dense = LAW.paper(np, DENSE | {"g": 0.0, "gamma": 0.58}, params=1e9, tokens=2e10, granularity=4)
    assert dense == pytest.approx(get_law("chinchilla").paper(np, DENSE, params=1e9, tokens=2e10), rel=1e-12)
