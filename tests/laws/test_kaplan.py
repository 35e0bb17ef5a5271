import numpy as np
import pytest
from pinned import KAPLAN

from bayescale.answers import frontier_exponent, optimal_params
from bayescale.costs import SIX_ND
from bayescale.laws import get_law

LAW = get_law("kaplan")


def test_loss_of_a_billion_parameters_on_22_billion_tokens():
    # Kaplan et al. 2020, eq. 1.5 with Table 2.
    assert LAW.paper(np, KAPLAN, params=1e9, tokens=22e9) == pytest.approx(2.3693, abs=5e-5)


@pytest.mark.parametrize(("params", "loss"), [(1e6, 4.0159), (1e8, 2.8300), (1e9, 2.3756), (1e10, 1.9943)])
def test_with_unlimited_tokens_the_joint_form_is_the_law_in_n(params, loss):
    # Eq. 1.1, (N_c / N)^alpha_N with alpha_N 0.076 and N_c 8.8e13, is eq. 1.5 at D = infinity, whatever D_c.
    assert LAW.paper(np, KAPLAN | {"N_c": 8.8e13}, params=params, tokens=np.inf) == pytest.approx(loss, abs=5e-5)


def test_with_unlimited_parameters_it_is_the_law_in_d():
    # Eq. 1.2, (D_c / D)^alpha_D with alpha_D 0.095 and D_c 5.4e13, is eq. 1.5 at N = infinity.
    paper = KAPLAN | {"alpha_D": 0.095, "D_c": 5.4e13}
    assert LAW.paper(np, paper, params=np.inf, tokens=1e10) == pytest.approx(5400**0.095)


def test_overfitting_follows_equation_4_3():
    # L(N, D) / L(N, inf) - 1 = (1 + (N/N_c)^(alpha_N/alpha_D) D_c/D)^alpha_D - 1; eq. 4.4 puts it near 0.02 at 22.9B.
    def excess(d):
        return LAW.paper(np, KAPLAN, params=1e9, tokens=d) / LAW.paper(np, KAPLAN, params=1e9, tokens=np.inf) - 1

    for tokens in (1e9, 2.29e10):
        inside = 1 + (1e9 / 6.4e13) ** (0.076 / 0.103) * 1.8e13 / tokens
        assert excess(tokens) == pytest.approx(inside**0.103 - 1, rel=1e-12)
    assert excess(5e3 * 1e9**0.74) == pytest.approx(0.02, abs=2e-3)


def test_the_frontier_share_is_alpha_d_over_both():
    # The bracket is (N_c/N)^(alpha_N/alpha_D) + D_c/D, so a = 1 / (1 + alpha_N/alpha_D).
    x0 = {"params": 1e9, "tokens": 1e10}
    theta = LAW.from_paper(np, KAPLAN, x0)
    a = frontier_exponent(LAW, theta, 1e21, SIX_ND, x0)
    assert a == pytest.approx(0.103 / (0.076 + 0.103), rel=1e-12)
    n = [optimal_params(LAW, theta, c, SIX_ND, x0) for c in (1e21, 1e23)]
    assert n[1] / n[0] == pytest.approx(100**a, rel=1e-10)


def test_the_law_has_no_floor():
    theta = LAW.from_paper(np, KAPLAN, {"params": 1.0, "tokens": 1.0})
    assert LAW.floor(theta) == 0.0
    assert not LAW.has_floor
    assert LAW.paper(np, KAPLAN, params=1e60, tokens=1e60) < 1e-3
