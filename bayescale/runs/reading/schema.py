"""Check that every value of a column is accepted. One message lists all values that are not."""

import math
from collections.abc import Container, Mapping
from typing import Any

import numpy as np
import pandas as pd

from bayescale.errors import RunsError
from bayescale.numbers import parse_number
from bayescale.runs.reading.columns import COLUMNS, SIZES, Column
from bayescale.runs.reading.table import Table

SHOWN = 8
NULLABLE = ("seed",)
REFUSED = object()
"""Stands in the place of a value that is not accepted."""


def validate(
    table: Table,
    columns: Mapping[str, str],
    known: Mapping[str, Column] = COLUMNS,
    nullable: Container[str] = NULLABLE,
) -> pd.DataFrame:
    """Check every value of the columns in use, and return them as numbers under their canonical names.

    Parameters
    ----------
    table : Table
        The file.
    columns : mapping of str to str
        Canonical name to column.
    known : mapping of str to Column
        What each column must hold: text is accepted wherever ``parse_number`` reads it.
    nullable : container of str
        The columns whose cells may be blank.

    Returns
    -------
    DataFrame
        float64 for every number, str for ``family`` and ``run``, indexed by the row of the file.

    Raises
    ------
    RunsError
        Lists the first eight values that are not accepted and counts the others.

    Examples
    --------
    >>> import pandas as pd
    >>> from bayescale.runs.reading.schema import validate
    >>> from bayescale.runs.reading.table import load_table
    >>> table = load_table(pd.DataFrame({"N": ["70B"], "D": [1e9], "loss": [2.5]}))
    >>> float(validate(table, {"params": "N", "tokens": "D", "loss": "loss"})["params"].iloc[0])
    70000000000.0
    """
    raw = pd.DataFrame({name: table.frame[column] for name, column in columns.items()}, dtype=object)
    values = {name: _convert(raw[name], known[name], name in nullable) for name in columns}
    failed = pd.DataFrame({name: column.map(lambda value: value is REFUSED) for name, column in values.items()})
    if failed.any(axis=None):
        raise RunsError(_list_failures(failed, raw, table, columns, known))
    kinds = {name: object if known[name].role == "label" else float for name in values}
    return pd.DataFrame(values, index=raw.index).astype(kinds)


def _convert(cells: pd.Series, about: Column, nullable: bool) -> pd.Series:
    """Return the cells of a column as numbers or labels. A cell that is not accepted becomes REFUSED."""
    label, blank = about.role == "label", cells.isna()
    nothing = REFUSED if not nullable else None if label else np.nan
    read = [
        nothing if empty else _read_label(cell) if label else _read_number(cell, about)
        for cell, empty in zip(cells, blank, strict=True)
    ]
    return pd.Series(read, index=cells.index, dtype=object)


def _read_number(cell: Any, about: Column) -> Any:
    try:
        number = parse_number(cell)
    except ValueError:
        return REFUSED
    return number if math.isfinite(number) and about.accepts(number) else REFUSED


def _read_label(cell: Any) -> Any:
    return label_text(cell) or REFUSED


def label_text(value: Any) -> str:
    """Write a label as text. A whole number that pandas keeps as 1.0 becomes the label 1."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _list_failures(
    failed: pd.DataFrame, raw: pd.DataFrame, table: Table, columns: Mapping[str, str], known: Mapping[str, Column]
) -> str:
    cells = np.argwhere(failed.to_numpy())
    lines = []
    for place, which in cells[:SHOWN]:
        row, name = raw.index[place], str(raw.columns[which])
        value: Any = raw.iloc[place, which]
        got = (
            "nothing"
            if raw[name].isna().iloc[place]
            else repr(value.item() if isinstance(value, np.generic) else value)
        )
        lines.append(
            f"  {table.source}, row {row}, column {columns[name]!r}: got {got[:60]}; accepted: {known[name].accepted}"
        )
    if len(cells) > SHOWN:
        lines.append(f"  and {len(cells) - SHOWN} more")
    spare = [name for name in known if name in failed and failed[name].any() and name not in (*SIZES, "loss")]
    if spare:
        lines.append(
            f"  A column that holds something else is left out by columns={{{spare[0]!r}: None}} "
            f"(on the command line: --columns {spare[0]}=)."
        )
    count = "1 value" if len(cells) == 1 else f"{len(cells)} values"
    return f"{table.source} has {count} that cannot be used (rows are counted {table.counting}):\n" + "\n".join(lines)
