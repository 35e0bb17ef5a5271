import numpy as np
import pytest
from scipy.optimize import minimize

from bayescale.laws import get_law

TRAINED, ROUNDED = get_law("precision"), get_law("precision-post")
# Kumar et al. 2024 as quoted by others: the bits at which 63% of the parameters count.
GAMMAS = {"gamma_w": 2.67, "gamma_a": 2.21, "gamma_kv": 0.96}
# Made up, but for the gammas: the other coefficients are not at hand.
PAPER = {"E": 2.8, "A": 4000.0, "B": 18000.0, "alpha": 0.5, "beta": 0.5} | GAMMAS
POST = {"C_T": 0.06, "gamma_D": 0.5, "gamma_N": 0.4, "gamma_post": 0.6}
RUN = {"params": 2.2e8, "tokens": 2.6e10}


def bits(weights, activations, kv):
    return {"bits_weights": weights, "bits_activations": activations, "bits_kv": kv}


@pytest.mark.parametrize("at", [bits(16, 16, 16), bits(4, 8, 8), bits(3, 16, 6)])
def test_the_loss_is_the_papers_formula(at):
    counted = RUN["params"]
    for width, gamma in zip(at.values(), GAMMAS.values(), strict=True):
        counted *= 1 - np.exp(-width / gamma)
    expected = 2.8 + 4000 * counted**-0.5 + 18000 * 2.6e10**-0.5
    assert TRAINED.paper(np, PAPER, **RUN, **at) == pytest.approx(expected, rel=1e-12)


def test_in_unlimited_bits_it_is_chinchilla():
    expected = get_law("chinchilla").paper(np, PAPER, **RUN)
    assert TRAINED.paper(np, PAPER, **RUN, **bits(1e4, 1e4, 1e4)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("name", "at"), [("w", (2.67, 1e4, 1e4)), ("a", (1e4, 2.21, 1e4)), ("kv", (1e4, 1e4, 0.96))])
def test_at_gamma_bits_63_percent_of_the_parameters_count(name, at):
    fewer = RUN | {"params": RUN["params"] * (1 - np.exp(-1))}
    expected = get_law("chinchilla").paper(np, PAPER, **fewer)
    assert TRAINED.paper(np, PAPER, **RUN, **bits(*at)) == pytest.approx(expected, rel=1e-12), name


def test_the_best_bits_do_not_depend_on_the_budget():
    # Kumar et al. 2024: where compute goes with N D P, the compute-optimal P is the same for every budget.
    def best_bits(budget):
        def loss(z):
            params, width = np.exp(z)
            return float(TRAINED.paper(np, PAPER, params=params, tokens=budget / params / width, **bits(*[width] * 3)))

        options = {"xatol": 1e-9, "fatol": 1e-15, "maxiter": 5000}
        found = minimize(loss, np.log([np.sqrt(budget) / 30, 6.0]), method="Nelder-Mead", options=options)
        return np.exp(found.x[1])

    small, large = (best_bits(budget) for budget in (1e20, 1e25))
    assert small == pytest.approx(large, rel=1e-3)
    # N_eff D is largest, for a given N D P, where the share that counts grows as fast as P.
    width = np.linspace(1, 16, 150_001)
    counted = np.prod([1 - np.exp(-width / gamma) for gamma in GAMMAS.values()], axis=0)
    assert small == pytest.approx(width[np.argmax(counted / width)], rel=1e-3)


@pytest.mark.parametrize("post", [3.0, 4.0, 8.0])
def test_rounding_after_training_adds_the_papers_term(post):
    at = RUN | bits(8, 8, 8)
    cost = 0.06 * 2.6e10**0.5 / 2.2e8**0.4 * np.exp(-post / 0.6)
    added = ROUNDED.paper(np, PAPER | POST, **at, bits_post=post) - TRAINED.paper(np, PAPER, **at)
    assert added == pytest.approx(cost, rel=1e-9)


def test_what_rounding_costs_is_sampled_at_4_bits():
    x0 = RUN
    theta = ROUNDED.from_paper(np, PAPER | POST, x0)
    at = RUN | bits(8, 8, 8)
    added = ROUNDED.at(np, at | {"bits_post": 4.0}, theta, x0) - TRAINED.at(np, at, theta, x0)
    assert added == pytest.approx(theta["from_post"], rel=1e-9)


def test_past_some_point_more_tokens_raise_the_loss_of_a_model_to_be_rounded():
    # Kumar et al. 2024: over-trained models lose more to rounding.
    tokens = np.geomspace(1e9, 1e14, 60)
    loss = ROUNDED.paper(np, PAPER | POST, params=2.2e8, tokens=tokens, bits_post=3.0, **bits(16, 16, 16))
    lowest = int(np.argmin(loss))
    assert 0 < lowest < len(tokens) - 1
    assert (np.diff(loss[lowest:]) > 0).all()
    assert "tokens" in TRAINED.falls_with
    assert "tokens" not in ROUNDED.falls_with
