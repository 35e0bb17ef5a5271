import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayescale.answers import frontier_exponent, optimal_params
from bayescale.costs import SIX_ND
from bayescale.laws import get_law

LAW, CHINCHILLA = get_law("overtraining"), get_law("chinchilla")
# Muennighoff et al. 2023 fit C4 with both exponents tied: Gadre et al.'s law, with eta half of that exponent.
TIED = {"E": np.exp(0.6254804), "A": np.exp(6.255414), "B": np.exp(7.3049974), "alpha": 0.3526596, "beta": 0.3526596}
ETA = 0.3526596 / 2
PAPER = {"E": TIED["E"], "a": TIED["A"] * 6**ETA, "b": TIED["B"] * 6**ETA, "eta": ETA}
LOG_N, LOG_D = st.floats(6, 12), st.floats(8, 14)


@given(log_n=LOG_N, log_d=LOG_D)
@settings(max_examples=50, deadline=None)
def test_it_is_written_in_compute_and_tokens_per_parameter(log_n, log_d):
    # Gadre et al. 2024: L(C, M) = E + (a M^eta + b M^-eta) C^-eta, M = D/N, C = 6ND.
    n, d = 10.0**log_n, 10.0**log_d
    c, m = 6 * n * d, d / n
    expected = PAPER["E"] + (PAPER["a"] * m**ETA + PAPER["b"] * m**-ETA) * c**-ETA
    assert LAW.paper(np, PAPER, params=n, tokens=d) == pytest.approx(expected, rel=1e-12)


@given(log_n=LOG_N, log_d=LOG_D)
@settings(max_examples=50, deadline=None)
def test_it_is_chinchilla_with_one_exponent(log_n, log_d):
    known = {"params": 10.0**log_n, "tokens": 10.0**log_d}
    assert LAW.paper(np, PAPER, **known) == pytest.approx(CHINCHILLA.paper(np, TIED, **known), rel=1e-12)


def test_it_is_the_form_of_the_authors_code():
    # L = alpha N^b + beta 6^(b/2) (M N)^b + E with b = -2 eta, so that beta is b of the paper and alpha is a / 6^eta.
    n, m, b = 1.4e9, 640.0, -2 * ETA
    code = PAPER["a"] * 6**-ETA * n**b + PAPER["b"] * 6 ** (b / 2) * (m * n) ** b + PAPER["E"]
    assert LAW.paper(np, PAPER, params=n, tokens=m * n) == pytest.approx(code, rel=1e-12)


def test_tokens_per_parameter_are_the_same_at_the_optimum_of_any_budget():
    # Tied exponents give a = 1/2 and M = (b / a)^(1 / (2 eta)); of Muennighoff et al.'s fit 19.6, the inverse of 0.051.
    x0 = {"params": 1e9, "tokens": 2e10}
    theta = LAW.from_paper(np, PAPER, x0)
    assert frontier_exponent(LAW, theta, 1e21, SIX_ND, x0) == pytest.approx(0.5, rel=1e-12)
    for compute in (1e20, 5.76e23):
        n = optimal_params(LAW, theta, compute, SIX_ND, x0)
        ratio = SIX_ND.tokens(n, compute) / n
        assert ratio == pytest.approx((PAPER["b"] / PAPER["a"]) ** (1 / (2 * ETA)), rel=1e-9)
        assert 1 / ratio == pytest.approx(0.051, abs=5e-4)
    # Gopher's budget: N 6.996e10 and D 1.372e12, from the same fit.
    assert n == pytest.approx(6.996e10, rel=1e-4)
    assert SIX_ND.tokens(n, 5.76e23) == pytest.approx(1.372e12, rel=2e-4)


def test_overtraining_keeps_the_exponent_in_compute():
    # At any fixed M the reducible loss falls as C^-eta: a hundredfold of compute at M = 20 and at M = 640.
    for ratio in (20.0, 640.0):
        n = np.sqrt(np.array([1e20, 1e22]) / (6 * ratio))
        reducible = LAW.paper(np, PAPER, params=n, tokens=ratio * n) - PAPER["E"]
        assert reducible[1] / reducible[0] == pytest.approx(100**-ETA, rel=1e-9)
