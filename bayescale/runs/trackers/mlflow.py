"""An MLflow tracking store: its database, its folder of files, or its server."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bayescale.errors import RunsError
from bayescale.runs.reading.finding import Finding
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

DATABASES = (".db", ".sqlite", ".sqlite3")
DEFAULT = "mlflow.db"
SQLITE = b"SQLite format 3\x00"
SCHEMES = ("sqlite:", "http:", "https:", "mysql", "postgresql", "mssql")
PAGE = 500
# Newer releases refuse the folder of files unless told that it is meant; and reading a file is nobody's business.
SETTINGS = {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}


def is_store(path: Path) -> bool:
    """Say whether a path is an MLflow store: a database, a folder with one, or one whose experiments have files."""
    if path.is_file():
        return path.suffix.lower() in DATABASES
    return (path / DEFAULT).is_file() or any(path.glob("*/meta.yaml")) or any(path.glob("*/*/metrics"))


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
    """
    mlflow = need("mlflow", "mlflow", "an MLflow store")
    if not _is_uri(source) and (Path(source) / DEFAULT).is_file():
        source = Path(source) / DEFAULT
    uri, name = (str(source), str(source)) if _is_uri(source) else (_uri(Path(source)), Path(source).name)
    folder = None if _is_uri(source) or not Path(source).is_dir() else Path(source)
    if not _is_uri(source) and folder is None:
        _refuse_other_files(Path(source))
    found: list[Finding] = []
    with settings(), quiet():
        try:
            runs, keys = _runs(mlflow.MlflowClient(tracking_uri=uri), folder, found)
        except RunsError:
            raise
        except Exception as error:  # the store's own, and those of the database below it, have no common root
            raise RunsError(f"{name} cannot be read as an MLflow store: {_said(error)}") from error
    if folder is not None:
        found += _overlooked(folder, keys, [finding.message for finding in found])
    names = tell_apart([run.name for run in runs], [key[:8] for key in keys])
    return gather([RunLog(name, run.rows, run.about) for name, run in zip(names, runs, strict=True)], name, found)


@contextmanager
def settings() -> Iterator[None]:
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


def _refuse_other_files(path: Path) -> None:
    """Refuse what is no database at once: MLflow tries again and again, and makes a store of a file that is empty."""
    with path.open("rb") as file:
        if file.read(len(SQLITE)) != SQLITE:
            raise RunsError(
                f"{path.name} cannot be read as an MLflow store: it does not begin as an SQLite database does"
            )


def _is_uri(source: str | Path) -> bool:
    return isinstance(source, str) and source.startswith(SCHEMES)


def _uri(path: Path) -> str:
    if path.is_file():
        need("sqlalchemy", "mlflow", "an MLflow database")
        return f"sqlite:///{path.resolve()}"
    return path.resolve().as_uri()


def _runs(client: Any, folder: Path | None, found: list[Finding]) -> tuple[list[RunLog], list[str]]:
    experiments = _pages(lambda token: client.search_experiments(max_results=PAGE, page_token=token))
    runs, keys = [], []
    for experiment in experiments:
        for run in _listed(client, experiment.experiment_id, folder, found):
            name = run.info.run_name or run.info.run_id
            rows = rows_of_series(_series(client, run, folder, found))
            if not rows:
                found.append(Finding("warning", f"run {name!r} is left out: it has no logged metric"))
                continue
            family = {"family": experiment.name} if len(experiments) > 1 else {}
            runs.append(RunLog(name, rows, {**family, **plain(run.data.params)}))
            keys.append(run.info.run_id)
    with_runs = {run.about.get("family") for run in runs}
    if len(with_runs) == 1:  # such as the empty experiment "Default" beside the one in use
        runs = [RunLog(run.name, run.rows, {k: v for k, v in run.about.items() if k != "family"}) for run in runs]
    return runs, keys


def _listed(client: Any, experiment: str, folder: Path | None, found: list[Finding]) -> list[Any]:
    """Return an experiment's runs, the oldest first: one by one where a damaged file keeps MLflow from listing them."""
    try:
        return _pages(lambda token: client.search_runs([experiment], max_results=PAGE, page_token=token))[::-1]
    except Exception:
        if folder is None:
            raise
    runs = []
    for place in sorted(path.parent for path in (folder / experiment).glob("*/metrics")):
        try:
            runs.append(client.get_run(place.name))
        except Exception as error:
            if (place / "meta.yaml").is_file():  # of the others `_overlooked` tells
                found.append(damaged(place, folder, f"left out: {_said(error)}"))
    return sorted(runs, key=lambda run: run.info.start_time or 0)


def _said(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def _pages(ask: Any) -> list[Any]:
    items, token = [], None
    while True:
        page = ask(token)
        items += list(page)
        token = page.token
        if not token:
            return items


def _series(client: Any, run: Any, folder: Path | None, found: list[Finding]) -> dict[str, list[Point]]:
    series: dict[str, list[Point]] = {}
    for metric in run.data.metrics:
        history = client.get_metric_history(run.info.run_id, metric)
        series[metric] = [Point(entry.step, entry.timestamp / 1000, entry.value) for entry in history]
        if folder is None:
            continue
        file = folder / run.info.experiment_id / run.info.run_id / "metrics" / metric
        # MLflow ends every line; half of one may read as another value, or at another step.
        if file.is_file() and not file.read_bytes().endswith(b"\n"):
            found.append(damaged(file, folder, "is cut off: its last line was left out"))
            series[metric].pop()
    return series


def _overlooked(folder: Path, keys: list[str], told: list[str]) -> list[Finding]:
    """Say which runs that have metrics MLflow passed over: it skips those without a readable ``meta.yaml``."""
    why = "left out: its meta.yaml is missing or damaged, or says that it was deleted"
    runs = [path.parent for path in sorted(folder.glob("*/*/metrics")) if any(path.iterdir())]
    lost = [damaged(run, folder, why) for run in runs if run.name not in keys]
    return [finding for finding in lost if not any(finding.message.split(":")[0] in text for text in told)]
