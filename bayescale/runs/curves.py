"""Learning curves: a long table with many rows a run, and the lower envelope of the curves over sizes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.errors import DesignError, RunsError
from bayescale.runs.aliases import match_columns
from bayescale.runs.read import read_runs
from bayescale.runs.table import load_table

ENVELOPE_POINTS = 1500  # Hoffmann et al. 2022, section 3.1
LEAST_CHANGES = 3
CHANGE, AT = "change", "at"


def read_curves(
    source: str | Path | pd.DataFrame, *, columns: Mapping[str, str | None] | None = None, **options: Any
) -> xr.Dataset:
    """Read learning curves: a long table with a row for each checkpoint and a column that names the run.

    Parameters
    ----------
    source : path or DataFrame
        As for `read_runs`.
    columns : mapping of str to str, optional
        Quantity to column where the names do not say it; ``{"run": "run_name"}`` for the run.
    **options
        As for `read_runs`.

    Returns
    -------
    xarray.Dataset
        As `read_runs` gives it, a row for each checkpoint, with the coord ``curve``: the run that it belongs to.

    Raises
    ------
    RunsError
        If there is no column that names the run, or the table cannot be used.

    Examples
    --------
    >>> import pandas as pd
    >>> from bayescale.runs.curves import read_curves
    >>> rows = pd.DataFrame({"run": ["a", "a"], "N": [1e6, 1e6], "D": [1e7, 2e7], "loss": [4.0, 3.5]})
    >>> read_curves(rows)["curve"].values.tolist()
    ['a', 'a']
    """
    table = load_table(source)
    found = match_columns([str(name) for name in table.frame.columns], columns, table.source)
    if "run" not in found:
        raise RunsError(
            f"{table.source}: learning curves need a column that says which run a row belongs to; "
            "pass columns={'run': ...}."
        )
    # To `read_runs` each checkpoint is a row of its own, and a column of repeated names would be an error.
    rows = read_runs(source, columns={**(columns or {}), "run": None}, **options)
    label = table.frame[found["run"]].loc[rows["row"].values].astype(str).to_numpy(dtype=str)
    return rows.assign_coords(curve=("run", label)).assign_attrs(curves="training")


def curves_of_runs(runs: xr.Dataset) -> xr.Dataset:
    """Return finished runs as curves: those of one size, from the shortest to the longest.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.runs.curves import curves_of_runs
    >>> curves = curves_of_runs(bs.load_shipped("tinylm"))
    >>> len(set(curves["curve"].values.tolist()))
    6
    """
    return runs.assign_coords(curve=("run", _size_labels(runs).astype(str))).assign_attrs(curves="finished runs")


def _size_labels(runs: xr.Dataset) -> np.ndarray:
    """Return the number of each row's size, smallest first; within 1% two are one, counted a little differently."""
    return np.unique(np.round(np.log(runs["params"].values.astype(float)), 2), return_inverse=True)[1]


def training_envelope(curves: xr.Dataset, points: int = ENVELOPE_POINTS) -> xr.Dataset:
    """Return the lower envelope of learning curves over sizes, and where along it one size takes over from another.

    Parameters
    ----------
    curves : xarray.Dataset
        From `read_curves` or `curves_of_runs`; of one family.
    points : int
        How many values of compute, evenly spaced in its logarithm.

    Returns
    -------
    xarray.Dataset
        Dimension ``at``: ``compute``, the lowest ``loss`` and the ``params`` that has it. Dimension ``change``, one
        entry for each pair of sizes between which the envelope changes: ``change_params``, the geometric mean of the
        two, and ``change_compute``, where it happens (the geometric mean where noise makes it happen several times).

    Raises
    ------
    DesignError
        If there are fewer than three changes.

    Notes
    -----
    Two sizes that are equally good at some compute have the best size between them, whatever other sizes were tried.
    Along the envelope itself the best size stands still between changes, so its points are no independent evidence;
    and at either end it is the best for want of others. Curves are read between their own points, linearly in log loss
    against log compute, and a curve that ends is no change. Points halfway along a run have not had their learning rate
    brought down: they lie above what a run of that length gives (Hoffmann et al. 2022, appendix B).

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.runs.curves import curves_of_runs, training_envelope
    >>> runs = bs.load_shipped("tinylm")
    >>> english = runs.isel(run=runs["family"].values == "english")
    >>> training_envelope(curves_of_runs(english)).sizes["change"]
    5
    """
    log_c = np.log(curves["compute"].values.astype(float))
    grid = np.linspace(log_c.min(), log_c.max(), points)
    params, losses = losses_by_size(curves, grid)
    found = _changes(grid, np.log(params), losses)
    if len(found) < LEAST_CHANGES:
        raise DesignError(
            f"{curves.attrs.get('source', 'the runs')}: along compute the best size changes at {len(found)} places; a "
            f"line takes {LEAST_CHANGES}. Four sizes or more, each at several lengths, are usual."
        )
    with np.errstate(invalid="ignore"):
        lowest = np.exp(np.where(np.isfinite(losses.min(axis=0)), losses.min(axis=0), np.nan))
    best = np.where(np.isfinite(lowest), params[losses.argmin(axis=0)], np.nan)
    return xr.Dataset(
        {
            "compute": (AT, np.exp(grid), {"units": "FLOP"}),
            "loss": (AT, lowest),
            "params": (AT, best, {"units": "parameters"}),
            "change_params": (CHANGE, np.exp([n for n, _ in found]), {"units": "parameters"}),
            "change_compute": (CHANGE, np.exp([c for _, c in found]), {"units": "FLOP"}),
        },
        attrs={"curves": curves.attrs.get("curves", "training")},
    )


def losses_by_size(curves: xr.Dataset, log_compute: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sizes and the lowest log loss that each has at those computes; infinite where it has none."""
    label = _size_labels(curves)
    params = np.array([np.exp(np.log(curves["params"].values[label == k]).mean()) for k in range(label.max() + 1)])
    losses = np.full((params.size, log_compute.size), np.inf)
    for mine in _curves(curves):
        k = label[mine[0]]
        losses[k] = np.minimum(losses[k], _read(curves.isel(run=mine), log_compute))
    return params, losses


def _curves(curves: xr.Dataset) -> list[np.ndarray]:
    """Return the rows of each curve that has two points or more along compute."""
    names, index = np.unique(curves["curve"].values, return_inverse=True)
    rows = [np.flatnonzero(index == k) for k in range(names.size)]
    return [mine for mine in rows if np.ptp(np.log(curves["compute"].values[mine])) > 1e-6]


def _read(curve: xr.Dataset, log_compute: np.ndarray) -> np.ndarray:
    """Read the log loss of one curve between its points; infinite beyond them. Seeds at the same place are averaged."""
    at, index = np.unique(np.round(np.log(curve["compute"].values), 6), return_inverse=True)
    level = np.bincount(index, np.log(curve["loss"].values)) / np.bincount(index)
    return np.interp(log_compute, at, level, left=np.inf, right=np.inf)


def _changes(grid: np.ndarray, log_params: np.ndarray, losses: np.ndarray) -> list[tuple[float, float]]:
    """Return log N and log C where one size takes over from another and both have a loss on either side."""
    best, present = losses.argmin(axis=0), np.isfinite(losses)
    pairs: dict[tuple[int, int], list[float]] = {}
    for left in np.flatnonzero(np.diff(best)):
        one, other = sorted((int(best[left]), int(best[left + 1])))
        if present[[one, other], left : left + 2].all():
            pairs.setdefault((one, other), []).append((grid[left] + grid[left + 1]) / 2)
    return [((log_params[one] + log_params[other]) / 2, float(np.mean(at))) for (one, other), at in pairs.items()]
