import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayescale.answers import optimal_params
from bayescale.costs import SIX_ND
from bayescale.laws import get_law
from bayescale.laws.repeats import effective, params_for

LAW, CHINCHILLA = get_law("repeats"), get_law("chinchilla")
# Muennighoff et al. 2023, the fit on C4: log A, log B, log E, and both exponents tied.
PAPER = {
    "E": np.exp(0.6254804),
    "A": np.exp(6.255414),
    "B": np.exp(7.3049974),
    "alpha": 0.3526596,
    "beta": 0.3526596,
    "R_D": 15.387756,
    "R_N": 5.309743,
}
X0 = {"params": 1e9, "tokens": 2e10, "unique_tokens": 2e10}
THETA = LAW.from_paper(np, PAPER, X0)
SCALE = st.floats(-3, 3).map(lambda z: 10.0**z)


@pytest.mark.parametrize(
    ("params", "tokens", "loss"), [(6.34e9, 242e9, 2.2256440889984477), (8.67e9, 178e9, 2.2269634075087867)]
)
def test_two_ways_to_spend_one_budget_on_25_billion_unique_tokens(params, tokens, loss):
    # The authors' README, to all digits.
    known = {"params": params, "tokens": tokens, "unique_tokens": 25e9}
    assert LAW.paper(np, PAPER, **known) == pytest.approx(loss, rel=1e-14)
    assert LAW.at(np, known, THETA, X0) == pytest.approx(loss, rel=1e-13)


@pytest.mark.parametrize(
    ("epochs", "worth"),
    [(1, 1.0), (2, 1.9682), (4, 3.7257), (8, 6.6241), (16, 10.5825), (40, 15.1675), (100, 16.3630)],
)
def test_what_repeats_are_worth(epochs, worth):
    # D' / U from eq. 5 with R_D* = 15.387756: four epochs are nearly as good as fresh, forty are worth fifteen.
    assert effective(np, epochs * 3e9, 3e9, PAPER["R_D"]) / 3e9 == pytest.approx(worth, abs=5.1e-5)
    # Through the law: the same loss as that many fresh tokens.
    few = {"params": 1e8, "unique_tokens": 1e11}
    repeated = LAW.paper(np, PAPER, tokens=epochs * 1e11, **few)
    fresh = CHINCHILLA.paper(np, PAPER, params=1e8, tokens=effective(np, epochs * 1e11, 1e11, PAPER["R_D"]))
    assert repeated == pytest.approx(fresh, rel=1e-13)


def test_usable_params_are_a_fixed_share_of_unique_tokens():
    # With tied exponents U_N = G^2 U = 0.051 U (the authors' code).
    raw = CHINCHILLA.from_paper(np, PAPER, {"params": 1.0, "tokens": 1.0})
    for unique in (1e8, 25e9):
        assert params_for(unique, raw) / unique == pytest.approx(0.051, abs=5e-5)
    g = (PAPER["alpha"] * PAPER["A"] / (PAPER["beta"] * PAPER["B"])) ** (1 / (PAPER["alpha"] + PAPER["beta"]))
    untied = PAPER | {"alpha": 0.33480313, "beta": 0.38289225}
    raw = CHINCHILLA.from_paper(np, untied, {"params": 1.0, "tokens": 1.0})
    g = (untied["alpha"] * untied["A"] / (untied["beta"] * untied["B"])) ** (1 / (untied["alpha"] + untied["beta"]))
    assert params_for(3e10, raw) == pytest.approx(g * (g * 3e10) ** (untied["beta"] / untied["alpha"]), rel=1e-12)


@given(log_n=st.floats(6, 12), epochs=st.floats(0.05, 200), log_u=st.floats(8, 12))
@settings(max_examples=100, deadline=None)
def test_it_is_the_papers_formula(log_n, epochs, log_u):
    n, unique, d = 10.0**log_n, 10.0**log_u, epochs * 10.0**log_u
    a, b, alpha, beta = (PAPER[k] for k in ("A", "B", "alpha", "beta"))
    g = (alpha * a / (beta * b)) ** (1 / (alpha + beta))
    u_d = min(unique, d)
    u_n = min(n, g * (g * u_d) ** (beta / alpha))
    r_d, r_n = max(d / u_d - 1, 0), max(n / u_n - 1, 0)
    d_eff = u_d + u_d * PAPER["R_D"] * (1 - np.exp(-r_d / PAPER["R_D"]))
    n_eff = u_n + u_n * PAPER["R_N"] * (1 - np.exp(-r_n / PAPER["R_N"]))
    expected = PAPER["E"] + a / n_eff**alpha + b / d_eff**beta
    loss = LAW.at(np, {"params": n, "tokens": d, "unique_tokens": unique}, THETA, X0)
    assert loss == pytest.approx(expected, rel=1e-12)


@given(data=st.data(), d=SCALE, share=st.floats(1e-3, 1.0), surplus=st.floats(1.0, 100.0))
@settings(max_examples=50, deadline=None)
def test_without_repeats_and_with_no_more_than_the_usable_params_it_is_chinchilla(data, d, share, surplus):
    theta = {p.name: data.draw(st.floats(*p.typical)) for p in LAW.parameters}
    n = float(params_for(d, theta)) * share
    known = {"params": n * 1e9, "tokens": d * 2e10}
    loss = LAW.at(np, known | {"unique_tokens": surplus * d * 2e10}, theta, X0)
    assert loss == pytest.approx(CHINCHILLA.at(np, known, theta, X0), rel=1e-14)


def test_unique_tokens_that_are_never_read_are_no_use():
    known = {"params": 1e10, "tokens": 3e10}
    enough = LAW.at(np, known | {"unique_tokens": 3e10}, THETA, X0)
    assert LAW.at(np, known | {"unique_tokens": 3e12}, THETA, X0) == enough
    assert LAW.at(np, known | {"unique_tokens": 1e10}, THETA, X0) > enough


def test_the_best_split_under_scarce_data():
    # The authors' README at C = 1e22 and 25e9 unique tokens: N 7.022e9, D 2.3734e11, 9.49 epochs.
    n = float(optimal_params(LAW, THETA, 1e22, SIX_ND, X0, at={"unique_tokens": 25e9}))
    assert n == pytest.approx(7.022e9, rel=1e-3)
    assert SIX_ND.tokens(n, 1e22) == pytest.approx(2.3734e11, rel=1e-3)
    assert SIX_ND.tokens(n, 1e22) / 25e9 == pytest.approx(9.49, abs=6e-3)
    theirs, ours = (
        LAW.at(np, {"params": size, "tokens": 1e22 / 6 / size, "unique_tokens": 25e9}, THETA, X0)
        for size in (7.022e9, n)
    )
    assert ours <= theirs


def test_the_best_split_with_plenty_of_data_is_chinchillas():
    # Gopher's budget from the same fit: N 6.996e10, D 1.372e12.
    n = float(optimal_params(LAW, THETA, 5.76e23, SIX_ND, X0, at={"unique_tokens": 1e14}))
    assert n == pytest.approx(6.996e10, rel=1e-4)
    assert SIX_ND.tokens(n, 5.76e23) == pytest.approx(1.372e12, rel=2e-4)


def test_share_of_variance_on_the_runs_of_the_fit(shared_data):
    # The 182 runs of the published fit: R^2 0.7722 with both decays; 0.4452 with none (R_D and R_N unlimited);
    # 0.7354 with repeats alone decaying (R_D* 2.9157); 0.4488 with parameters alone (R_N* 713.0).
    rows = pd.read_csv(shared_data / "datablations" / "derived_runs_published_fit.csv").query("not dedup")
    assert len(rows) == 182
    inputs = {"params": rows.N.to_numpy(), "tokens": rows.D.to_numpy(), "unique_tokens": rows.U.to_numpy()}
    loss = rows.loss.to_numpy()

    def r2(**decay):
        error = LAW.paper(np, PAPER | decay, **inputs) - loss
        return 1 - (error**2).sum() / ((loss - loss.mean()) ** 2).sum()

    assert r2() == pytest.approx(0.77220461, abs=1e-8)
    assert r2(R_D=1e9, R_N=1e9) == pytest.approx(0.4452, abs=6e-5)
    assert r2(R_D=2.9157, R_N=1e9) == pytest.approx(0.7354, abs=6e-4)
    assert r2(R_D=1e9, R_N=713.0) == pytest.approx(0.4488, abs=6e-4)
