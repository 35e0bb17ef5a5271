"""Which rows of a log are checkpoints: blank losses, losses that were no number, runs that have none."""

import json

import numpy as np
import pandas as pd
import pytest

from bayescale.runs import findings, left_out, read_curves

STEPS = np.arange(10, 210, 10)


def log(run="a", every=1, **columns):
    loss = np.where(STEPS % (10 * every) == 0, 2 + 5 / STEPS**0.5, np.nan)
    return pd.DataFrame({"run": run, "step": STEPS, "loss": loss, "N": 7e7} | columns)


def read(source, **options):
    return read_curves(source, **{"batch": 1000, **options})


def told(curves, level="warning"):
    return [found.message for found in findings(curves) if found.level == level]


def rules(curves):
    return dict(left_out(curves)["rule"].value_counts())


# A blank, or a loss that was no number --------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [3, 6, 20])
def test_losses_between_blanks_are_the_same_in_every_kind_of_file(tmp_path, every):
    frame = pd.concat([log("a", every), log("b", every)], ignore_index=True)
    frame.to_csv(tmp_path / "log.csv", index=False)
    frame.to_parquet(tmp_path / "log.parquet")
    read_back = pd.read_csv(tmp_path / "log.csv")
    sources = (tmp_path / "log.csv", frame, read_back, tmp_path / "log.parquet")
    curves = [read(source, loss_unit="nats/token") for source in sources]
    assert [some.sizes["checkpoint"] for some in curves] == [2 * (20 // every)] * 4
    assert len({some.attrs["sha256"] for some in curves}) == 1
    assert all(f"{40 - 2 * (20 // every)} of 40 rows have no loss: they are no checkpoints" in told(some, "info")
               for some in curves)  # fmt: skip
    assert not any("diverged" in text for some in curves for text in told(some))


def test_a_run_whose_loss_was_no_number_to_its_end_diverged():
    bad = log("bad")
    bad.loc[15:, "loss"] = np.nan
    curves = read(pd.concat([log("a", 3), log("b"), bad], ignore_index=True))
    assert set(curves["run"].values.tolist()) == {"a", "b"}
    assert rules(curves)["diverged"] == 15
    assert "no checkpoint is left of 1 of the runs: 'bad'" in told(curves)


def test_text_and_infinity_are_no_blanks():
    frame = log("a", 2).astype({"loss": object})
    frame.loc[[10, 12], "loss"] = ["nan", np.inf]
    assert rules(read(frame, filters=None)) == {"not a number": 2}


# Runs without a loss --------------------------------------------------------------------------------------------------


def test_a_run_without_the_loss_that_was_chosen_is_named(tmp_path):
    for run in "ab":
        logs = [{"step": int(step), "loss": 3.0} for step in STEPS]
        logs += [{"step": int(step), "eval_loss": 3.1} for step in STEPS if run == "a"]
        (tmp_path / run).mkdir()
        (tmp_path / run / "trainer_state.json").write_text(json.dumps({"log_history": logs}))
    said = "no checkpoint is left of 1 of 2 runs, which have no loss in column 'eval_loss': 'b'; they have 'train_loss'"
    assert told(read(tmp_path, filters=None)) == [said]


def test_a_run_of_a_frame_without_a_loss_is_named():
    frame = pd.concat([log("a"), log("b", 1000)], ignore_index=True)
    assert told(read(frame, filters=None)) == [
        "no checkpoint is left of 1 of 2 runs, which have no loss in column 'loss': 'b'"
    ]
