"""The long table that the files of every experiment tracker become: a row for each run and step."""

import importlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bayescale.errors import RunsError
from bayescale.runs.curves.columns import of_whole_run
from bayescale.runs.reading.findings import Finding
from bayescale.runs.reading.table import Table


class Point(NamedTuple):
    """One logged number."""

    step: int
    time: float
    value: float


@dataclass(frozen=True)
class RunLog:
    """What one run wrote: its metrics in the order of writing, and what is known of the run as a whole."""

    name: str
    rows: Sequence[Mapping[str, Any]]
    about: Mapping[str, Any]


@dataclass(frozen=True)
class Log:
    """A tracker's runs as a table, with what was found on the way."""

    table: Table
    findings: tuple[Finding, ...] = ()


def gather(runs: Sequence[RunLog], source: str, findings: Sequence[Finding] = ()) -> Log:
    """Return the rows of all runs as one table; None where a row lacks what others have.

    Examples
    --------
    >>> from bayescale.runs.trackers.log import RunLog, gather
    >>> gather([RunLog("a", [{"step": 1, "loss": 4.0}], {"params": 1e6})], "logs").table.frame.columns.tolist()
    ['run', 'step', 'loss', 'params']
    """
    # A value that was logged in the row wins over the configuration of the run.
    records = [{"run": run.name, **row, **_add_configuration(run.about, row)} for run in runs for row in run.rows]
    if not records:
        said = "".join(f"\n  {finding.message}" for finding in findings)
        raise RunsError(f"{source} holds no run with a logged number.{said}")
    names = list(dict.fromkeys(name for record in records for name in record))
    values = [[record.get(name) for name in names] for record in records]
    frame = pd.DataFrame(values, columns=names, index=np.arange(len(records)), dtype=object)
    return Log(Table(frame, source, "in the order of writing, from 0"), tuple(findings))


def _add_configuration(about: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    meant = {of_whole_run(name): value for name, value in about.items()}
    return {name: value for name, value in meant.items() if name is not None and name not in row}


def rows_of_series(series: Mapping[str, Sequence[Point]]) -> list[dict[str, Any]]:
    """Return one row for each step from metrics that were logged one by one; a step written twice is two rows.

    Examples
    --------
    >>> from bayescale.runs.trackers.log import Point, rows_of_series
    >>> rows_of_series({"loss": [Point(10, 0.0, 4.0)], "lr": [Point(10, 0.1, 0.01)]})
    [{'step': 10, 'time': 0.1, 'loss': 4.0, 'lr': 0.01}]
    """
    rows: dict[tuple[int, int], dict[str, Any]] = {}
    for name, points in series.items():
        seen: dict[int, int] = {}
        for point in points:
            again = seen[point.step] = seen.get(point.step, -1) + 1
            row = rows.setdefault((point.step, again), {"step": point.step, "time": point.time})
            row["time"] = max(row["time"], point.time)
            row[name] = point.value
    return list(rows.values())


def tell_apart(names: Sequence[str], ids: Sequence[str]) -> list[str]:
    """Return names that differ. A name that several runs have is followed by the id of the run.

    Examples
    --------
    >>> from bayescale.runs.trackers.log import tell_apart
    >>> tell_apart(["a", "b", "a"], ["x1", "x2", "x3"])
    ['a (x1)', 'b', 'a (x3)']
    """
    return [f"{name} ({key})" if names.count(name) > 1 else name for name, key in zip(names, ids, strict=True)]


def plain(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return those entries of a run's configuration that are numbers or short words."""
    return {
        str(name): value
        for name, value in about.items()
        if isinstance(value, int | float | str) and not isinstance(value, bool) and len(str(value)) <= 60
    }


def need(module: str, extra: str, what: str) -> Any:
    """Import a library that only some readers need, or say which extra has it."""
    try:
        with quiet():
            return importlib.import_module(module)
    except ImportError as error:
        raise RunsError(
            f"to read {what} takes the package {module.split('.')[0]!r}, which is not installed ({error}): "
            f"pip install 'bayescale[{extra}]'"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the warnings of a library that is used to read a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def name_under(root: Path, folder: Path) -> str:
    """Name a run by its folder within the folder that was asked for."""
    inside = folder.relative_to(root).as_posix()
    return root.resolve().name if inside == "." else inside


def damaged(path: Path, root: Path, what: str) -> Finding:
    """Say that part of a file is missing."""
    where = path.relative_to(root) if path != root and path.is_relative_to(root) else path.name
    return Finding("file-damaged", "warning", f"{where}: {what}")
