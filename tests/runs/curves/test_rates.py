"""Learning rates of logs of curves: filled in from the run's other rows, and said where they are not known."""

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.errors import RunsError
from bayescale.runs import findings, left_out
from bayescale.runs.curves.bins import HEAT, binned, heat_of

STEPS = np.arange(10, 210, 10)
COSINE = 1e-3 * np.cos(np.linspace(0, 1.5, 20))


def log(run="a", steps=STEPS, **columns):
    return pd.DataFrame({"run": run, "step": steps, "loss": 2 + 5 / np.asarray(steps) ** 0.5, "N": 7e7} | columns)


def read(*parts, **options):
    table = pd.concat(parts, ignore_index=True).astype(object)
    return bs.read_curves(table.where(table.notna(), None), **{"batch": 1000, "filters": None, **options})


def told(curves, level="warning"):
    return [found.message for found in findings(curves) if found.level == level]


# Gaps -----------------------------------------------------------------------------------------------------------------


def test_a_rate_is_that_of_the_training_row_at_the_same_step():
    # As the Trainer logs to Weights & Biases: training and evaluation are rows of their own.
    training = log(lr=COSINE).drop(columns="loss").assign(train_loss=3.0)
    curves = read(training, log().rename(columns={"loss": "eval_loss"}))
    np.testing.assert_array_equal(curves["lr"], COSINE)
    np.testing.assert_allclose(heat_of(curves), COSINE / COSINE.max())
    assert "lr_area" in curves
    assert any(text.startswith("20 checkpoints without lr: 20 take that of") for text in told(curves, "info"))
    assert told(curves) == []


@pytest.mark.parametrize("name", ["lr", "lr_fraction"])
def test_a_rate_is_read_between_the_rows_before_and_after(name):
    gaps = np.where(STEPS % 50 == 30, np.nan, np.linspace(1, 0.05, 20))
    curves = read(log(**{name: gaps}))
    np.testing.assert_allclose(curves[name], np.linspace(1, 0.05, 20))
    assert any("0 take that of another row at their step, 4 are read between" in text for text in told(curves, "info"))


def test_no_rate_is_made_up_beyond_those_that_a_run_logged():
    late = np.where(STEPS > 190, np.nan, COSINE)
    whole = log("b", lr=COSINE)
    for first in (log(lr=late), log(), log(lr=0.0)):
        curves = read(first, whole)
        (warning,) = told(curves)
        assert warning.startswith("no lr at some checkpoint of 1 of 2 runs: 'a'. So no annealing is known of any run")
        assert heat_of(curves) is None
        assert set(binned(curves)[HEAT].values.tolist()) == {0.0}  # warnings are errors here
        assert "lr_area" not in curves
    assert told(read(log(lr=late, lr_fraction=COSINE), whole.assign(lr_fraction=COSINE))) == []


def test_a_rate_that_only_checkpoints_lack_that_are_left_out_costs_their_areas():
    curves = read(log(lr=np.where(STEPS < 20, np.nan, COSINE)), filters={})
    assert heat_of(curves) is not None
    assert told(curves) == []
    assert "no lr_area: checkpoints that were left out have no lr" in told(curves, "info")


# The peak -------------------------------------------------------------------------------------------------------------


def test_the_share_of_the_peak_does_not_hang_on_what_is_left_out():
    every = np.arange(1, 201)
    rate = 1e-3 * np.minimum(every / 4, (4 / every) ** 0.5)  # warmed up over 4 steps, then an inverse square root
    training = log(steps=every, lr=rate).drop(columns="loss")
    curves = read(training, log(), filters={})
    assert curves["step"].values[[0, -1]].tolist() == [20, 200]
    np.testing.assert_allclose(heat_of(curves), (4 / curves["step"]) ** 0.5)
    assert set(curves["peak_lr"].values.tolist()) == {1e-3}
    configured = read(training, log(peak_lr=2e-3))
    np.testing.assert_allclose(heat_of(configured), (4 / configured["step"]) ** 0.5 / 2)


def test_a_cycle_that_begins_among_the_first_tokens_is_no_warm_up():
    steps = np.arange(1, 101)
    phase = np.where(steps <= 45, steps / 45, (steps - 45) / 55)
    restarted = 1e-3 * (1 + np.cos(np.pi * phase)) / 2
    restarted = np.where(steps < 5, steps / 5 * restarted[4], restarted)
    curves = read(log(steps=steps, lr=restarted), filters={})
    assert left_out(curves)["rule"].value_counts().to_dict() == {"first tokens": 9}
    whole = read(log(steps=steps, lr=restarted), filters={"first": None})
    assert left_out(whole)[["rule", "step"]].values.tolist() == [["warm-up", step] for step in (1, 2, 3, 4)]


# Two runs under one name ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lr", "lr_fraction"])
def test_six_checkpoints_at_two_rates_are_said(name):
    (warning,) = told(read(log(steps=STEPS[:6], **{name: [1.0] * 3 + [0.5] * 3})))
    what = {"lr": "learning rates", "lr_fraction": "shares of its peak learning rate"}[name]
    assert warning.startswith(f"run 'a' has 2 {what}, 1, then 0.5 from step 40: it is kept as one run")


@pytest.mark.parametrize("name", ["lr", "lr_fraction"])
@pytest.mark.parametrize("ratio", [np.ones(20), np.linspace(1, 0.1, 20)], ids=["constant", "decaying"])
@pytest.mark.parametrize("every", [2, 4])
def test_rates_that_go_back_and_forth_are_said(name, ratio, every):
    (warning,) = told(read(log(**{name: ratio * np.where(np.arange(20) % every == 0, 1.0, 0.3)})))
    assert warning.startswith(f"run 'a': its {name} goes back and forth, ")
    assert "two runs under one name?" in warning


SCHEDULES = {
    "warm-up, cosine": np.minimum(np.arange(20) / 3 + 0.1, 1) * (1 + np.cos(np.linspace(0, np.pi, 20))),
    "three cycles": 1.1 + np.cos(np.arange(60) * 2 * np.pi / 20),
    "stable, decay": np.r_[0.5, np.ones(15), 0.7, 0.5, 0.2, 0.0],
    "stable, cooled at the end": np.r_[np.ones(18), 0.5, 0.1],
    "branches cooled": np.tile([1.0, 0.0], 10),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_are_not_taken_for_two_runs(schedule):
    rates = SCHEDULES[schedule]
    assert told(read(log(steps=10 * np.arange(1, rates.size + 1), lr=rates))) == []


@pytest.mark.parametrize("ahead", [0, 55])
def test_two_runs_that_were_written_at_once_under_one_name_are_refused(ahead):
    minutes = np.arange(20)
    one, other = log(time=minutes), log(steps=STEPS + ahead, time=minutes + 0.5).assign(loss=4.0)
    with pytest.raises(RunsError, match=r"run 'a' is (19|20) times at a step that it had reached before"):
        read(one, other)
    named = read(one, other.assign(run="b"))
    assert told(named) == []
    one_after_the_other = read(one, other.assign(time=minutes + 30))
    assert set(one_after_the_other["loss"].values[-19:].tolist()) == {4.0}


def test_a_time_that_is_that_of_the_run_orders_nothing():
    curves = read(log(time=1e9).sample(frac=1, random_state=1))
    assert curves.sizes["checkpoint"] == 20
