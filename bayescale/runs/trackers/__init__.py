"""Experiment trackers: which one wrote a file or a folder, and its runs as one long table."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from bayescale.errors import RunsError, did_you_mean
from bayescale.runs.reading.findings import Finding
from bayescale.runs.reading.table import load_table
from bayescale.runs.trackers import mlflow, tensorboard, trainer_state, wandb
from bayescale.runs.trackers.log import Log
from bayescale.runs.trackers.mlflow import read_mlflow
from bayescale.runs.trackers.tensorboard import read_tensorboard
from bayescale.runs.trackers.trainer_state import read_trainer_state
from bayescale.runs.trackers.wandb import read_wandb

TRACKERS: dict[str, Callable[[Path], Log]] = {
    "trainer_state": read_trainer_state,
    "wandb": read_wandb,
    "mlflow": read_mlflow,
    "tensorboard": read_tensorboard,
}
"""The readers in the order of preference. The first ones know more of a run than its scalars."""

__all__ = ["TRACKERS", "Log", "load_log", "trackers_in"]


def trackers_in(path: Path) -> list[str]:
    """Return which trackers wrote what is there, in the order of preference.

    Examples
    --------
    >>> from pathlib import Path
    >>> from bayescale.runs.trackers import trackers_in
    >>> trackers_in(Path("wandb/run-1.wandb")), trackers_in(Path("runs.csv"))
    (['wandb'], [])
    """
    if not path.is_dir():
        said = {
            "trainer_state": path.suffix.lower() == ".json",
            "wandb": path.suffix.lower() == ".wandb",
            "mlflow": path.suffix.lower() in mlflow.DATABASES,
            "tensorboard": "tfevents" in path.name,
        }
    else:
        said = {
            "trainer_state": any(path.rglob(trainer_state.NAME)),
            "wandb": any(path.rglob(wandb.PATTERN)),
            "mlflow": mlflow.is_store(path),
            "tensorboard": any(path.rglob(tensorboard.PATTERN)),
        }
    return [name for name in TRACKERS if said[name]]


def load_log(source: str | Path | pd.DataFrame, tracker: str | None = None) -> Log:
    """Read a table or what a tracker wrote, without interpreting any value.

    Parameters
    ----------
    source : path, URI or DataFrame
        A table as for `read_runs`, a tracker's file or folder, or an MLflow tracking URI.
    tracker : {"trainer_state", "wandb", "mlflow", "tensorboard"}, optional
        Whose, where a folder holds what several wrote.

    Returns
    -------
    Log

    Raises
    ------
    RunsError
        If nothing there can be read.

    Examples
    --------
    >>> import pandas as pd
    >>> from bayescale.runs.trackers import load_log
    >>> load_log(pd.DataFrame({"run": ["a"], "step": [1], "loss": [4.0]})).findings
    ()
    """
    if tracker is not None and tracker not in TRACKERS:
        raise RunsError(f"tracker: got {tracker!r}; accepted: {', '.join(TRACKERS)}.{did_you_mean(tracker, TRACKERS)}")
    if isinstance(source, str) and source.startswith(mlflow.SCHEMES):
        return read_mlflow(source)
    if isinstance(source, pd.DataFrame):
        return Log(load_table(source))
    path = Path(source)
    there = trackers_in(path) if path.exists() else []
    if tracker is None and not there:
        return _load_table_log(path)
    if tracker is not None and tracker not in there:
        raise RunsError(f"{path} holds nothing that {tracker} wrote; found: {', '.join(there) or 'nothing known'}")
    chosen = tracker or there[0]
    log = TRACKERS[chosen](path)
    others = [name for name in there if name != chosen]
    if tracker is None and others:
        said = f"read: what {chosen} wrote; {' and '.join(others)} wrote there too (tracker={others[0]!r} reads that)"
        return Log(log.table, (*log.findings, Finding("other-tracker", "info", said)))
    return log


def _load_table_log(path: Path) -> Log:
    if path.is_dir():
        raise RunsError(
            f"{path} is a folder without a training log that is known here; looked for: {trainer_state.NAME}, "
            f"{wandb.PATTERN}, an MLflow store, {tensorboard.PATTERN}"
        )
    table = load_table(path)
    if wandb.is_chart_export([str(name) for name in table.frame.columns]):
        return Log(wandb.melt_chart(table))
    return Log(table)
