"""Weights & Biases: the folder of a run that was logged offline, and the CSV files that its pages export."""

import json
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bayescale.runs.reading.findings import Finding
from bayescale.runs.reading.table import Table
from bayescale.runs.trackers.log import Log, RunLog, damaged, gather, need, plain, tell_apart

PATTERN = "run-*.wandb"
HEADER = b":W&B"
BLOCK, HEAD = 32768, struct.Struct("<IHB")
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
NOT_FINITE = ("NaN", "Infinity", "-Infinity")
# "_step" counts calls of wandb.log. The step of the training is used if it was logged.
STEPS = ("train/global_step", "trainer/global_step", "global_step")
EXPORTED = re.compile(r"(?P<run>.+) - (?P<metric>.+?)(?P<bound>__MIN|__MAX)?")


class Damage(Exception):
    """The rest of a file is missing or not what it was."""


def read_wandb(path: Path) -> Log:
    """Read the ``.wandb`` file of a run, or every run below a folder such as ``wandb/``.

    Parameters
    ----------
    path : Path
        A .wandb file, the folder of a run or a folder of such folders.

    Returns
    -------
    Log
        A column for each metric, beside run, step and time, and for each number or word of the run's configuration.

    Notes
    -----
    The library has no reader of its own for these files. Their frame is that of a LevelDB log and is read here; what is
    in it is read with the library's protocol.
    """
    protocol = need("wandb.proto.wandb_internal_pb2", "wandb", "the files of Weights & Biases")
    root = path if path.is_dir() else path.parent
    # "latest-run" is a link to one of the others.
    files = [path] if path.is_file() else sorted({file.resolve() for file in path.rglob(PATTERN)})
    runs, keys, found = [], [], _find_missing_files(path) if path.is_dir() else []
    for file in files:
        run, key, notes = _read_wandb_file(file, root.resolve() if path.is_dir() else root, protocol)
        found += notes
        if run.rows:
            runs.append(run)
            keys.append(key)
        else:
            text = f"run {run.name!r} ({file.name}) is left out: it has no logged number"
            found.append(Finding("run-without-metric", "warning", text))
    names = tell_apart([run.name for run in runs], keys)
    named = [RunLog(name, run.rows, run.about) for name, run in zip(names, runs, strict=True)]
    return gather(named, path.name, found)


def _find_missing_files(root: Path) -> list[Finding]:
    """Say which folders of runs have no .wandb file."""
    return [
        damaged(folder, root, f"has no {PATTERN} file, so this run is missing")
        for folder in sorted([*root.rglob("run-*"), *root.rglob("offline-run-*")])
        if (folder / "files").is_dir() and not folder.is_symlink() and not any(folder.glob(PATTERN))
    ]


def _read_wandb_file(file: Path, root: Path, protocol: Any) -> tuple[RunLog, str, list[Finding]]:
    rows: list[dict[str, Any]] = []
    about: dict[str, Any] = {}
    key = name = file.stem.removeprefix("run-")
    notes, ended = [], False
    try:
        for data in records(file):
            record = _parse_record(protocol, data)
            kind = record.WhichOneof("record_type")
            if kind == "run":
                key, name = record.run.run_id or key, record.run.display_name or name
                about |= _read_items(record.run.config.update)
            elif kind == "config":
                about |= _read_items(record.config.update)
            elif kind == "history":
                rows.append(_read_history(record.history))
            ended = ended or kind == "exit"
    except Damage as damage:
        notes.append(damaged(file, root, f"{damage}: only what stands before was read"))
    if not ended and not notes:
        text = f"run {name!r} has no closing record: it is still going on, or was killed"
        notes.append(Finding("run-not-closed", "info", text))
    return RunLog(name, [row for row in rows if len(row) > 2], plain(about)), key, notes


def _parse_record(protocol: Any, data: bytes) -> Any:
    record = protocol.Record()
    try:
        record.ParseFromString(data)
    except need("google.protobuf.message", "wandb", "the files of Weights & Biases").DecodeError as error:
        raise Damage("one of its records cannot be read") from error
    return record


def _read_items(items: Any) -> dict[str, Any]:
    """Return what a record holds by name; nested names are joined by slashes."""
    read = {}
    for item in items:
        name = item.key or "/".join(item.nested_key)
        if name.startswith("_wandb"):
            continue
        try:
            read[name] = json.loads(item.value_json)
        except json.JSONDecodeError as error:
            raise Damage(f"its {name!r} is {item.value_json[:40]!r} in one record, which is not JSON") from error
    return read


def _read_history(history: Any) -> dict[str, Any]:
    # W&B writes a loss that is no number as text.
    values = {
        name: float(value) if value in NOT_FINITE else value
        for name, value in _read_items(history.item).items()
        if isinstance(value, int | float | str)
    }
    step = next((values.pop(name) for name in STEPS if name in values), values.get("_step", history.step.num))
    time = values.pop("_timestamp", None)
    kept = {name: value for name, value in values.items() if not name.startswith("_") and not isinstance(value, str)}
    return {"step": step, "time": time, **kept}


def records(file: Path) -> Iterator[bytes]:
    """Yield the records of a .wandb file: a LevelDB log behind a header of seven bytes."""
    data = file.read_bytes()
    if data[:4] != HEADER or len(data) < 7:
        raise Damage("it does not begin as a .wandb file does" if data else "it is empty")
    at, parts = 7, b""
    while at < len(data):
        if BLOCK - at % BLOCK < HEAD.size:  # the tail of a block that no record fits into
            at += BLOCK - at % BLOCK
            continue
        if at + HEAD.size > len(data):
            raise Damage(f"it is cut off at byte {len(data)}")
        check, length, kind = HEAD.unpack_from(data, at)
        piece = data[at + HEAD.size : at + HEAD.size + length]
        if len(piece) < length:
            raise Damage(f"it is cut off at byte {len(data)}")
        if kind not in (FULL, FIRST, MIDDLE, LAST) or zlib.crc32(piece, zlib.crc32(bytes([kind]))) != check:
            raise Damage(f"it is damaged at byte {at}")
        parts = piece if kind in (FULL, FIRST) else parts + piece
        if kind in (FULL, LAST):
            yield parts
        at += HEAD.size + length


def is_chart_export(names: list[str]) -> bool:
    """Say whether a table was exported by the menu of a W&B chart: for each run a column, its minimum and its maximum.

    Examples
    --------
    >>> from bayescale.runs.trackers.wandb import is_chart_export
    >>> is_chart_export(["Step", "big - train/loss", "big - train/loss__MIN", "big - train/loss__MAX"])
    True
    """
    others = [EXPORTED.fullmatch(name) for name in names[1:]]
    return bool(others) and all(others) and any(match and match["bound"] for match in others)


def melt_chart(table: Table) -> Table:
    """Return a chart's export as a long table: a row for each run and step that has a value."""
    frame = table.frame
    along, *others = (str(name) for name in frame.columns)
    parts = []
    for name in others:
        match = EXPORTED.fullmatch(name)
        if match is None or match["bound"]:
            continue
        rows = frame[frame[name].notna()]
        parts.append(
            pd.DataFrame(
                {"run": match["run"], along: rows[along], match["metric"]: rows[name]}, index=rows.index, dtype=object
            )
        )
    long = pd.concat(parts)
    # A row of the file holds all runs at one step, so the rows of the long table are numbered anew.
    long.index = pd.Index(np.arange(len(long)))
    return Table(long.astype(object).where(long.notna(), None), table.source, "run by run, from 0")
