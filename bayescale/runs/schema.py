"""What each column must hold, and one message for all that does not."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from bayescale.errors import RunsError
from bayescale.runs.numbers import parse_number
from bayescale.runs.table import Table

SHOWN = 8


def _number(accept: Callable[[float], bool]) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        try:
            number = parse_number(value)
        except ValueError:
            return False
        return math.isfinite(number) and accept(number)

    return check


def _column(accepted: str, test: Callable[[Any], bool], nullable: bool = False) -> pa.Column:
    return pa.Column(object, pa.Check(test, element_wise=True, error=accepted), nullable=nullable, required=False)


ACCEPTED = {
    "params": "a number above 0, such as 70M, 1.3B or 7e9",
    "tokens": "a number above 0, such as 300M, 1.4T or 1e12",
    "compute": "a number of FLOP above 0, such as 6e18 or 5.76e23",
    "loss": "a number above 0, such as 2.71",
    "loss_se": "a number, 0 or more",
    "seed": "a whole number, or nothing",
    "step": "a number, 0 or more",
    "family": "a name",
    "run": "a name",
}

TESTS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("params", "tokens", "compute", "loss"), _number(lambda x: x > 0)),
    **dict.fromkeys(("loss_se", "step"), _number(lambda x: x >= 0)),
    "seed": _number(float.is_integer),
    **dict.fromkeys(("family", "run"), lambda value: bool(str(value).strip())),
}

SCHEMA = pa.DataFrameSchema(
    {name: _column(ACCEPTED[name], test, nullable=name == "seed") for name, test in TESTS.items()}
)
"""Each column as it stands in the file: text is accepted wherever ``parse_number`` reads it."""


def validate(table: Table, columns: Mapping[str, str]) -> pd.DataFrame:
    """Check every value of the columns in use, and return them as numbers under their canonical names.

    Parameters
    ----------
    table : Table
        The file.
    columns : mapping of str to str
        Canonical name to column.

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
    >>> from bayescale.runs.schema import validate
    >>> from bayescale.runs.table import load_table
    >>> table = load_table(pd.DataFrame({"N": ["70B"], "D": [1e9], "loss": [2.5]}))
    >>> float(validate(table, {"params": "N", "tokens": "D", "loss": "loss"})["params"].iloc[0])
    70000000000.0
    """
    raw = pd.DataFrame({name: table.frame[column] for name, column in columns.items()}, dtype=object)
    try:
        SCHEMA.validate(raw, lazy=True)
    except SchemaErrors as errors:
        raise RunsError(_listing(errors.failure_cases, raw, table, columns)) from None
    ready: dict[str, Any] = {}
    for name in raw:
        if name in ("family", "run"):
            ready[str(name)] = [_label(value) for value in raw[name]]
        else:
            ready[str(name)] = [np.nan if pd.isna(value) else parse_number(value) for value in raw[name]]
    return pd.DataFrame(ready, index=raw.index)


def _label(value: Any) -> str:
    """Write a label as text; a whole number that pandas keeps as 1.0 is the label 1."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _listing(failures: pd.DataFrame, raw: pd.DataFrame, table: Table, columns: Mapping[str, str]) -> str:
    order = {name: place for place, name in enumerate(raw.columns)}
    cells = sorted({(int(row), order[name]) for row, name in zip(failures["index"], failures["column"], strict=True)})
    lines = []
    for row, place in cells[:SHOWN]:
        name = str(raw.columns[place])
        value: Any = raw[name].loc[row]
        got = "nothing" if pd.isna(value) else repr(value.item() if isinstance(value, np.generic) else value)
        lines.append(
            f"  {table.source}, row {row}, column {columns[name]!r}: got {got[:60]}; accepted: {ACCEPTED[name]}"
        )
    if len(cells) > SHOWN:
        lines.append(f"  and {len(cells) - SHOWN} more")
    count = "1 value" if len(cells) == 1 else f"{len(cells)} values"
    return f"{table.source} has {count} that cannot be used (rows are counted {table.counting}):\n" + "\n".join(lines)
