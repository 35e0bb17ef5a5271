"""Sizes, tokens and compute that no training has: mostly a whole column in another unit."""

from itertools import product

import numpy as np
import xarray as xr

from bayescale.numbers import human_number, scientific
from bayescale.runs.reading.columns import SIZES
from bayescale.runs.reading.findings import Finding, Suspicious, level_of, remedy_of, rows_of
from bayescale.runs.reading.origins import columns_of, name_origin

LEAST = {"params": 1e3, "tokens": 1e4, "compute": 1e9}
UNITS = {
    "params": {"millions": 1e6, "billions": 1e9},
    "tokens": {"millions": 1e6, "billions": 1e9, "trillions": 1e12},
    "compute": {"GFLOP": 1e9, "TFLOP": 1e12, "PFLOP": 1e15, "EFLOP": 1e18, "PF-days": 8.64e19},
}
"""What a column may be counted in, and what one of them is in parameters, tokens and FLOP."""
WHOLE = {"params": 1e6, "tokens": 1e7, "compute": 1e15}
"""Where no value of a column reaches this, the whole column may be in another unit."""
USUAL = {"params": 8.5, "tokens": 10.0, "compute": 19.0}  # log10
USUAL_RATIO = np.log10(20)  # tokens a parameter
NAMES = {"params": "parameters", "tokens": "tokens", "compute": "FLOP"}


def magnitude_findings(runs: xr.Dataset, suspicious: Suspicious, in_progress: bool = False) -> list[Finding]:
    """Say which of N, D and C hold values that no training has, one finding a column.

    Parameters
    ----------
    runs : xarray.Dataset
        As `read_runs` makes it.
    suspicious : {"error", "keep"}
        Whether such a value is an error or a warning.
    in_progress : bool
        Whether runs may have just begun. Then D and C are judged by the run that got farthest.

    Returns
    -------
    list of Finding

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.runs.checks.magnitudes import magnitude_findings
    >>> runs = bs.load_shipped("tinylm")
    >>> magnitude_findings(runs, "error")
    []
    >>> in_billions = runs.assign(tokens=runs["tokens"] / 1e9)
    >>> print(magnitude_findings(in_billions, "error")[0].message[:63])
    column 'tokens' is below 10,000 tokens in 92 of 92 rows (row 2:
    """
    low = {name: (runs[name] < LEAST[name]).values for name in SIZES if name in runs}
    if in_progress:
        low = {name: which & (which.all() | (name == "params")) for name, which in low.items()}
    low = {name: which for name, which in low.items() if which.any()}
    # Quantities that were derived from a wrong column are wrong too, and not told of.
    told = [name for name in low if name in columns_of(runs)] or list(low)
    units = _guess_units(runs, [name for name in told if name in columns_of(runs)])
    counted = f"{runs.sizes['run']} {'runs' if in_progress else 'rows'}"
    return [_report_magnitude(runs, name, low[name], units.get(name), counted, suspicious) for name in told]


def unit_of_ratio(ratio: float) -> str | None:
    """Return the unit of a column of compute from its ratio to the compute in FLOP.

    Examples
    --------
    >>> from bayescale.runs.checks.magnitudes import unit_of_ratio
    >>> unit_of_ratio(1.05e-9), unit_of_ratio(1e-5)
    ('GFLOP', None)
    """
    return next((unit for unit, each in UNITS["compute"].items() if abs(np.log(ratio * each)) < np.log(1.25)), None)


def _report_magnitude(
    runs: xr.Dataset, name: str, low: np.ndarray, unit: str | None, counted: str, suspicious: Suspicious
) -> Finding:
    row, value = int(runs["row"].values[low][0]), float(runs[name].values[low][0])
    column, show = columns_of(runs).get(name), scientific if name == "compute" else human_number
    least = "1e9" if name == "compute" else f"{LEAST[name]:,.0f}"
    message = (
        f"{name_origin(runs, name)} is below {least} {NAMES[name]} in {low.sum()} of {counted} (row {row}: "
        f"{show(value)}), which no training has."
    )
    if unit:
        factor = UNITS[name][unit]
        message += (
            f" Is it in {unit}? Then row {row} has {show(value * factor)} {NAMES[name]}: multiply the column by "
            f"{scientific(factor)}."
        )
    elif low.sum() < low.size / 2:
        message += " A typo?"
    return Finding(
        "impossible-magnitude", level_of(suspicious), message + remedy_of(suspicious), rows_of(runs, low), column
    )


def _guess_units(runs: xr.Dataset, names: list[str]) -> dict[str, str]:
    """Return the units in which whole columns would be of usual size, with usual tokens a parameter."""
    given = {name: np.log10(float(runs[name].median())) for name in SIZES if name in columns_of(runs) and name in runs}
    whole = [name for name in names if float(runs[name].max()) < WHOLE[name]]

    def misfit(units: tuple[str, ...]) -> float:
        logs = dict(given)
        for name, unit in zip(whole, units, strict=True):
            logs[name] += np.log10(UNITS[name][unit])
        off = 0.3 * sum(abs(value - USUAL[name]) for name, value in logs.items())
        if len(logs) == len(SIZES):
            off += 2 * abs(logs["compute"] - logs["params"] - logs["tokens"] - np.log10(6))
        if "compute" in logs and "tokens" not in logs and "params" in logs:
            logs["tokens"] = logs["compute"] - logs["params"] - np.log10(6)
        if "params" in logs and "tokens" in logs:
            off += abs(logs["tokens"] - logs["params"] - USUAL_RATIO)
        return float(off)

    best = min(product(*(UNITS[name] for name in whole)), key=misfit)
    return dict(zip(whole, best, strict=True))
