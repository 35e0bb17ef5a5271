import json

import numpy as np
import pandas as pd
import pytest

from bayescale.errors import RunsError
from bayescale.runs import Filters, filter_curves, findings, left_out, read_curves

STEPS = np.arange(1, 101)


def curve(run="a", batch=1e6, **change):
    frame = pd.DataFrame({"run": run, "step": STEPS, "tokens": STEPS * batch, "loss": 2 + 10 / STEPS**0.5, "N": 7e7})
    frame["loss"] *= 1 + 0.001 * np.random.default_rng(1).standard_normal(STEPS.size)
    return frame.assign(**change)


def gone(curves):
    return {str(rule): group["step"].astype(int).tolist() for rule, group in left_out(curves).groupby("rule")}


def counts(curves):
    return {rule["rule"]: (rule["checkpoints"], rule["runs"]) for rule in json.loads(curves.attrs["filters"])}


def test_every_rule_is_named_counted_and_given_a_reason():
    curves = read_curves(curve())
    assert counts(curves) == {"diverged": (0, 0), "first tokens": (9, 1), "warm-up": (0, 0), "spike": (0, 0)}
    assert all(rule["why"] for rule in json.loads(curves.attrs["filters"]))
    assert curves.sizes["checkpoint"] + curves.sizes["left_out"] == 100
    message = "left out as 'first tokens': 9 checkpoints of run 'a': within the first 10% of the run or its first 10B"
    assert any(found.message.startswith(message) for found in findings(curves))


# Choshen et al. 2024 (arXiv 2410.11840): leave out the first 10B tokens, or 10% of the run.
@pytest.mark.parametrize(("batch", "first"), [(1e6, 10), (1e9, 10), (2e9, 5), (5e9, 2)])
def test_the_first_tokens_are_a_tenth_or_ten_billion(batch, first):
    assert read_curves(curve(batch=batch))["step"].values[0] == first


def test_a_run_in_progress_is_held_against_its_plan():
    curves = read_curves(curve(max_steps=200, batch_tokens=1e6))
    assert gone(curves) == {"first tokens": list(range(1, 20))}


def test_a_warm_up_ends_at_the_peak():
    lr = np.concatenate([np.linspace(0.05, 1, 20), np.linspace(1, 0.1, 80)])
    assert gone(read_curves(curve(lr=lr))) == {"first tokens": list(range(1, 10)), "warm-up": list(range(10, 20))}
    assert gone(read_curves(curve(lr=lr), filters={"first": None})) == {"warm-up": list(range(1, 20))}
    late = np.concatenate([np.ones(70) * 0.5, np.ones(30)])
    assert "warm-up" not in gone(read_curves(curve(lr=late))), "a rate raised late in the run is no warm-up"


@pytest.mark.parametrize("place", [20, 50, 97])
def test_a_spike_is_left_out_and_its_neighbours_stay(place):
    frame = curve()
    frame.loc[frame["step"].isin([place, place + 1]), "loss"] *= 1.3
    assert gone(read_curves(frame))["spike"] == [place, place + 1]
    frame.loc[frame["step"].isin([place, place + 1]), "loss"] /= 1.3 * 1.3
    assert "spike" not in gone(read_curves(frame)), "a loss that is lower is no spike"


def test_a_steep_curve_has_no_spikes():
    frame = curve()
    frame["loss"] = 2 + 10 / STEPS**0.9
    assert gone(read_curves(frame, filters={"first": None})) == {}


@pytest.mark.parametrize("end", [1.5, np.nan, np.inf])
def test_a_run_that_diverged_is_left_out_whole(end):
    bad = curve("bad")
    if np.isfinite(end):
        bad.loc[80:, "loss"] *= end
    else:
        bad["loss"] = bad["loss"].astype(object)
        bad.loc[80:, "loss"] = str(end)
    curves = read_curves(pd.concat([curve("good"), bad], ignore_index=True))
    assert set(curves["run"].values.tolist()) == {"good"}
    assert counts(curves)["diverged"] == (100 if np.isfinite(end) else 80, 1)
    said = [found.message for found in findings(curves) if found.level == "warning"]
    assert "no checkpoint is left of 1 of the runs: 'bad'" in said
    assert any(text.startswith("left out as 'diverged'") and "of run 'bad'" in text for text in said)
    assert "bad" in read_curves(pd.concat([curve("good"), bad]), filters={"diverged": None})["run"].values


def test_a_loss_that_is_no_number_on_the_way_costs_that_checkpoint_only():
    frame = curve()
    frame["loss"] = frame["loss"].astype(object)
    frame.loc[40, "loss"] = "nan"
    curves = read_curves(frame)
    assert gone(curves)["not a number"] == [41]
    assert counts(curves)["diverged"] == (0, 0)
    assert curves.sizes["checkpoint"] == 90


def test_filters_can_wait_and_be_loosened():
    whole = read_curves(curve(), filters=None)
    assert "left_out" not in whole.dims
    later, at_once = filter_curves(whole, {"first": 0.2}), read_curves(curve(), filters=Filters(first=0.2))
    assert later.sizes["checkpoint"] == at_once.sizes["checkpoint"] == 81
    pd.testing.assert_frame_equal(left_out(later), left_out(at_once))
    none = Filters(first=None, warm_up=False, diverged=None, spike=None)
    assert filter_curves(whole, none).sizes == whole.sizes


def test_filters_that_leave_nothing_are_refused():
    with pytest.raises(RunsError, match=r"no checkpoint is left of 100 \(first tokens: 100\). Relax a rule"):
        filter_curves(read_curves(curve(), filters=None), {"first": 2.0})
    with pytest.raises(RunsError, match="filters: first = 'x'; accepted: a number"):
        read_curves(curve(), filters={"first": "x"})
