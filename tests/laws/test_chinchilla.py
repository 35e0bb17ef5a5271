import dataclasses

import numpy as np
import pytest
from fitted import least_squares, log_rms, summed_huber
from pinned import BESIROGLU, ROUNDED, UNROUNDED

from bayescale.answers import frontier_exponent, optimal_params
from bayescale.costs import SIX_ND
from bayescale.laws import get_law

LAW = get_law("chinchilla")
ONES = {"params": 1.0, "tokens": 1.0}
GADRE = {"c4": "c4_original", "rpj": "rpj", "rw": "rw_original"}


def theta(paper):
    return LAW.from_paper(np, paper, ONES)


@pytest.mark.parametrize(
    ("paper", "chinchilla", "gopher"),
    [(ROUNDED, 1.93665, 1.99326), (UNROUNDED, 1.92085, 1.96724), (BESIROGLU, 1.97388, 1.99961)],
    ids=["rounded", "unrounded", "besiroglu"],
)
def test_loss_of_the_two_deepmind_runs(paper, chinchilla, gopher):
    # 70B on 1.4T and 280B on 300B (Hoffmann et al. 2022, Table 1), worked from each paper's coefficients.
    assert LAW.paper(np, paper, params=70e9, tokens=1.4e12) == pytest.approx(chinchilla, abs=5.1e-6)
    assert LAW.paper(np, paper, params=280e9, tokens=300e9) == pytest.approx(gopher, abs=5.1e-6)


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
    n = float(optimal_params(law, theta(paper), compute, SIX_ND, ONES))
    d = SIX_ND.tokens(n, compute)
    assert n == pytest.approx(params, rel=5e-4)
    assert d == pytest.approx(tokens, rel=5e-4)
    assert d / n == pytest.approx(ratio, rel=5e-4)
    assert LAW.paper(np, paper, params=n, tokens=d) == pytest.approx(loss, abs=6e-6)


@pytest.mark.parametrize("paper", [ROUNDED, UNROUNDED, BESIROGLU])
def test_on_the_frontier_the_two_terms_fall_at_one_rate(paper):
    n = optimal_params(LAW, theta(paper), 1e23, SIX_ND, ONES)
    d = SIX_ND.tokens(n, 1e23)
    alpha, beta = paper["alpha"], paper["beta"]
    assert alpha * paper["A"] * n**-alpha == pytest.approx(beta * paper["B"] * d**-beta, rel=1e-10)
    g = (alpha * paper["A"] / (beta * paper["B"])) ** (1 / (alpha + beta))
    reducible = paper["A"] * g**-alpha * (1 + alpha / beta) * (1e23 / 6) ** (-alpha * beta / (alpha + beta))
    assert LAW.paper(np, paper, params=n, tokens=d) - paper["E"] == pytest.approx(reducible, rel=1e-10)


def test_shares_of_073_and_027_give_288_times_the_params_and_347_times_the_tokens():
    # Kaplan et al. 2020, Table 6: N_opt ~ C^0.73, D_opt ~ C^0.27, so that 100x compute is 28.8x N and 3.47x D. The
    # exponents alone decide: any two power terms with beta / (alpha + beta) = 0.73 must say the same.
    paper = {"E": 1.5, "A": 50.0, "B": 9000.0, "alpha": 0.27, "beta": 0.73}
    n = optimal_params(LAW, theta(paper), np.array([1e21, 1e23]), SIX_ND, ONES)
    d = SIX_ND.tokens(n, np.array([1e21, 1e23]))
    assert n[1] / n[0] == pytest.approx(28.84, abs=5e-3)
    assert d[1] / d[0] == pytest.approx(3.467, abs=5e-4)


def test_frontier_exponents_as_published():
    def a(paper):
        return frontier_exponent(LAW, theta(paper), 1e22, SIX_ND, ONES)

    assert a(UNROUNDED) == pytest.approx(0.4565, abs=5e-5)  # printed as 0.46 in Hoffmann et al. 2022, Table 2
    assert a(BESIROGLU) == pytest.approx(0.513, abs=5e-4)  # Besiroglu et al. 2024


STARTS = {
    "E": (1.0, 1.8, 2.2),
    "from_params": (0.3,),
    "from_tokens": (0.3,),
    "alpha": (0.2, 0.6),
    "beta": (0.4,),
}


def test_maximum_likelihood_of_the_240_points_is_that_of_the_reanalysis(open_sets):
    # Summed Huber(1e-3) on log loss over the points read from Hoffmann's Figure 4 without the five highest, D = C / 6N:
    # E 1.817218, alpha 0.347310, beta 0.367172 at 1.0182740e-3 (Besiroglu et al.'s own objective and data).
    points = open_sets["chinchilla"]
    assert len(points) == 240
    inputs = {"params": points.N.to_numpy(), "tokens": points.D.to_numpy()}
    at, value, agreeing = summed_huber(LAW, inputs, points.loss.to_numpy(), STARTS)
    assert value == pytest.approx(1.0182740e-3, abs=5e-11)
    assert at["E"] == pytest.approx(1.817218, abs=2e-5)
    assert at["alpha"] == pytest.approx(0.347310, abs=1e-5)
    assert at["beta"] == pytest.approx(0.367172, abs=2e-5)
    raw = LAW.to_paper(np, at, LAW.reference(inputs))
    assert raw["A"] == pytest.approx(477.826, rel=2e-4)
    assert raw["B"] == pytest.approx(2143.417, rel=2e-3)
    assert agreeing >= 3, "more than one start must find it"


def test_least_squares_of_the_240_points(open_sets):
    # Gaussian in log loss on the same points: half the sum of squares 5.7309435e-3, E 1.864550, alpha 0.360253, beta
    # 0.405883, A 593.32, B 4875.6.
    points = open_sets["chinchilla"]
    inputs = {"params": points.N.to_numpy(), "tokens": points.D.to_numpy()}
    at, rms = least_squares(LAW, inputs, points.loss.to_numpy(), STARTS)
    assert 240 * rms**2 / 2 == pytest.approx(5.7309435e-3, rel=1e-7)
    assert (at["E"], at["alpha"], at["beta"]) == pytest.approx((1.864550, 0.360253, 0.405883), abs=2e-5)
    raw = LAW.to_paper(np, at, LAW.reference(inputs))
    assert (raw["A"], raw["B"]) == pytest.approx((593.3221, 4875.638), rel=1e-3)


# Summed Huber(1e-3) on the losses on C4 of Gadre et al.'s runs by training set: E, A, B, alpha, beta, log-RMS.
@pytest.mark.parametrize(
    ("corpus", "published", "rms"),
    [
        ("c4", (1.6200, 122.55, 242.61, 0.2526, 0.2622), 0.0299),
        ("rpj", (1.7202, 106.09, 297.98, 0.2431, 0.2730), 0.0293),
        ("rw", (1.7013, 76.77, 384.16, 0.2226, 0.2898), 0.0266),
    ],
)
def test_refits_of_three_corpora(open_sets, corpus, published, rms):
    points = open_sets[f"gadre {GADRE[corpus]}"]
    inputs, loss = {"params": points.N.to_numpy(), "tokens": points.D.to_numpy()}, points.loss.to_numpy()
    at, _, _ = summed_huber(LAW, inputs, loss, STARTS | {"E": (1.5,)})
    raw = at | LAW.to_paper(np, at, LAW.reference(inputs))
    assert tuple(raw[name] for name in ("E", "A", "B", "alpha", "beta")) == pytest.approx(published, rel=2e-3)
    assert log_rms(LAW, inputs, loss, at, LAW.reference(inputs)) == pytest.approx(rms, abs=6e-5)


def test_the_loss_exponents_in_compute_as_published():
    # alpha beta / (alpha + beta): 0.155 by Hoffmann et al., 0.178 by Besiroglu et al. (Pearce and Song 2024).
    for paper, published in ((UNROUNDED, 0.155), (BESIROGLU, 0.178)):
        budgets = np.array([1e21, 1e23])
        n = optimal_params(LAW, theta(paper), budgets, SIX_ND, ONES)
        reducible = LAW.paper(np, paper, params=n, tokens=SIX_ND.tokens(n, budgets)) - paper["E"]
        assert np.log10(reducible[0] / reducible[1]) / 2 == pytest.approx(published, abs=6e-4)
