import numpy as np
import pytest
from pinned import BESIROGLU, FAILED, KAPLAN, ROUNDED, UNROUNDED, pinned_fit, simulated_runs

import bayescale as bs
from bayescale.answers.compute_to_within import compute_to_within
from bayescale.errors import QuestionError, UnconvergedError
from bayescale.posterior import Posterior

EPS = [0.10, 0.05, 0.02, 0.01]
OWN = """
law = { expression = "E + a * (n**-alpha + d**-alpha) + 0.05", floor = "E" }
[priors]
E = { dist = "LogNormal", median = 1.5, sigma = 0.3 }
a = { dist = "LogNormal", median = 0.3, sigma = 1 }
alpha = { dist = "LogNormal", median = 0.3, sigma = 0.4 }
"""


@pytest.mark.parametrize(
    ("paper", "compute", "params", "tokens", "years"),
    [
        # C = 6 (K/eps)^((alpha+beta)/(alpha beta)), K = A G^-alpha (1 + alpha/beta), N and D by Hoffmann et al. 2022,
        # eq. 4; years from 5e25 FLOP at 4, 4.5 and 5 times a year. Besiroglu et al. 2024:
        (
            BESIROGLU,
            [7.29e24, 3.56e26, 6.07e28, 2.96e30],
            [2.65e11, 1.95e12, 2.71e13, 1.99e14],
            [4.58e12, 3.05e13, 3.73e14, 2.48e15],
            [[-1.4, -1.3, -1.2], [1.4, 1.3, 1.2], [5.1, 4.7, 4.4], [7.9, 7.3, 6.8]],
        ),
        # Hoffmann et al. 2022, unrounded:
        (
            UNROUNDED,
            [1.08e26, 9.54e27, 3.54e30, 3.12e32],
            [4.41e11, 3.40e12, 5.07e13, 3.92e14],
            [4.10e13, 4.67e14, 1.16e16, 1.33e17],
            [[0.6, 0.5, 0.5], [3.8, 3.5, 3.3], [8.1, 7.4, 6.9], [11.3, 10.4, 9.7]],
        ),
    ],
)
def test_the_published_laws_come_within_eps_where_the_closed_form_says(paper, compute, params, tokens, years):
    answer = compute_to_within(pinned_fit(paper=paper, draws=5), EPS).isel(chain=0, draw=0)
    np.testing.assert_allclose(answer["compute"], compute, rtol=6e-3)
    np.testing.assert_allclose(answer["params"], params, rtol=6e-3)
    np.testing.assert_allclose(answer["tokens"], tokens, rtol=6e-3)
    np.testing.assert_allclose(answer["years"], years, atol=0.06)
    assert answer["years"].dims == ("eps", "growth")


def test_at_two_hundredths_the_published_stock_of_text_is_too_small():
    # Besiroglu et al. 2024 at 0.02: 3.7e14 tokens; the median stock of public text is 3e14.
    answer = compute_to_within(pinned_fit(draws=5), 0.02)
    np.testing.assert_allclose(answer["share_of_stock"], 3.73e14 / 3e14, rtol=6e-3)


def test_each_draw_is_at_its_own_eps_there():
    fit = pinned_fit(spread=0.05, draws=40)
    answer = compute_to_within(fit, [0.05])
    at = {"params": answer["params"], "tokens": answer["tokens"]}
    loss = Posterior(fit).expect(at)
    np.testing.assert_allclose(loss - fit["posterior"]["E"], 0.05, rtol=1e-9)
    assert float(np.log10(answer["compute"]).std()) > 0.1


def test_a_frontier_without_a_closed_form_is_solved_to_the_same_place(monkeypatch):
    closed = compute_to_within(pinned_fit(spread=0.05, draws=5), [0.05, 0.02])
    law = bs.laws.get_law("chinchilla")
    monkeypatch.setitem(bs.laws.LAWS, "chinchilla", type(law)(**{**vars(law), "power_terms": None}))
    solved = compute_to_within(pinned_fit(spread=0.05, draws=5), [0.05, 0.02])
    np.testing.assert_allclose(solved["compute"], closed["compute"], rtol=1e-6)


def test_start_and_growth_are_the_askers():
    fit = pinned_fit(draws=5)
    one = compute_to_within(fit, 0.05, start="1x", growth=10).isel(chain=0, draw=0)
    np.testing.assert_allclose(one["years"].squeeze(), one["decades_beyond"].squeeze())
    assert one.attrs["start"] == pytest.approx(bs.inference.runs_of(fit)["compute"].max().item())


def test_families_have_their_own_answer():
    fit = pinned_fit(families={"old": ROUNDED, "new": BESIROGLU}, draws=5)
    compute = compute_to_within(fit, 0.1)["compute"].isel(chain=0, draw=0, eps=0)
    assert compute.sel(family="new").item() == pytest.approx(7.29e24, rel=6e-3)
    assert compute.sel(family="old").item() > compute.sel(family="new").item()
    assert compute_to_within(fit, 0.1, family="new")["compute"].dims == ("chain", "draw", "eps")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"eps": 0}, "eps: accepted: numbers above 0; got 0"),
        ({"eps": [0.1, np.nan]}, "eps: accepted"),
        ({"growth": 1}, "growth: accepted: numbers above 1; got 1"),
        ({"start": "soon"}, "compute 'soon' is not understood"),
    ],
)
def test_a_question_that_is_not_understood_is_refused(asked, said):
    with pytest.raises(QuestionError, match=said):
        compute_to_within(pinned_fit(draws=5), **asked)


def test_a_loss_that_never_comes_so_near_is_told(tmp_path):
    card = tmp_path / "own.toml"
    card.write_text(OWN)
    paper = {"E": 1.5, "a": 0.3, "alpha": 0.3}
    fit = pinned_fit(str(card), paper, runs=simulated_runs(), draws=5)
    # 0.05 of the loss is out of reach of N and D: with eps = 0.1, the two terms have 0.05 between them.
    compute = compute_to_within(fit, 0.1)["compute"]
    np.testing.assert_allclose(bs.optimal_split(fit, compute.values[0, 0, 0])["optimal_loss"], 1.6, rtol=1e-7)
    with pytest.raises(QuestionError, match=r"no compute within 40 decades.*within 0.04 of.*in 10 of 10 draws"):
        compute_to_within(fit, 0.04)


def test_a_law_without_a_floor_and_a_failed_posterior_are_refused():
    with pytest.raises(QuestionError, match=r"'kaplan' has no irreducible loss.*Laws with one: .*chinchilla"):
        compute_to_within(pinned_fit("kaplan", KAPLAN, draws=5), 0.1)
    with pytest.raises(UnconvergedError):
        compute_to_within(pinned_fit(verdict=FAILED, draws=5), 0.1)
