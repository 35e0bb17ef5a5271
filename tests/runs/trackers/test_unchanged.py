"""Reading changes nothing: not a byte, a size, a time or a file of what was read."""

import hashlib
import json
import math
import sqlite3
import warnings

import numpy as np
import pandas as pd
import pytest

from bayescale.cli.main import main
from bayescale.errors import RunsError
from bayescale.runs import left_out, read_curves, read_runs
from bayescale.runs.trackers import trackers_in
from bayescale.runs.trackers.mlflow import read_mlflow

STEPS = [100, 200, 300, 400]
LOSS = {step: 2.0 + 30.0 / step**0.5 for step in STEPS}
# The tables of MLflow 1.30 and 2.16, as far as runs are concerned.
OLD_TABLES = """
CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name VARCHAR(256) NOT NULL,
  artifact_location VARCHAR(256), lifecycle_stage VARCHAR(32), creation_time BIGINT, last_update_time BIGINT);
CREATE TABLE runs (run_uuid VARCHAR(32) PRIMARY KEY, name VARCHAR(250), source_type VARCHAR(20),
  source_name VARCHAR(500), entry_point_name VARCHAR(50), user_id VARCHAR(256), status VARCHAR(9), start_time BIGINT,
  end_time BIGINT, source_version VARCHAR(50), lifecycle_stage VARCHAR(20), artifact_uri VARCHAR(200),
  experiment_id INTEGER, deleted_time BIGINT);
CREATE TABLE metrics ("key" VARCHAR(250), value DOUBLE NOT NULL, timestamp BIGINT, run_uuid VARCHAR(32), step BIGINT,
  is_nan BOOLEAN);
CREATE TABLE latest_metrics ("key" VARCHAR(250), value DOUBLE NOT NULL, timestamp BIGINT, step BIGINT,
  is_nan BOOLEAN, run_uuid VARCHAR(32));
CREATE TABLE params ("key" VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32));
CREATE TABLE tags ("key" VARCHAR(250), value VARCHAR(5000), run_uuid VARCHAR(32));
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('4465047574b1');
INSERT INTO experiments VALUES (0, 'Default', './mlruns/0', 'active', 1, 1), (1, 'web', './mlruns/1', 'active', 2, 2);
"""
STUDIES = "CREATE TABLE studies (study_id INTEGER, study_name VARCHAR); CREATE TABLE trials (trial_id INTEGER)"
OTHER_METRICS = "CREATE TABLE metrics (id INTEGER, run_name TEXT, step INTEGER, metrics TEXT)"


def snapshot(folder):
    """Return the content, size and time of every file, and the time of every folder."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            None if path.is_dir() else (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()),
        )
        for path in [folder, *sorted(folder.rglob("*"))]
    }


def old_store(path, losses=LOSS, deleted=False):
    """Write a database as MLflow 2.16 does."""
    database = sqlite3.connect(path)
    database.executescript(OLD_TABLES)
    for key, name, stage in (("a" * 32, "a", "active"), ("b" * 32, "", "active"), ("c" * 32, "c", "deleted")):
        database.execute(
            "INSERT INTO runs (run_uuid, name, lifecycle_stage, start_time, experiment_id) VALUES (?, ?, ?, 5, 1)",
            (key, name, stage),
        )
        database.execute("INSERT INTO params VALUES ('n_params', '70000000', ?)", (key,))
        database.execute("INSERT INTO tags VALUES ('mlflow.runName', ?, ?)", (name or "b", key))
        database.executemany(
            "INSERT INTO metrics VALUES ('val_loss', ?, ?, ?, ?, ?)",
            [(0.0 if math.isnan(loss) else loss, step, key, step, math.isnan(loss)) for step, loss in losses.items()],
        )
    database.commit()
    database.close()
    return path


def new_store(folder, kind):
    mlflow = pytest.importorskip("mlflow")
    uri = f"sqlite:///{folder / 'mlflow.db'}" if kind == "database" else (folder / "mlruns").as_uri()
    client = mlflow.MlflowClient(tracking_uri=uri)
    run = client.create_run(client.create_experiment("web", artifact_location=str(folder / "artifacts")), run_name="a")
    for step, loss in LOSS.items():
        client.log_metric(run.info.run_id, "val_loss", loss, step=step, timestamp=step)
    client.log_param(run.info.run_id, "n_params", "70000000")
    return folder / ("mlflow.db" if kind == "database" else "mlruns")


def write_events(folder):
    summary = pytest.importorskip("tensorboard.summary")
    writer = summary.Writer(str(folder / "logs" / "a"))
    for step, loss in LOSS.items():
        writer.add_scalar("eval/loss", loss, step)
    writer.close()
    return folder / "logs"


def write_state(folder):
    history = [{"step": step, "eval_loss": loss} for step, loss in LOSS.items()]
    (folder / "trainer_state.json").write_text(json.dumps({"log_history": history}))
    return folder


def write_wandb(folder):
    wandb = pytest.importorskip("wandb")
    settings = wandb.Settings(silent=True, console="off", disable_git=True, x_disable_stats=True, x_disable_meta=True)
    run = wandb.init(mode="offline", dir=folder, project="p", name="a", settings=settings)
    for step, loss in LOSS.items():
        run.log({"train/global_step": step, "eval/loss": loss})
    run.finish()
    wandb.teardown()
    return folder


def write_table(folder):
    pd.DataFrame({"run": "a", "step": STEPS, "loss": LOSS.values()}).to_csv(folder / "curves.csv", index=False)
    return folder / "curves.csv"


STORES = {
    "csv": write_table,
    "trainer_state": write_state,
    "tensorboard": write_events,
    "wandb": write_wandb,
    "old mlflow database": lambda folder: old_store(folder / "mlflow.db"),
    "new mlflow database": lambda folder: new_store(folder, "database"),
    "mlflow folder": lambda folder: new_store(folder, "folder"),
}


@pytest.fixture
def quiet_mlflow(monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")


@pytest.mark.filterwarnings("ignore")  # the libraries' own, while they write
@pytest.mark.parametrize("kind", STORES)
def test_reading_training_curves_changes_nothing(tmp_path, quiet_mlflow, kind):
    with warnings.catch_warnings(action="ignore"):
        source = STORES[kind](tmp_path)
    before = snapshot(tmp_path)
    curves = read_curves(source, batch=1000, filters=None)
    one = curves.isel(checkpoint=curves["run"].values == curves["run"].values[0])
    np.testing.assert_allclose(one["loss"], list(LOSS.values()), rtol=1e-6)
    assert main(["check", str(source), "--batch", "1000"]) == 0
    assert snapshot(tmp_path) == before
    # What reads runs or asks about curves in progress refuses or fails, and changes nothing either.
    with pytest.raises(RunsError):
        read_runs(source)
    assert main(["finish", str(tmp_path / "no fit.nc"), str(source), "--batch", "1000"]) != 0
    assert snapshot(tmp_path) == before


def test_an_old_and_a_new_store_read_alike(tmp_path):
    curves = read_curves(old_store(tmp_path / "mlflow.db"), batch=1000, filters=None)
    assert list(dict.fromkeys(curves["run"].values.tolist())) == ["b", "a"]  # the deleted run c is none
    assert set(curves["params"].values.tolist()) == {7e7}
    assert "family" not in curves.coords  # the experiment "Default" has no run
    by_uri = read_curves(f"sqlite:///{tmp_path / 'mlflow.db'}", batch=1000, filters=None)
    assert by_uri["loss"].values.tolist() == curves["loss"].values.tolist()
    assert by_uri.attrs["source"] == "mlflow.db"


def test_a_database_server_is_read_with_the_same_queries(tmp_path):
    sqlalchemy = pytest.importorskip("sqlalchemy")
    from bayescale.runs.trackers.mlflow import _read_sql_server

    old_store(tmp_path / "mlflow.db")
    before = snapshot(tmp_path)
    runs = _read_sql_server(sqlalchemy.engine.URL.create("sqlite", database=str(tmp_path / "mlflow.db")))
    assert [run.name for run in runs] == ["b", "a"]
    assert [point.value for point in runs[0].series["val_loss"]] == list(LOSS.values())
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("script", [STUDIES, OTHER_METRICS, ""])
def test_a_database_of_another_tool_is_named_and_left_alone(tmp_path, script, capsys):
    database = sqlite3.connect(tmp_path / "other.db")
    database.executescript(script or "CREATE TABLE t (a); DROP TABLE t")
    database.close()
    before = snapshot(tmp_path)
    with pytest.raises(RunsError, match="is a database, but not one of MLflow") as caught:
        read_curves(tmp_path / "other.db")
    tables = {STUDIES: "studies, trials", OTHER_METRICS: "metrics", "": "none"}[script]
    assert f"Its tables: {tables}; read are MLflow's experiments, runs, metrics, params, tags" in str(caught.value)
    assert main(["check", str(tmp_path / "other.db")]) == 2
    assert "not one of MLflow" in capsys.readouterr().err
    assert snapshot(tmp_path) == before


def test_a_database_that_is_being_written_to_is_read_with_its_latest_rows(tmp_path):
    path = old_store(tmp_path / "mlflow.db", {step: LOSS[step] for step in STEPS[:3]})
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode=WAL")
    for key in "ab":
        writer.execute("INSERT INTO metrics VALUES ('val_loss', ?, 400, ?, 400, 0)", (LOSS[400], key * 32))
    writer.commit()
    assert (tmp_path / "mlflow.db-wal").stat().st_size > 0
    before = snapshot(tmp_path)
    assert {"mlflow.db-wal", "mlflow.db-shm"} <= set(before)
    curves = read_curves(path, batch=1000, filters=None)
    assert curves["step"].values.tolist() == STEPS * 2
    assert snapshot(tmp_path) == before
    writer.close()
    # At rest the database is still in that mode; SQLite would put both files back beside it.
    before = snapshot(tmp_path)
    assert "mlflow.db-wal" not in before
    assert read_curves(path, batch=1000, filters=None).sizes["checkpoint"] == 8
    assert snapshot(tmp_path) == before


def test_an_unfinished_change_is_taken_back_in_the_copy_only(tmp_path):
    path = old_store(tmp_path / "mlflow.db")
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA cache_size=1")  # so that changes reach the file before they are committed
    writer.execute("BEGIN IMMEDIATE")
    writer.executemany("INSERT INTO tags VALUES (?, ?, 'x')", [(str(k), "x" * 500) for k in range(500)])
    assert (tmp_path / "mlflow.db-journal").exists()
    before = snapshot(tmp_path)
    assert read_curves(path, batch=1000, filters=None).sizes["checkpoint"] == 8
    assert snapshot(tmp_path) == before
    writer.execute("ROLLBACK")
    writer.close()


def test_infinity_and_no_number_of_a_database(tmp_path):
    losses = LOSS | {300: 1.7976931348623157e308, 400: math.nan}
    curves = read_curves(old_store(tmp_path / "mlflow.db", losses), batch=1000, filters=None)
    assert curves["step"].values.tolist() == [100, 200] * 2
    gone = left_out(curves)
    assert list(zip(gone["rule"], gone["step"], strict=True)) == [("not a number", 300), ("not a number", 400)] * 2
    values = read_mlflow(tmp_path / "mlflow.db").table.frame["val_loss"].tolist()
    assert values[2] == math.inf
    assert math.isnan(values[3])


def test_a_folder_of_another_tool_is_no_mlflow_store(tmp_path):
    for run in ("a", "b"):
        (tmp_path / run / "plots" / "metrics").mkdir(parents=True)
        (tmp_path / run / "plots" / "metrics" / "loss.tsv").write_text("step\tloss\n1\t2.0\n")
        (tmp_path / run / "meta.yaml").write_text("kind: pipeline\n")
    before = snapshot(tmp_path)
    assert trackers_in(tmp_path) == []
    with pytest.raises(RunsError, match="a folder without a training log that is known here"):
        read_curves(tmp_path)
    assert main(["check", str(tmp_path)]) == 2
    assert snapshot(tmp_path) == before
