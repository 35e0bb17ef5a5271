import numpy as np
import pytest
from laws import oracles
from scipy.optimize import minimize_scalar

from bayescale.laws import get_law

# Kaplan et al. 2020: the exponents of section 1.2 and those of Table 3, with B_star of Table 5.
EXPONENTS = {"alpha_N": 0.076, "alpha_S": 0.76, "alpha_B": 0.21}
TABLE_3 = {"alpha_N": 0.077, "alpha_S": 0.76, "N_c": 6.5e13, "S_c": 2.1e3, "B_star": 2.1e8, "alpha_B": 0.21}
PF_DAY = 8.64e19


def test_exponents_of_the_optimum():
    # App. B, worked from the printed exponents; the paper rounds the first to 0.052 there.
    a = oracles.compute_exponent(EXPONENTS)
    assert a == pytest.approx(0.05199, abs=5e-6)
    assert a / EXPONENTS["alpha_N"] == pytest.approx(0.684, abs=5e-4)
    assert a / EXPONENTS["alpha_B"] == pytest.approx(0.2476, abs=5e-5)
    assert a / EXPONENTS["alpha_S"] == pytest.approx(0.068, abs=5e-4)
    assert sum(a / alpha for alpha in EXPONENTS.values()) == pytest.approx(1, rel=1e-12)


def test_the_optimum_stops_10_percent_above_convergence():
    assert oracles.excess_at_optimum(EXPONENTS) == pytest.approx(0.1, rel=1e-12)  # App. B


def test_compute_at_a_loss_of_1():
    # App. B with Tables 3 and 5; the paper's own fit (eq. 1.3) has 3.1e8 PF-days.
    compute = oracles.compute_at_loss_one(TABLE_3)
    assert compute == pytest.approx(1.39e28, rel=5e-3)
    assert compute / PF_DAY == pytest.approx(1.6e8, rel=1e-2)


@pytest.mark.parametrize(("alpha", "saved"), [(0.076, 0.359), (0.077, 0.354)])
def test_stopping_at_10_percent_rather_than_2(alpha, saved):
    # App. B: 2.7 times the parameters, 0.13 of the steps, 0.35 of the compute.
    ratios = oracles.stopping_at(EXPONENTS | {"alpha_N": alpha}, 0.1, than=0.02)
    assert ratios.step == pytest.approx(0.1329, abs=5e-5)
    assert ratios.compute == pytest.approx(saved, abs=5e-4)
    if alpha == 0.076:
        assert ratios.params == pytest.approx(2.70, abs=5e-3)


def test_cost_of_a_size_off_the_optimum():
    # App. B: 0.6 to 2.2 times the optimal size costs at most 20% more compute; the larger takes 45% fewer steps.
    smaller, larger = (oracles.off_optimal_size(TABLE_3, size) for size in (0.6, 2.2))
    assert smaller.compute == pytest.approx(1.165, abs=5e-4)
    assert larger.compute == pytest.approx(1.204, abs=5e-4)
    assert larger.step == pytest.approx(0.547, abs=5e-4)


@pytest.mark.parametrize("compute", [1e17, 1e21, 1e25])
def test_the_closed_forms_are_the_minimum(compute):
    loss = float(oracles.optimal_loss(TABLE_3, compute))
    best = float(oracles.optimal_params(TABLE_3, compute))
    # To reach that loss takes that compute at that size, and more at any other.
    assert oracles.compute_to_reach(TABLE_3, best, loss) == pytest.approx(compute, rel=1e-10)
    found = minimize_scalar(
        lambda z: np.log(oracles.compute_to_reach(TABLE_3, best * np.exp(z), loss)),
        bounds=(-1, 2),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert found.x == pytest.approx(0, abs=1e-6)
    # It stops alpha_N / alpha_S above where that size converges (App. B).
    assert loss == pytest.approx((1 + 0.077 / 0.76) * (6.5e13 / best) ** 0.077, rel=1e-12)
    for size in (0.6, 2.2):
        more = oracles.compute_to_reach(TABLE_3, size * best, loss) / compute
        assert oracles.off_optimal_size(TABLE_3, size).compute == pytest.approx(more, rel=1e-9)


def test_size_and_steps_are_those_that_the_paper_prints():
    # App. B: N(C) and S(C), term by term.
    n, s, c = TABLE_3["alpha_N"], TABLE_3["alpha_S"], 1e22
    one, a = oracles.compute_at_loss_one(TABLE_3), oracles.compute_exponent(TABLE_3)
    size = 6.5e13 * (c / one) ** (a / n) * (1 + n / s) ** (1 / n)
    steps = one / (6 * 6.5e13 * 2.1e8) * (1 + n / s) ** (-1 / n) * (c / one) ** (a / s)
    assert oracles.optimal_params(TABLE_3, c) == pytest.approx(size, rel=1e-10)
    assert oracles.optimal_steps(TABLE_3, c) == pytest.approx(steps, rel=1e-10)


def test_the_law_agrees_far_below_the_critical_batch():
    # There compute is the least that does, and the law reaches the best loss with the optimal size.
    compute, batch = 1e21, 1.0
    size = oracles.optimal_params(TABLE_3, compute)
    loss = get_law("kaplan-steps").paper(np, TABLE_3, params=size, step=compute / (6 * size * batch), batch=batch)
    assert loss == pytest.approx(oracles.optimal_loss(TABLE_3, compute), rel=1e-5)


def test_stopping_at_is_what_the_two_ways_take():
    loss = 3.0
    ways = []
    for excess in (0.1, 0.02):
        params = 6.5e13 * (loss / (1 + excess)) ** (-1 / 0.077)
        ways.append((params, oracles.compute_to_reach(TABLE_3, params, loss)))
    ratios = oracles.stopping_at(TABLE_3, 0.1, than=0.02)
    assert ratios.params == pytest.approx(ways[0][0] / ways[1][0], rel=1e-10)
    assert ratios.compute == pytest.approx(ways[0][1] / ways[1][1], rel=1e-10)


def test_first_stop_is_where_the_steps_owe_what_the_tokens_do():
    # Eq. 5.7 with Table 2's law in N and D: 1e9 parameters on 22e9 tokens.
    form, paper = get_law("kaplan"), {"alpha_N": 0.076, "alpha_D": 0.103, "N_c": 6.4e13, "D_c": 1.8e13}
    loss, unlimited = (float(form.paper(np, paper, params=1e9, tokens=d)) for d in (22e9, np.inf))
    steps = oracles.first_stop(TABLE_3, loss, unlimited)
    assert (2.1e3 / steps) ** 0.76 == pytest.approx(loss - unlimited, rel=1e-12)
    assert 1e4 < steps < 1e6
