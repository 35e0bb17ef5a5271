import dataclasses

import numpy as np
import pytest
from pinned import BESIROGLU, ROUNDED, UNROUNDED
from scipy.optimize import minimize

from bayescale.answers import frontier_exponent, optimal_params
from bayescale.costs import SIX_ND
from bayescale.laws import get_law

LAW = get_law("chinchilla")


def theta(paper):
    return LAW.from_paper(np, paper, 1.0, 1.0)


@pytest.mark.parametrize(
    ("paper", "chinchilla", "gopher"),
    [(ROUNDED, 1.93665, 1.99326), (UNROUNDED, 1.92085, 1.96724), (BESIROGLU, 1.97388, 1.99961)],
    ids=["rounded", "unrounded", "besiroglu"],
)
def test_loss_of_the_two_deepmind_runs(paper, chinchilla, gopher):
    # 70B on 1.4T and 280B on 300B (Hoffmann et al. 2022, Table 1), worked from each paper's coefficients.
    assert LAW.loss(np, 70e9, 1.4e12, paper) == pytest.approx(chinchilla, abs=5.1e-6)
    assert LAW.loss(np, 280e9, 300e9, paper) == pytest.approx(gopher, abs=5.1e-6)


# Closed form of Hoffmann et al. 2022, eq. 4, worked by hand from the published coefficients at C = 6ND.
FRONTIER = [
    (ROUNDED, 1e21, 1.824e9, 9.136e10, 50.08, 2.32888),
    (ROUNDED, 5.76e23, 3.219e10, 2.982e12, 92.65, 1.93075),
    (UNROUNDED, 1e21, 2.217e9, 7.518e10, 33.91, 2.29549),
    (UNROUNDED, 5.76e23, 4.036e10, 2.379e12, 58.93, 1.91841),
    (BESIROGLU, 1e21, 2.778e9, 5.999e10, 21.59, 2.30553),
    (BESIROGLU, 5.76e23, 7.225e10, 1.329e12, 18.39, 1.97444),
    (BESIROGLU, 1e26, 1.016e12, 1.641e13, 16.15, 1.87990),
]


@pytest.mark.parametrize("numeric", [False, True], ids=["closed", "solver"])
@pytest.mark.parametrize(("paper", "compute", "params", "tokens", "ratio", "loss"), FRONTIER)
def test_frontier_of_the_published_fits(paper, compute, params, tokens, ratio, loss, numeric):
    law = dataclasses.replace(LAW, power_terms=None) if numeric else LAW
    n = float(optimal_params(law, theta(paper), compute, SIX_ND, 1.0, 1.0))
    d = SIX_ND.tokens(n, compute)
    assert n == pytest.approx(params, rel=5e-4)
    assert d == pytest.approx(tokens, rel=5e-4)
    assert d / n == pytest.approx(ratio, rel=5e-4)
    assert LAW.loss(np, n, d, paper) == pytest.approx(loss, abs=6e-6)


@pytest.mark.parametrize("paper", [ROUNDED, UNROUNDED, BESIROGLU])
def test_on_the_frontier_the_two_terms_fall_at_one_rate(paper):
    n = optimal_params(LAW, theta(paper), 1e23, SIX_ND, 1.0, 1.0)
    d = SIX_ND.tokens(n, 1e23)
    alpha, beta = paper["alpha"], paper["beta"]
    assert alpha * paper["A"] * n**-alpha == pytest.approx(beta * paper["B"] * d**-beta, rel=1e-10)
    g = (alpha * paper["A"] / (beta * paper["B"])) ** (1 / (alpha + beta))
    reducible = paper["A"] * g**-alpha * (1 + alpha / beta) * (1e23 / 6) ** (-alpha * beta / (alpha + beta))
    assert LAW.loss(np, n, d, paper) - paper["E"] == pytest.approx(reducible, rel=1e-10)


def test_shares_of_073_and_027_give_288_times_the_params_and_347_times_the_tokens():
    # Kaplan et al. 2020, Table 6: N_opt ~ C^0.73, D_opt ~ C^0.27, so that 100x compute is 28.8x N and 3.47x D. The
    # exponents alone decide: any two power terms with beta / (alpha + beta) = 0.73 must say the same.
    paper = {"E": 1.5, "A": 50.0, "B": 9000.0, "alpha": 0.27, "beta": 0.73}
    n = optimal_params(LAW, theta(paper), np.array([1e21, 1e23]), SIX_ND, 1.0, 1.0)
    d = SIX_ND.tokens(n, np.array([1e21, 1e23]))
    assert n[1] / n[0] == pytest.approx(28.84, abs=5e-3)
    assert d[1] / d[0] == pytest.approx(3.467, abs=5e-4)


def test_frontier_exponents_as_published():
    def a(paper):
        return frontier_exponent(LAW, theta(paper), 1e22, SIX_ND, 1.0, 1.0)

    assert a(UNROUNDED) == pytest.approx(0.4565, abs=5e-5)  # printed as 0.46 in Hoffmann et al. 2022, Table 2
    assert a(BESIROGLU) == pytest.approx(0.513, abs=5e-4)  # Besiroglu et al. 2024


def huber(residual, delta=1e-3):
    """Huber's loss, analytic in the residual on either side so that a complex step goes through it."""
    sign = np.sign(residual.real)
    return np.where(np.abs(residual.real) <= delta, residual**2 / 2, delta * (sign * residual - delta / 2))


def test_maximum_likelihood_of_the_240_points_is_that_of_the_reanalysis(open_sets):
    # Summed Huber(1e-3) on log loss over the points read from Hoffmann's Figure 4 without the five highest, D = C / 6N:
    # E 1.817218, alpha 0.347310, beta 0.367172 at 1.0182740e-3 (Besiroglu et al.'s own objective and data).
    points = open_sets["chinchilla"]
    assert len(points) == 240
    n0, d0 = np.exp(np.log(points[["N", "D"]]).mean())
    n, d, log_loss = points.N.to_numpy() / n0, points.D.to_numpy() / d0, np.log(points.loss.to_numpy())

    def objective(z):
        free = dict(zip(LAW.parameter_names, np.exp(z), strict=True))
        return huber(np.log(LAW.mean(np, n, d, free)) - log_loss).sum()

    def value_and_gradient(z):
        steps = z + 1e-30j * np.eye(5)
        return 1e3 * objective(z + 0j).real, 1e3 * np.array([objective(s).imag for s in steps]) / 1e-30

    starts = [np.log([e, t, t, s, s]) for e in (1.0, 1.8, 2.2) for t in (0.1, 0.5) for s in (0.2, 0.6)]
    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 2000, "maxls": 50}
    found = [
        minimize(value_and_gradient, s, jac=True, method="L-BFGS-B", bounds=[(-5, 2)] * 5, options=options)
        for s in starts
    ]
    best = min(found, key=lambda f: f.fun)
    at = dict(zip(LAW.parameter_names, np.exp(best.x), strict=True))
    assert best.fun / 1e3 == pytest.approx(1.0182740e-3, abs=5e-11)
    assert at["E"] == pytest.approx(1.817218, abs=2e-5)
    assert at["alpha"] == pytest.approx(0.347310, abs=1e-5)
    assert at["beta"] == pytest.approx(0.367172, abs=2e-5)
    raw = LAW.to_paper(np, at, n0, d0)
    assert raw["A"] == pytest.approx(477.826, rel=2e-4)
    assert raw["B"] == pytest.approx(2143.417, rel=2e-3)
    assert sum(f.fun < best.fun + 1e-6 for f in found) >= 3, "more than one start must find it"
