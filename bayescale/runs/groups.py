"""Several columns that group the runs: each combination of their labels is a family."""

import re
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from bayescale.errors import RunsError, did_you_mean
from bayescale.runs.columns import COLUMNS
from bayescale.runs.schema import label_text
from bayescale.runs.table import Table

BETWEEN = " / "


def with_groups(
    table: Table, asked: dict[str, str | None], family: str | Sequence[str] | None
) -> tuple[Table, dict[str, str | None], dict[str, pd.Series]]:
    """Return the table and the pairing of columns with a family made of these columns, and the labels of each.

    Parameters
    ----------
    table : Table
        The file.
    asked : dict of str to str
        The pairing of quantities to columns that was asked for.
    family : str or list of str, optional
        The columns.

    Raises
    ------
    RunsError
        If there is no such column, or it has no label somewhere, or another family was asked for too.

    Examples
    --------
    >>> import pandas as pd
    >>> from bayescale.runs.groups import with_groups
    >>> from bayescale.runs.table import load_table
    >>> table, asked, groups = with_groups(load_table(pd.DataFrame({"a": ["x"], "b": [2]})), {}, ["a", "b"])
    >>> table.frame["a / b"].tolist(), asked, sorted(groups)
    (['x / 2'], {'family': 'a / b'}, ['a', 'b'])
    """
    if family is None:
        return table, asked, {}
    columns = [family] if isinstance(family, str) else list(dict.fromkeys(map(str, family)))
    present = [str(name) for name in table.frame.columns]
    if not columns:
        raise RunsError("family: got an empty list; accepted: the column that groups the runs, or several.")
    for column in columns:
        if column not in present:
            raise RunsError(
                f"{table.source} has no column {column!r}, which family= names.{did_you_mean(column, present)}\n"
                f"  Its columns: {', '.join(present)}"
            )
    whole = BETWEEN.join(columns)
    if asked.get("family", whole) != whole:
        raise RunsError(f"family={family!r} and columns={{'family': {asked['family']!r}}} differ: pass one of them")
    labels = {column: _labels(table, column) for column in columns} if len(columns) > 1 else {}
    if labels:
        joined = pd.DataFrame(labels).agg(BETWEEN.join, axis=1)
        table = replace(table, frame=table.frame.assign(**{whole: joined}))
    groups = labels or {columns[0]: table.frame[columns[0]].map(label_text)}
    return table, asked | {"family": whole}, {_coord(column): values for column, values in groups.items()}


def groups_told(family: str | Sequence[str] | None) -> Sequence[str]:
    """Return the columns that make families together; none where one column does, which is read as the family."""
    return [] if family is None or isinstance(family, str) else family


def _labels(table: Table, column: str) -> pd.Series:
    empty = table.frame[column].isna() | (table.frame[column].astype(str).str.strip() == "")
    if empty.any():
        raise RunsError(
            f"{table.source}, row {table.frame.index[empty][0]}, column {column!r}: got nothing; accepted: a name, as "
            "family= names this column" + f" ({int(empty.sum())} such rows)" * bool(empty.sum() > 1) + "."
        )
    return table.frame[column].map(label_text)


def _coord(column: str) -> str:
    """Return the name of a grouping in the Dataset and in model cards."""
    name = re.sub(r"\W+", "_", column).strip("_")
    return f"{name}_group" if name in COLUMNS and name != "family" else name
