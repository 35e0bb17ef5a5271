"""What is odd about a set of runs, and what they cannot answer."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayescale.costs import CostModel
from bayescale.runs.numbers import human_number, scientific
from bayescale.runs.typos import MIN_RUNS, Typo, find_typos

Level = Literal["error", "warning", "info"]
Suspicious = Literal["error", "keep"]
KEEP = "if it is right as it stands, pass suspicious='keep'"


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


def check_runs(runs: xr.Dataset, cost: CostModel, suspicious: Suspicious = "error") -> list[Finding]:
    """Look for runs that contradict one another, and for questions that the runs cannot answer.

    Parameters
    ----------
    runs : xarray.Dataset
        params, tokens, compute and loss over ``run``.
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
    >>> from bayescale.runs.check import check_runs
    >>> [finding.level for finding in check_runs(load_shipped("tinylm"), SIX_ND) if finding.level == "error"]
    []
    """
    return [
        *_same_names(runs),
        *_duplicates(runs),
        *_compute_disagrees(runs, cost, suspicious),
        *_scale_typos(runs, suspicious),
        *_design(runs),
    ]


def _columns(runs: xr.Dataset) -> dict[str, str]:
    return dict(json.loads(runs.attrs["columns"]))


def _same_names(runs: xr.Dataset) -> list[Finding]:
    names, counts = np.unique(runs["run"].values, return_counts=True)
    column = _columns(runs).get("run")
    found = []
    for name in names[counts > 1][:5]:
        rows = _rows(runs, runs["run"].values == name)
        message = (
            f"{rows_text(rows)} have the same name {str(name)!r} in column {column!r}: names must differ. "
            "Rename them, or pass columns={'run': None} to number the runs instead."
        )
        found.append(Finding("error", message, rows, column))
    return found


def _rows(runs: xr.Dataset, which: np.ndarray) -> tuple[int, ...]:
    return tuple(int(row) for row in runs["row"].values[which])


def _duplicates(runs: xr.Dataset) -> list[Finding]:
    keys = [name for name in ("family", "params", "tokens", "seed", "loss") if name in runs.variables]
    groups: dict[tuple[object, ...], list[int]] = {}
    for row, *key in zip(runs["row"].values, *(runs[name].values for name in keys), strict=True):
        groups.setdefault(tuple("" if value != value else value for value in key), []).append(int(row))
    twins = [rows for rows in groups.values() if len(rows) > 1]
    found = [
        Finding(
            "error",
            f"{rows_text(rows)} are the same run (equal {', '.join(keys)}): remove all but one, "
            "or give distinct values in a column 'seed' if they are repeats.",
            tuple(rows),
        )
        for rows in twins[:5]
    ]
    if len(twins) > 5:
        rest = tuple(row for rows in twins[5:] for row in rows)
        found.append(Finding("error", f"{len(twins) - 5} more groups of equal rows: {rows_text(rest)}", rest))
    return found


def _compute_disagrees(runs: xr.Dataset, cost: CostModel, suspicious: Suspicious) -> list[Finding]:
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
                f"and {wild.sum() - 8} more such rows: {rows_text(_rows(runs, wild))}",
                _rows(runs, wild),
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
        found.append(Finding("warning", message, _rows(runs, mild), columns["compute"]))
    return found


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
    columns = _columns(runs)
    # A derived column moves with the columns it comes from, so a typo in C shows in D, and one in N in both.
    if "tokens" not in columns:
        moves = {"params": (1.0, -1.0), "compute": (0.0, 1.0)}
    elif "params" not in columns:
        moves = {"tokens": (-1.0, 1.0), "compute": (1.0, 0.0)}
    else:
        moves = {"params": (1.0, 0.0), "tokens": (0.0, 1.0)}
    points = np.log(np.stack([runs["params"].values, runs["tokens"].values], axis=1))
    log_loss = np.log(runs["loss"].values)
    meant = _replicated(runs)
    found, unsure = [], []
    for family in _families(runs).values():
        if len(family) < MIN_RUNS:
            continue
        for typo in find_typos(points[family], log_loss[family], moves, meant[family]):
            place = int(family[typo.row])
            row = int(runs["row"].values[place])
            if not typo.sure:
                unsure.append(row)
                continue
            message = _typo_text(typo, row, float(runs[typo.column].values[place]), columns[typo.column])
            found.append(Finding(_level(suspicious), message + _escape(suspicious), (row,), columns[typo.column]))
    if unsure:
        message = (
            f"{rows_text(unsure)}: far from the other runs, but as those scatter widely they are kept. Look at them."
        )
        found.append(Finding("warning", message, tuple(unsure)))
    return found


def _typo_text(typo: Typo, row: int, value: float, column: str) -> str:
    write = {"loss": lambda x: f"{x:.4g}", "compute": scientific}.get(typo.column, human_number)
    times = f"{max(typo.factor, 1 / typo.factor):.0f} times too {'large' if typo.factor > 1 else 'small'}"
    better = write(value / typo.factor)
    whose = "it" if typo.column == "loss" else "its loss"
    return (
        f"row {row}, column {column!r}: {write(value)} looks {times}: at {better} {whose} would agree with the others."
    )


def _families(runs: xr.Dataset) -> dict[str, np.ndarray]:
    if "family" not in runs.coords:
        return {"": np.arange(runs.sizes["run"])}
    labels = runs["family"].values
    return {str(label): np.flatnonzero(labels == label) for label in np.unique(labels)}


def _design(runs: xr.Dataset) -> list[Finding]:
    """Say what these runs cannot identify, for all of them together and then for each family."""
    count = runs.sizes["run"]
    if count == 1:
        return [Finding("warning", "one run: no law can be fitted to it", _rows(runs, np.array([True])))]
    found = []
    if count < 8:
        found.append(
            Finding(
                "warning", f"only {count} runs: a law in N and D has five unknowns, so little can be told from these"
            )
        )
    whole = _degenerate(runs)
    found += [Finding("warning", f"all {count} runs are {text}") for text in whole.values()]
    spread = float(np.log10(runs["compute"].max() / runs["compute"].min()))
    if spread < 1 and "compute" not in whole:
        found.append(
            Finding(
                "warning",
                f"compute spans only {spread:.2f} decades: too little to extrapolate from (2 or more are usual)",
            )
        )
    families = _families(runs)
    if len(families) > 1:
        for name, places in families.items():
            part = _degenerate(runs.isel(run=places)) if len(places) > 1 else {}
            told = [text for kind, text in part.items() if kind not in whole]
            few = f"{len(places)} run{'s' if len(places) > 1 else ''} only" if len(places) < 5 else ""
            if told or few:
                message = (
                    f"family {name!r}: " + "; ".join(filter(None, [few, *told])) + " (unless shared across families)"
                )
                found.append(Finding("warning", message, tuple(int(row) for row in runs["row"].values[places])))
    return found


def _degenerate(runs: xr.Dataset) -> dict[str, str]:
    """Name the directions in which the runs do not vary, and what cannot be told without them."""

    def still(values: xr.DataArray, tolerance: float) -> bool:
        return float(values.max() / values.min()) < tolerance

    n, d, c = (runs[name] for name in ("params", "tokens", "compute"))
    texts = {}
    if still(n, 1.1):
        texts["params"] = f"at one N ({human_number(float(n.median()))}): the effect of N cannot be identified"
    if still(d, 1.1):
        texts["tokens"] = f"at one D ({human_number(float(d.median()))}): the effect of D cannot be identified"
    if texts:
        return texts
    if still(d / n, 1.25):
        texts["ratio"] = (
            f"at about {human_number(float((d / n).median()))} tokens per parameter: "
            "the effects of N and D cannot be told apart, nor the best split of a budget"
        )
    if still(c, 1.25):
        texts["compute"] = (
            f"at one budget ({scientific(float(c.median()))} FLOP): nothing can be said about any other budget"
        )
    return texts
