import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pinned import FAILED, pinned_fit

import bayescale as bs
from bayescale.answers.best_epochs import (
    best_epochs,
    fresh_epochs,
    last_worthwhile_epoch,
    value_of_epochs,
    worth_of_epoch,
)
from bayescale.errors import QuestionError, UnconvergedError
from bayescale.laws import get_law
from bayescale.posterior import Posterior

# Muennighoff et al. 2023, the fit on C4: log A, log B, log E, and both exponents tied.
PAPER = {
    "E": np.exp(0.6254804),
    "A": np.exp(6.255414),
    "B": np.exp(7.3049974),
    "alpha": 0.3526596,
    "beta": 0.3526596,
    "R_D": 15.387756,
    "R_N": 5.309743,
}
EPOCHS = (1, 2, 4, 8, 16, 40, 100)


def runs_of(epochs=(1, 4, 16)):
    """Runs of the published law at several sizes, unique tokens and epochs."""
    size, unique, count = (v.ravel() for v in np.meshgrid(np.geomspace(1e8, 4e9, 4), [1e9, 5e9, 2e10], epochs))
    inputs = {"params": size, "tokens": unique * count, "unique_tokens": unique}
    return bs.read_runs(
        pd.DataFrame(inputs | {"loss": get_law("repeats").paper(np, PAPER, **inputs)}), suspicious="keep"
    )


def repeats_fit(**options):
    options.setdefault("runs", runs_of())
    return pinned_fit("repeats", PAPER, **options)


@pytest.mark.parametrize("source", ["constants", "posterior"])
def test_effective_tokens_are_the_published_ones(source):
    # D'/U by Muennighoff et al. 2023, eq. 5, worked from the printed R_D*.
    value = value_of_epochs(PAPER if source == "constants" else repeats_fit(), "25B", "7B", epochs=EPOCHS)
    expected = [1, 1.9682, 3.7257, 6.6241, 10.5825, 15.1675, 16.3630]
    assert value["fresh_epochs"].dims == ("chain", "draw", "point")
    np.testing.assert_allclose(value["fresh_epochs"].isel(chain=0, draw=0), expected, atol=5.1e-5)
    np.testing.assert_allclose(value["effective_tokens"], 25e9 * value["fresh_epochs"], rtol=1e-12)


def test_the_loss_is_the_readmes():
    # The authors' README, to all digits: 242B tokens of which 25B are unique.
    value = value_of_epochs(PAPER, 25e9, 6.34e9, epochs=242 / 25)
    assert value["expected_loss"].item() == pytest.approx(2.2256440889984477, rel=1e-13)


def test_the_worth_of_each_epoch_adds_up_to_what_all_are_worth():
    value = value_of_epochs(PAPER, "25B", "7B", epochs=np.arange(1, 41))
    np.testing.assert_allclose(value["worth"].cumsum("point"), value["fresh_epochs"], rtol=1e-8)
    assert bool((value["worth"].diff("point") < 0).all())
    assert value["worth"].values.ravel()[0] == pytest.approx(1, abs=1e-8)


def test_repeated_tokens_are_worth_less_than_fresh_ones_and_one_epoch_as_much():
    value = value_of_epochs(repeats_fit(spread=0.05), "25B", "7B", epochs=[1, 4, 40])
    gap = value["expected_loss"] - value["loss_if_fresh"]
    np.testing.assert_allclose(gap.isel(point=0), 0, atol=1e-12)
    assert bool((gap.diff("point") > 0).all())
    assert bool((value["expected_loss"].diff("point") < 0).all())


def test_after_the_last_worthwhile_epoch_another_is_worth_less_than_the_share():
    value = value_of_epochs(repeats_fit(spread=0.2), "25B", "7B", share=0.25)
    last, R_D = value["last_worthwhile"], repeats_fit(spread=0.2)["posterior"]["R_D"]
    np.testing.assert_allclose(worth_of_epoch(last, R_D), 0.25, rtol=1e-9)
    assert bool((worth_of_epoch(last + 1, R_D) < 0.25).all())
    assert float(last.std()) > 0


@pytest.mark.parametrize(("R_D", "last"), [(0.05, 1.0), (15.387756, 36.934)])
def test_the_last_worthwhile_epoch(R_D, last):
    # 2 + R ln(R (1 - exp(-1/R)) / 0.1): the k-th epoch adds R (1 - exp(-1/R)) exp(-(k - 2) / R) by eq. 5.
    assert float(last_worthwhile_epoch(R_D)) == pytest.approx(last, abs=1e-3)


@pytest.mark.parametrize("source", ["constants", "posterior"])
def test_the_best_number_of_epochs_is_the_readmes(source):
    # The authors' README: at 1e22 FLOP and 25B unique tokens, N = 7.022e9 and D = 2.3734e11, 9.49 epochs. Their search
    # is over a grid, and the optimum is flat.
    best = best_epochs(PAPER if source == "constants" else repeats_fit(), 1e22, "25B")
    one = best.isel(chain=0, draw=0, point=0)
    assert float(one["params"]) == pytest.approx(7.022e9, rel=1e-3)
    assert float(one["tokens"]) == pytest.approx(2.3734e11, rel=1e-3)
    assert float(one["epochs"]) == pytest.approx(9.49, abs=0.01)
    known = get_law("repeats").paper(np, PAPER, params=1e22 / 6 / 2.3734e11, tokens=2.3734e11, unique_tokens=25e9)
    assert float(one["optimal_loss"]) == pytest.approx(known, abs=1e-7)
    assert float(one["optimal_loss"]) <= known


def test_with_plenty_of_tokens_the_split_is_that_of_the_law_without_repeats():
    # Muennighoff et al. 2023 at Gopher's budget: N = 6.996e10, D = 1.372e12, of which none is repeated.
    best = best_epochs(PAPER, 5.76e23, 1e13)
    assert best["params"].item() == pytest.approx(6.996e10, rel=5e-4)
    assert best["tokens"].item() == pytest.approx(1.372e12, rel=5e-4)
    assert best["epochs"].item() < 1
    assert best["worth"].item() == pytest.approx(1, abs=1e-8)
    assert best["optimal_loss"].item() == pytest.approx(best["loss_if_fresh"].item(), rel=1e-12)


def test_no_other_split_of_the_budget_is_better_in_any_draw():
    fit = repeats_fit(spread=0.05)
    best = best_epochs(fit, [1e21, 1e22], "10B")
    assert best["params"].dims == ("chain", "draw", "point")
    for factor in (0.9, 1.1):
        inputs = {"params": best["params"] * factor, "tokens": best["tokens"] / factor, "unique_tokens": 1e10}
        assert bool((Posterior(fit).expect(inputs) > best["optimal_loss"]).all())
    np.testing.assert_allclose(best["decades_beyond"], np.log10(best["compute"] / runs_of()["compute"].max()))


def test_more_compute_over_the_same_tokens_is_more_epochs_each_worth_less():
    best = best_epochs(PAPER, [1e21, 1e22, 1e23], "10B")
    assert bool((best["epochs"].diff("point") > 0).all())
    assert bool((best["worth"].diff("point") < 0).all())
    owed = best["optimal_loss"] - best["loss_if_fresh"]
    assert bool((owed.diff("point") > 0).all())


def test_compute_beyond_what_the_tokens_can_use_is_an_error_that_says_so():
    with pytest.raises(QuestionError, match="more compute than so few tokens can use"):
        best_epochs(PAPER, 1e25, "1B")


def test_budgets_may_be_multiples_of_the_largest_run():
    best = best_epochs(repeats_fit(), ["1x", "10x"], "10B")
    np.testing.assert_allclose(best["decades_beyond"], [0, 1], atol=1e-12)


def test_the_answer_says_how_often_the_runs_repeat_and_where_they_do_not():
    assert value_of_epochs(repeats_fit(), "10B", "1B").attrs["most_epochs_seen"] == 16
    silent = best_epochs(repeats_fit(runs=runs_of(epochs=(0.5, 1))), 1e21, "10B")
    assert "is the prior's" in silent.attrs["warning"]


def test_an_unsound_posterior_is_not_quoted():
    with pytest.raises(UnconvergedError):
        value_of_epochs(repeats_fit(verdict=FAILED), "10B", "1B")
    marked = best_epochs(repeats_fit(verdict=FAILED), 1e21, "10B", allow_unconverged=True)
    assert marked.attrs["verdict"] == "NOT CONVERGED"


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: value_of_epochs(PAPER, "25B", "7B", epochs=[0.5]), "epochs: got 0.5; accepted: 1 or more"),
        (lambda: value_of_epochs(PAPER, "25B", "7B", epochs="many"), "'many' is not a number"),
        (lambda: value_of_epochs(PAPER, ["1B", "2B"], "7B"), "unique_tokens: one value"),
        (lambda: best_epochs(pinned_fit(), 1e22, "1B"), "the law 'chinchilla' has no R_D, R_N"),
        (lambda: best_epochs(PAPER, "10x", "1B"), "compute '10x' is a multiple|compute: a multiple needs runs"),
        (lambda: best_epochs({"R_D": 15.0}, 1e22, "1B"), "the constants lack E, A, B, alpha, beta, R_N"),
    ],
)
def test_a_wrong_question_is_refused(ask, said):
    with pytest.raises(QuestionError, match=said):
        ask()


@pytest.mark.sampling
def test_on_the_authors_runs_four_epochs_are_nearly_as_good_as_fresh(shared_data):
    # Muennighoff et al. 2023: their 182 runs (derived_runs_published_fit.csv), of which those with a billion unique
    # tokens or more: with fewer, larger models overfit, and no law that falls with N and D describes that.
    frame = pd.read_csv(shared_data / "datablations" / "derived_runs_published_fit.csv")
    frame = frame[~frame["dedup"] & (frame["U"] >= 1e9)]
    runs = bs.read_runs(frame, columns={"params": "N", "tokens": "D", "unique_tokens": "U"}, suspicious="keep")
    assert runs.sizes["run"] == 80
    fit = bs.fit(runs, "repeats", seed=1)
    assert bs.verdict(fit).passed
    value = value_of_epochs(fit, "25B", "7B", epochs=[4])
    assert float(value["fresh_epochs"].quantile(0.025)) > 3.7  # the paper: up to 4 epochs hardly differ from fresh
    low, high = fit["posterior"]["R_N"].quantile([0.025, 0.975]).values
    assert low < 5.309743 < high
    # The published R_D* lies below: their pair is one of several near-minima along a ridge of their objective.
    assert float(fit["posterior"]["R_D"].quantile(0.025)) > 15.387756


def test_the_pure_functions_take_draws_by_name():
    R_D = xr.DataArray([5.0, 15.0], dims="draw")
    found = fresh_epochs(xr.DataArray([1.0, 10.0], dims="point"), R_D)
    assert dict(found.sizes) == {"point": 2, "draw": 2}
    assert bool((found.isel(point=1).diff("draw") > 0).all())
