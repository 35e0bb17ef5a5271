"""What the reader understood of training curves, in words."""

import xarray as xr

from bayescale.runs.curves.filters import rule_counts
from bayescale.runs.curves.segments import run_segments
from bayescale.runs.reading.columns import CHECKPOINT, LEFT_OUT, QUANTITIES
from bayescale.runs.reading.describe import families_text, findings_text, range_text, summary_lines
from bayescale.runs.reading.findings import findings
from bayescale.runs.reading.origins import columns_of


def describe_curves(curves: xr.Dataset) -> str:
    """Say what the reader understood: the runs and their checkpoints, the ranges, what was left out and why.

    Parameters
    ----------
    curves : xarray.Dataset
        As ``read_curves`` gives it.

    Returns
    -------
    str
        A dozen lines or so, for a terminal.

    Examples
    --------
    >>> from bayescale.runs import load_shipped_curves
    >>> from bayescale.runs.curves.describe import describe_curves
    >>> "  first tokens: 184 checkpoints of 92 runs" in describe_curves(load_shipped_curves("tinylm"))
    True
    """
    segments = run_segments(curves)
    counts = segments.counts
    each = f"{counts.min()} to {counts.max()}" if counts.min() < counts.max() else f"{counts.min()}"
    lines = [
        ("runs", str(segments.names.size)),
        ("checkpoints", f"{curves.sizes[CHECKPOINT]}, {each} a run"),
    ]
    if "family" in curves.coords:
        lines.append(("families", families_text(curves["family"].values[segments.last])))
    lines += [(name, range_text(curves, name)) for name in (*QUANTITIES, "loss") if name in curves]
    columns = columns_of(curves)
    others = [f"{name} = {columns[name]!r}" for name in ("run", "lr", "lr_fraction", "peak_lr") if name in columns]
    lines.append(("also read", ", ".join(others)))
    # What the rules left out has lines of its own.
    told = [finding for finding in findings(curves) if finding.code != "left-out"]
    summary = summary_lines(curves, lines, " (training curves)")
    return "\n".join([*summary, *left_out_lines(curves), *findings_text(told)])


def left_out_lines(curves: xr.Dataset) -> list[str]:
    """Return how many checkpoints each rule left out and why, a line each."""
    counts = rule_counts(curves)
    if not counts:
        return ["Nothing was left out: no filter was on."]
    gone = curves.sizes.get(LEFT_OUT, 0)
    applied = [
        f"  {each.rule}: {_count_text(each.checkpoints, 'checkpoint')} of {_count_text(each.runs, 'run')} ({each.why})"
        for each in counts
        if each.checkpoints
    ]
    idle = ", ".join(each.rule for each in counts if not each.checkpoints)
    unused = [f"  nothing as: {idle}"] if idle else []
    return [f"Left out: {gone} of {gone + curves.sizes[CHECKPOINT]} checkpoints", *applied, *unused]


def _count_text(number: int, what: str) -> str:
    return f"{number} {what}" + "s" * (number != 1)
