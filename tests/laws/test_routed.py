import numpy as np
import pytest
from laws.oracles import dense_equivalent, size_beyond_help

from bayescale.laws import get_law

LAW = get_law("routed")
# Clark et al. 2022, as quoted by others: models trained on 130B tokens.
S_BASE = {"a": -0.082, "b": -0.108, "c": 0.009, "d": 1.104, "E_start": 1.847, "E_max": 314.478}
RL_R = {"a": -0.083, "b": -0.126, "c": 0.012, "d": 1.111, "E_start": 1.880, "E_max": 469.982}
HASH = {"a": -0.087, "b": -0.136, "c": 0.012, "d": 1.157, "E_start": 4.175, "E_max": 477.741}
METHODS = pytest.mark.parametrize("paper", [S_BASE, RL_R, HASH], ids=["S-BASE", "RL-R", "HASH"])


def saturated(paper, experts):
    room = 1 / (1 / paper["E_start"] - 1 / paper["E_max"])
    return 1 / (1 / (experts - 1 + room) + 1 / paper["E_max"])


@pytest.mark.parametrize(("params", "experts", "loss"), [(1.5e7, 1, 3.1915), (1.3e9, 1, 2.2374), (1.3e9, 64, 2.0498)])
def test_losses_of_s_base(params, experts, loss):
    # Worked from the printed coefficients.
    assert LAW.paper(np, S_BASE, params=params, experts=experts) == pytest.approx(loss, abs=5.1e-5)


@METHODS
@pytest.mark.parametrize("experts", [1, 2, 64, 512])
def test_the_loss_is_the_papers_formula(paper, experts):
    n, x = np.log10(3e8), np.log10(saturated(paper, experts))
    log_loss = paper["a"] * n + paper["b"] * x + paper["c"] * n * x + paper["d"]
    assert LAW.paper(np, paper, params=3e8, experts=experts) == pytest.approx(10**log_loss, rel=1e-12)


@METHODS
def test_a_dense_model_counts_as_e_start_and_ever_more_experts_as_e_max(paper):
    assert saturated(paper, 1) == pytest.approx(paper["E_start"], rel=1e-12)
    n = np.log10(3e8)
    most = np.log10(paper["E_max"])
    log_loss = paper["a"] * n + paper["b"] * most + paper["c"] * n * most + paper["d"]
    assert LAW.paper(np, paper, params=3e8, experts=1e15) == pytest.approx(10**log_loss, rel=1e-9)


@METHODS
def test_the_dense_models_of_every_method_are_near_the_dense_law(paper):
    # The paper's dense law: alpha_N 0.078, N_c 3.568e13; its models have 15M to 1.3B parameters.
    for params in (1.5e7, 1.3e9):
        dense = (3.568e13 / params) ** 0.078
        assert LAW.paper(np, paper, params=params, experts=1) == pytest.approx(dense, rel=0.035)


@METHODS
def test_more_experts_and_more_parameters_lower_the_loss_up_to_the_size_beyond_help(paper):
    sizes, experts = np.geomspace(1.5e7, 1e10, 12)[:, None], np.array([1, 2, 8, 64, 512])
    loss = LAW.paper(np, paper, params=sizes, experts=experts)
    assert (np.diff(loss, axis=0) < 0).all()
    assert (np.diff(loss, axis=1) < 0).all()
    beyond = 2 * float(size_beyond_help(np, paper))
    assert (np.diff(LAW.paper(np, paper, params=beyond, experts=experts)) > 0).all()


@pytest.mark.parametrize(("paper", "cutoff"), [(S_BASE, 937e9), (RL_R, 85e9), (HASH, 83e9)])
def test_size_beyond_help_is_as_published_within_the_rounding_of_the_coefficients(paper, cutoff):
    # N_cutoff of Clark et al. 2022; b and c are printed to three decimals, and it is 10^(-b/c).
    low, high = (
        float(size_beyond_help(np, paper | {"b": paper["b"] + s * 5e-4, "c": paper["c"] + s * 5e-4})) for s in (1, -1)
    )
    assert low < cutoff < high


def test_the_dense_equivalent_has_the_same_loss():
    x0 = {"params": 1e9}
    theta = LAW.from_paper(np, S_BASE, x0)
    more = float(dense_equivalent(np, {"n": 1.3, "X": 64}, theta))
    assert more > 1.3
    routed, dense = (LAW.paper(np, S_BASE, params=n, experts=x) for n, x in ((1.3e9, 64), (more * 1e9, 1)))
    assert dense == pytest.approx(routed, rel=1e-12)
    assert dense_equivalent(np, {"n": 1.3, "X": 1}, theta) == pytest.approx(1.3, rel=1e-12)


def test_the_sampled_parameters_are_what_they_say():
    theta = LAW.from_paper(np, S_BASE, {"params": 1.3e9})
    assert theta["dense_loss"] == pytest.approx(2.2374, abs=5.1e-5)
    assert theta["alpha_experts"] == pytest.approx(0.108 - 0.009 * np.log10(1.3e9))
    assert theta["alpha_dense"] == pytest.approx(0.082 - 0.009 * np.log10(1.847))
    assert theta["E_room"] == pytest.approx(314.478 - 1.847)
