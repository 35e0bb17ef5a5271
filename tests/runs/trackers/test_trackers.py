"""Each tracker's files are written here by its own library, and read back."""

import json

import numpy as np
import pandas as pd
import pytest

from bayescale.errors import RunsError
from bayescale.runs import findings, left_out, read_curves
from bayescale.runs.trackers import trackers_in

BATCH = 1000
STEPS = [100, 200, 300, 400]
# A power law with a floor, so that the order of the values says where they came from.
LOSS = {step: 2.0 + 30.0 / step**0.5 for step in STEPS}


def read(source, **options):
    return read_curves(source, **{"batch": BATCH, "filters": None, **options})


def told(curves, level="warning"):
    return [found.message for found in findings(curves) if found.level == level]


def refusal(source, **options):
    with pytest.raises(RunsError) as caught:
        read(source, **options)
    return str(caught.value)


def assert_curve(curves, run="a", steps=STEPS, shift=0.0):
    mine = curves.isel(checkpoint=curves["run"].values == run)
    assert mine["step"].values.tolist() == list(steps)
    np.testing.assert_allclose(mine["tokens"], np.array(steps) * BATCH)
    np.testing.assert_allclose(mine["loss"], [LOSS[step] + shift for step in steps], rtol=1e-6)


def cut(path, share=0.6):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


# Hugging Face: the state that the Trainer saves -----------------------------------------------------------------------


def history(until, evaluated=()):
    logs = [{"epoch": step / 400, "loss": LOSS[step], "learning_rate": 1e-3, "step": step} for step in STEPS]
    logs += [{"epoch": step / 400, "eval_loss": LOSS[step] + 0.5, "step": step} for step in evaluated]
    return sorted((entry for entry in logs if entry["step"] <= until), key=lambda entry: entry["step"])


def save_state(path, until=400, **fields):
    transformers = pytest.importorskip("transformers", reason="the Trainer's own class writes the file")
    path.parent.mkdir(parents=True, exist_ok=True)
    said = {"log_history": history(until), "global_step": until, "max_steps": 1000, **fields}
    transformers.TrainerState(**said).save_to_json(str(path))


def test_a_trainer_state(tmp_path):
    save_state(tmp_path / "a" / "trainer_state.json")
    for source in (tmp_path / "a" / "trainer_state.json", tmp_path / "a"):
        curves = read(source)
        assert_curve(curves)
        assert curves["lr"].values.tolist() == [1e-3] * 4
        assert curves["total_tokens"].values.tolist() == [1000 * BATCH] * 4
        assert any("the loss on the text that was being trained on" in text for text in told(curves))


def test_the_held_out_loss_and_the_tokens_that_the_trainer_counted(tmp_path):
    logs = [{**entry, "num_input_tokens_seen": entry["step"] * 512} for entry in history(400, evaluated=[200, 400])]
    # What the Trainer logs last is the mean over the whole run, which is no point of the curve.
    logs.append({"epoch": 1.0, "step": 400, "train_loss": 9.9, "train_runtime": 12.0})
    save_state(tmp_path / "trainer_state.json", log_history=logs)
    curves = read_curves(tmp_path, filters=None)
    np.testing.assert_allclose(curves["loss"], [LOSS[200] + 0.5, LOSS[400] + 0.5])
    assert curves["tokens"].values.tolist() == [200 * 512, 400 * 512]
    training = read_curves(tmp_path, columns={"loss": "train_loss"}, filters=None)
    np.testing.assert_allclose(training["loss"], list(LOSS.values()))


def test_of_the_checkpoints_of_a_run_the_one_that_got_farthest_counts(tmp_path):
    for until in (100, 200, 400):
        save_state(tmp_path / "a" / f"checkpoint-{until}" / "trainer_state.json", until)
    save_state(tmp_path / "b" / "trainer_state.json", 300)
    curves = read(tmp_path)
    assert_curve(curves, "a")
    assert_curve(curves, "b", STEPS[:3])
    cut(tmp_path / "a" / "checkpoint-400" / "trainer_state.json")
    curves = read(tmp_path)
    assert_curve(curves, "a", STEPS[:2])
    assert any(text.startswith("a/checkpoint-400/trainer_state.json: cannot be read") for text in told(curves))


def test_a_trainer_state_that_is_none(tmp_path):
    path = tmp_path / "trainer_state.json"
    path.write_text("{}")
    assert "it has no list 'log_history'" in refusal(path)
    path.write_text('{"log_history": [{"loss": 3.0}]}')
    assert "trainer_state.json: left out: an entry of 'log_history' has no step" in refusal(path)
    assert "mine.json: left out: an entry" in refusal(path.rename(tmp_path / "mine.json"))
    path = tmp_path / "trainer_state.json"
    path.write_text('{"log_history": []}')
    assert "holds no run with a logged number" in refusal(path)


# TensorBoard ----------------------------------------------------------------------------------------------------------


def new_events(folder, losses, tag="train/loss", start=0.0):
    """Write scalars as `tensorboard.summary` does, and TensorFlow 2."""
    summary = pytest.importorskip("tensorboard.summary")
    writer = summary.Writer(str(folder))
    for place, (step, loss) in enumerate(losses):
        writer.add_scalar(tag, loss, step, wall_time=start + place)
    writer.close()


def old_events(folder, losses, tag="train/loss"):
    """Write scalars as PyTorch's SummaryWriter does."""
    pytest.importorskip("tensorboard")
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))
    for step, loss in losses:
        value = Summary.Value(tag=tag, simple_value=loss)
        writer.add_event(Event(wall_time=float(step), step=step, summary=Summary(value=[value])))
    writer.close()


@pytest.mark.parametrize("write", [new_events, old_events])
def test_tensorboard_events(tmp_path, write):
    write(tmp_path / "logs" / "a", LOSS.items())
    write(tmp_path / "logs" / "sub" / "b", [(step, loss + 1) for step, loss in LOSS.items()])
    curves = read(tmp_path / "logs")
    assert_curve(curves, "a")
    assert_curve(curves, "sub/b", shift=1.0)
    (file,) = (tmp_path / "logs" / "a").iterdir()
    assert_curve(read(file))


def test_tensorboard_tags_meet_at_their_steps_and_the_held_out_loss_is_read(tmp_path):
    new_events(tmp_path / "a", LOSS.items(), tag="eval/loss")
    new_events(tmp_path / "a", [(step, loss - 1) for step, loss in LOSS.items()], tag="train/loss", start=0.5)
    new_events(tmp_path / "a", [(step, step * 512.0) for step in range(50, 450, 50)], tag="train/num_input_tokens_seen")
    curves = read_curves(tmp_path, filters=None)
    np.testing.assert_allclose(curves["loss"], list(LOSS.values()), rtol=1e-6)
    np.testing.assert_allclose(curves["tokens"], np.array(STEPS) * 512)
    assert any(text.startswith("not used: train/loss") for text in told(curves, "info"))


def test_what_a_resumed_run_threw_away_is_left_out(tmp_path):
    new_events(tmp_path / "a", [(100, LOSS[100]), (200, LOSS[200]), (300, 9.0), (350, 9.0)])
    new_events(tmp_path / "a", [(300, LOSS[300]), (400, LOSS[400])], start=100.0)
    curves = read(tmp_path)
    assert_curve(curves)
    gone = left_out(curves)
    assert list(zip(gone["rule"], gone["step"], strict=True)) == [("repeated", 300.0), ("abandoned", 350.0)]
    assert any("'abandoned': 1 checkpoint of run 'a'" in text for text in told(curves))


def test_event_files_that_are_cut_off_or_empty(tmp_path):
    old_events(tmp_path / "a", LOSS.items())
    (file,) = (tmp_path / "a").iterdir()
    file.write_bytes(file.read_bytes()[:-5])
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "events.out.tfevents.1.x").touch()
    curves = read(tmp_path)
    assert_curve(curves, steps=STEPS[:3])
    assert any("is cut off or damaged: only what its first 4 records hold" in text for text in told(curves))
    assert "run 'b' is left out: it has no scalars" in told(curves)
    file.write_bytes(b"")
    assert "holds no whole record" in refusal(tmp_path)


# Weights & Biases -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wandb_folder(tmp_path_factory):
    wandb = pytest.importorskip("wandb")
    folder = tmp_path_factory.mktemp("offline")
    quiet = wandb.Settings(silent=True, console="off", disable_git=True, x_disable_stats=True, x_disable_meta=True)
    for name, size in (("a", 70), ("b", 160), ("b", 410)):
        config = {"n_params": size * 10**6, "optimizer": {"lr": 1e-3}, "lr": 3e-4}
        run = wandb.init(mode="offline", dir=folder, project="p", name=name, config=config, settings=quiet)
        for step in STEPS:
            loss = float("nan") if (size, step) == (410, 400) else LOSS[step]
            run.log({"train/global_step": step, "train/loss": loss, "train/learning_rate": 1e-3 * step})
        run.finish()
    # What writes the files is another process; on a busy machine it is behind when the last run has finished.
    wandb.teardown()
    return folder


@pytest.mark.filterwarnings("ignore")  # the library's own, while it writes
def test_wandb_offline_runs(wandb_folder):
    curves = read(wandb_folder)
    assert_curve(curves, "a")
    names = list(dict.fromkeys(curves["run"].values.tolist()))
    assert len(names) == 3
    assert all(name == "a" or name.startswith("b (") for name in names)
    assert sorted(set(curves["params"].values.tolist())) == [7e7, 1.6e8, 4.1e8]
    np.testing.assert_allclose(curves["lr"][:4], 1e-3 * np.array(STEPS))
    assert set(curves["peak_lr"].values.tolist()) == {3e-4}
    assert left_out(curves)[["rule", "step"]].values.tolist() == [["not a number", 400.0]]
    (one,) = (wandb_folder / "wandb").glob(f"offline-run-*/run-{names[1][3:-1]}.wandb")
    assert read(one).sizes["checkpoint"] in (3, 4)


@pytest.mark.filterwarnings("ignore")
def test_wandb_files_that_are_cut_off_damaged_or_foreign(wandb_folder, tmp_path):
    source = next(path for path in sorted(wandb_folder.rglob("run-*.wandb")) if b"n_params" in path.read_bytes())
    data = source.read_bytes()
    path = tmp_path / "run-x.wandb"
    place = data.index(b"0.02", len(data) // 3) if b"0.02" in data else len(data) // 2
    path.write_bytes(data[: data.rindex(b"train/learning_rate")])
    curves = read(path)
    assert 1 <= curves.sizes["checkpoint"] < 4
    assert any("run-x.wandb: it is cut off at byte" in text for text in told(curves))
    path.write_bytes(data[:-40] + bytes([data[-40] ^ 1]) + data[-39:])
    assert any("run-x.wandb: it is damaged at byte" in text for text in told(read(path)))
    path.write_bytes(b"PK" + data[:place])
    assert "it does not begin as a .wandb file does" in refusal(path)


# The two kinds of CSV that the pages of W&B export; there is no library that writes them.


def test_wandb_csv_of_a_chart(tmp_path):
    table = pd.DataFrame({"Step": STEPS})
    for run, shift in (("a", 0.0), ("b - long", 1.0)):
        for bound in ("", "__MIN", "__MAX"):
            table[f"{run} - eval/loss{bound}"] = [LOSS[step] + shift for step in STEPS]
    table.loc[3, "b - long - eval/loss"] = None
    table.to_csv(tmp_path / "wandb_export_2026-11-22.csv", index=False)
    curves = read(tmp_path / "wandb_export_2026-11-22.csv")
    assert_curve(curves, "a")
    assert_curve(curves, "b - long", STEPS[:3], shift=1.0)


def test_wandb_csv_of_a_history(tmp_path):
    rows = [
        {"_step": 2 * k, "_timestamp": 1e9 + k, "train/global_step": step, "train/loss": 1.0}
        for k, step in enumerate(STEPS)
    ]
    rows += [
        {"_step": 2 * k + 1, "_timestamp": 1e9 + k, "train/global_step": step, "eval/loss": LOSS[step]}
        for k, step in enumerate(STEPS)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "a.csv", index=False)
    curves = read(tmp_path / "a.csv")
    assert_curve(curves, "a")
    assert "4 of 8 rows have no loss: they are no checkpoints" in told(curves, "info")


# MLflow ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def mlflow_client(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    mlflow = pytest.importorskip("mlflow")

    def make(kind):
        if kind == "folder":
            return mlflow.MlflowClient(tracking_uri=(tmp_path / "mlruns").as_uri()), tmp_path / "mlruns"
        pytest.importorskip("sqlalchemy")
        return mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}"), tmp_path / "mlflow.db"

    return make


def log_mlflow(client, experiment, name, params, shift=0.0):
    run = client.create_run(experiment, run_name=name)
    for key, value in params.items():
        client.log_param(run.info.run_id, key, value)
    for step in STEPS:
        client.log_metric(run.info.run_id, "val_loss", LOSS[step] + shift, step=step, timestamp=step)
        client.log_metric(run.info.run_id, "lr", 1e-3, step=step, timestamp=step)
    return run.info.run_id


@pytest.mark.filterwarnings("ignore")  # the library's own, while it writes
@pytest.mark.parametrize("kind", ["folder", "database"])
def test_an_mlflow_store(mlflow_client, kind, tmp_path):
    client, store = mlflow_client(kind)
    web, code = (client.create_experiment(name, artifact_location=str(tmp_path / name)) for name in ("web", "code"))
    log_mlflow(client, web, "a", {"n_params": "70000000", "max_steps": 1000})
    log_mlflow(client, web, "b", {"n_params": "160000000"}, shift=1.0)
    log_mlflow(client, code, "a", {"n_params": "70000000"}, shift=2.0)
    # A database is found in its folder too, as the folder of files is by its own name.
    curves = read(store.parent if kind == "database" else store, columns={"total_steps": None})
    assert curves.sizes["checkpoint"] == 12
    assert_curve(curves, "b", shift=1.0)
    families = dict(zip(curves["run"].values.tolist(), curves["family"].values.tolist(), strict=True))
    assert sorted(families.values()) == ["code", "web", "web"]
    assert any("family 'code' has one run" in text for text in told(curves))
    assert sorted(set(curves["params"].values.tolist())) == [7e7, 1.6e8]


@pytest.mark.filterwarnings("ignore")
def test_an_mlflow_folder_with_missing_and_damaged_files(mlflow_client):
    client, store = mlflow_client("folder")
    experiment = client.create_experiment("web")
    first, second, third = (log_mlflow(client, experiment, name, {}) for name in "abc")
    (store / experiment / second / "meta.yaml").unlink()
    metric = store / experiment / third / "metrics" / "lr"
    metric.write_text(metric.read_text()[:-12])
    curves = read(store)
    assert set(curves["run"].values.tolist()) == {"a"}
    assert_curve(curves, "a")
    missing, damaged = (
        next(text for text in told(curves) if f"{experiment}/{key}: " in text) for key in (second, third)
    )
    assert "left out: its meta.yaml is missing or damaged" in missing
    assert "left out: Metric 'lr' is malformed" in damaged
    assert len(told(curves)) == 2
    assert first not in "".join(told(curves))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("cut", [3, 4])  # "400 3.5 4", a step long past, and "400 3.5 ", which says no step
def test_half_a_line_of_an_mlflow_folder_is_no_checkpoint(mlflow_client, cut):
    client, store = mlflow_client("folder")
    experiment = client.create_experiment("web")
    run = log_mlflow(client, experiment, "a", {})
    metric = store / experiment / run / "metrics" / "val_loss"
    metric.write_text(metric.read_text()[:-cut])
    curves = read(store)
    assert_curve(curves, steps=STEPS[:3])
    assert left_out(curves).empty
    assert f"{experiment}/{run}/metrics/val_loss: is cut off: its last line was left out" in told(curves)


@pytest.mark.filterwarnings("ignore")
def test_a_database_that_is_cut_off(tmp_path):
    pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    (tmp_path / "mlflow.db").write_bytes(b"SQLite format 3\x00" + b"\x00" * 100)
    assert "mlflow.db cannot be read as an MLflow store" in refusal(tmp_path / "mlflow.db")
    for content in (b"", b"no database"):
        (tmp_path / "mlflow.db").write_bytes(content)
        assert "does not begin as an SQLite database does" in refusal(tmp_path / "mlflow.db")
        assert (tmp_path / "mlflow.db").read_bytes() == content


# Which of them --------------------------------------------------------------------------------------------------------


def test_a_folder_with_the_files_of_several(tmp_path):
    (tmp_path / "trainer_state.json").write_text(json.dumps({"log_history": history(400)}))
    new_events(tmp_path / "runs", [(step, loss + 1) for step, loss in LOSS.items()])
    assert trackers_in(tmp_path) == ["trainer_state", "tensorboard"]
    curves = read(tmp_path)
    assert_curve(curves, tmp_path.name)
    assert any(
        "tensorboard wrote there too (tracker='tensorboard' reads that)" in text for text in told(curves, "info")
    )
    assert_curve(read(tmp_path, tracker="tensorboard"), "runs", shift=1.0)
    assert "holds nothing that wandb wrote; found: trainer_state, tensorboard" in refusal(tmp_path, tracker="wandb")
    assert "Did you mean 'wandb'?" in refusal(tmp_path, tracker="wanb")


def test_a_folder_without_a_log(tmp_path):
    text = refusal(tmp_path)
    assert "a folder without a training log that is known here" in text
    assert "trainer_state.json" in text


@pytest.mark.parametrize(
    ("module", "file", "extra"),
    [
        ("tensorboard.backend.event_processing.event_file_loader", "events.out.tfevents.1", "tensorboard"),
        ("wandb.proto.wandb_internal_pb2", "run-x.wandb", "wandb"),
        ("mlflow", "0/meta.yaml", "mlflow"),
    ],
)
def test_a_library_that_is_not_installed_is_named_with_its_extra(tmp_path, monkeypatch, module, file, extra):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("experiment_id: 0")
    text = refusal(tmp_path if module == "mlflow" else tmp_path / file)
    assert f"takes the package {extra!r}, which is not installed" in text
    assert f"pip install 'bayescale[{extra}]'" in text
