"""What the reader understood of training curves, in words; and whether a log holds curves at all."""

import numpy as np
import xarray as xr

from bayescale.runs.curves.filters import rule_counts
from bayescale.runs.curves.segments import run_segments
from bayescale.runs.reading.columns import CHECKPOINT, LEFT_OUT, QUANTITIES
from bayescale.runs.reading.describe import findings_text, range_text
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
        names, sizes = np.unique(curves["family"].values[segments.last], return_counts=True)
        listed = ", ".join(f"{name} ({size})" for name, size in zip(names[:12], sizes[:12], strict=True))
        more = f", and {len(names) - 12} more" if len(names) > 12 else ""
        lines.append(("families", f"{len(names)}: {listed}{more}"))
    lines += [(name, range_text(curves, name)) for name in (*QUANTITIES, "loss") if name in curves]
    columns = columns_of(curves)
    others = [f"{name} = {columns[name]!r}" for name in ("run", "lr", "lr_fraction", "peak_lr") if name in columns]
    lines.append(("also read", ", ".join(others)))
    width = max(len(name) for name, _ in lines)
    title = f"{curves.attrs['source']}: {curves.attrs['title']} (training curves)"
    # The rules have lines of their own.
    told = [finding for finding in findings(curves) if finding.code != "left-out"]
    return "\n".join(
        [title, *(f"  {name:<{width}} {said}" for name, said in lines), *left_out_lines(curves), *findings_text(told)]
    )


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
