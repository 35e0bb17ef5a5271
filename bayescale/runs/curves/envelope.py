"""The lower envelope of learning curves over sizes."""

import numpy as np
import xarray as xr

from bayescale.errors import DesignError
from bayescale.runs.reading.columns import CHECKPOINT, LEFT_OUT

ENVELOPE_POINTS = 1500  # Hoffmann et al. 2022, section 3.1
LEAST_CHANGES = 3
CHANGE, AT = "change", "at"


def as_rows(curves: xr.Dataset) -> xr.Dataset:
    """Return training curves as a run log, a row for each checkpoint, with the coord ``curve`` for its run.

    Parameters
    ----------
    curves : xarray.Dataset
        From `read_curves`; rows that are curves already are handed back.

    Returns
    -------
    xarray.Dataset
        Over ``run``. To a fit these rows are as many independent runs, which checkpoints are not.

    Examples
    --------
    >>> from bayescale.runs import load_shipped_curves
    >>> from bayescale.runs.curves.envelope import as_rows
    >>> as_rows(load_shipped_curves("tinylm"))["curve"].values[0]
    np.str_('source-xs-0.3M-s1')
    """
    if CHECKPOINT not in curves.dims:
        return curves
    rows = curves.drop_dims(LEFT_OUT, errors="ignore").rename(run="curve").rename({CHECKPOINT: "run"})
    return rows.assign_coords(run=[f"row {row}" for row in rows["row"].values])


def curves_of_runs(runs: xr.Dataset) -> xr.Dataset:
    """Return finished runs as curves: those of one size, from the shortest to the longest.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.runs.curves.envelope import curves_of_runs
    >>> curves = curves_of_runs(bs.load_shipped("tinylm"))
    >>> len(set(curves["curve"].values.tolist()))
    6
    """
    return runs.assign_coords(curve=("run", _label_sizes(runs).astype(str))).assign_attrs(curves="finished runs")


def _label_sizes(runs: xr.Dataset) -> np.ndarray:
    """Return the number of the size of each row, smallest first. Sizes that differ by 1% or less count as one."""
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
    >>> from bayescale.runs.curves.envelope import curves_of_runs, training_envelope
    >>> runs = bs.load_shipped("tinylm")
    >>> english = runs.isel(run=runs["family"].values == "english")
    >>> training_envelope(curves_of_runs(english)).sizes["change"]
    5
    """
    curves = as_rows(curves)
    log_c = np.log(curves["compute"].values.astype(float))
    grid = np.linspace(log_c.min(), log_c.max(), points)
    params, losses = losses_by_size(curves, grid)
    found = _find_changes(grid, np.log(params), losses)
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
    """Return the sizes, and the lowest log loss of each at every compute. It is infinite where the size has no loss."""
    label = _label_sizes(curves)
    params = np.array([np.exp(np.log(curves["params"].values[label == k]).mean()) for k in range(label.max() + 1)])
    losses = np.full((params.size, log_compute.size), np.inf)
    for mine in _split_curves(curves):
        k = label[mine[0]]
        losses[k] = np.minimum(losses[k], _interpolate_loss(curves.isel(run=mine), log_compute))
    return params, losses


def _split_curves(curves: xr.Dataset) -> list[np.ndarray]:
    """Return the rows of each curve that has two points or more along compute."""
    names, index = np.unique(curves["curve"].values, return_inverse=True)
    rows = [np.flatnonzero(index == k) for k in range(names.size)]
    return [mine for mine in rows if np.ptp(np.log(curves["compute"].values[mine])) > 1e-6]


def _interpolate_loss(curve: xr.Dataset, log_compute: np.ndarray) -> np.ndarray:
    """Read the log loss of one curve between its points; infinite beyond them. Seeds at the same place are averaged."""
    at, index = np.unique(np.round(np.log(curve["compute"].values), 6), return_inverse=True)
    level = np.bincount(index, np.log(curve["loss"].values)) / np.bincount(index)
    return np.interp(log_compute, at, level, left=np.inf, right=np.inf)


def _find_changes(grid: np.ndarray, log_params: np.ndarray, losses: np.ndarray) -> list[tuple[float, float]]:
    """Return log N and log C where one size takes over from another and both have a loss on either side."""
    best, present = losses.argmin(axis=0), np.isfinite(losses)
    pairs: dict[tuple[int, int], list[float]] = {}
    for left in np.flatnonzero(np.diff(best)):
        one, other = sorted((int(best[left]), int(best[left + 1])))
        if present[[one, other], left : left + 2].all():
            pairs.setdefault((one, other), []).append((grid[left] + grid[left + 1]) / 2)
    return [((log_params[one] + log_params[other]) / 2, float(np.mean(at))) for (one, other), at in pairs.items()]
