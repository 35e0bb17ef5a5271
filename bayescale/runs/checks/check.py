"""What is odd about a set of runs: rows that contradict one another, and values that look like typos."""

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayescale.costs import CostModel
from bayescale.numbers import human_number, scientific
from bayescale.runs.checks.design import design_findings
from bayescale.runs.checks.magnitudes import magnitude_findings, unit_of_ratio
from bayescale.runs.checks.sharing import sharing_findings
from bayescale.runs.checks.typos import MIN_RUNS, Moves, Typo, find_typos
from bayescale.runs.reading.columns import QUANTITIES, RESPONSES, SIZES
from bayescale.runs.reading.derive import BATCHES
from bayescale.runs.reading.findings import Finding, Suspicious, level_of, remedy_of, rows_of, rows_text
from bayescale.runs.reading.origins import columns_of, derived_of, name_origin

# Runs that differ in one of these follow laws of their own, so they are compared among themselves.
SAME_FACTOR = 1.5  # within which compute of another unit is off by one factor
KINDS = ("experts", "granularity", "sparsity", "bits_weights", "bits_activations", "bits_kv", "bits_post")


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
        *_check_names(runs),
        *_check_duplicates(runs),
        *_check_values(runs, cost, suspicious),
        *batch_disagrees(runs),
        *design_findings(runs),
        *sharing_findings(runs),
    ]


def _check_values(runs: xr.Dataset, cost: CostModel, suspicious: Suspicious) -> list[Finding]:
    """Look for columns in another unit. Single values are checked only if there are none."""
    impossible = magnitude_findings(runs, suspicious)
    disagrees = compute_disagrees(runs, cost, suspicious)
    unit = [finding for finding in disagrees if finding.code == "compute-in-another-unit"]
    # N and D tell the unit of C better than its size does.
    if unit and all(finding.column == unit[0].column for finding in impossible):
        return unit
    if impossible and suspicious == "error":
        return impossible
    return [*impossible, *disagrees, *_check_typos(runs, suspicious)]


def _check_names(runs: xr.Dataset) -> list[Finding]:
    names, counts = np.unique(runs["run"].values, return_counts=True)
    column, twice = columns_of(runs).get("run"), names[counts > 1]
    if not twice.size:
        return []
    rows = rows_of(runs, runs["run"].values == twice[0])
    more = f", and so with {twice.size - 1} more names" * (twice.size > 1)
    message = (
        f"{rows_text(rows)} have the same name {str(twice[0])!r} in column {column!r}{more}: a run log has one row for "
        "each run. If these are checkpoints, bs.read_curves reads them, and a model such as chinchilla+curve is fitted "
        "to them; if not, rename the runs, or pass columns={'run': None} (--columns run=) to number them instead."
    )
    return [Finding("run-name-repeated", "error", message, rows_of(runs, np.isin(runs["run"].values, twice)), column)]


def _check_duplicates(runs: xr.Dataset) -> list[Finding]:
    names = ("family", *_list_distinguishing(runs), "seed", *RESPONSES)
    keys = [name for name in names if name in runs.variables]
    table = pd.DataFrame({name: runs[name].values for name in keys}, index=runs["row"].values)
    groups = table.groupby(keys, dropna=False, sort=False).groups.values()
    twins = [tuple(map(int, rows)) for rows in groups if len(rows) > 1]
    grouped = "" if "family" in keys else "; if they are of different kinds, say so with family='the column that tells'"
    text = (
        f"{{}} are the same run (equal {', '.join(keys)}): remove all but one, or give distinct values in a column "
        f"'seed' if they are repeats{grouped}."
    )
    found = [Finding("runs-equal", "error", text.format(rows_text(rows)), rows) for rows in twins[:5]]
    if rest := sum(twins[5:], ()):
        text = f"{len(twins) - 5} more groups of equal rows: {rows_text(rest)}"
        found.append(Finding("runs-equal", "error", text, rest))
    return found


def _list_distinguishing(runs: xr.Dataset) -> list[str]:
    """Return the quantities that make two runs different. Derived quantities are not among them."""
    derived = derived_of(runs)
    both = {"params", "tokens"} <= set(runs)
    kept = [name for name in QUANTITIES if name in ("params", "tokens") or name not in derived]
    return [name for name in kept if not (both and name == "compute")]


def compute_disagrees(runs: xr.Dataset, cost: CostModel, suspicious: Suspicious) -> list[Finding]:
    """Say where compute that was given is not what the cost model makes of N and D."""
    columns = columns_of(runs)
    if not {"params", "tokens", "compute"} <= columns.keys():
        return []
    ratio = (runs["compute"] / cost.compute(runs["params"], runs["tokens"])).values
    off = np.maximum(ratio, 1 / ratio)
    found = []
    wild = off > 10
    if wild.all() and wild.size > 1 and np.ptp(np.log(ratio)) < np.log(SAME_FACTOR):
        return [_report_factor(runs, float(np.median(ratio)), cost, suspicious)]
    for place in np.flatnonzero(wild)[:8]:
        row = int(runs["row"].values[place])
        stated = ", ".join(
            f"{columns[name]} {show(float(runs[name].values[place]))}"
            for name, show in (("params", human_number), ("tokens", human_number), ("compute", scientific))
        )
        text = (
            f"row {row}: {stated}: the compute is {ratio[place]:.3g} times what {cost.name} gives. A typo in one of "
            f"the three?{remedy_of(suspicious)}"
        )
        found.append(Finding("compute-disagrees", level_of(suspicious), text, (row,), columns["compute"]))
    if wild.sum() > 8:
        text = f"and {wild.sum() - 8} more such rows: {rows_text(rows_of(runs, wild))}"
        found.append(Finding("compute-disagrees", level_of(suspicious), text, rows_of(runs, wild)))
    mild = (off > 1.2) & ~wild
    if mild.any():
        worst = int(np.argmax(np.where(mild, off, 0)))
        place = f"row {int(runs['row'].values[worst])}, {ratio[worst]:.2f} times"
        message = (
            f"column {columns['compute']!r} differs from {cost.name} by more than 20% in {mild.sum()} of "
            f"{runs.sizes['run']} runs (worst: {place}). The column is used as it stands."
        )
        found.append(Finding("compute-disagrees", "warning", message, rows_of(runs, mild), columns["compute"]))
    return found


def _report_factor(runs: xr.Dataset, ratio: float, cost: CostModel, suspicious: Suspicious) -> Finding:
    """Say that a whole column of compute is off by one factor, as if it were in another unit."""
    column, unit = columns_of(runs)["compute"], unit_of_ratio(ratio)
    message = f"column {column!r} is {ratio:.3g} times what {cost.name} gives, in all {runs.sizes['run']} rows. "
    message += (
        f"Is it in {unit}? Leave it out, columns={{'compute': None}} (--columns compute=), or give it in FLOP."
        if unit
        else "Is one of params, tokens and compute in another unit?"
    )
    rows = rows_of(runs, np.ones(runs.sizes["run"], dtype=bool))
    return Finding("compute-in-another-unit", level_of(suspicious), message + remedy_of(suspicious), rows, column)


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
    batch, step, tokens = (name_origin(runs, name) for name in ("batch", "step", "tokens"))
    message = (
        f"{batch} times {step} differs from {tokens} by more than 10% in {wrong.sum()} of {runs.sizes['run']} runs "
        f"(worst: row {int(runs['row'].values[worst])}, {ratio[worst]:.3g} times). The batch is in tokens a step: is "
        "it in sequences? All are used as they stand."
    )
    return [Finding("batch-disagrees", "warning", message, rows_of(runs, wrong), columns_of(runs).get("batch"))]


def _find_replicates(runs: xr.Dataset) -> NDArray[np.bool_]:
    """Say which runs share family, N and D with a run of another seed. Their N and D are meant, so no typing errors."""
    names = [name for name in ("family", "params", "tokens") if name in runs.variables]
    if "seed" not in runs:
        return np.zeros(runs.sizes["run"], dtype=bool)
    cells = pd.DataFrame({name: runs[name].values for name in (*names, "seed")}).groupby(names)["seed"]
    return cells.transform("nunique").to_numpy() > 1


def _check_typos(runs: xr.Dataset, suspicious: Suspicious) -> list[Finding]:
    if not {"params", "tokens", "loss"} <= set(runs):
        return []
    moves = _trace_typos(runs)
    points = np.log(np.stack([runs["params"].values, runs["tokens"].values], axis=1))
    log_loss = np.log(runs["loss"].values)
    meant = _find_replicates(runs)
    found, unsure = [], []
    for family in _split_comparable(runs):
        if len(family) < MIN_RUNS:
            continue
        for typo in find_typos(points[family], log_loss[family], moves, meant[family]):
            place = int(family[typo.row])
            row = int(runs["row"].values[place])
            if not typo.sure:
                unsure.append(row)
                continue
            message = _describe_typo(typo, row, float(runs[typo.column].values[place]), name_origin(runs, typo.column))
            column = columns_of(runs).get(typo.column)
            found.append(
                Finding("looks-mistyped", level_of(suspicious), message + remedy_of(suspicious), (row,), column)
            )
    if unsure:
        message = (
            f"{rows_text(unsure)}: far from the other runs, but as those scatter widely they are kept. Look at them."
        )
        found.append(Finding("far-from-others", "warning", message, tuple(unsure)))
    return found


def _trace_typos(runs: xr.Dataset) -> Moves:
    """Say what a typo in each column does to (log N, log D)."""
    by_cost = {name for name in SIZES if name in derived_of(runs) and derived_of(runs)[name] == runs.attrs["cost"]}
    # A derived column changes with the columns it comes from: a typo in C shows in D, and a typo in N in both.
    if "tokens" in by_cost:
        return {"params": (1.0, -1.0), "compute": (0.0, 1.0)}
    if "params" in by_cost:
        return {"tokens": (-1.0, 1.0), "compute": (1.0, 0.0)}
    return {"params": (1.0, 0.0), "tokens": (0.0, 1.0)}


def _split_comparable(runs: xr.Dataset) -> list[NDArray[np.int64]]:
    """Return the positions of runs whose losses differ by N, D and scatter only."""
    kinds = {name: runs[name].values for name in ("family", *KINDS) if name in runs.variables}
    if not kinds:
        return [np.arange(runs.sizes["run"])]
    groups = pd.DataFrame(kinds).groupby(list(kinds), sort=True).indices
    return [np.asarray(places) for places in groups.values()]


def _describe_typo(typo: Typo, row: int, value: float, where: str) -> str:
    write = {"loss": lambda x: f"{x:.4g}", "compute": scientific}.get(typo.column, human_number)
    times = f"{max(typo.factor, 1 / typo.factor):.0f} times too {'large' if typo.factor > 1 else 'small'}"
    better = write(value / typo.factor)
    whose = "it" if typo.column == "loss" else "its loss"
    return f"row {row}, {where}: {write(value)} looks {times}: at {better} {whose} would agree with the others."
