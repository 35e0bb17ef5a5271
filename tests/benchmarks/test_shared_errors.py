"""Simulated truth: runs that share errors, badly tuned ones and seeds, with a model of it and without."""

import numpy as np
import pytest
from scipy import stats

import bayescale as bs
from bayescale.runs.sharing import shared_labels
from benchmarks import shared_errors


def test_the_simulated_runs_share_budgets_and_designs_as_the_model_finds_them():
    frame, truth = shared_errors.simulate(3)
    runs = bs.read_runs(frame, suspicious="keep")
    assert len(set(shared_labels(runs, "budget"))) == shared_errors.BUDGETS
    assert (shared_labels(runs, "design") != "").sum() == 2 * shared_errors.BUDGETS * shared_errors.SIZES // 5
    assert truth["E"] < truth["expected_loss"] < frame["loss"].min()


def test_the_simulated_errors_are_as_large_as_their_card_says():
    law = bs.get_law("chinchilla")
    drawn = []
    for k in range(60):
        frame, truth = shared_errors.simulate(k)
        again, same = shared_errors.simulate(k)
        assert truth == same
        assert frame.equals(again)
        budget = (frame["params"] * frame["tokens"]).round(-10)
        drawn.append(np.log(frame["loss"]).groupby(budget).mean().diff().std())
    assert law.response == "loss"
    # Budgets differ by the law and by their errors: neighbours by more than the errors of 1.5% alone.
    assert np.median(drawn) > 0.015


@pytest.mark.slow
def test_bands_hold_with_the_terms_and_not_without():
    found = shared_errors.counted(shared_errors.run(shared_errors.REPLICATES)).set_index(["quantity", "terms"])
    print(found)
    low, high = stats.binom.ppf([0.005, 0.995], shared_errors.REPLICATES, shared_errors.MASS) / shared_errors.REPLICATES
    for quantity in ("E", "expected_loss", "loss"):
        assert low <= found.loc[(quantity, "with"), "inside"] <= high
        assert found.loc[(quantity, "without"), "inside"] < 0.86
