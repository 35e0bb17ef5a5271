"""Simulated truth: runs that err alike and checkpoints of one run, with a model of it and without."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayescale as bs
from bayescale.runs.checks.sharing import shared_labels
from benchmarks import simulated_curves, simulated_runs, simulated_truth


def test_the_simulated_runs_share_budgets_and_designs_as_the_model_finds_them():
    frame, truth = simulated_runs.simulate(3)
    runs = bs.read_runs(frame, suspicious="keep")
    assert len(set(shared_labels(runs, "budget"))) == simulated_runs.BUDGETS
    assert (shared_labels(runs, "design") != "").sum() == 2 * simulated_runs.BUDGETS * simulated_runs.SIZES // 5
    assert truth["E"] < truth["expected_loss"] < frame["loss"].min()


def test_the_simulated_errors_are_as_large_as_their_card_says():
    law = bs.laws.get_law("chinchilla")
    drawn = []
    for k in range(60):
        frame, truth = simulated_runs.simulate(k)
        again, same = simulated_runs.simulate(k)
        assert truth == same
        assert frame.equals(again)
        budget = (frame["params"] * frame["tokens"]).round(-10)
        drawn.append(np.log(frame["loss"]).groupby(budget).mean().diff().std())
    assert law.response == "loss"
    # Budgets differ by the law and by their errors: neighbours by more than the errors of 1.5% alone.
    assert np.median(drawn) > 0.015


def test_the_simulated_curves_wander_as_their_card_says():
    frame, truth = simulated_curves.simulate(3)
    curves = simulated_curves.read(frame, "with")
    assert curves.sizes["checkpoint"] == len(simulated_curves.places())
    assert truth["E"] < truth["expected_loss"] < frame["loss"].min()
    # Neighbours in a run err alike: the residuals about one smooth law are far from independent.
    off = np.concatenate([np.diff(np.log(rows["loss"])) for _, rows in frame.groupby("run")])
    assert np.std(np.diff(off)) < np.log(frame["loss"]).std() / 10


def test_the_page_is_of_the_committed_table_and_counts_every_fit_that_did_not_converge():
    page = simulated_truth.PAGE.read_text(encoding="utf-8")
    assert page == simulated_truth.page(pd.read_csv(simulated_truth.TABLE))
    assert page.count("| 199 of 200 |") == 3
    assert "| 100% |" not in page


@pytest.mark.slow
@pytest.mark.parametrize("log", list(simulated_truth.LOGS))
def test_bands_hold_with_the_terms_and_not_without(log):
    count, mass = simulated_truth.REPLICATES, simulated_truth.MASS
    found = simulated_truth.counted(simulated_truth.run(log, count)).set_index(["quantity", "terms"])
    print(found)
    low, high = stats.binom.ppf([0.005, 0.995], count, mass) / count
    for quantity in ("E", "expected_loss", "loss"):
        assert low <= found.loc[(quantity, "with"), "inside"] <= high
        assert found.loc[(quantity, "without"), "inside"] < 0.86
