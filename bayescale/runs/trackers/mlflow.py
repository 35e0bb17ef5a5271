"""An MLflow tracking store: its database, its folder of files, or its server. Nothing of a store is ever changed."""

import math
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from bayescale.errors import RunsError
from bayescale.runs.reading.findings import Finding
from bayescale.runs.trackers.log import (
    Log,
    Point,
    RunLog,
    damaged,
    gather,
    need,
    plain,
    quiet,
    rows_of_series,
    tell_apart,
)
from bayescale.runs.trackers.sqlite import open_unchanged, table_names

DATABASES = (".db", ".sqlite", ".sqlite3")
DEFAULT = "mlflow.db"
SQLITE = "sqlite:///"
SERVERS = ("http:", "https:")
SCHEMES = ("sqlite:", *SERVERS, "mysql", "postgresql", "mssql")
PAGE = 500
# Newer releases refuse a folder of files without the first setting. The second one keeps MLflow from reporting its use.
SETTINGS = {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
# MLflow's client upgrades or creates tables in any database that it opens, so its tables are read with SQL. These
# tables and columns have been the same from MLflow 1.0 to 3.x.
NEEDED = {
    "experiments": {"experiment_id", "name"},
    "runs": {"run_uuid", "experiment_id", "start_time"},
    "metrics": {"key", "value", "timestamp", "run_uuid"},
    "params": {"key", "value", "run_uuid"},
    "tags": {"key", "value", "run_uuid"},
}
RUN_NAME = "mlflow.runName"
RUN_ID = re.compile("[0-9a-f]{32}")


def is_store(path: Path) -> bool:
    """Say whether a path is an MLflow store: a database, a folder with one, or one whose experiments have files."""
    if path.is_file():
        return path.suffix.lower() in DATABASES
    if (path / DEFAULT).is_file() or any(RUN_ID.fullmatch(run.parent.name) for run in path.glob("*/*/metrics")):
        return True
    # Other tools write a meta.yaml too. The one of an MLflow experiment has an id.
    metas = [meta for meta in path.glob("*/meta.yaml") if meta.is_file()]
    return any("experiment_id" in meta.read_text(errors="replace") for meta in metas)


def read_mlflow(source: str | Path) -> Log:
    """Read every run of every experiment in an MLflow tracking store.

    Parameters
    ----------
    source : str or Path
        A database file such as mlflow.db, a folder mlruns/, or a tracking URI.

    Returns
    -------
    Log
        A column for each metric, beside run, step and time, and for each parameter; the experiment is the family
        where there are several.

    Notes
    -----
    A database is read with SQL and a folder from a copy: MLflow's client would upgrade the tables of an older release
    and add its own tables and folders to those of other tools. The client is asked where the store is a server.
    """
    if isinstance(source, str) and source.startswith(SQLITE):
        source = Path(source.removeprefix(SQLITE).partition("?")[0])
    remote = isinstance(source, str) and source.startswith(SCHEMES)
    if not remote and (Path(source) / DEFAULT).is_file():
        source = Path(source) / DEFAULT
    name = str(source) if remote else Path(source).name
    found: list[Finding] = []
    try:
        if remote and not str(source).startswith(SERVERS):
            logged = _read_sql_server(str(source))
        elif remote:
            logged, _ = _ask_client(str(source), None, found)
        elif Path(source).is_dir():
            logged = _read_folder(Path(source), found)
        else:
            with open_unchanged(Path(source)) as database:
                logged = _read_tables(database, table_names(database), name)
    except RunsError:
        raise
    except Exception as error:  # errors of MLflow, the database and its driver have no common root
        raise RunsError(f"{name} cannot be read as an MLflow store: {_first_line(error)}") from error
    text = "run {!r} is left out: it has no logged metric"
    found += [Finding("run-without-metric", "warning", text.format(run.name)) for run in logged if not run.series]
    logged = [run for run in logged if run.series]
    # A single experiment with runs makes no families: the experiment "Default" is often empty.
    several = len({run.experiment for run in logged}) > 1
    labels = tell_apart([run.name for run in logged], [run.key[:8] for run in logged])
    runs = [
        RunLog(label, rows_of_series(run.series), ({"family": run.experiment} if several else {}) | plain(run.params))
        for label, run in zip(labels, logged, strict=True)
    ]
    return gather(runs, name, found)


# The tables of a database ---------------------------------------------------------------------------------------------


class _Logged(NamedTuple):
    """One run of a store, with or without a metric."""

    experiment: str
    key: str
    name: str
    series: dict[str, list[Point]]
    params: dict[str, Any]


def _read_sql_server(uri: str) -> list[_Logged]:
    sqlalchemy = need("sqlalchemy", "mlflow", "an MLflow database")
    engine = sqlalchemy.create_engine(uri)
    try:
        with engine.connect() as database:
            return _read_tables(database, sqlalchemy.inspect(engine).get_table_names(), uri)
    finally:
        engine.dispose()


def _read_tables(database: Any, there: Collection[str], name: str) -> list[_Logged]:
    """Return the runs that MLflow's tables hold."""
    # "key" is a reserved word in some databases, so whole tables are read.
    tables = {each: pd.read_sql_query(f"SELECT * FROM {each}", database) for each in NEEDED if each in there}
    if not all(columns <= set(tables.get(each, ())) for each, columns in NEEDED.items()):
        raise RunsError(
            f"{name} is a database, but not one of MLflow. Its tables: {', '.join(sorted(there)) or 'none'}; read are "
            f"MLflow's {', '.join(NEEDED)}.\n  The runs of another tool can be read from a table: export them as CSV, "
            "Parquet or JSON lines."
        )
    experiments, runs = (_drop_deleted(tables[each]) for each in ("experiments", "runs"))
    by = [each for each in ("creation_time", "experiment_id") if each in experiments]
    experiments = experiments.sort_values(by, ascending=[each != "creation_time" for each in by])
    runs = runs.sort_values(["start_time", "run_uuid"], ascending=[True, False])
    metrics = dict(iter(tables["metrics"].sort_values("timestamp", kind="stable").groupby("run_uuid")))
    params, tags = (_group_by_run(tables[each]) for each in ("params", "tags"))
    return [
        _Logged(
            experiment=label,
            key=run["run_uuid"],
            name=run.get("name") or tags.get(run["run_uuid"], {}).get(RUN_NAME) or run["run_uuid"],
            series=_read_points(metrics[run["run_uuid"]]) if run["run_uuid"] in metrics else {},
            params=params.get(run["run_uuid"], {}),
        )
        for experiment, label in zip(experiments["experiment_id"], experiments["name"], strict=True)
        for run in runs[runs["experiment_id"] == experiment].to_dict("records")
    ]


def _drop_deleted(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["lifecycle_stage"] == "active"] if "lifecycle_stage" in table else table


def _group_by_run(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return what a table of keys and values holds of each run."""
    groups: dict[str, dict[str, Any]] = {}
    for run, key, value in zip(table["run_uuid"], table["key"], table["value"], strict=True):
        groups.setdefault(run, {})[key] = value
    return groups


def _read_points(metrics: pd.DataFrame) -> dict[str, list[Point]]:
    """Return the metrics of one run, each in the order of its times."""
    series: dict[str, list[Point]] = {}
    zeros = [0] * len(metrics)
    columns = (metrics.get(name, zeros) for name in ("key", "step", "timestamp", "value", "is_nan"))
    for key, step, time, value, is_nan in zip(*columns, strict=True):
        series.setdefault(key, []).append(Point(int(step), time / 1000, math.nan if is_nan else _undo_limit(value)))
    return series


def _undo_limit(value: float) -> float:
    """Return infinity for the largest float, which a database holds in its place."""
    return math.copysign(math.inf, value) if abs(value) >= sys.float_info.max else float(value)


# What MLflow's client reads -------------------------------------------------------------------------------------------


def _read_folder(folder: Path, found: list[Finding]) -> list[_Logged]:
    """Ask the client about a copy, as it creates a folder .trash in every store that it reads."""
    with tempfile.TemporaryDirectory(prefix="bayescale-") as place:
        copy = Path(place).resolve()
        for experiment in sorted(path for path in folder.iterdir() if path.is_dir() and path.name != ".trash"):
            if (experiment / "meta.yaml").is_file() or any(RUN_ID.fullmatch(run.name) for run in experiment.iterdir()):
                shutil.copytree(experiment, copy / experiment.name, ignore=_skip_artifacts)
        runs, told = _ask_client(copy.as_uri(), copy, found)
        known = {run.key for run in runs if run.series} | told
        # MLflow passes over runs without a readable meta.yaml.
        lost = [run.parent for run in sorted(copy.glob("*/*/metrics")) if any(run.iterdir())]
        why = "left out: its meta.yaml is missing or damaged, or says that it was deleted"
        found += [damaged(run, copy, why) for run in lost if run.name not in known]
        return runs


def _skip_artifacts(folder: str, names: list[str]) -> list[str]:
    """Return the files that are not copied. MLflow passes over runs without a folder of artifacts."""
    return names if Path(folder).name in ("artifacts", "traces") else []


def _ask_client(uri: str, folder: Path | None, found: list[Finding]) -> tuple[list[_Logged], set[str]]:
    """Return the runs that the client knows, and the ids of the damaged runs that a finding names."""
    mlflow = need("mlflow", "mlflow", "an MLflow store")
    runs, told = [], set()
    with use_settings(), quiet():
        client = mlflow.MlflowClient(tracking_uri=uri)
        for experiment in _all_pages(lambda token: client.search_experiments(max_results=PAGE, page_token=token)):
            listed, damaged_runs = _list_runs(client, experiment.experiment_id, folder, found)
            told |= damaged_runs
            for run in listed:
                name = run.info.run_name or run.info.run_id
                series = _ask_series(client, run, folder, found)
                runs.append(_Logged(experiment.name, run.info.run_id, name, series, run.data.params))
    return runs, told


@contextmanager
def use_settings() -> Iterator[None]:
    """Set what MLflow takes from the environment, for as long as it is used."""
    before = {name: os.environ.get(name) for name in SETTINGS}
    os.environ.update(SETTINGS)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _list_runs(client: Any, experiment: str, folder: Path | None, found: list[Finding]) -> tuple[list[Any], set[str]]:
    """Return an experiment's runs, the oldest first: one by one where a damaged file keeps MLflow from listing them."""
    try:
        ask = partial(client.search_runs, [experiment], max_results=PAGE)
        return _all_pages(lambda token: ask(page_token=token))[::-1], set()
    except Exception:
        if folder is None:
            raise
    runs, told = [], set()
    for place in sorted(path.parent for path in (folder / experiment).glob("*/metrics")):
        try:
            runs.append(client.get_run(place.name))
        except Exception as error:
            if (place / "meta.yaml").is_file():  # runs without this file are named with all that MLflow passes over
                found.append(damaged(place, folder, f"left out: {_first_line(error)}"))
                told.add(place.name)
    return sorted(runs, key=lambda run: run.info.start_time or 0), told


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def _all_pages(ask: Callable[[Any], Any]) -> list[Any]:
    items, token = [], None
    while True:
        page = ask(token)
        items += list(page)
        token = page.token
        if not token:
            return items


def _ask_series(client: Any, run: Any, folder: Path | None, found: list[Finding]) -> dict[str, list[Point]]:
    series: dict[str, list[Point]] = {}
    for metric in run.data.metrics:
        history = client.get_metric_history(run.info.run_id, metric)
        series[metric] = [Point(entry.step, entry.timestamp / 1000, _undo_limit(entry.value)) for entry in history]
        if folder is None:
            continue
        file = folder / run.info.experiment_id / run.info.run_id / "metrics" / metric
        # MLflow ends every line with a newline. Half a line may read as another value or step.
        if file.is_file() and not file.read_bytes().endswith(b"\n"):
            found.append(damaged(file, folder, "is cut off: its last line was left out"))
            series[metric].pop()
    return series
