"""Folders of runs in which a file is missing or damaged: it is named, and the others are read."""

import json
import struct
import zlib

import pytest

from bayescale.runs import findings, read_curves

STEPS = [100, 200, 300, 400]


def read(source):
    return read_curves(source, batch=1000, filters=None)


def told(curves):
    return [found.message for found in findings(curves) if found.level == "warning"]


def runs(curves):
    return sorted(set(curves["run"].values.tolist()))


# Hugging Face ---------------------------------------------------------------------------------------------------------


def save(path, until=400, **fields):
    path.parent.mkdir(parents=True, exist_ok=True)
    history = [{"step": step, "eval_loss": 5 - step / 200} for step in STEPS if step <= until]
    path.write_text(json.dumps({"global_step": until, "log_history": history} | fields))


def test_a_checkpoint_without_its_state_is_named_unless_another_tells_as_much(tmp_path):
    for run, saved in (("a", [200]), ("b", [200, 400]), ("c", [])):
        for until in saved:
            save(tmp_path / run / f"checkpoint-{until}" / "trainer_state.json", until)
    for folder in ("a/checkpoint-400", "b/checkpoint-300", "c/checkpoint-100"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    curves = read(tmp_path)
    assert runs(curves) == ["a", "b"]
    assert told(curves) == [
        f"{folder}: has no trainer_state.json, so what the run logged on the way there is missing"
        for folder in ("a/checkpoint-400", "c/checkpoint-100")
    ]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"global_step": "400"}, "its 'global_step' is '400'; accepted: a number"),
        ({"log_history": [{"step": [1], "loss": 3.0}]}, "an entry of 'log_history' has the step '[1]'; accepted: a n"),
        ({"log_history": [{"step": 1, "loss": 3.0}, 7]}, "an entry of 'log_history' has no step: 7"),
    ],
)
def test_a_state_with_a_wrong_entry_is_named_and_the_others_are_read(tmp_path, fields, said):
    save(tmp_path / "a" / "checkpoint-300" / "trainer_state.json", 300)
    save(tmp_path / "a" / "checkpoint-400" / "trainer_state.json", **fields)
    save(tmp_path / "b" / "trainer_state.json")
    curves = read(tmp_path)
    assert curves["step"].values[curves["run"].values == "a"].tolist() == STEPS[:3]
    assert runs(curves) == ["a", "b"]
    (warning,) = told(curves)
    assert warning.startswith(f"a/checkpoint-400/trainer_state.json: left out: {said}")


# Weights & Biases -----------------------------------------------------------------------------------------------------


def save_wandb(folder, name, spoil=None):
    """Write a .wandb file of four losses; `spoil` changes the last record, or is what stands for it."""
    protocol = pytest.importorskip("wandb.proto.wandb_internal_pb2")
    records = [protocol.Record() for _ in range(1 + len(STEPS))]
    records[0].run.run_id = records[0].run.display_name = name
    for record, step in zip(records[1:], STEPS, strict=True):
        for key, value in (("global_step", step), ("eval/loss", 5 - step / 200)):
            item = record.history.item.add()
            item.nested_key.append(key)
            item.value_json = json.dumps(value)
    if callable(spoil):
        spoil(records[-1])
    written = [record.SerializeToString() for record in records]
    if isinstance(spoil, bytes):
        written[-1] = spoil
    (folder / "files").mkdir(parents=True)
    with (folder / f"run-{name}.wandb").open("wb") as file:
        file.write(b":W&B" + bytes(3))
        for data in written:
            file.write(struct.pack("<IHB", zlib.crc32(data, zlib.crc32(b"\x01")), len(data), 1) + data)


def blank(record):
    record.history.item[1].value_json = ""


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (blank, "its 'eval/loss' is '' in one record, which is not JSON"),
        (b"\xff\xff\xff", "one of its records cannot be read"),
    ],
)
def test_a_wandb_file_with_a_wrong_record_is_named_and_the_others_are_read(tmp_path, spoil, said):
    save_wandb(tmp_path / "wandb" / "offline-run-1-a", "a")
    save_wandb(tmp_path / "wandb" / "offline-run-2-b", "b", spoil)
    curves = read(tmp_path)
    assert curves["step"].values.tolist() == [*STEPS, *STEPS[:3]]
    assert told(curves) == [f"wandb/offline-run-2-b/run-b.wandb: {said}: only what stands before was read"]


@pytest.mark.parametrize("name", [None, "run-b.wandb.synced"])
def test_a_wandb_folder_without_its_file_is_named(tmp_path, name):
    save_wandb(tmp_path / "wandb" / "offline-run-1-a", "a")
    save_wandb(tmp_path / "wandb" / "offline-run-2-b", "b")
    (tmp_path / "wandb" / "latest-run").symlink_to("offline-run-1-a")
    file = tmp_path / "wandb" / "offline-run-2-b" / "run-b.wandb"
    if name:
        file.rename(file.with_name(name))
    else:
        file.unlink()
    curves = read(tmp_path)
    assert runs(curves) == ["a"]
    assert told(curves) == ["wandb/offline-run-2-b: has no run-*.wandb file, so this run is missing"]
