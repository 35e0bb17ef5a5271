"""Findings: what is odd about runs, or was done to them while reading. They are kept in the attributes."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import xarray as xr

from bayescale.errors import RunsError
from bayescale.runs.reading.table import Table

Level = Literal["error", "warning", "info"]
Suspicious = Literal["error", "keep"]


CODES = {
    # the file
    "columns-not-used": "Columns of the file are read as nothing.",
    "column-empty": "A column without a single value is not used.",
    "rows-blank": "Blank rows are left out.",
    "file-damaged": "Part of a tracker's log is missing or damaged.",
    "other-tracker": "Another tracker wrote to the folder too, which was not read.",
    "run-not-closed": "A run has no closing record: it is in progress, or was killed.",
    "run-without-metric": "A run of a tracker is left out: it has no logged number.",
    # units and quantities
    "loss-unit-assumed": "The unit of the loss is taken from the column's name or by default.",
    "loss-converted": "The loss was converted from bits to nats.",
    "loss-rounded": "All losses lie on a grid: they were rounded.",
    "loss-error-unused": "The standard error of the loss is not used.",
    "training-loss": "The loss is that of the training text: no held-out loss was found.",
    "params-convention-unknown": "Nothing says whether N counts the embeddings.",
    "derived": "A quantity without a column follows from others.",
    "sizes-missing": "The runs lack two of N, D and C, so some questions cannot be asked of them.",
    "size-not-recognised": "An unused column may hold N, D or C.",
    "batch-unit-unclear": "A batch size may count sequences, so it is not used.",
    "quantity-incomplete": "A quantity that some runs lack is not used.",
    # values that contradict one another
    "impossible-magnitude": "N, D or C is smaller than that of any training: another unit, or a typing error.",
    "compute-in-another-unit": "All compute is off by one factor from that of N and D.",
    "compute-disagrees": "Compute differs from that of N and D.",
    "batch-disagrees": "Batch times step differs from the tokens.",
    "looks-mistyped": "A value would agree with the other runs if it were 10, 100 or 1000 times larger or smaller.",
    "far-from-others": "A run lies far from the others, which scatter too widely to call it a typing error.",
    "run-name-repeated": "Several rows have the same name of a run.",
    "runs-equal": "Several rows are the same run.",
    # what the runs cannot tell
    "few-runs": "There are too few runs for a law.",
    "narrow-range": "The runs span too little to extrapolate from.",
    "not-varied": "The runs do not vary in a direction that a law needs.",
    "family-not-varied": "The runs of one family are few, or do not vary in a direction that a law needs.",
    "errors-shared": "Rows share something by which they may err alike.",
    "one-run-family": "A family has a single learning curve.",
    # learning curves
    "left-out": "Checkpoints are left out by a rule.",
    "run-left-out": "No checkpoint of a run is left.",
    "rows-without-loss": "Rows without a loss are no checkpoints.",
    "run-without-loss": "A run has no loss at all.",
    "rows-sorted": "Rows stood out of the order of their steps.",
    "step-repeated": "A step was written again with another loss, which counts.",
    "place-filled-in": "Steps or tokens were read between those of other rows of the run.",
    "one-checkpoint": "Runs have a single checkpoint.",
    "rate-filled-in": "Learning rates were taken from other rows of the run.",
    "rate-missing": "Some checkpoints have no learning rate, so annealing is unknown.",
    "rate-changes": "A run has several constant learning rates: it may be two runs.",
    "rate-alternates": "A run's learning rate goes back and forth: it may be two runs.",
    "areas-missing": "The areas of the learning rate are unknown, as rows that were left out have no rate.",
    "run-table-read": "Quantities were read from the table of runs.",
    "run-without-curve": "Runs of the table of runs have no curve.",
    "run-not-in-table": "Runs with a curve are not in the table of runs.",
}
"""What each code of a finding means."""


@dataclass(frozen=True)
class Finding:
    """One thing that a reader of the runs should know.

    Attributes
    ----------
    code : str
        What kind of thing it is: a key of ``CODES``, which stays the same where a message is worded anew.
    level : {"error", "warning", "info"}
        An error keeps the runs from being read.
    message : str
        For people.
    rows : tuple of int
        The rows of the file that it is about.
    column : str, optional
        The column of the file that it is about.
    """

    code: str
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
    return [Finding(**item | {"rows": tuple(item["rows"])}) for item in json.loads(runs.attrs["findings"])]


def pack_findings(found: Iterable[Finding]) -> str:
    """Write findings as the text that a Dataset's attributes can hold."""
    return json.dumps([asdict(finding) for finding in found])


def level_of(suspicious: Suspicious) -> Level:
    """Return the level of a finding about a value that looks wrong."""
    return "warning" if suspicious == "keep" else "error"


def remedy_of(suspicious: Suspicious) -> str:
    """Return the sentence that says what to do about a value that looks wrong and is refused."""
    if suspicious == "keep":
        return ""
    return " Correct it; if it is right as it stands, pass suspicious='keep' (on the command line: --keep-suspicious)."


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


def refuse_errors(checked: Iterable[Finding], table: Table) -> None:
    """Raise a RunsError that lists the findings which are errors, if any is."""
    errors = [finding.message for finding in checked if finding.level == "error"]
    if not errors:
        return
    more = [f"and {len(errors) - 8} more"] if len(errors) > 8 else []
    listed = "\n".join(f"  - {text}" for text in errors[:8] + more)
    raise RunsError(f"{table.source} cannot be used as it stands (rows are counted {table.counting}):\n{listed}")
