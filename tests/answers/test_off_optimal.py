import numpy as np
import pytest
from laws.oracles import off_optimal_size
from pinned import BESIROGLU, FAILED, KAPLAN, ROUNDED, pinned_fit
from simulated import simulated_from, truth_for

import bayescale as bs
from bayescale.answers.off_optimal import convergence_gap, off_optimal
from bayescale.errors import QuestionError, UnconvergedError
from bayescale.posterior import Posterior
from bayescale.report.words.answers import say_answer

# Kaplan et al. 2020, eq. 1.1 and 1.6: alpha_N = 0.076, alpha_S = 0.76, S_c = 2.1e3 steps, here of 5e5 tokens.
KAPLAN_SHAPE = {"E": 0.0, "A": 8.8e13**0.076, "B": (2.1e3 * 5e5) ** 0.76, "alpha": 0.076, "beta": 0.76}
TABLE_3 = {"alpha_N": 0.077, "alpha_S": 0.76, "N_c": 6.5e13, "S_c": 2.1e3, "B_star": 2.1e8, "alpha_B": 0.21}


@pytest.fixture(scope="module")
def steps_fit():
    return pinned_fit("kaplan-steps", TABLE_3, runs=simulated_from(bs.load_card("kaplan-steps"), 8), draws=3)


def test_kaplans_sizes_cost_what_the_paper_says():
    # Kaplan et al. 2020, Appendix B: C(N)/C(N_eff) with alpha_N = 0.076, alpha_S = 0.76 is 1.165 at 0.6 times the size
    # and 1.204 at 2.2 times, where the steps are 0.547 of the optimal ones.
    off = off_optimal(pinned_fit(paper=KAPLAN_SHAPE, draws=3), [1e20, 1e24], [0.6, 1, 2.2]).isel(chain=0, draw=1)
    np.testing.assert_allclose(off["extra_compute"], [[0.165, 0, 0.204]] * 2, atol=6e-4)
    np.testing.assert_allclose(off["tokens_ratio"].sel(factor=2.2), 0.547, atol=5e-4)


@pytest.mark.parametrize(("law", "paper"), [("chinchilla", BESIROGLU), ("kaplan", KAPLAN)])
def test_every_draw_is_the_closed_form(law, paper):
    # Appendix B's form holds for any law whose loss rises with A N^-alpha + B D^-beta, as eq. 1.5's does.
    fit = pinned_fit(law, paper, spread=0.05, draws=30)
    terms = bs.laws.get_law(law).power_terms({k: fit["posterior"][k] for k in bs.laws.get_law(law).parameter_names})
    off = off_optimal(fit, 1e24, [0.5, 0.9, 3.0])
    expected = off_optimal_size({"alpha_N": terms.alpha, "alpha_S": terms.beta}, off["factor"])
    one = off.isel(point=0).transpose("factor", ...)
    np.testing.assert_allclose(one["extra_compute"], (expected.compute - 1).transpose("factor", ...), rtol=1e-7)
    np.testing.assert_allclose(one["tokens_ratio"], expected.step.transpose("factor", ...), rtol=1e-7)
    assert off["extra_compute"].dims == ("chain", "draw", "point", "factor")


def test_a_size_that_cannot_reach_the_loss_takes_infinite_compute():
    # k^-alpha = 1 + alpha/beta at k = 0.1464 for Besiroglu et al. 2024: there even unlimited tokens do not suffice.
    off = off_optimal(pinned_fit(draws=3), 1e24, [0.146, 0.147, 1])
    assert np.isinf(off["extra_compute"].sel(factor=0.146)).all()
    assert np.isinf(off["tokens_ratio"].sel(factor=0.146)).all()
    assert bool(
        (np.isfinite(off["extra_compute"].sel(factor=0.147)) & (off["extra_compute"].sel(factor=0.147) > 100)).all()
    )
    np.testing.assert_allclose(off["reachable"].squeeze(), [0, 1, 1])
    assert "0.146 times that size never gets there in 100% of draws" in say_answer(off)


def test_the_share_of_draws_that_reach_it_is_told():
    # As above draw by draw, with its own exponents.
    fit = pinned_fit(spread=0.05)
    k = fit["posterior"].to_dataset()
    off = off_optimal(fit, 1e24, [0.146])
    expected = (0.146 ** -k["alpha"] < 1 + k["alpha"] / k["beta"]).mean()
    assert 0.1 < float(expected) < 0.9
    assert float(off["reachable"].squeeze()) == float(expected)
    assert float(np.isfinite(off["extra_compute"]).mean()) == float(expected)


@pytest.mark.parametrize(
    ("model", "at"),
    [
        ("coupled", {}),
        ("moe", {"granularity": 8}),
        ("repeats", {"unique_tokens": "20B"}),
        ("kaplan-steps", {"batch": 5e5}),
    ],
)
def test_any_law_comes_to_the_same_loss(model, at):
    card = bs.load_card(model)
    law, runs = card.get_law(), simulated_from(card, 8)
    reference = law.reference({name: runs[name].values for name in law.inputs})
    theta = truth_for(card, 1)
    fit = pinned_fit(model, theta | law.to_paper(np, theta, reference), runs=runs, spread=0.02, draws=5)
    off = off_optimal(fit, 3e21, [0.7, 1, 1.6], at=at)
    best = bs.optimal_split(fit, 3e21, at=at)
    inputs = {"params": best["params"] * off["factor"], "tokens": best["tokens"] * off["tokens_ratio"]}
    there = Posterior(fit).expect(inputs | {name: off[name] for name in at})
    np.testing.assert_allclose(there, best["optimal_loss"].broadcast_like(there), rtol=1e-9)
    compute = 6 * inputs["params"] * inputs["tokens"] / 3e21 - 1
    np.testing.assert_allclose(off["extra_compute"], compute.transpose(*off["extra_compute"].dims), atol=1e-9)
    assert bool((off["extra_compute"].sel(factor=[0.7, 1.6]) > 0).all())


@pytest.mark.parametrize("batch", [1e5, 5e6])
@pytest.mark.parametrize("compute", [1e20, 1e24])
def test_kaplans_optimum_stops_alpha_N_over_alpha_S_above_convergence(steps_fit, compute, batch):
    # Kaplan et al. 2020, Appendix B: L(N_eff(C), C) = (1 + alpha_N/alpha_S) L(N_eff, inf), about 10%, at any batch.
    answer = convergence_gap(steps_fit, compute, at={"batch": batch})
    np.testing.assert_allclose(answer["gap"], 0.077 / 0.76, rtol=1e-5)
    assert "stops 10% (95%: 10 to 10%) above its converged loss" in say_answer(answer)


def test_hoffmanns_optimum_stops_by_the_token_term():
    fit = pinned_fit(spread=0.05, draws=20)
    k = fit["posterior"].to_dataset()
    answer = convergence_gap(fit, ["1x", 1e25])
    split = bs.optimal_split(fit, ["1x", 1e25])
    converged = k["E"] + k["A"] * split["params"] ** -k["alpha"]
    np.testing.assert_allclose(answer["gap"], k["B"] * split["tokens"] ** -k["beta"] / converged, rtol=1e-9)
    np.testing.assert_allclose(answer["converged_loss"], converged, rtol=1e-12)
    assert answer["gap"].dims == ("chain", "draw", "point")


def test_by_kaplans_joint_law_it_stops_at_a_fixed_share():
    # Kaplan et al. 2020, eq. 1.5: at the optimum the D term is alpha_N/alpha_D of the N term, inside the bracket.
    answer = convergence_gap(pinned_fit("kaplan", KAPLAN, draws=2), [1e20, 1e26])
    np.testing.assert_allclose(answer["gap"], (1 + 0.076 / 0.103) ** 0.103 - 1, rtol=1e-9)


def test_tokens_that_harm_have_no_convergence():
    # Kumar et al. 2024: rounding after training costs more the longer a model was trained.
    card = bs.load_card("precision-post")
    law, runs = card.get_law(), simulated_from(card, 8)
    reference = law.reference({name: runs[name].values for name in law.inputs})
    theta = truth_for(card, 1)
    fit = pinned_fit("precision-post", theta | law.to_paper(np, theta, reference), runs=runs, draws=2)
    at = {name: 4.0 for name in law.inputs if name.startswith("bits")}
    with pytest.raises(QuestionError, match="more tokens can raise the loss"):
        convergence_gap(fit, 1e21, at=at)


def test_families_are_answered_side_by_side():
    fit = pinned_fit(families={"old": ROUNDED, "new": BESIROGLU}, draws=3)
    off, gap = off_optimal(fit, 1e23, [0.6, 2.2]), convergence_gap(fit, 1e23)
    assert off["extra_compute"].dims == ("chain", "draw", "point", "factor", "family")
    assert gap["gap"].dims == ("chain", "draw", "point", "family")
    assert "old, 1e+23 FLOP: the best" in say_answer(off)
    one = off_optimal(fit, 1e23, [0.6, 2.2], family="old")
    np.testing.assert_allclose(one["extra_compute"], off["extra_compute"].sel(family="old"), rtol=1e-9)


@pytest.mark.parametrize("factors", [[0.0], [-1, 2], [np.inf], []])
def test_a_factor_that_is_no_size_is_refused(factors):
    with pytest.raises(QuestionError, match="factors: accepted: numbers above 0"):
        off_optimal(pinned_fit(draws=2), 1e24, factors)


@pytest.mark.parametrize("answer", [off_optimal, convergence_gap])
def test_it_asks_for_a_law_with_a_split_and_a_sound_posterior(answer):
    card = bs.cards.make_card({"extends": "power", "x": "tokens"})
    fit = pinned_fit(card, {"x_c": 5.4e13, "alpha": 0.095}, runs=simulated_from(card, 6), draws=2)
    with pytest.raises(QuestionError, match="does not trade parameters against tokens"):
        answer(fit, 1e24)
    with pytest.raises(UnconvergedError):
        answer(pinned_fit(verdict=FAILED), 1e24)
    assert answer(pinned_fit(verdict=FAILED, draws=2), 1e24, allow_unconverged=True).attrs["verdict"] != "converged"
