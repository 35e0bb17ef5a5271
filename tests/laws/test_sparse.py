import numpy as np
import pytest

from bayescale.laws import get_law

LAW = get_law("sparse")
# Made up: the form is that of Frantar et al. 2023, but no published coefficients are at hand.
PAPER = {"a_S": 17.0, "gamma": 0.7, "c_S": 45.0, "alpha": 0.25, "a_D": 7e8, "beta": 0.2, "E": 0.65}


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.75, 0.875])
def test_the_loss_is_the_papers_formula(sparsity):
    # L = (a_S (1-S)^b_S + c_S) N^-b_N + (a_D/D)^b_D + c.
    expected = (17 * (1 - sparsity) ** 0.7 + 45) * 1e8**-0.25 + (7e8 / 3e10) ** 0.2 + 0.65
    assert LAW.paper(np, PAPER, params=1e8, tokens=3e10, sparsity=sparsity) == pytest.approx(expected, rel=1e-12)


def test_a_dense_model_follows_chinchilla():
    dense = {"A": 62.0, "B": 7e8**0.2, "alpha": 0.25, "beta": 0.2, "E": 0.65}
    expected = get_law("chinchilla").paper(np, dense, params=1e8, tokens=3e10)
    assert LAW.paper(np, PAPER, params=1e8, tokens=3e10, sparsity=0.0) == pytest.approx(expected, rel=1e-12)


def test_zeros_beside_the_same_weights_take_off_no_more_than_their_share():
    loss = LAW.paper(np, PAPER, params=1e8, tokens=3e10, sparsity=np.array([0.0, 0.5, 0.9, 1 - 1e-15]))
    assert (np.diff(loss) < 0).all()
    theta = LAW.from_paper(np, PAPER, {"params": 1e8, "tokens": 3e10})
    assert theta["removable"] == pytest.approx(17 / 62)
    assert loss[0] - loss[-1] == pytest.approx(theta["removable"] * theta["from_params"], rel=1e-9)
