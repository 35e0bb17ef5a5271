"""What each column must hold, and one message for all that does not."""

import math
from collections.abc import Callable, Container, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from bayescale.errors import RunsError
from bayescale.numbers import parse_number
from bayescale.runs.reading.columns import COLUMNS, SIZES, Column
from bayescale.runs.reading.table import Table

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


def _label_given(value: Any) -> bool:
    return bool(str(value).strip())


def schema_of(known: Mapping[str, Column], nullable: Container[str]) -> pa.DataFrameSchema:
    """Return what each column must hold as it stands in the file: text is accepted wherever ``parse_number`` reads it.

    Examples
    --------
    >>> from bayescale.runs.reading.columns import COLUMNS
    >>> from bayescale.runs.reading.schema import schema_of
    >>> schema_of(COLUMNS, ["seed"]).columns["seed"].nullable
    True
    """
    return pa.DataFrameSchema(
        {
            name: _column(
                about.accepted, _label_given if about.role == "label" else _number(about.accepts), name in nullable
            )
            for name, about in known.items()
        }
    )


SCHEMA = schema_of(COLUMNS, ("seed",))


def validate(
    table: Table,
    columns: Mapping[str, str],
    schema: pa.DataFrameSchema = SCHEMA,
    known: Mapping[str, Column] = COLUMNS,
) -> pd.DataFrame:
    """Check every value of the columns in use, and return them as numbers under their canonical names.

    Parameters
    ----------
    table : Table
        The file.
    columns : mapping of str to str
        Canonical name to column.
    schema : DataFrameSchema
        What each column must hold.
    known : mapping of str to Column
        The columns that the schema was made of.

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
    try:
        schema.validate(raw, lazy=True)
    except SchemaErrors as errors:
        raise RunsError(_listing(errors.failure_cases, raw, table, columns, known)) from None
    ready: dict[str, Any] = {}
    for name in raw:
        if known[str(name)].role == "label":
            ready[str(name)] = [None if pd.isna(value) else label_text(value) for value in raw[name]]
        else:
            ready[str(name)] = [np.nan if pd.isna(value) else parse_number(value) for value in raw[name]]
    return pd.DataFrame(ready, index=raw.index)


def label_text(value: Any) -> str:
    """Write a label as text; a whole number that pandas keeps as 1.0 is the label 1."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _listing(
    failures: pd.DataFrame, raw: pd.DataFrame, table: Table, columns: Mapping[str, str], known: Mapping[str, Column]
) -> str:
    order = {name: place for place, name in enumerate(raw.columns)}
    cells = sorted({(int(row), order[name]) for row, name in zip(failures["index"], failures["column"], strict=True)})
    lines = []
    for row, place in cells[:SHOWN]:
        name = str(raw.columns[place])
        value: Any = raw[name].loc[row]
        got = "nothing" if pd.isna(value) else repr(value.item() if isinstance(value, np.generic) else value)
        lines.append(
            f"  {table.source}, row {row}, column {columns[name]!r}: got {got[:60]}; accepted: {known[name].accepted}"
        )
    if len(cells) > SHOWN:
        lines.append(f"  and {len(cells) - SHOWN} more")
    spare = [str(name) for name in failures["column"].unique() if name not in (*SIZES, "loss")]
    if spare:
        lines.append(
            f"  A column that holds something else is left out by columns={{{spare[0]!r}: None}} "
            f"(on the command line: --columns {spare[0]}=)."
        )
    count = "1 value" if len(cells) == 1 else f"{len(cells)} values"
    return f"{table.source} has {count} that cannot be used (rows are counted {table.counting}):\n" + "\n".join(lines)
