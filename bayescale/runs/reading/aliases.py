"""Which column of a file is which quantity."""

import re
from collections.abc import Collection, Iterable, Mapping

from bayescale.errors import RunsError, did_you_mean
from bayescale.runs.reading.columns import COLUMNS, Column
from bayescale.runs.reading.findings import Finding
from bayescale.runs.reading.table import Table

DECLARING = ("loss_unit", "params_convention", "convention")
"""Columns that say something of the whole file."""


def squash(name: str) -> str:
    """Return the name without case, spaces, underscores and hyphens."""
    return re.sub(r"[\s_\-]+", "", str(name)).lower()


def match_columns(
    names: Iterable[str],
    columns: Mapping[str, str | None] | None = None,
    source: str = "the runs",
    known: Mapping[str, Column] = COLUMNS,
) -> dict[str, str]:
    """Say which column holds which quantity.

    Parameters
    ----------
    names : iterable of str
        The columns of the file.
    columns : mapping of str to str, optional
        Quantity to column, where the names do not say it by themselves; None leaves that quantity out.
    source : str
        The file's name, for messages.
    known : mapping of str to Column
        The quantities that there are.

    Returns
    -------
    dict of str to str
        Canonical name to column.

    Raises
    ------
    RunsError
        A name in ``columns`` does not exist, or several columns could be the same quantity.

    Examples
    --------
    >>> from bayescale.runs.reading.aliases import match_columns
    >>> match_columns(["Model Size", "D", "val_loss"])
    {'params': 'Model Size', 'tokens': 'D', 'loss': 'val_loss'}
    """
    present = [str(name) for name in names]
    given = dict(columns or {})
    _check_given(given, present, source, known)
    taken = {column for column in given.values() if column is not None}
    found: dict[str, str] = {}
    clashes: list[str] = []
    for quantity, about in known.items():
        if quantity in given:
            column = given[quantity]
            if column is not None:
                found[quantity] = column
            continue
        free = [name for name in present if name not in taken]
        own = [name for name in free if squash(name) == squash(quantity)]
        others = {squash(alias) for alias in about.names}
        choices = own or [name for name in free if squash(name) in others]
        if len(choices) == 1:
            found[quantity] = choices[0]
        elif choices:
            several = ", ".join(repr(name) for name in choices)
            clashes.append(f"{several} could each be {quantity}: pass columns={{{quantity!r}: {choices[0]!r}}}")
    if clashes:
        raise RunsError(
            f"{source} does not say which column to read.\n  "
            + "\n  ".join(clashes)
            + "\n(or name the right one; on the command line: --columns quantity=column)"
        )
    return found


def _check_given(given: Mapping[str, str | None], present: list[str], source: str, known: Mapping[str, Column]) -> None:
    """Refuse an explicit pairing that names a quantity or a column that does not exist."""
    for quantity, column in given.items():
        if quantity not in known:
            raise RunsError(
                f"columns={{{quantity!r}: ...}}: there is no quantity {quantity!r}; accepted: {', '.join(known)}."
                + did_you_mean(quantity, known)
            )
        if column is not None and column not in present:
            raise RunsError(
                f"{source} has no column {column!r}, which columns= names for {quantity}."
                f"{did_you_mean(column, present)}\n  Its columns: {', '.join(present)}"
            )


def unused_columns(table: Table, told: Collection[str | None]) -> list[Finding]:
    """List the columns that no finding and no quantity names."""
    declaring = {squash(name) for name in DECLARING}
    unused = [name for name in map(str, table.frame.columns) if name not in told and squash(name) not in declaring]
    if not unused:
        return []
    shown = ", ".join(unused[:12]) + (f", and {len(unused) - 12} more" if len(unused) > 12 else "")
    return [Finding("columns-not-used", "info", f"not used: {shown}")]
