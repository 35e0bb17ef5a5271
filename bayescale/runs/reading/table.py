"""Read files and frames as text into one table that keeps the row numbers of the file."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bayescale.errors import RunsError, did_you_mean

SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}


@dataclass(frozen=True)
class Table:
    """A table as it stands in its file: ``frame`` is indexed by the row number that its ``source`` would show.

    Where ``nan_for_blank``, a cell that is NaN may have been left blank: a frame does not tell them apart.
    """

    frame: pd.DataFrame
    source: str
    counting: str
    blank: tuple[int, ...] = ()
    nan_for_blank: bool = False


def load_table(source: str | Path | pd.DataFrame) -> Table:
    """Read a CSV, TSV, Parquet or JSON lines file, or take a DataFrame, without interpreting any value.

    Parameters
    ----------
    source : path or DataFrame
        The runs.

    Returns
    -------
    Table

    Examples
    --------
    >>> import pandas as pd
    >>> from bayescale.runs.reading.table import load_table
    >>> load_table(pd.DataFrame({"N": [1e6], "D": [1e9]})).source
    'DataFrame'
    """
    if isinstance(source, pd.DataFrame):
        return _number_rows(source, "DataFrame")
    path = Path(source)
    readers: dict[str, Callable[[Path], Table]] = {
        ".csv": lambda p: _read_delimited(p, ","),
        ".tsv": lambda p: _read_delimited(p, "\t"),
        ".parquet": _read_parquet,
        ".jsonl": _read_json_lines,
        ".ndjson": _read_json_lines,
    }
    if not path.exists():
        near = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise RunsError(f"there is no file {path}.{did_you_mean(path.name, near)}")
    if path.suffix.lower() not in readers or path.is_dir():
        kind = "a folder" if path.is_dir() else f"a {path.suffix or 'nameless'} file"
        raise RunsError(f"{path.name} is {kind}; accepted: {', '.join(readers)} files, or a pandas DataFrame")
    if path.stat().st_size == 0:
        raise RunsError(f"{path.name} is empty (0 bytes): a header row and one row for each run are expected")
    try:
        table = readers[path.suffix.lower()](path)
    except OSError as error:
        raise RunsError(f"{path.name} cannot be opened: {error.strerror or error}") from error
    if table.frame.empty:
        raise RunsError(f"{path.name} has a header but no runs: one row for each run is expected below it")
    return table


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise RunsError(
            f"{path.name} is not UTF-8 text (byte {error.start} is {path.read_bytes()[error.start]:#04x}): "
            "save it as UTF-8"
        ) from error


def _read_delimited(path: Path, separator: str) -> Table:
    # pandas turns a surplus field into an index and skips blank lines. Both would shift the row numbers.
    try:
        lines = list(csv.reader(io.StringIO(_read_text(path), newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise RunsError(f"{path.name} cannot be read as separated values: {error}") from error
    if not lines or not any(field.strip() for field in lines[0]):
        raise RunsError(f"{path.name}, row 1: got nothing; accepted: a header row that names the columns")
    header = [name.strip() for name in lines[0]]
    other = next((each for each in SEPARATORS if each != separator and each in header[0]), None)
    if len(header) == 1 and other:
        wanted = SEPARATORS[separator]
        raise RunsError(
            f"{path.name}, row 1: got {header[0][:60]!r}, fields between {SEPARATORS[other]}; accepted: a "
            f"{path.suffix} file has {wanted} between its fields, and points in its numbers (2.71)."
        )
    _refuse_twins(header, path.name)
    kept: list[list[str | None]] = []
    rows, blank = [], []
    for row, line in enumerate(lines[1:], start=2):
        if not any(field.strip() for field in line):
            blank.append(row)
        elif len(line) != len(header):
            raise RunsError(
                f"{path.name}, row {row}: got {len(line)} fields; accepted: {len(header)}, as in the header. "
                "A field that holds the separator must be quoted."
            )
        else:
            kept.append([field.strip() or None for field in line])
            rows.append(row)
    while blank and blank[-1] > max(rows, default=1):
        blank.pop()
    frame = pd.DataFrame(kept, columns=header, index=rows, dtype=object)
    return Table(frame, path.name, "with the header as row 1", tuple(blank))


def _read_json_lines(path: Path) -> Table:
    records: list[dict[str, Any]] = []
    rows = []
    for row, line in enumerate(_read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise RunsError(f"{path.name}, row {row}: not JSON ({error.msg} at character {error.colno})") from error
        if not isinstance(record, dict):
            raise RunsError(f"{path.name}, row {row}: got {line.strip()[:40]}; accepted: one JSON object a line")
        records.append(record)
        rows.append(row)
    names = list(dict.fromkeys(name for record in records for name in record))
    values = [[record.get(name) for name in names] for record in records]
    frame = pd.DataFrame(values, columns=names, index=rows, dtype=object)
    return Table(frame, path.name, "with the first line as row 1")


def _read_parquet(path: Path) -> Table:
    try:
        frame = pd.read_parquet(path)
    except (ValueError, TypeError) as error:  # ArrowInvalid is a ValueError
        raise RunsError(f"{path.name} cannot be read as Parquet: {str(error).splitlines()[0]}") from error
    return _number_rows(frame, path.name)


def _number_rows(frame: pd.DataFrame, source: str) -> Table:
    if frame.empty:
        raise RunsError(f"{source} is empty: one row for each run is expected")
    names = [str(name) for name in frame.columns]
    _refuse_twins(names, source)
    plain = frame.set_axis(names, axis=1).set_axis(np.arange(len(frame)), axis=0).astype(object)
    return Table(plain, source, "from 0, as in .iloc", nan_for_blank=True)


def _refuse_twins(names: list[str], source: str) -> None:
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise RunsError(
            f"{source} has more than one column {', '.join(map(repr, twins))}: rename or remove all but one"
        )
