import numpy as np
import pytest
import xarray as xr
from pinned import BESIROGLU, FAILED, KAPLAN, ROUNDED, pinned_fit
from simulated import simulated_from

import bayescale as bs
from bayescale.answers.loss_of_compute import loss_of_compute, loss_of_tokens, unlimited_loss
from bayescale.errors import QuestionError, UnconvergedError
from bayescale.posterior import Posterior

# Muennighoff et al. 2023: Hoffmann's law on C4 with R_D = 15.4 and R_N = 5.3.
MUENNIGHOFF = {"E": 1.8691, "A": 520.8, "B": 1487.7, "alpha": 0.3527, "beta": 0.3527, "R_D": 15.39, "R_N": 5.31}


def one_variable(column, paper):
    card = bs.cards.make_card({"extends": "power", "x": column})
    return pinned_fit(card, paper, runs=simulated_from(card, 8), draws=3)


def test_of_tokens_hoffmanns_law_leaves_its_token_term():
    answer = loss_of_tokens(pinned_fit(spread=0.05, draws=20), ["1B", "10x"])
    k = pinned_fit(spread=0.05, draws=20)["posterior"].to_dataset()
    tokens = xr.DataArray([1e9, 8e12], dims="point")  # the most in the pinned runs is 8e11
    np.testing.assert_allclose(answer["best_loss"], k["E"] + k["B"] * tokens ** -k["beta"], rtol=1e-12)
    np.testing.assert_allclose(answer["decades_beyond"], [np.log10(1e9 / 8e11), 1])
    assert answer["best_loss"].dims == ("chain", "draw", "point")


def test_of_tokens_kaplans_law_is_his_law_in_d():
    # Kaplan et al. 2020, eq. 1.5 with N without limit: (D_c/D)^alpha_D.
    answer = loss_of_tokens(pinned_fit("kaplan", KAPLAN, draws=2), 1e10)
    np.testing.assert_allclose(answer["best_loss"], (1.8e13 / 1e10) ** 0.103, rtol=1e-12)


def test_of_compute_it_is_the_loss_at_the_split():
    fit = pinned_fit(spread=0.05, draws=20)
    answer, split = loss_of_compute(fit, ["1x", 1e26]), bs.optimal_split(fit, ["1x", 1e26])
    np.testing.assert_allclose(answer["best_loss"], split["optimal_loss"])
    assert {"params", "tokens", "compute", "decades_beyond"} <= set(answer.variables)


def test_laws_in_one_variable_answer_for_their_own():
    # Kaplan et al. 2020, eq. 1.2, and eq. 1.3 in FLOP.
    tokens = loss_of_tokens(one_variable("tokens", {"x_c": 5.4e13, "alpha": 0.095}), [1e9, 1e12])
    np.testing.assert_allclose(tokens["best_loss"].isel(chain=0, draw=0), (5.4e13 / np.array([1e9, 1e12])) ** 0.095)
    compute = loss_of_compute(one_variable("compute", {"x_c": 3.1e8 * 8.64e19, "alpha": 0.05}), 8.64e19)
    np.testing.assert_allclose(compute["best_loss"].isel(chain=0, draw=0), 3.1e8**0.05)


@pytest.mark.parametrize(("law", "paper"), [("chinchilla", BESIROGLU), ("kaplan", KAPLAN)])
def test_of_one_joint_law_compute_never_beats_its_tokens(law, paper):
    fit = pinned_fit(law, paper, spread=0.1, draws=50)
    computes = np.geomspace(1e15, 1e40, 12)
    of_compute = loss_of_compute(fit, computes)
    of_tokens = unlimited_loss(Posterior(fit), {"tokens": of_compute["tokens"]}, "params")
    assert bool((of_compute["best_loss"] > of_tokens).all())


def test_where_infinity_is_no_number_the_limit_is_still_found():
    # Muennighoff et al. 2023: unlimited repeats of U tokens are worth U (1 + R_D); parameters as many as U can use.
    runs = simulated_from(bs.load_card("repeats"), 8)
    fit = pinned_fit("repeats", MUENNIGHOFF, runs=runs, draws=2)
    few, unique = 1e6, xr.DataArray(1e10)
    found = unlimited_loss(Posterior(fit), {"params": xr.DataArray(few), "unique_tokens": unique}, "tokens")
    k = MUENNIGHOFF
    worth = 1e10 * (1 + k["R_D"])
    np.testing.assert_allclose(found, k["E"] + k["A"] * few ** -k["alpha"] + k["B"] * worth ** -k["beta"], rtol=1e-9)


def test_families_and_one_of_them():
    fit = pinned_fit(families={"old": ROUNDED, "new": BESIROGLU}, draws=2)
    assert loss_of_tokens(fit, 1e9)["best_loss"].dims == ("chain", "draw", "point", "family")
    one = loss_of_tokens(fit, 1e9, family="old")["best_loss"]
    np.testing.assert_allclose(one, 1.69 + 410.7 * 1e9**-0.28, rtol=1e-12)


def test_a_law_that_cannot_say_is_refused():
    compute = one_variable("compute", {"x_c": 3.1e8 * 8.64e19, "alpha": 0.05})
    with pytest.raises(QuestionError, match=r"'power' takes compute: it does not say what tokens can give.*chinchilla"):
        loss_of_tokens(compute, 1e9)
    tokens = one_variable("tokens", {"x_c": 5.4e13, "alpha": 0.095})
    with pytest.raises(QuestionError, match="it does not say what compute can give"):
        loss_of_compute(tokens, 1e24)


OWN = """
law = {{ expression = "E + a * n**-alpha + b * n**{power} * d**-beta", floor = "E" }}
[priors]
E = {{ dist = "LogNormal", median = 1.5, sigma = 0.3 }}
a = {{ dist = "LogNormal", median = 0.3, sigma = 1 }}
b = {{ dist = "LogNormal", median = 0.3, sigma = 1 }}
alpha = {{ dist = "LogNormal", median = 0.3, sigma = 0.4 }}
beta = {{ dist = "LogNormal", median = 0.3, sigma = 0.4 }}
"""


@pytest.mark.parametrize(("power", "harmful"), [("0.1", True), ("-0.1", False)])
def test_a_law_of_ones_own_is_looked_at_for_harm(tmp_path, power, harmful):
    path = tmp_path / "own.toml"
    path.write_text(OWN.format(power=power))
    theta = {"E": 1.5, "a": 0.3, "b": 0.3, "alpha": 0.3, "beta": 0.3}
    runs = pinned_fit(draws=2)
    runs = bs.read_runs(bs.inference.runs_of(runs).to_dataframe().reset_index(drop=True)[["params", "tokens", "loss"]])
    fit = pinned_fit(str(path), theta, runs=runs, draws=2)
    if harmful:
        with pytest.raises(QuestionError, match="more params can raise the loss"):
            loss_of_tokens(fit, 1e10)
    else:
        np.testing.assert_allclose(loss_of_tokens(fit, 1e10)["best_loss"], 1.5)


def test_a_failed_posterior_is_not_quoted():
    for answer in (loss_of_tokens, loss_of_compute):
        with pytest.raises(UnconvergedError):
            answer(pinned_fit(verdict=FAILED), 1e22)
        marked = answer(pinned_fit(verdict=FAILED, draws=2), 1e22, allow_unconverged=True)
        assert marked.attrs["verdict"] != "converged"
