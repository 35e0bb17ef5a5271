"""A second table with a row for each run, joined to the table of checkpoints."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from bayescale.errors import RunsError
from bayescale.runs.curves.columns import CURVE_COLUMNS, OF_RUN, PLANNED, match_curve_only, of_whole_run
from bayescale.runs.reading.aliases import match_columns
from bayescale.runs.reading.findings import Finding, names_text, rows_text
from bayescale.runs.reading.table import Table, load_table

TAKEN = (*OF_RUN, "batch", *PLANNED.values())


def with_runs(
    table: Table, found: dict[str, str], runs: str | Path | pd.DataFrame | None
) -> tuple[Table, dict[str, str], list[Finding]]:
    """Add to each checkpoint the columns of a table of runs that the checkpoints lack.

    Parameters
    ----------
    table : Table
        The checkpoints.
    found : dict of str to str
        Which of its columns is what.
    runs : path or DataFrame, optional
        A row for each run, with its name. Its tokens and steps are those that the run was planned for.

    Returns
    -------
    table : Table
    found : dict of str to str
    findings : list of Finding

    Examples
    --------
    >>> import pandas as pd
    >>> from bayescale.runs.curves.run_table import with_runs
    >>> from bayescale.runs.reading.table import load_table
    >>> curves = load_table(pd.DataFrame({"run": ["a", "a"], "step": [1, 2], "loss": [4.0, 3.5]}))
    >>> about = pd.DataFrame({"run": ["a"], "N": ["70M"]})
    >>> with_runs(curves, {"run": "run", "step": "step", "loss": "loss"}, about)[0].frame["params of the run"].tolist()
    ['70M', '70M']
    """
    if runs is None:
        return table, found, []
    other = load_table(runs)
    named = {str(name): of_whole_run(str(name)) for name in other.frame.columns}
    key = match_curve_only(list(named), "run", other.source)
    if "run" not in key:
        raise RunsError(
            f"{other.source}: no column names the run, so nothing can be told of the curves; it is found as "
            f"{', '.join(CURVE_COLUMNS['run'].names)} or 'run'.\n  Its columns: {', '.join(named)}"
        )
    labels = other.frame[key["run"]].astype(str)
    twice = labels[labels.duplicated()]
    if len(twice):
        rows = [int(row) for row in twice.index]
        raise RunsError(
            f"{other.source}, column {key['run']!r}: {rows_text(rows)} name a run again: one row for each run"
        )
    kept = {column: name for column, name in named.items() if name is not None and column != key["run"]}
    lacking = {name: CURVE_COLUMNS[name] for name in TAKEN if name not in found}
    matched = match_columns(list(kept.values()), None, other.source, lacking)
    column_of = {name: column for column, name in kept.items()}
    mine = table.frame[found["run"]].astype(str)
    frame, also = table.frame, dict(found)
    for quantity, name in matched.items():
        values = dict(zip(labels, other.frame[column_of[name]], strict=True))
        also[quantity] = f"{quantity} of the run"
        frame = frame.assign(**{also[quantity]: pd.Series([values.get(run) for run in mine], frame.index, object)})
    read = ", ".join(matched) or "nothing that the curves lack"
    notes = [Finding("run-table-read", "info", f"read from {other.source}: {read}")]
    if not mine.isin(labels).any():
        raise RunsError(
            f"{other.source}, column {key['run']!r}: names none of the runs of {table.source}. It names "
            f"{names_text(labels.tolist())}; the curves are of {names_text(mine.drop_duplicates().tolist())}."
        )
    idle = labels[~labels.isin(mine.unique())]
    if len(idle):
        text = f"{len(idle)} runs of {other.source} have no curve: {names_text(idle.tolist())}"
        notes.append(Finding("run-without-curve", "info", text))
    untold = mine[~mine.isin(labels)].drop_duplicates()
    if len(untold):
        text = f"{other.source} has no row for {len(untold)} of the runs: {names_text(untold.tolist())}"
        notes.append(Finding("run-not-in-table", "warning", text))
    return replace(table, frame=frame), also, notes
