import numpy as np
import pytest
from pinned import BESIROGLU, FAILED, KAPLAN, ROUNDED, pinned_fit
from simulated import simulated_from

import bayescale as bs
from bayescale.answers import optimal_params
from bayescale.answers.bigger_or_longer import bigger_or_longer
from bayescale.costs import SIX_ND
from bayescale.errors import QuestionError, UnconvergedError
from bayescale.posterior import Posterior
from bayescale.report.words.answers import say_answer

# Kaplan et al. 2020, Table 3; B_star and alpha_B from Table 5.
TABLE_3 = {"alpha_N": 0.077, "alpha_S": 0.76, "N_c": 6.5e13, "S_c": 2.1e3, "B_star": 2.1e8, "alpha_B": 0.21}


def test_the_falls_are_the_derivatives_of_the_law():
    # d(A N^-alpha)/d(ln N) and d(B D^-beta)/d(ln D) of Hoffmann et al. 2022, eq. 10; C = 6ND costs ln C one for one.
    fit = pinned_fit(spread=0.05, draws=20)
    answer = bigger_or_longer(fit, ["70B", 1e9], ["1.4T", 2e10])
    k = fit["posterior"].to_dataset()
    n, d = answer["params"], answer["tokens"]
    np.testing.assert_allclose(answer["fall_bigger"], k["alpha"] * k["A"] * n ** -k["alpha"], rtol=1e-7)
    np.testing.assert_allclose(answer["fall_longer"], k["beta"] * k["B"] * d ** -k["beta"], rtol=1e-7)
    assert answer["fall_bigger"].dims == ("chain", "draw", "point")
    np.testing.assert_allclose(answer["compute"], 6 * n * d)


@pytest.mark.parametrize(("law", "paper"), [("chinchilla", BESIROGLU), ("kaplan", KAPLAN)])
def test_at_the_optimum_both_buy_as_much(law, paper):
    fit = pinned_fit(law, paper, draws=5)
    split = bs.optimal_split(fit, 1e23).isel(chain=0, draw=0, point=0)
    answer = bigger_or_longer(fit, float(split["params"]), float(split["tokens"]))
    np.testing.assert_allclose(answer["fall_bigger"], answer["fall_longer"], rtol=1e-7)
    np.testing.assert_allclose(answer["size_ratio"], 1, rtol=1e-9)


def test_a_draw_says_bigger_where_its_best_size_is_larger():
    answer = bigger_or_longer(pinned_fit(spread=0.05), 7e10, 1.4e12)
    smaller = answer["size_ratio"] < 1
    assert bool(((answer["fall_bigger"] > answer["fall_longer"]) == smaller).all())
    assert 0.3 < float(answer["probability_bigger"].squeeze()) == float(smaller.mean()) < 0.9
    # 500 independent draws.
    assert float(answer["mc_error"].squeeze()) == pytest.approx(np.sqrt(0.67 * 0.33 / 500), rel=0.3)


def test_by_hoffmanns_law_gopher_should_have_been_trained_longer():
    # Hoffmann et al. 2022: at Gopher's budget a model of 40B to 70B is best; Gopher has 280B and 300B tokens.
    answer = bigger_or_longer(pinned_fit(paper=ROUNDED, draws=5), "280B", "300B")
    assert float(answer["probability_bigger"].squeeze()) == 0
    assert float(answer["size_ratio"].isel(chain=0, draw=0).squeeze()) == pytest.approx(280e9 / 32e9, rel=0.1)
    assert say_answer(answer).startswith("at N = 280B, D = 300B: longer. ")


@pytest.fixture(scope="module")
def steps_fit():
    card = bs.load_card("kaplan-steps")
    return pinned_fit("kaplan-steps", TABLE_3, runs=simulated_from(card, 8), draws=5)


def test_steps_at_a_batch_are_tokens(steps_fit):
    law = bs.laws.get_law("kaplan-steps")
    reference = Posterior(steps_fit).reference
    theta = law.from_paper(np, TABLE_3, reference)
    best = optimal_params(law, theta, 1e22, SIX_ND, reference, {"batch": 5e5})
    answer = bigger_or_longer(steps_fit, float(best), SIX_ND.tokens(float(best), 1e22), at={"batch": "500k"})
    np.testing.assert_allclose(answer["fall_bigger"], answer["fall_longer"], rtol=1e-4)
    larger = bigger_or_longer(steps_fit, 2 * float(best), SIX_ND.tokens(2 * float(best), 1e22), at={"batch": "500k"})
    np.testing.assert_allclose(larger["size_ratio"], 2, rtol=1e-4)
    assert float(larger["probability_bigger"].squeeze()) == 0


def test_what_the_law_takes_besides_must_be_said(steps_fit):
    with pytest.raises(QuestionError, match="not said: step"):
        bigger_or_longer(steps_fit, 1e9, 1e10)


def test_a_cost_that_grows_faster_with_size_makes_parameters_dearer(monkeypatch):
    class Dearer:
        """C = 6 N^1.5 D: ln C costs 1.5 times as much as N."""

        name = "dearer"

        def compute(self, params, tokens):
            return 6 * params**1.5 * tokens

        def tokens(self, params, compute):
            return compute / (6 * params**1.5)

        def params(self, tokens, compute):
            return (compute / (6 * tokens)) ** (2 / 3)

    fit = pinned_fit(draws=2)
    before = bigger_or_longer(fit, 1e9, 2e10)
    monkeypatch.setattr(Posterior, "cost", Dearer())
    after = bigger_or_longer(fit, 1e9, 2e10)
    np.testing.assert_allclose(after["fall_bigger"], before["fall_bigger"] / 1.5, rtol=1e-8)
    np.testing.assert_allclose(after["fall_longer"], before["fall_longer"], rtol=1e-8)
    assert bool((after["size_ratio"] > before["size_ratio"]).all())


def test_without_a_best_size_there_is_still_an_answer():
    # L = E + K N^-0.3 D^-0.2: under C = 6ND the loss falls as N grows without end.
    paper = {"E": 1.5, "K": 5e4, "alpha": 0.3, "beta": 0.2}
    answer = bigger_or_longer(pinned_fit("multiplicative", paper, draws=3), 1e9, 2e10)
    np.testing.assert_allclose(answer["fall_bigger"] / answer["fall_longer"], 1.5, rtol=1e-8)
    assert "size_ratio" not in answer
    assert "has no compute-optimal split at 1.2e+20 FLOP" in answer.attrs["warning"]


def test_families_are_answered_side_by_side():
    fit = pinned_fit(families={"old": ROUNDED, "new": BESIROGLU}, draws=5)
    answer = bigger_or_longer(fit, "70B", "1.4T")
    assert answer["probability_bigger"].dims == ("point", "family")
    assert "old: at N = 70B" in say_answer(answer)
    one = bigger_or_longer(fit, "70B", "1.4T", family="old")
    np.testing.assert_allclose(one["fall_bigger"], answer["fall_bigger"].sel(family="old"))


def test_where_the_draws_disagree_the_answer_says_so():
    said = say_answer(bigger_or_longer(pinned_fit(spread=0.05), 7e10, 1.4e12))
    assert said.startswith(
        "at N = 70B, D = 1.4T: the runs do not tell. Parameters buy more than tokens with probability 0."
    )
    assert "N is 0.95 times the best for that compute (95%: 0.77 to 1.2)." in said


@pytest.mark.parametrize(
    ("model", "paper", "given", "match"),
    [
        ("power", {"x_c": 5.4e23, "alpha": 0.05}, (1e9, 1e9), "does not trade parameters against tokens"),
        ("chinchilla", BESIROGLU, ([1e9, 2e9], [1e9, 2e9, 3e9]), "params and tokens must be of equal length"),
        ("chinchilla", BESIROGLU, ("big", 1e9), "params: 'big' is not a number"),
        ("chinchilla", BESIROGLU, (1e9, -1), "tokens: got -1"),
    ],
)
def test_a_wrong_question_is_refused(model, paper, given, match):
    runs = None if model == "chinchilla" else simulated_from(bs.load_card(model), 6)
    with pytest.raises(QuestionError, match=match):
        bigger_or_longer(pinned_fit(model, paper, runs=runs, draws=2), *given)


def test_a_failed_posterior_is_not_quoted():
    with pytest.raises(UnconvergedError):
        bigger_or_longer(pinned_fit(verdict=FAILED), 1e9, 2e10)
    marked = bigger_or_longer(pinned_fit(verdict=FAILED, draws=2), 1e9, 2e10, allow_unconverged=True)
    assert marked.attrs["verdict"] != "converged"
