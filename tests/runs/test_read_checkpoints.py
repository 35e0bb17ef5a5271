import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import bayescale as bs
from bayescale.errors import RunsError
from bayescale.runs import final_runs, findings, left_out, load_shipped_curves, read_curves, run_segments

STEPS = np.arange(10, 210, 10)


def table(runs=("a", "b"), steps=STEPS, **columns):
    """Two runs of 20 checkpoints, with a loss that tells the step and the run."""
    parts = [
        pd.DataFrame(
            {
                "run": run,
                "step": steps,
                "loss": (2 + 5 / np.asarray(steps) ** 0.5 + place).round(9),
                "N": 7e7 * (place + 1),
            }
        )
        for place, run in enumerate(runs)
    ]
    return pd.concat(parts, ignore_index=True).assign(**columns)


def read(source, **options):
    return read_curves(source, **{"batch": 1000, "filters": None, **options})


def told(curves, level="warning"):
    return [found.message for found in findings(curves) if found.level == level]


def refusal(source, **options):
    with pytest.raises(RunsError) as caught:
        read(source, **options)
    text = str(caught.value)
    assert len(text.splitlines()) <= 24, "a message must fit on one screen"
    return text


# The shape ------------------------------------------------------------------------------------------------------------


def test_runs_are_contiguous_and_ordered_by_tokens():
    shuffled = table().sample(frac=1, random_state=1)
    curves = read(shuffled)
    assert dict(curves.sizes) == {"checkpoint": 40}
    segments = run_segments(curves)
    assert segments.starts.tolist() == [0, 20, 40]
    assert segments.counts.tolist() == [20, 20]
    assert np.flatnonzero(segments.opens).tolist() == [0, 20]
    for name, run in zip(segments.names, segments.slices(), strict=True):
        np.testing.assert_array_equal(curves["tokens"][run], STEPS * 1000)
        np.testing.assert_allclose(curves["loss"][run], 2 + 5 / STEPS**0.5 + "ab".index(name), rtol=1e-8)
        assert set(curves["params"].values[run]) == {7e7 * ("ab".index(name) + 1)}
    np.testing.assert_array_equal(shuffled["loss"].to_numpy()[curves["row"]], curves["loss"])
    np.testing.assert_allclose(curves["compute"], 6 * curves["params"] * curves["tokens"])
    assert any("stood out of the order of their step were sorted" in text for text in told(curves, "info"))


def test_a_selection_keeps_its_segments_and_a_shuffle_is_refused():
    curves = read(table())
    assert run_segments(curves.isel(checkpoint=slice(15, None, 5))).counts.tolist() == [1, 4]
    with pytest.raises(RunsError, match="must stand together"):
        run_segments(curves.isel(checkpoint=[0, 20, 1]))
    with pytest.raises(RunsError, match="in order of tokens"):
        run_segments(curves.isel(checkpoint=[1, 0]))
    with pytest.raises(RunsError, match="no training curves"):
        run_segments(final_runs(curves))


def test_every_format_says_the_same_and_it_survives_netcdf(tmp_path):
    frame = table(family="web")
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True, double_precision=15)
    hashes = {read(source).attrs["sha256"] for source in (frame, *tmp_path.iterdir())}
    assert len(hashes) == 1
    assert read(frame.assign(loss=frame["loss"] + 1e-9)).attrs["sha256"] not in hashes
    curves = read_curves(tmp_path / "a.csv", batch=1000)
    curves.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as back:
        assert findings(back) == findings(curves)
        pd.testing.assert_frame_equal(left_out(back), left_out(curves))
        assert run_segments(back).names.tolist() == ["a", "b"]


def test_the_last_checkpoints_are_a_run_log():
    ends = final_runs(read(table(family=["web"] * 20 + ["code"] * 20)))
    assert ends["run"].values.tolist() == ["a", "b"]
    assert ends["tokens"].values.tolist() == [200e3, 200e3]
    assert ends["family"].values.tolist() == ["web", "code"]
    assert bs.read_runs(ends) is ends


# Where in the run a row stands ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1000, "1k"])
def test_tokens_follow_from_steps(batch):
    assert read(table(), batch=batch)["tokens"].values[:2].tolist() == [10e3, 20e3]
    assert read_curves(table(batch_tokens=1000), filters=None)["tokens"].values[:2].tolist() == [10e3, 20e3]


def test_a_batch_that_grows_is_summed():
    curves = read_curves(table(["a"], batch_tokens=[100] * 10 + [200] * 10), filters=None)
    assert curves["tokens"].values[[8, 9, 10, 19]].tolist() == [9e3, 10e3, 12e3, 30e3]
    assert any("1 runs change it on the way" in text for text in told(curves, "info"))


def test_tokens_that_only_some_rows_have_are_read_between_them():
    frame = table(["a"])
    frame["tokens"] = np.where(np.arange(20) % 5 == 4, frame["step"] * 512.0, np.nan)
    curves = read_curves(frame, filters=None)
    np.testing.assert_allclose(curves["tokens"], STEPS * 512)
    assert any(text.startswith("16 rows without tokens: read between") for text in told(curves, "info"))


def test_steps_without_tokens_are_curves_in_steps():
    curves = read_curves(table(), filters={})
    assert "tokens" not in curves
    assert curves["step"].values[0] == 20, "the first 10% of 200 steps are left out"


def test_tokens_that_are_not_the_total_so_far_are_refused():
    assert "has 500k at each of 20 steps. Is it the tokens of a step" in refusal(table(tokens=5e5), batch=None)
    falling = table(["a"], tokens=[*range(1000, 11000, 1000), *range(1000, 11000, 1000)])
    assert "in run 'a' the tokens fall while the steps rise, at row 10" in refusal(falling, batch=None)


def test_the_planned_tokens_follow_from_the_planned_steps():
    counted = read(table(max_steps=400, tokens=np.tile(STEPS * 512.0, 2)), batch=None)
    assert set(counted["total_tokens"].values.tolist()) == {400 * 512}
    growing = read_curves(table(["a"], max_steps=400, batch_tokens=[100] * 10 + [200] * 10), filters=None)
    assert set(growing["total_tokens"].values.tolist()) == {30e3 + 200 * 200}
    some = read(table(max_steps=400, total_tokens=[1e6] * 20 + [np.nan] * 20))
    assert some["total_tokens"].values[[0, -1]].tolist() == [1e6, 400e3]


def test_rows_before_the_first_step_and_without_a_place():
    frame = table(["a"], np.arange(0, 200, 10).clip(1))
    frame["step"] = np.arange(0.0, 200, 10)
    frame.loc[7, "step"] = np.nan
    gone = left_out(read(frame))
    assert gone[["rule", "row"]].values.tolist() == [["start", 0], ["no place", 7]]


# Repeated steps, two runs under one name, two learning rates ----------------------------------------------------------


def test_a_repeated_step_counts_once_and_as_it_was_written_last():
    frame = pd.concat([table(["a"]), table(["a"]).iloc[[4, 6]].assign(loss=9.0)], ignore_index=True)
    curves = read(frame)
    assert curves.sizes["checkpoint"] == 20
    assert curves["loss"].values[[4, 6]].tolist() == [9.0, 9.0]
    assert left_out(curves)["row"].tolist() == [4, 6]
    assert any("rows 20 and 21: at the step of an earlier row of the same run, with another" in t for t in told(curves))
    same = read(pd.concat([table(["a"]), table(["a"]).iloc[[4]]], ignore_index=True))
    assert told(same) == []
    assert any("left out as 'repeated': 1 checkpoint of run 'a'" in text for text in told(same, "info"))


def test_what_a_run_did_beyond_the_checkpoint_that_it_went_back_to_is_left_out():
    first, second = table(["a"]).iloc[:12], table(["a"]).iloc[8:]
    frame = pd.concat([first.assign(loss=9.0), second], ignore_index=True)
    frame["step"] += np.where(np.arange(len(frame)) >= 12, 3, 0)  # it came back at other steps
    assert read(frame).sizes["checkpoint"] == 24, "without a time, a shuffled table would look the same"
    curves = read(frame.assign(timestamp=pd.date_range("2026-01-01", periods=24, freq="min").astype(str)))
    # Nothing says that the row at step 90 was thrown away: the run went on at 93.
    assert left_out(curves)[["rule", "step"]].values.tolist() == [["abandoned", step] for step in (100, 110, 120)]


def test_two_runs_under_one_name_are_refused_and_told_apart():
    frame = pd.concat([table(["a"], seed=1), table(["a"], seed=2)], ignore_index=True)
    said = refusal(frame)
    assert "run 'a' has 2 values in column 'seed' (1.0, 2.0)" in said
    assert "both: run=['run', 'seed'] (on the command line: --run run seed); or leave the column out: columns=" in said
    curves = read(frame, run=["run", "seed"])
    assert run_segments(curves).names.tolist() == ["a, 1", "a, 2"]
    twice = pd.concat([table(["a"]), table(["a"]).assign(loss=3.3)], ignore_index=True)
    assert "run 'a' has two losses at more than half of its 20 steps" in refusal(twice)


def test_the_columns_that_would_tell_runs_apart_are_columns_of_the_file():
    frame = pd.concat([table(["a"], corpus="c4", kind=kind, lab="m") for kind in ("x", "y")], ignore_index=True)
    frame = frame.rename(columns={"kind": "my kind"})
    said = refusal(frame, family=["corpus", "my kind"], run=["run", "lab"])
    assert "in column 'corpus / my kind' (c4 / x, c4 / y)" in said
    assert "run=['run', 'lab', 'corpus', 'my kind'] (on the command line: --run run lab corpus 'my kind'); or" in said
    assert said.endswith("name fewer in family=.")
    read(frame, family=["corpus", "my kind"], run=["run", "lab", "corpus", "my kind"])


def test_a_run_with_two_learning_rates():
    at_once = pd.concat([table(["a"], peak_lr=0.01), table(["a"], peak_lr=0.02)], ignore_index=True)
    text = refusal(at_once)
    assert "run 'a' has 2 values in column 'peak_lr' (0.01, 0.02)" in text
    assert "run=['run', 'peak_lr']" in text
    in_turn = read(table(["a"], lr=[0.01] * 12 + [0.005] * 8))
    assert in_turn.sizes["checkpoint"] == 20
    (warning,) = told(in_turn)
    assert warning.startswith("run 'a' has 2 learning rates, 0.01, then 0.005 from step 130: it is kept as one run")
    schedule = read(table(["a"], lr=0.01 * np.cos(np.linspace(0, 1.5, 20))))
    assert told(schedule) == []


# What belongs to the run ----------------------------------------------------------------------------------------------


def test_a_second_table_tells_of_the_runs():
    about = pd.DataFrame(
        {"name": ["a", "b", "c"], "size": ["70M", "160M", "1B"], "corpus": ["web", "code", "web"], "tokens": [1e6] * 3}
        | {"loss": [1.0] * 3, "seed": [1, 2, 3]}
    ).rename(columns={"size": "N"})
    curves = read(table().drop(columns="N"), runs=about)
    assert curves["params"].values[[0, -1]].tolist() == [7e7, 1.6e8]
    assert curves["family"].values[[0, -1]].tolist() == ["web", "code"]
    assert set(curves["total_tokens"].values) == {1e6}
    assert curves["loss"].max() > 2, "the loss is that of the curve"
    assert "1 runs of DataFrame have no curve: 'c'" in told(curves, "info")
    assert "no params for 1 of 2 runs: 'b'" in refusal(
        table().drop(columns="N"), runs=about[["name", "N"]].drop(index=1)
    )
    assert "row 3 name a run again" in refusal(table(), runs=pd.concat([about, about.iloc[:1]], ignore_index=True))
    assert "no column names the run" in refusal(table(), runs=about.drop(columns="name"))
    strangers = refusal(table(), runs=about.assign(name=["x", "y", "z"]))
    assert "names none of the runs of DataFrame. It names 'x', 'y', 'z'; the curves are of 'a', 'b'." in strangers
    assert "DataFrame has no row for 1 of the runs: 'b'" in told(read(table(), runs=about[["name", "N"]].iloc[:1]))


def test_several_columns_name_the_families_of_curves():
    frame = table(corpus=["web"] * 20 + ["code"] * 20, arch="moe")
    curves = read(frame, family=["corpus", "arch"])
    assert curves["family"].values[[0, -1]].tolist() == ["web / moe", "code / moe"]
    assert curves["corpus"].values[[0, -1]].tolist() == ["web", "code"]
    assert final_runs(curves)["arch"].values.tolist() == ["moe", "moe"]
    assert "no column 'corpsu', which family= names. Did you mean 'corpus'?" in refusal(
        frame, family=["corpsu", "arch"]
    )
    assert not any("not used" in text for text in told(curves, "info"))


def test_a_family_with_one_run_and_a_run_with_one_checkpoint_are_said():
    frame = table("abc", family=["web"] * 40 + ["code"] * 20)
    said = told(read(frame.iloc[:41]))
    assert "1 of 3 runs have one checkpoint: 'c'" in said
    assert "family 'code' has one run: its own level cannot be told from that run's" in said
    ends = told(read(table(steps=STEPS[-1:])))
    assert ends == ["2 of 2 runs have one checkpoint: 'a', 'b'; is this a log of finished runs? read_runs reads it"]


# Which loss -----------------------------------------------------------------------------------------------------------


def test_the_held_out_loss_comes_before_the_other():
    curves = read(table(["a"], val_loss=3.3))
    assert set(curves["loss"].values) == {3.3}
    assert json.loads(curves.attrs["columns"])["loss"] == "val_loss"
    training = read(table(["a"]).rename(columns={"loss": "train_loss"}))
    assert any("is the loss on the text that was being trained on" in text for text in told(training))
    assert "could each be loss" in refusal(table(val_loss=3.0, test_loss=3.0))


def test_a_loss_in_bits_becomes_nats():
    curves = read(table(["a"]), loss_unit="bits/byte")
    np.testing.assert_allclose(curves["loss"], (2 + 5 / STEPS**0.5) * np.log(2), rtol=1e-8)
    assert curves["loss"].attrs["units"] == curves.attrs["loss_unit"] == "nats/byte"


def test_errors_of_measurement_are_said_to_be_left_out_of_models_of_curves():
    said = "loss_se is used to tell spikes and by models of finished runs; models of learning curves"
    assert any(text.startswith(said) for text in told(read(table(loss_se=0.01)), "info"))
    assert not any("loss_se" in text for text in told(read(table()), "info"))


# Bad input ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"run": None}, "need a column that says which run a row belongs to"),
        ({"loss": None}, "no column or metric is known as the loss"),
        ({"step": None}, "no column says where in the run a row stands"),
    ],
)
def test_missing_columns(change, said):
    text = refusal(table().drop(columns=list(change)))
    assert said in text
    assert "Its columns: " in text


def test_bad_values_are_named_with_row_and_column():
    assert "row 3, column 'loss': got -1.0" in refusal(table(loss=[3.0, 3, 3, -1.0] * 10))
    assert "row 1, column 'step': got 'ten'" in refusal(table(step=["1", "ten", "3", "4"] * 10))
    assert "row 0 (counted from 0, as in .iloc) name no run" in refusal(table(run=[None] + ["a"] * 39))
    assert "no row has a loss and a place" in refusal(table(loss=[np.inf] * 40))
    assert "batch: got -1; accepted" in refusal(table(), batch=-1)
    assert "uniform guessing over" in refusal(table(loss=50.0))
    assert "has no column 'rum', which run= names" in refusal(table(), run="rum")
    assert "filters: there is no 'frist'; accepted: first" in refusal(table(), filters={"frist": 0.1})
    assert "differ: pass one of them" in refusal(table(), family="N", columns={"family": "loss"})


# Real curves ----------------------------------------------------------------------------------------------------------


def test_the_shipped_curves():
    curves = load_shipped_curves("tinylm", filters=None)
    assert run_segments(curves).counts.tolist() == [12] * 92
    assert curves.attrs["loss_unit"] == "nats/byte"
    assert json.loads(curves.attrs["truth"]) == {"source": 1.33435}
    # A checkpoint's loss is on fewer windows than the run log's, so the two agree within their errors.
    ends, runs = final_runs(curves), bs.load_shipped("tinylm").sel(run=final_runs(curves)["run"].values)
    np.testing.assert_array_equal(ends["total_tokens"], runs["tokens"])
    np.testing.assert_allclose(ends["seed"], runs["seed"])
    far = np.abs(ends["loss"] - runs["loss"]) / np.hypot(ends["loss_se"], runs["loss_se"])
    assert float(far.max()) < 5
    with pytest.raises(RunsError, match="no set of training curves 'published' is shipped; accepted: tinylm"):
        load_shipped_curves("published")


def test_gemstones(shared_data):
    options = {"columns": {"params": "params_active_precise"}, "params_convention": "total"}
    path = shared_data / "gemstones" / "wandb_df_for_fitting_hot_477.jsonl"
    curves = read_curves(path, filters=None, **options)
    segments = run_segments(curves)
    # 22 shapes (McLeish et al. 2025); 2B tokens between checkpoints, 4,194,304 tokens a step (PROVENANCE.md).
    assert segments.names.size == 22
    np.testing.assert_allclose(curves["batch"], 4_194_304)
    assert told(curves) == []
    kept = read_curves(path, **options)
    # Of the 2B, 4B, 6B and 8B tokens each run loses four checkpoints.
    assert left_out(kept).groupby("run")["tokens"].max().between(8.0e9, 8.1e9).all()
    assert left_out(kept)["rule"].value_counts().to_dict() == {"first tokens": 88}


def test_misfitting_runs_are_named_by_several_columns(shared_data):
    path = shared_data / "misfitting" / "scaling_results_last_ckpt_only.csv"
    frame = pd.read_csv(path).drop_duplicates(["sweep", "N", "D", "peak_lr"])
    columns = {"tokens": "D", "compute": "C_6ND"}
    curves = read_curves(frame, run=["sweep", "N", "D", "peak_lr"], columns=columns, filters=None)
    assert run_segments(curves).names.size == len(frame)
    assert any("runs have one checkpoint" in text for text in told(curves))
