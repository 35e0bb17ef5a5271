"""What the reader understood, in words."""

import json

import numpy as np
import xarray as xr

from bayescale.runs.check import findings
from bayescale.runs.numbers import human_number, scientific

SYMBOLS = {"params": "N", "tokens": "D", "compute": "C"}
HEADINGS = {"error": "Errors", "warning": "Warnings", "info": "Notes"}


def describe_runs(runs: xr.Dataset) -> str:
    """Say what the reader understood: the runs, their ranges and units, which column is what, and what is odd.

    Parameters
    ----------
    runs : xarray.Dataset
        As ``read_runs`` gives it.

    Returns
    -------
    str
        A dozen lines or so, for a terminal.

    Examples
    --------
    >>> from bayescale.runs import describe_runs, load_shipped
    >>> "families" in describe_runs(load_shipped("tinylm"))
    True
    """
    columns = json.loads(runs.attrs["columns"])
    lines = [f"{runs.attrs['source']}: {runs.attrs['title']}", f"  runs      {runs.sizes['run']}"]
    if "family" in runs.coords:
        names, counts = np.unique(runs["family"].values, return_counts=True)
        listed = ", ".join(f"{name} ({count})" for name, count in zip(names[:12], counts[:12], strict=True))
        more = f", and {len(names) - 12} more" if len(names) > 12 else ""
        lines.append(f"  families  {len(names)}: {listed}{more}")
    for name in ("params", "tokens", "compute"):
        low, high = float(runs[name].min()), float(runs[name].max())
        show = scientific if name == "compute" else human_number
        unit = " FLOP" if name == "compute" else ""
        span = f"{show(low)} to {show(high)}{unit}, {np.log10(high / low):.1f} decades"
        origin = f"column {columns[name]!r}" if name in columns else f"by {runs.attrs['cost']}"
        note = f", {runs.attrs['params_convention']}" if name == "params" else ""
        lines.append(f"  {name:<9} {SYMBOLS[name]}: {span} ({origin}{note})")
    low, high = float(runs["loss"].min()), float(runs["loss"].max())
    lines.append(f"  loss      {low:.4g} to {high:.4g} {runs.attrs['loss_unit']} (column {columns['loss']!r})")
    others = [f"{name} = {columns[name]!r}" for name in ("run", "family", "loss_se", "seed", "step") if name in columns]
    if others:
        lines.append(f"  also read {', '.join(others)}")
    if runs.attrs.get("licence"):
        lines.append(f"  licence   {runs.attrs['licence']}")
    found = findings(runs)
    for level, heading in HEADINGS.items():
        group = [finding for finding in found if finding.level == level]
        if group:
            lines += [f"{heading}:", *(f"  - {finding.message}" for finding in group)]
    if not any(finding.level in ("error", "warning") for finding in found):
        lines.append("Nothing odd was found.")
    return "\n".join(lines)
