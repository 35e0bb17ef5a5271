import numpy as np
import pytest

from bayescale.answers import optimal_params
from bayescale.costs import SIX_ND
from bayescale.laws import get_law

LAW = get_law("farseer")
# Li et al. 2025: exp(-0.021 N^0.169 - 0.091) + exp(88.01 N^-0.1 - 6.287) D^-exp(-0.124 N^0.123 + 0.424), in bits a
# character; what they call gamma, beta and alpha are the bends.
PAPER = {
    **{"a3": -0.021, "E_bend": 0.169, "b3": -0.091},
    **{"a2": 88.01, "tokens_bend": -0.1, "b2": -6.287},
    **{"a1": -0.124, "beta_bend": 0.123, "b1": 0.424},
}
X0 = {"params": 1e9, "tokens": 2e10}
THETA = LAW.from_paper(np, PAPER, X0)


def unlimited(n):
    return np.exp(-0.021 * n**0.169 - 0.091)


def token_term(n, d):
    return np.exp(88.01 * n**-0.1 - 6.287) * d ** -np.exp(-0.124 * n**0.123 + 0.424)


def test_it_is_the_published_fit():
    n, d = np.geomspace(1e7, 1e11, 5)[:, None], np.geomspace(1e9, 1e13, 5)
    expected = unlimited(n) + token_term(n, d)
    np.testing.assert_allclose(LAW.paper(np, PAPER, params=n, tokens=d), expected, rtol=1e-11)
    np.testing.assert_allclose(LAW.at(np, {"params": n, "tokens": d}, THETA, X0), expected, rtol=1e-11)


def test_the_sampled_parameters_are_values_and_slopes_at_the_reference_run():
    assert THETA["E"] == pytest.approx(unlimited(1e9), rel=1e-12)
    assert THETA["from_tokens"] == pytest.approx(token_term(1e9, 2e10), rel=1e-12)
    h = 1e-4
    up, down = np.exp(h), np.exp(-h)

    def slope(function):
        return (np.log(function(up)) - np.log(function(down))) / (2 * h)

    assert THETA["beta"] == pytest.approx(-slope(lambda f: token_term(1e9, 2e10 * f)), rel=1e-7)
    assert THETA["E_slope"] == pytest.approx(slope(lambda f: unlimited(1e9 * f)), rel=1e-7)
    assert THETA["tokens_slope"] == pytest.approx(slope(lambda f: token_term(1e9 * f, 2e10)), rel=1e-7)
    local = slope(lambda f: -np.log(token_term(1e9 * f, 2e10) / token_term(1e9 * f, 1e10)))
    assert THETA["beta_slope"] == pytest.approx(local, rel=1e-6)


def test_the_exponent_in_tokens_falls_with_size():
    # The law is not separable: ten times the tokens help a small model more than a large one.
    def exponent(n):
        return -np.log10(token_term(n, 1e12) / token_term(n, 1e11))

    assert exponent(1e8) > exponent(1e9) > exponent(1e10)
    assert exponent(1e9) == pytest.approx(np.exp(-0.124 * 1e9**0.123 + 0.424), rel=1e-9)
    for n in (1e8, 1e10):
        above = [LAW.at(np, {"params": n, "tokens": d}, THETA, X0) - unlimited(n) for d in (1e11, 1e12)]
        assert -np.log10(above[1] / above[0]) == pytest.approx(exponent(n), rel=1e-9)


def test_without_bends_it_is_a_law_of_two_powers():
    # As the bends go to zero and the exponent in D no longer depends on N.
    theta = THETA | {"E_bend": 1e-9, "tokens_bend": 1e-9, "beta_bend": 1e-9, "beta_slope": 0.0}
    n, d = 30.0, 0.02
    floor, tokens = THETA["E"] * n ** THETA["E_slope"], THETA["from_tokens"] * n ** THETA["tokens_slope"]
    known = {"params": n * 1e9, "tokens": d * 2e10}
    assert LAW.at(np, known, theta, X0) == pytest.approx(floor + tokens * d ** -THETA["beta"], rel=1e-7)


def test_tokens_per_parameter_rise_with_the_budget():
    # As the authors report, and unlike Hoffmann's rule of a fixed ratio; from their coefficients as rounded in print.
    budgets = np.array([1e21, 3e21, 1e22])
    n = optimal_params(LAW, THETA, budgets, SIX_ND, X0)
    ratio = np.asarray(SIX_ND.tokens(n, budgets) / n)
    assert np.all(np.diff(ratio) > 0)
    assert np.all((ratio > 5) & (ratio < 40))


def test_it_has_no_floor_and_its_tokens_are_tokens():
    assert LAW.floor is None
    assert LAW.fixed_units == ("tokens",)
    millions = LAW.to_paper(np, THETA, {"params": 1e3, "tokens": 2e10})
    there = LAW.paper(np, THETA | millions, params=7e3, tokens=1e11)
    assert there == pytest.approx(LAW.at(np, {"params": 7e9, "tokens": 1e11}, THETA, X0), rel=1e-9)
