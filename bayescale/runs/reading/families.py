"""Columns that group the runs. Each combination of the family columns is a family; label columns make no families."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.errors import RunsError, did_you_mean
from bayescale.runs.reading.columns import COLUMNS, NOTES
from bayescale.runs.reading.schema import label_text
from bayescale.runs.reading.table import Table

BETWEEN = " / "
# Groups that are found from N, D and C. A label column may not have these names.
BUDGET, LEAN, DESIGN = "budget", "lean", "design"


def with_groups(
    table: Table, asked: dict[str, str | None], family: str | Sequence[str] | None
) -> tuple[Table, dict[str, str | None], dict[str, pd.Series]]:
    """Make families of one or several columns.

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
    >>> from bayescale.runs.reading.families import with_groups
    >>> from bayescale.runs.reading.table import load_table
    >>> table, asked, groups = with_groups(load_table(pd.DataFrame({"a": ["x"], "b": [2]})), {}, ["a", "b"])
    >>> table.frame["a / b"].tolist(), asked, sorted(groups)
    (['x / 2'], {'family': 'a / b'}, ['a', 'b'])
    """
    if family is None:
        return table, asked, {}
    columns = require_columns(table, family, "family")
    if not columns:
        raise RunsError("family: got an empty list; accepted: the column that groups the runs, or several.")
    whole = BETWEEN.join(columns)
    if asked.get("family", whole) != whole:
        raise RunsError(f"family={family!r} and columns={{'family': {asked['family']!r}}} differ: pass one of them")
    labels = {column: _read_labels(table, column, "family") for column in columns} if len(columns) > 1 else {}
    if labels:
        joined = pd.DataFrame(labels).agg(BETWEEN.join, axis=1)
        table = replace(table, frame=table.frame.assign(**{whole: joined}))
    groups = labels or {columns[0]: table.frame[columns[0]].map(label_text)}
    return table, asked | {"family": whole}, {_coordinate_name(column): values for column, values in groups.items()}


def with_labels(
    table: Table, groups: Mapping[str, pd.Series], labels: str | Sequence[str] | None, found: Mapping[str, str]
) -> dict[str, pd.Series]:
    """Add the columns that label the runs without making families to the groups.

    Parameters
    ----------
    table : Table
        The file.
    groups : mapping of str to Series
        From `with_groups`.
    labels : str or list of str, optional
        The columns.
    found : mapping of str to str
        Canonical name to column.

    Raises
    ------
    RunsError
        If there is no such column, it has no label somewhere, or it is read as something else.

    Examples
    --------
    >>> import pandas as pd
    >>> from bayescale.runs.reading.families import with_labels
    >>> from bayescale.runs.reading.table import load_table
    >>> with_labels(load_table(pd.DataFrame({"cluster": ["x", 2]})), {}, "cluster", {})["cluster"].tolist()
    ['x', '2']
    """
    read_as = {column: name for name, column in found.items() if name not in NOTES}
    out = dict(groups)
    for column in require_columns(table, labels or (), "labels"):
        name, what = _coordinate_name(column), read_as.get(column)
        if name in out or what == "family":
            said = f"makes families already: a card may name it, {name if name in out else 'family'!r}; leave it out"
        elif what:
            said = f"is read as {what}; accepted: a column that is read as nothing else (columns={{{what!r}: None}})"
        elif name in (BUDGET, LEAN, DESIGN):
            said = f"has the name of what is found from N, D and C: errors.{name} is of that; rename the column"
        else:
            out[name] = _read_labels(table, column, "labels")
            continue
        raise RunsError(f"{table.source}, column {column!r}, which labels= names, {said}.")
    return out


def label_names(runs: xr.Dataset) -> list[str]:
    """Return the names of the coordinates that label the runs.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.runs.reading.families import label_names
    >>> label_names(bs.load_shipped("tinylm"))
    ['family']
    """
    labelled = [
        str(name) for name, values in runs.coords.items() if values.dims == ("run",) and values.dtype.kind in "OUT"
    ]
    return [name for name in labelled if name != "run"]


def places_by_family(runs: xr.Dataset) -> dict[str, np.ndarray]:
    """Return the positions of the runs of each family. Without families, all runs stand under an empty name."""
    if "family" not in runs.coords:
        return {"": np.arange(runs.sizes["run"])}
    labels = runs["family"].values
    return {str(label): np.flatnonzero(labels == label) for label in np.unique(labels)}


def require_columns(table: Table, columns: str | Sequence[str], option: str) -> list[str]:
    """Return the columns that an option names."""
    asked = [columns] if isinstance(columns, str) else list(dict.fromkeys(map(str, columns)))
    present = [str(name) for name in table.frame.columns]
    for column in asked:
        if column not in present:
            raise RunsError(
                f"{table.source} has no column {column!r}, which {option}= names.{did_you_mean(column, present)}\n"
                f"  Its columns: {', '.join(present)}"
            )
    return asked


def groups_told(family: str | Sequence[str] | None, labels: str | Sequence[str] | None) -> list[str]:
    """Return the columns that are read as groups. A single family column is read as the family."""
    of_labels = [labels] if isinstance(labels, str) else [*(labels or ())]
    return of_labels if family is None or isinstance(family, str) else [*family, *of_labels]


def _read_labels(table: Table, column: str, option: str) -> pd.Series:
    empty = table.frame[column].isna() | (table.frame[column].astype(str).str.strip() == "")
    if empty.any():
        raise RunsError(
            f"{table.source}, row {table.frame.index[empty][0]}, column {column!r}: got nothing; accepted: a name, as "
            f"{option}= names this column" + f" ({int(empty.sum())} such rows)" * bool(empty.sum() > 1) + "."
        )
    return table.frame[column].map(label_text)


def _coordinate_name(column: str) -> str:
    """Return the name of a grouping in the Dataset and in model cards."""
    name = re.sub(r"\W+", "_", column).strip("_")
    return f"{name}_group" if name in (*COLUMNS, "row") and name != "family" else name
