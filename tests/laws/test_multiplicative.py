import numpy as np
import pytest

from bayescale.answers import optimal_params
from bayescale.costs import SIX_ND
from bayescale.errors import QuestionError
from bayescale.laws import get_law

LAW = get_law("multiplicative")
PAPER = {"E": 1.4, "K": 900.0, "alpha": 0.2, "beta": 0.12}


def test_it_is_one_power_of_both():
    # Zhang et al. 2024: A X^-alpha D_f^-beta + E, with N in the place of X and D in that of D_f.
    n, d = np.geomspace(1e6, 1e12, 7), np.geomspace(1e8, 1e13, 7)
    expected = 1.4 + 900.0 * n**-0.2 * d**-0.12
    np.testing.assert_allclose(LAW.paper(np, PAPER, params=n, tokens=d), expected, rtol=1e-12)
    assert LAW.floor(PAPER) == 1.4


def test_either_scale_alone_reaches_the_floor():
    assert LAW.paper(np, PAPER, params=np.inf, tokens=1e9) == 1.4
    assert LAW.paper(np, PAPER, params=1e9, tokens=np.inf) == 1.4


@pytest.mark.parametrize(("alpha", "beta"), [(0.2, 0.12), (0.12, 0.2)])
def test_a_budget_has_no_best_split(alpha, beta):
    # Along C = 6ND the loss is E + K (C/6)^-beta N^(beta - alpha): monotone in N.
    x0 = {"params": 1e9, "tokens": 2e10}
    theta = LAW.from_paper(np, PAPER | {"alpha": alpha, "beta": beta}, x0)
    n = np.geomspace(1e6, 1e12, 7)
    loss = LAW.at(np, {"params": n, "tokens": SIX_ND.tokens(n, 1e21)}, theta, x0)
    assert np.all(np.diff(loss) * (alpha - beta) < 0)
    with pytest.raises(QuestionError, match="no compute-optimal split"):
        optimal_params(LAW, theta, 1e21, SIX_ND, x0)
