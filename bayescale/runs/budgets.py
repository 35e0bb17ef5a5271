"""IsoFLOP profiles: the runs of a log that share a budget, found where compute jitters about it."""

import json
from collections.abc import Iterable

import numpy as np
import xarray as xr
from scipy import stats

from bayescale.errors import DesignError
from bayescale.runs.numbers import scientific

BUDGET = "budget"
TOLERANCE = 0.05  # in decades of compute: budgets read off a figure scatter so
LEAST_SIZES = 4  # a parabola has three unknowns
LEAST_BUDGETS = 3  # a line through the minima has two
# A cluster counts where runs spread as thinly as those around it would gather so by chance less often than this.
CHANCE = 0.005
# Around it: as many windows of its own width on either side, of which the median is the thinness.
NEIGHBOURS = 4
# With nothing around it at all, half a run a window.
THINNEST = 0.5


def isoflop_profiles(
    runs: xr.Dataset,
    *,
    budgets: Iterable[float] | None = None,
    tolerance: float = TOLERANCE,
    least: int = LEAST_SIZES,
) -> xr.Dataset:
    """Return the runs that lie on IsoFLOP profiles, each with its budget.

    Parameters
    ----------
    runs : xarray.Dataset
        As `read_runs` gives it; of one family.
    budgets : iterable of float, optional
        The budgets in FLOP. By default they are found: clusters of compute that are denser than the runs around them.
    tolerance : float
        How far from its budget a run may lie, in decades of compute.
    least : int
        How many sizes a profile takes.

    Returns
    -------
    xarray.Dataset
        The runs on profiles, with ``budget_index``, and ``shift``: what moves a run's log loss to its budget along the
        slope of the lowest losses from budget to budget. Dimension ``budget`` with the compute of each (the median of
        its runs). ``attrs["profiles"]`` counts the runs on profiles and those left out, as JSON.

    Raises
    ------
    DesignError
        If there are fewer than three profiles.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.runs.budgets import isoflop_profiles
    >>> runs = bs.load_shipped("tinylm")
    >>> english = runs.isel(run=runs["family"].values == "english")
    >>> isoflop_profiles(english).sizes["budget"]
    6
    """
    logs = np.log10(runs["compute"].values.astype(float))
    sizes = np.round(np.log(runs["params"].values.astype(float)), 2)  # 1%: the same size, counted a little differently
    if budgets is None:
        members = _found(logs, sizes, tolerance, least)
    else:
        members = [
            np.flatnonzero(_mine(logs, np.log10(list(budgets)), k, tolerance)) for k in range(len(list(budgets)))
        ]
    kept = [who for who in members if len(np.unique(sizes[who])) >= least]
    if len(kept) < LEAST_BUDGETS:
        raise DesignError(_too_few(runs, kept, members, tolerance, least))
    kept.sort(key=lambda who: float(np.median(logs[who])))
    return _gathered(runs, kept, tolerance)


def _mine(logs: np.ndarray, centres: np.ndarray, k: int, tolerance: float) -> np.ndarray:
    """Say which runs lie within the tolerance of that budget and nearer to it than to any other."""
    away = np.abs(logs[:, None] - centres[None])
    return (away.argmin(axis=1) == k) & (away[:, k] <= tolerance * (1 + 1e-9))


def _found(logs: np.ndarray, sizes: np.ndarray, tolerance: float, least: int) -> list[np.ndarray]:
    """Take the densest cluster, then the densest of what is left, and keep those that chance does not explain."""
    free, clusters = np.ones(logs.size, dtype=bool), []
    while (members := _densest(logs, free, tolerance)).size:
        free[members] = False
        if len(np.unique(sizes[members])) >= least:
            clusters.append(members)
    return [members for members in clusters if _chance(logs, members, tolerance) < CHANCE]


def _densest(logs: np.ndarray, free: np.ndarray, tolerance: float) -> np.ndarray:
    """Return the largest set of free runs in a window of twice the tolerance; of equals, the narrowest."""
    at = np.flatnonzero(free)
    at = at[np.argsort(logs[at], kind="stable")]
    x = logs[at]
    if not x.size:
        return at
    end = np.searchsorted(x, x + 2 * tolerance, side="right")
    count, span = end - np.arange(x.size), x[end - 1] - x
    start = np.lexsort((span, -count))[0]
    # The window's own edges are arbitrary: the cluster is what lies about the median of it.
    centre = np.median(x[start : end[start]])
    return at[np.abs(x - centre) <= tolerance * (1 + 1e-9)]


def _chance(logs: np.ndarray, members: np.ndarray, tolerance: float) -> float:
    """Return how often runs as thin as those around would put so many into one window."""
    centre, width = np.median(logs[members]), 2 * tolerance
    steps = np.array([k for k in range(-NEIGHBOURS, NEIGHBOURS + 1) if k])
    around = [np.sum(np.abs(logs - (centre + k * width)) <= tolerance) for k in steps]
    return float(stats.poisson.sf(members.size - 1, max(float(np.median(around)), THINNEST)))


def _gathered(runs: xr.Dataset, members: list[np.ndarray], tolerance: float) -> xr.Dataset:
    which = np.concatenate(members)
    index = np.repeat(np.arange(len(members)), [who.size for who in members])
    order = np.argsort(which, kind="stable")
    which, index = which[order], index[order]
    profiles = runs.isel(run=which)
    logs = np.log(profiles["compute"].values.astype(float))
    log_budget = np.array([np.median(logs[index == k]) for k in range(len(members))])
    lowest = np.array([np.log(profiles["loss"].values[index == k].min()) for k in range(len(members))])
    slope = np.gradient(lowest, log_budget)
    profiles = profiles.assign(
        budget_index=("run", index),
        shift=("run", slope[index] * (log_budget[index] - logs), {"long_name": "log loss from the run to its budget"}),
    ).assign_coords({BUDGET: (BUDGET, np.exp(log_budget), {"units": "FLOP"})})
    count = {
        "runs": runs.sizes["run"],
        "on_profiles": int(which.size),
        "left_out": int(runs.sizes["run"] - which.size),
        "tolerance": tolerance,
    }
    return profiles.assign_attrs(profiles=json.dumps(count))


def _too_few(runs: xr.Dataset, kept: list[np.ndarray], members: list[np.ndarray], tolerance: float, least: int) -> str:
    where = runs.attrs.get("source", "the runs")
    at = ", ".join(scientific(float(np.median(runs["compute"].values[who])), 2) for who in kept) or "none"
    thin = len(members) - len(kept)
    thinner = f", and {thin} with fewer than {least} sizes" if thin else ""
    return (
        f"{where}: {len(kept)} IsoFLOP profile{'s' * (len(kept) != 1)} among {runs.sizes['run']} runs (at {at} FLOP"
        f"{thinner}); it takes {LEAST_BUDGETS}, each of {least} sizes or more within {tolerance:g} decades of one budget. "
        "Name the budgets with budgets=[...], or raise the tolerance."
    )
