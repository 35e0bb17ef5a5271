"""Losses that were rounded, or read off a figure on a grid: how coarse the grid is against how the runs scatter."""

import numpy as np
import xarray as xr

from bayescale.runs.reading.columns import SIZES
from bayescale.runs.reading.families import places_by_family
from bayescale.runs.reading.findings import Finding

LOSS_STEP = "loss_step"
DECIMALS = (1, 2, 3)
# The least number of different losses on one grid that is no accident.
FEWEST = 8
# Rounding is mentioned if its standard error is at least this share of the scatter of the runs.
COARSE = 0.1
# The distance from a whole number of steps within which a loss counts as rounded.
NEAR = 1e-6


def rounding_step(values: np.ndarray) -> float:
    """Return the step of the decimal grid that all values lie on, 0 where they lie on none.

    Examples
    --------
    >>> import numpy as np
    >>> from bayescale.runs.checks.rounding import rounding_step
    >>> rounding_step(np.array([3.21, 3.05, 2.98, 2.87, 2.71, 2.66, 2.6, 2.51]))
    0.01
    """
    if len(np.unique(values)) < FEWEST:
        return 0.0
    for decimals in DECIMALS:
        steps = values * 10.0**decimals
        if (np.abs(steps - np.round(steps)) < NEAR).all():
            return float(10.0**-decimals)
    return 0.0


def rounding_se(step: float) -> float:
    """Return the standard error of a value that was rounded to a step: it is uniform over the step.

    Examples
    --------
    >>> from bayescale.runs.checks.rounding import rounding_se
    >>> round(rounding_se(0.01), 5)
    0.00289
    """
    return float(step / np.sqrt(12))


def rounding_findings(runs: xr.Dataset, step: float, unit_step: float) -> list[Finding]:
    """Say that losses are rounded, if the step is coarse. It is given as in the file, and in the unit of the runs.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.runs.checks.rounding import rounding_findings
    >>> rounding_findings(bs.load_shipped("tinylm"), 0.0, 0.0)
    []
    """
    scatter = _measure_scatter(runs) if unit_step else 0.0
    relative = rounding_se(unit_step) / float(runs["loss"].median()) if unit_step else 0.0
    if not unit_step or relative < COARSE * scatter:
        return []
    message = (
        f"all {runs.sizes['run']} losses are multiples of {step:g}: they were rounded or read off a grid. The standard "
        f"error of that, {rounding_se(unit_step):.2g} ({relative:.2%} of the loss; the runs scatter by about "
        f"{scatter:.2%}), is taken as known, in quadrature with loss_se."
    )
    return [Finding("loss-rounded", "info", message)]


def _measure_scatter(runs: xr.Dataset) -> float:
    """Return the robust scatter of log losses about a quadratic surface in the sizes, one surface a family."""
    left = [_fit_residuals(runs.isel(run=places)) for places in places_by_family(runs).values()]
    return float(1.4826 * np.median(np.abs(np.concatenate(left))))


def _fit_residuals(runs: xr.Dataset) -> np.ndarray:
    log_loss = np.log(runs["loss"].values.astype(float))
    names = [name for name in SIZES if name in runs][:2]
    logs = [np.log(runs[name].values.astype(float)) for name in names]
    logs = [x - x.mean() for x in logs]
    columns = [np.ones_like(log_loss), *logs, *(a * b for i, a in enumerate(logs) for b in logs[i:])]
    basis = np.stack(columns, axis=1)
    if len(log_loss) <= basis.shape[1]:
        return np.zeros_like(log_loss)
    fitted = basis @ np.linalg.lstsq(basis, log_loss)[0]
    return (log_loss - fitted) * np.sqrt(len(log_loss) / (len(log_loss) - basis.shape[1]))
