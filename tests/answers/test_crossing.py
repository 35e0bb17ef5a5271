import numpy as np
import pytest
import xarray as xr
from pinned import BESIROGLU, FAILED, KAPLAN, ROUNDED, pinned_fit
from scipy.optimize import brentq
from simulated import simulated_from

import bayescale as bs
from bayescale.answers.crossing import crossing, first_crossing, kaplan_crossing
from bayescale.errors import QuestionError, UnconvergedError
from bayescale.papers.power_of import PowerOf, crossing_of_powers, power_with_errors
from bayescale.papers.tables import PF_DAY
from bayescale.posterior import Posterior
from bayescale.report.words.answers import say_answer

# Kaplan et al. 2020: L(C_min) of eq. 1.3, L(D) of eq. 1.2, D_opt and N_opt of Table 6.
L_OF_C = {"x_c": 3.1e8 * PF_DAY, "alpha": 0.050}
L_OF_D = {"x_c": 5.4e13, "alpha": 0.095}
D_OF_C = PowerOf(PF_DAY, 2e10, 0.27)
N_OF_C = PowerOf(PF_DAY, 1.3e9, 0.73)


def fit_in(column, paper, base="power", **options):
    card = bs.cards.make_card({"extends": base, "x": column})
    return pinned_fit(card, paper, runs=simulated_from(card, 8), **options)


@pytest.fixture(scope="module")
def of_compute():
    return fit_in("compute", L_OF_C, spread=0.01)


@pytest.fixture(scope="module")
def of_tokens():
    return fit_in("tokens", L_OF_D, spread=0.01)


@pytest.mark.parametrize(
    ("constants", "days", "params", "tokens", "loss"),
    [
        # From Kaplan et al. 2020, eq. 1.2 and 1.3 with N_opt of Table 6, computed by hand: with D_opt of Table 6 ...
        ({}, 1.12e4, 1.17e12, 2.5e11, 1.668),
        # ... and with that of eq. 6.7, which does not follow from it.
        ({"D_1": 4e10, "b": 0.26}, 1.06e5, 6.1e12, 8.1e11, 1.490),
    ],
)
def test_kaplans_constants_cross_where_they_do(constants, days, params, tokens, loss):
    answer = kaplan_crossing(**constants)
    assert answer["compute"].dims == ("chain", "draw")
    one = answer.squeeze()
    assert float(one["compute_pf_days"]) == pytest.approx(days, rel=6e-3)
    assert float(one["compute"]) == pytest.approx(days * 8.64e19, rel=6e-3)
    assert float(one["params"]) == pytest.approx(params, rel=6e-3)
    assert float(one["tokens"]) == pytest.approx(tokens, rel=1e-2)
    assert float(one["loss"]) == pytest.approx(loss, abs=6e-4)
    assert (float(one["probability"]), float(one["mc_error"])) == (1.0, 0.0)
    np.testing.assert_allclose(one["decades"], 0)


def test_the_papers_own_crossing_lies_between_the_two():
    # Kaplan et al. 2020, eq. 6.8: C* ~ 1e4 PF-days, N* ~ 1e12, D* ~ 1e12, L* ~ 1.7, uncertain by an order of magnitude.
    assert "1.1e+04 PF-days, with N = 1.2T, D = 250B and a loss of 1.67 nats/token" in say_answer(kaplan_crossing())


def test_an_error_of_one_exponent_is_propagated_as_the_closed_form_says():
    # log C* = (p + q y) / (x - y z): to first order its spread is |d log C*/dx| times that of x = alpha_C.
    error = 1e-4
    answer = kaplan_crossing({"alpha_C": error}, draws=4000)
    step = 1e-5
    up, down = (np.log10(float(kaplan_crossing(alpha_C=0.050 + s)["compute"].squeeze())) for s in (step, -step))
    expected = 2 * 1.6449 * error * abs(up - down) / (2 * step)
    assert float(answer["decades"].sel(quantity="compute")) == pytest.approx(expected, rel=0.06)
    np.testing.assert_allclose(answer["decades"].sel(quantity="tokens"), 0.27 * answer["decades"][0], rtol=1e-9)
    np.testing.assert_allclose(answer["decades"].sel(quantity="params"), 0.73 * answer["decades"][0], rtol=1e-9)


def test_an_enormous_width_is_shown_and_the_draws_that_never_cross_are_counted():
    errors = {"alpha_C": 0.01, "alpha_D": 0.01, "b": 0.05}
    answer = kaplan_crossing(errors, draws=4000, seed=5)
    k = answer["compute"]
    assert 0.9 < float(answer["probability"]) < 0.99
    assert float(answer["probability"]) == float(k.notnull().mean())
    assert float(answer["mc_error"]) == pytest.approx(0.0033, rel=0.3)
    assert float(answer["decades"].sel(quantity="compute")) > 8
    for name in ("compute_pf_days", "params", "tokens", "loss"):
        assert bool((answer[name].notnull() == k.notnull()).all()), name
    assert "of draws they never cross" in say_answer(answer)
    xr.testing.assert_identical(answer, kaplan_crossing(errors, draws=4000, seed=5))


def test_laws_that_never_cross_do_not_contradict_each_other():
    answer = kaplan_crossing(b=0.6)
    assert float(answer["probability"]) == 0
    assert bool(answer["compute"].isnull().all() & answer["decades"].isnull().all())
    assert say_answer(answer).startswith("L(C) never falls below L(D(C))")


def test_an_unknown_constant_is_refused():
    with pytest.raises(QuestionError, match=r"no constant 'alpha_c'\. Did you mean 'alpha_"):
        kaplan_crossing(alpha_c=0.05)
    with pytest.raises(QuestionError, match="no constant 'gamma'"):
        kaplan_crossing({"gamma": 0.05})


def test_posteriors_at_the_published_constants_give_the_published_crossing():
    fits = fit_in("compute", L_OF_C, draws=3), fit_in("tokens", L_OF_D, draws=5)
    answer = crossing(*fits, D_OF_C, params_of_compute=N_OF_C)
    assert answer["compute"].dims == ("chain", "draw")
    np.testing.assert_allclose(answer["compute"], kaplan_crossing()["compute"].squeeze(), rtol=1e-6)
    np.testing.assert_allclose(answer["params"], kaplan_crossing()["params"].squeeze(), rtol=1e-6)
    largest = Posterior(fits[0]).seen["compute"][1]
    np.testing.assert_allclose(answer["decades_beyond"], np.log10(answer["compute"] / largest))


def test_without_sizes_the_cost_model_leaves_them(of_compute, of_tokens):
    answer = crossing(of_compute, of_tokens, D_OF_C)
    crossed = answer["compute"].notnull()
    assert bool(crossed.any())
    np.testing.assert_allclose((6 * answer["params"] * answer["tokens"]).where(crossed), answer["compute"])


def test_at_the_crossing_the_two_losses_of_a_draw_are_equal(of_compute):
    # With the tokens' law constant, every draw of L(C) can be checked by itself.
    answer = crossing(of_compute, PowerOf(5.4e13, 1.0, -0.095), D_OF_C)
    k = of_compute["posterior"].to_dataset()
    loss = (k["x_c"] / answer["compute"]) ** k["alpha"]
    np.testing.assert_allclose(answer["loss"], loss, rtol=1e-9)
    np.testing.assert_allclose((5.4e13 / answer["tokens"]) ** 0.095, loss, rtol=1e-9)


def test_the_search_agrees_with_the_closed_form(of_compute):
    k = of_compute["posterior"].to_dataset()
    upper, lower = PowerOf(1e20, (k["x_c"] / 1e20) ** k["alpha"], -k["alpha"]), PowerOf(5.4e13, 1.0, -0.095)
    searched = first_crossing(upper, lambda compute: lower(D_OF_C(compute)))
    np.testing.assert_allclose(searched, crossing_of_powers(upper, lower, D_OF_C), rtol=1e-9)
    assert bool(searched.notnull().all())


def test_laws_over_a_floor_are_solved():
    # L(C) = 1.5 + (C_c/C)^0.15 and L(D) = 1.6 + (D_c/D)^0.3, with C_c = 1e20, D_c = 1e9: by one scalar solver.
    fits = (
        fit_in("compute", {"E": 1.5, "x_c": 1e20, "alpha": 0.15}, "power-floor", draws=3),
        fit_in("tokens", {"E": 1.6, "x_c": 1e9, "alpha": 0.3}, "power-floor", draws=3),
    )
    answer = crossing(*fits, PowerOf(1e20, 3e9, 0.5))

    def gap(log_c):
        compute = np.exp(log_c)
        return 1.5 + (1e20 / compute) ** 0.15 - 1.6 - (1e9 / (3e9 * (compute / 1e20) ** 0.5)) ** 0.3

    expected = np.exp(brentq(gap, np.log(1e20), np.log(1e40), xtol=1e-12))
    np.testing.assert_allclose(answer["compute"], expected, rtol=1e-8)
    np.testing.assert_allclose(answer["probability"], 1)


def test_a_floor_below_can_keep_them_apart():
    # L(D) comes to 1.4, L(C) stays above 1.5: where both powers fall alike they never meet.
    fits = (
        fit_in("compute", {"E": 1.5, "x_c": 1e20, "alpha": 0.15}, "power-floor", draws=3),
        fit_in("tokens", {"E": 1.4, "x_c": 1e9, "alpha": 0.3}, "power-floor", draws=3),
    )
    answer = crossing(*fits, PowerOf(1e20, 3e9, 0.5))
    assert float(answer["probability"]) == 0


def test_tokens_from_a_posterior_are_its_split(of_compute, of_tokens):
    fit = pinned_fit(draws=20, spread=0.0)
    split = bs.optimal_split(fit, "1x")
    from_fit, from_split = (crossing(of_compute, of_tokens, source) for source in (fit, split))
    at = float(split["compute"].squeeze())
    power = PowerOf(at, float(split["tokens"].isel(chain=0, draw=0).squeeze()), float(split["b"].isel(chain=0, draw=0)))
    expected = crossing(of_compute, of_tokens, power)
    np.testing.assert_allclose(from_fit["compute"], from_split["compute"])
    np.testing.assert_allclose(from_fit["compute"], expected["compute"], rtol=1e-9)


def test_published_constants_with_errors_may_stand_for_a_posterior(of_compute, of_tokens):
    tokens = power_with_errors(PF_DAY, 2e10, 0.27, exponent_error=0.01, draws=100)
    answer = crossing(of_compute, of_tokens, tokens)
    assert answer["compute"].shape == of_compute["posterior"]["alpha"].shape
    sure = crossing(of_compute, of_tokens, D_OF_C)
    assert float(answer["decades"].sel(quantity="tokens")) > float(sure["decades"].sel(quantity="tokens"))


def test_the_curves_are_those_of_the_laws(of_tokens):
    answer = crossing(fit_in("compute", L_OF_C, draws=3), of_tokens, D_OF_C)
    at = answer["at_compute"].values
    np.testing.assert_allclose(answer["loss_of_compute"].isel(sample=0), (L_OF_C["x_c"] / at) ** 0.05, rtol=1e-9)
    assert set(answer["loss_of_tokens"].dims) == {"point", "sample"}
    assert at[0] < float(answer["compute"].min())
    assert at[-1] > float(answer["compute"].max())
    assert not {"loss_of_compute", "loss_of_tokens"} & set(bs.summary(answer).reset_index()["variable"])


@pytest.mark.parametrize(("law", "paper"), [("chinchilla", BESIROGLU), ("kaplan", KAPLAN)])
def test_one_joint_law_has_nothing_to_cross(law, paper, of_tokens):
    fit = pinned_fit(law, paper, draws=2)
    for given in ((fit,), (fit, of_tokens, D_OF_C)):
        with pytest.raises(
            QuestionError, match=f"{law}' gives both L.C. and L.D., and they never cross.*two separately"
        ):
            crossing(*given)


def test_what_is_missing_or_wrong_is_said(of_compute, of_tokens):
    with pytest.raises(QuestionError, match=r"missing: L\(D\), of_tokens="):
        crossing(of_compute)
    with pytest.raises(QuestionError, match=r"missing: D\(C\), tokens_of_compute="):
        crossing(of_compute, of_tokens)
    with pytest.raises(
        QuestionError, match=r"L\(C\) needs a law in compute alone, such as power:compute; the law 'power'"
    ):
        crossing(of_tokens, of_tokens, D_OF_C)
    with pytest.raises(QuestionError, match="at one budget; this one has 2"):
        crossing(of_compute, of_tokens, bs.optimal_split(pinned_fit(draws=2), ["1x", "10x"]))


def test_a_failed_posterior_is_not_quoted(of_compute):
    failed = fit_in("tokens", L_OF_D, verdict=FAILED)
    with pytest.raises(UnconvergedError):
        crossing(of_compute, failed, D_OF_C)
    assert crossing(of_compute, failed, D_OF_C, allow_unconverged=True).attrs["verdict"] != "converged"


def test_families_are_answered_side_by_side(of_compute, of_tokens):
    split = bs.optimal_split(pinned_fit(families={"old": ROUNDED, "new": BESIROGLU}, draws=20), "1x")
    answer = crossing(of_compute, of_tokens, split)
    assert answer["compute"].dims == ("chain", "draw", "family")
    assert answer["probability"].dims == ("family",)
    one = crossing(of_compute, of_tokens, split, family="old")
    np.testing.assert_allclose(one["compute"], answer["compute"].sel(family="old"))
    with pytest.raises(QuestionError, match="no family 'old': the runs are not told apart"):
        crossing(of_compute, of_tokens, D_OF_C, family="old")
