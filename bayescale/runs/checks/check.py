"""What is odd about a set of runs: rows that contradict one another, and values that look like typos."""

import json
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayescale.costs import CostModel
from bayescale.numbers import human_number, scientific
from bayescale.runs.checks.design import design_findings
from bayescale.runs.checks.sharing import sharing_findings
from bayescale.runs.checks.typos import MIN_RUNS, Moves, Typo, find_typos
from bayescale.runs.reading.columns import QUANTITIES, RESPONSES, SIZES
from bayescale.runs.reading.derive import BATCHES
from bayescale.runs.reading.finding import Finding, Level, rows_of, rows_text

Suspicious = Literal["error", "keep"]
# A run of another kind may lie far off the law of the others, and no typo explains it.
KINDS = ("experts", "granularity", "sparsity", "bits_weights", "bits_activations", "bits_kv", "bits_post")
KEEP = "if it is right as it stands, pass suspicious='keep'"


def check_runs(runs: xr.Dataset, cost: CostModel, suspicious: Suspicious = "error") -> list[Finding]:
    """Look for runs that contradict one another, and for questions that the runs cannot answer.

    Parameters
    ----------
    runs : xarray.Dataset
        At least one response and one quantity over ``run``.
    cost : CostModel
        What ties N, D and C together.
    suspicious : {"error", "keep"}
        Whether a value that looks like a typo is an error or a warning.

    Returns
    -------
    list of Finding

    Examples
    --------
    >>> from bayescale.costs import SIX_ND
    >>> from bayescale.runs import load_shipped
    >>> from bayescale.runs.checks.check import check_runs
    >>> [finding.level for finding in check_runs(load_shipped("tinylm"), SIX_ND) if finding.level == "error"]
    []
    """
    return [
        *_same_names(runs),
        *_duplicates(runs),
        *compute_disagrees(runs, cost, suspicious),
        *batch_disagrees(runs),
        *_scale_typos(runs, suspicious),
        *design_findings(runs),
        *sharing_findings(runs),
    ]


def _columns(runs: xr.Dataset) -> dict[str, str]:
    return dict(json.loads(runs.attrs["columns"]))


def _derived(runs: xr.Dataset) -> dict[str, str]:
    return dict(json.loads(runs.attrs.get("derived", "{}")))


def _same_names(runs: xr.Dataset) -> list[Finding]:
    names, counts = np.unique(runs["run"].values, return_counts=True)
    column, twice = _columns(runs).get("run"), names[counts > 1]
    if not twice.size:
        return []
    rows = rows_of(runs, runs["run"].values == twice[0])
    more = f", and so with {twice.size - 1} more names" * (twice.size > 1)
    message = (
        f"{rows_text(rows)} have the same name {str(twice[0])!r} in column {column!r}{more}: a run log has one row for "
        "each run. If these are checkpoints, bs.read_curves reads them, and a model such as chinchilla+curve is fitted "
        "to them; if not, rename the runs, or pass columns={'run': None} (--columns run=) to number them instead."
    )
    return [Finding("error", message, rows_of(runs, np.isin(runs["run"].values, twice)), column)]


def _duplicates(runs: xr.Dataset) -> list[Finding]:
    names = ("family", *_told_apart_by(runs), "seed", *RESPONSES)
    keys = [name for name in names if name in runs.variables]
    groups: dict[tuple[object, ...], list[int]] = {}
    for row, *key in zip(runs["row"].values, *(runs[name].values for name in keys), strict=True):
        groups.setdefault(tuple("" if value != value else value for value in key), []).append(int(row))
    twins = [rows for rows in groups.values() if len(rows) > 1]
    grouped = "" if "family" in keys else "; if they are of different kinds, say so with family='the column that tells'"
    found = [
        Finding(
            "error",
            f"{rows_text(rows)} are the same run (equal {', '.join(keys)}): remove all but one, "
            f"or give distinct values in a column 'seed' if they are repeats{grouped}.",
            tuple(rows),
        )
        for rows in twins[:5]
    ]
    if len(twins) > 5:
        rest = tuple(row for rows in twins[5:] for row in rows)
        found.append(Finding("error", f"{len(twins) - 5} more groups of equal rows: {rows_text(rest)}", rest))
    return found


def _told_apart_by(runs: xr.Dataset) -> list[str]:
    """Return the quantities that make two runs different, without those that follow from the others."""
    derived = _derived(runs)
    both = {"params", "tokens"} <= set(runs)
    kept = [name for name in QUANTITIES if name in ("params", "tokens") or name not in derived]
    return [name for name in kept if not (both and name == "compute")]


def compute_disagrees(runs: xr.Dataset, cost: CostModel, suspicious: Suspicious) -> list[Finding]:
    """Say where compute that was given is not what the cost model makes of N and D."""
    columns = _columns(runs)
    if not {"params", "tokens", "compute"} <= columns.keys():
        return []
    ratio = (runs["compute"] / cost.compute(runs["params"], runs["tokens"])).values
    off = np.maximum(ratio, 1 / ratio)
    found = []
    wild = off > 10
    for place in np.flatnonzero(wild)[:8]:
        row = int(runs["row"].values[place])
        stated = ", ".join(
            f"{columns[name]} {show(float(runs[name].values[place]))}"
            for name, show in (("params", human_number), ("tokens", human_number), ("compute", scientific))
        )
        message = (
            f"row {row}: {stated}: the compute is {ratio[place]:.3g} times what {cost.name} gives. "
            "A typo in one of the three?"
        )
        found.append(Finding(_level(suspicious), message + _escape(suspicious), (row,), columns["compute"]))
    if wild.sum() > 8:
        found.append(
            Finding(
                _level(suspicious),
                f"and {wild.sum() - 8} more such rows: {rows_text(rows_of(runs, wild))}",
                rows_of(runs, wild),
            )
        )
    mild = (off > 1.2) & ~wild
    if mild.any():
        worst = int(np.argmax(np.where(mild, off, 0)))
        place = f"row {int(runs['row'].values[worst])}, {ratio[worst]:.2f} times"
        message = (
            f"column {columns['compute']!r} differs from {cost.name} by more than 20% in {mild.sum()} of "
            f"{runs.sizes['run']} runs (worst: {place}). The column is used as it stands."
        )
        found.append(Finding("warning", message, rows_of(runs, mild), columns["compute"]))
    return found


def batch_disagrees(runs: xr.Dataset) -> list[Finding]:
    """Say where batch times step is not the tokens, which is what a batch counted in sequences looks like."""
    if not set(BATCHES) <= set(runs):
        return []
    ratio = (runs["batch"] * runs["step"] / runs["tokens"]).values
    off = np.maximum(ratio, 1 / ratio)
    wrong = off > 1.1
    if not wrong.any():
        return []
    worst = int(np.argmax(off))
    message = (
        f"{_where(runs, 'batch')} times {_where(runs, 'step')} differs from {_where(runs, 'tokens')} by more than 10% "
        f"in {wrong.sum()} of {runs.sizes['run']} runs (worst: row {int(runs['row'].values[worst])}, "
        f"{ratio[worst]:.3g} times). The batch is in tokens a step: is it in sequences? All are used as they stand."
    )
    return [Finding("warning", message, rows_of(runs, wrong), _columns(runs).get("batch"))]


def _level(suspicious: Suspicious) -> Level:
    return "warning" if suspicious == "keep" else "error"


def _escape(suspicious: Suspicious) -> str:
    return "" if suspicious == "keep" else f" Correct it; {KEEP}."


def _replicated(runs: xr.Dataset) -> NDArray[np.bool_]:
    """Say which runs share family, N and D with another seed: somebody meant that place, and an odd loss is scatter."""
    names = [name for name in ("family", "params", "tokens") if name in runs.variables]
    if "seed" not in runs:
        return np.zeros(runs.sizes["run"], dtype=bool)
    cells = pd.DataFrame({name: runs[name].values for name in (*names, "seed")}).groupby(names)["seed"]
    return cells.transform("nunique").to_numpy() > 1


def _scale_typos(runs: xr.Dataset, suspicious: Suspicious) -> list[Finding]:
    if not {"params", "tokens", "loss"} <= set(runs):
        return []
    moves = _moves(runs)
    points = np.log(np.stack([runs["params"].values, runs["tokens"].values], axis=1))
    log_loss = np.log(runs["loss"].values)
    meant = _replicated(runs)
    found, unsure = [], []
    for family in _comparable(runs):
        if len(family) < MIN_RUNS:
            continue
        for typo in find_typos(points[family], log_loss[family], moves, meant[family]):
            place = int(family[typo.row])
            row = int(runs["row"].values[place])
            if not typo.sure:
                unsure.append(row)
                continue
            message = _typo_text(typo, row, float(runs[typo.column].values[place]), _where(runs, typo.column))
            column = _columns(runs).get(typo.column)
            found.append(Finding(_level(suspicious), message + _escape(suspicious), (row,), column))
    if unsure:
        message = (
            f"{rows_text(unsure)}: far from the other runs, but as those scatter widely they are kept. Look at them."
        )
        found.append(Finding("warning", message, tuple(unsure)))
    return found


def _moves(runs: xr.Dataset) -> Moves:
    """Say what a typo in each column does to (log N, log D)."""
    by_cost = {name for name in SIZES if name in _derived(runs) and _derived(runs)[name] == runs.attrs["cost"]}
    # A derived column moves with the columns it comes from, so a typo in C shows in D, and one in N in both.
    if "tokens" in by_cost:
        return {"params": (1.0, -1.0), "compute": (0.0, 1.0)}
    if "params" in by_cost:
        return {"tokens": (-1.0, 1.0), "compute": (1.0, 0.0)}
    return {"params": (1.0, 0.0), "tokens": (0.0, 1.0)}


def _comparable(runs: xr.Dataset) -> list[NDArray[np.int64]]:
    """Return the places of runs between which only N, D and the scatter should change the loss."""
    kinds = {name: runs[name].values for name in ("family", *KINDS) if name in runs.variables}
    if not kinds:
        return [np.arange(runs.sizes["run"])]
    groups = pd.DataFrame(kinds).groupby(list(kinds), sort=True).indices
    return [np.asarray(places) for places in groups.values()]


def _where(runs: xr.Dataset, name: str) -> str:
    column = _columns(runs).get(name)
    return f"column {column!r}" if column else f"{name} (by {_derived(runs)[name]})"


def _typo_text(typo: Typo, row: int, value: float, where: str) -> str:
    write = {"loss": lambda x: f"{x:.4g}", "compute": scientific}.get(typo.column, human_number)
    times = f"{max(typo.factor, 1 / typo.factor):.0f} times too {'large' if typo.factor > 1 else 'small'}"
    better = write(value / typo.factor)
    whose = "it" if typo.column == "loss" else "its loss"
    return f"row {row}, {where}: {write(value)} looks {times}: at {better} {whose} would agree with the others."
