"""One thing that a reader of the runs should know, and how it is kept with them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import xarray as xr

Level = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Finding:
    """One thing that a reader of the runs should know."""

    level: Level
    message: str
    rows: tuple[int, ...] = ()
    column: str | None = None


def findings(runs: xr.Dataset) -> list[Finding]:
    """Return what was found when the runs were read.

    Parameters
    ----------
    runs : xarray.Dataset
        As ``read_runs`` gives it.

    Returns
    -------
    list of Finding

    Examples
    --------
    >>> from bayescale.runs import findings, load_shipped
    >>> {finding.level for finding in findings(load_shipped("tinylm"))} <= {"warning", "info"}
    True
    """
    return [
        Finding(item["level"], item["message"], tuple(item["rows"]), item["column"])
        for item in json.loads(runs.attrs["findings"])
    ]


def pack_findings(found: Iterable[Finding]) -> str:
    """Write findings as the text that a Dataset's attributes can hold."""
    return json.dumps([asdict(finding) for finding in found])


def rows_text(rows: Iterable[int], shown: int = 6) -> str:
    """Name rows: ``row 3``, ``rows 3 and 9``, ``rows 1, 2, 3, ... (12 rows)``."""
    each = list(rows)
    if len(each) == 1:
        return f"row {each[0]}"
    if len(each) <= shown:
        return f"rows {', '.join(map(str, each[:-1]))} and {each[-1]}"
    return f"rows {', '.join(map(str, each[:shown]))}, ... ({len(each)} rows)"


def names_text(names: Sequence[str], shown: int = 6) -> str:
    """Name runs: ``'a', 'b'``, or the first six of them and how many more."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(repr(str(name)) for name in names[:shown]) + more


def rows_of(runs: xr.Dataset, which: np.ndarray) -> tuple[int, ...]:
    """Return the rows of the file that hold these runs."""
    return tuple(int(row) for row in runs["row"].values[which])
