"""What the reader understood, in words."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from bayescale.numbers import human_number, scientific
from bayescale.runs.reading.columns import COLUMNS, QUANTITIES, RESPONSES, SIZES
from bayescale.runs.reading.families import label_names
from bayescale.runs.reading.findings import Finding, findings
from bayescale.runs.reading.origins import columns_of, derived_of

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
    columns = columns_of(runs)
    shown = [name for name in (*QUANTITIES, *RESPONSES, "questions") if name in runs]
    lines = [("runs", str(runs.sizes["run"]))]
    if "family" in runs.coords:
        lines.append(("families", families_text(runs["family"].values)))
    if labels := [name for name in label_names(runs) if name != "family"]:
        lines.append(("labels", ", ".join(f"{name} ({len(np.unique(runs[name].values))} values)" for name in labels)))
    lines += [(name, range_text(runs, name)) for name in shown]
    others = [f"{name} = {columns[name]!r}" for name in ("run", "family", "loss_se", "seed") if name in columns]
    if others:
        lines.append(("also read", ", ".join(others)))
    if runs.attrs.get("licence"):
        lines.append(("licence", runs.attrs["licence"]))
    return "\n".join([*summary_lines(runs, lines), *findings_text(findings(runs))])


def summary_lines(runs: xr.Dataset, lines: Sequence[tuple[str, str]], note: str = "") -> list[str]:
    """Return the name of the file and its title, and below it what was understood, in two columns."""
    width = max(len(name) for name, _ in lines)
    return [
        f"{runs.attrs['source']}: {runs.attrs['title']}{note}",
        *(f"  {name:<{width}} {text}" for name, text in lines),
    ]


def families_text(labels: np.ndarray) -> str:
    """Name the families and how many runs each has, the first twelve of them."""
    names, counts = np.unique(labels, return_counts=True)
    listed = ", ".join(f"{name} ({count})" for name, count in zip(names[:12], counts[:12], strict=True))
    return f"{len(names)}: {listed}" + (f", and {len(names) - 12} more" if len(names) > 12 else "")


def range_text(runs: xr.Dataset, name: str) -> str:
    """Write the range of a variable, its unit, and the column or formula that it comes from."""
    low, high = float(runs[name].min()), float(runs[name].max())
    columns = columns_of(runs)
    origin = f"column {columns[name]!r}" if name in columns else f"by {derived_of(runs)[name]}"
    if name in SIZES:
        show = scientific if name == "compute" else human_number
        unit = " FLOP" if name == "compute" else ""
        note = f", {runs.attrs['params_convention']}" if name == "params" else ""
        decades = f"{np.log10(high / low):.1f} decades"
        return f"{COLUMNS[name].symbol}: {show(low)} to {show(high)}{unit}, {decades} ({origin}{note})"
    if name in RESPONSES:
        unit = f" {runs.attrs['loss_unit']}" if name == "loss" else ""
        return f"{low:.4g} to {high:.4g}{unit} ({origin})"
    span = human_number(low) if low == high else f"{human_number(low)} to {human_number(high)}"
    return f"{span} ({origin})"


def findings_text(found: Sequence[Finding]) -> list[str]:
    """Return findings as lines, the gravest first."""
    lines = []
    for level, heading in HEADINGS.items():
        group = [finding for finding in found if finding.level == level]
        if group:
            lines += [f"{heading}:", *(f"  - {finding.message}" for finding in group)]
    if not any(finding.level in ("error", "warning") for finding in found):
        lines.append("Nothing odd was found.")
    return lines
