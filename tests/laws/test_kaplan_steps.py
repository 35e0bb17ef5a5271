import numpy as np
import pytest
from scipy.optimize import brentq

from bayescale.laws import get_law, kaplan_steps
from bayescale.laws.critical_batch import b_crit, s_min

LAW = get_law("kaplan-steps")
# Kaplan et al. 2020, Table 3; B_star and alpha_B from Table 5.
TABLE_3 = {"alpha_N": 0.077, "alpha_S": 0.76, "N_c": 6.5e13, "S_c": 2.1e3, "B_star": 2.1e8, "alpha_B": 0.21}


X0 = {"params": 1e9, "step": 1e4, "batch": 1e6}


@pytest.fixture(scope="module")
def cases():
    """Parameters and scales far beyond what is met in practice, with the paper's coefficients."""
    rng = np.random.default_rng(0)
    theta = {name: rng.uniform(0.04, 1.0, 50_000) for name in ("alpha_N", "alpha_S", "alpha_B")}
    theta |= {name: rng.uniform(0.03, 4.0, 50_000) for name in ("from_params", "from_steps", "critical")}
    x = {name: centre * 10 ** rng.uniform(-5, 5, 50_000) for name, centre in X0.items()}
    return x, theta, theta | LAW.to_paper(np, theta, X0)


@pytest.mark.parametrize(("params", "step"), [(1e6, 1e3), (1e9, 1e5), (1e11, 3e5)])
def test_at_an_unlimited_batch_it_is_eq_1_6_with_all_steps(params, step):
    expected = (6.5e13 / params) ** 0.077 + (2.1e3 / step) ** 0.76
    assert LAW.paper(np, TABLE_3, params=params, step=step, batch=1e30) == pytest.approx(expected, rel=1e-12)


def test_after_unlimited_steps_it_is_the_law_in_n():
    # Eq. 1.1 with Table 3's constants.
    converged = LAW.paper(np, TABLE_3, params=1e9, step=1e30, batch=2**19)
    assert converged == pytest.approx((6.5e13 / 1e9) ** 0.077, rel=1e-12)


def test_the_loss_is_on_both_sides_of_the_equation(cases):
    x, theta, paper = cases
    loss = LAW.at(np, x, theta, X0)
    fewest = s_min(x["step"], x["batch"], b_crit(loss, paper["B_star"], paper["alpha_B"]))
    right = (paper["N_c"] / x["params"]) ** paper["alpha_N"] + (paper["S_c"] / fewest) ** paper["alpha_S"]
    np.testing.assert_allclose(loss, right, rtol=1e-11)


def test_newton_climbs_to_the_loss_and_stays_there(cases, monkeypatch):
    x, theta, _ = cases
    losses = []
    for steps in range(9):
        monkeypatch.setattr(kaplan_steps, "NEWTON_STEPS", steps)
        losses.append(LAW.at(np, x, theta, X0))
    monkeypatch.undo()
    climbs = np.diff(np.log(losses), axis=0)
    assert (climbs > -1e-13).all(), "from below, and never past the root"
    assert (climbs[0] > 1).any(), "it has far to go from an unlimited batch"
    assert np.abs(climbs[kaplan_steps.NEWTON_STEPS :]).max() < 1e-13, "the steps it has are enough"


@pytest.mark.parametrize("batch", [2**15, 2**19, 2**23])
def test_a_bracketing_solver_finds_the_same_loss(batch):
    def gap(loss):
        fewest = s_min(2.5e5, batch, b_crit(loss, 2.1e8, 0.21))
        return loss - (6.5e13 / 1e8) ** 0.077 - (2.1e3 / fewest) ** 0.76

    root = brentq(gap, 1.0, 20.0, xtol=1e-13)
    assert LAW.paper(np, TABLE_3, params=1e8, step=2.5e5, batch=batch) == pytest.approx(root, rel=1e-12)


def test_the_sampled_parameters_are_what_they_say():
    x0 = {"params": 1e8, "step": 1e5, "batch": 2.0**19}
    theta = LAW.from_paper(np, TABLE_3, x0)
    loss = LAW.at(np, x0, theta, x0)
    assert loss == pytest.approx(theta["from_params"] + theta["from_steps"], rel=1e-13)
    assert theta["from_params"] == pytest.approx((6.5e13 / 1e8) ** 0.077)
    assert theta["critical"] == pytest.approx(b_crit(loss, 2.1e8, 0.21) / 2**19, rel=1e-12)
    assert LAW.to_paper(np, theta, x0) == pytest.approx({k: TABLE_3[k] for k in ("N_c", "S_c", "B_star")}, rel=1e-11)


def test_for_the_same_tokens_a_small_batch_takes_less_compute():
    # Below the critical batch the tokens decide, above it the steps.
    batch = np.geomspace(2**12, 2**26, 15)
    loss = LAW.paper(np, TABLE_3, params=1e8, step=1e10 / batch, batch=batch)
    assert (np.diff(loss) > 0).all()
    loss = LAW.paper(np, TABLE_3, params=1e8, step=1e4, batch=batch)
    assert (np.diff(loss) < 0).all()
