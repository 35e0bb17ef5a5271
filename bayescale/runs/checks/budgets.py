"""IsoFLOP profiles: the runs of a log that share a budget, found where compute jitters about it."""

import json
import math
from collections.abc import Iterable

import numpy as np
import xarray as xr

from bayescale.errors import DesignError
from bayescale.numbers import scientific
from bayescale.runs.reading.columns import CHECKPOINT

BUDGET = "budget"
TOLERANCE = 0.05  # decades of compute by which budgets scatter that were read off a figure
LEAST_SIZES = 4  # a parabola has three unknowns
LEAST_BUDGETS = 3  # a line through the minima has two
# A cluster is a budget if runs as dense as those around it would form it by chance less often than this.
CHANCE = 0.005
# The density around a cluster is the median over this many windows of its width on either side.
NEIGHBOURS = 4
# The density where no run is around: half a run a window.
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
        If there are fewer than three profiles, or these are learning curves.

    Examples
    --------
    >>> import numpy as np, pandas as pd, bayescale as bs
    >>> from bayescale.runs.checks.budgets import isoflop_profiles
    >>> n, c = np.meshgrid([1e8, 2e8, 4e8, 8e8], [1e19, 1e20, 1e21])
    >>> runs = bs.read_runs(pd.DataFrame({"params": n.ravel(), "compute": c.ravel(), "loss": np.linspace(3, 2, 12)}))
    >>> isoflop_profiles(runs)["budget"].values.tolist()
    [1e+19, 1e+20, 1e+21]
    """
    if CHECKPOINT in runs.dims:
        raise DesignError(
            f"{runs.attrs.get('source', 'the runs')}: these are learning curves, and a profile is of finished runs. "
            "Pass the last checkpoint of every run, bs.runs.final_runs(curves)."
        )
    given = None if budgets is None else np.log10(np.asarray(list(budgets), dtype=float))
    logs = np.log10(runs["compute"].values.astype(float))
    sizes = np.round(np.log(runs["params"].values.astype(float)), 2)  # sizes within 1% count as one
    if given is None:
        members = _find_clusters(logs, sizes, tolerance, least)
    else:
        members = [np.flatnonzero(_select_near(logs, given, k, tolerance)) for k in range(given.size)]
    kept = [who for who in members if len(np.unique(sizes[who])) >= least]
    if len(kept) < LEAST_BUDGETS:
        raise DesignError(_explain_too_few(runs, kept, members, tolerance, least))
    kept.sort(key=lambda who: float(np.median(logs[who])))
    return gather_profiles(runs, kept, tolerance)


def found_budgets(runs: xr.Dataset, tolerance: float = TOLERANCE, least: int = LEAST_SIZES) -> list[np.ndarray]:
    """Return the positions of the runs on each budget that is found. The runs are of one family.

    Examples
    --------
    >>> import numpy as np, pandas as pd, bayescale as bs
    >>> from bayescale.runs.checks.budgets import found_budgets
    >>> n, c = np.meshgrid([1e8, 2e8, 4e8, 8e8], [1e19, 1e20])
    >>> runs = bs.read_runs(pd.DataFrame({"params": n.ravel(), "compute": c.ravel(), "loss": np.linspace(3, 2, 8)}))
    >>> [members.tolist() for members in found_budgets(runs)]
    [[0, 1, 2, 3], [4, 5, 6, 7]]
    """
    logs = np.log10(runs["compute"].values.astype(float))
    sizes = np.round(np.log(runs["params"].values.astype(float)), 2)
    return sorted(_find_clusters(logs, sizes, tolerance, least), key=lambda members: float(np.median(logs[members])))


def _select_near(logs: np.ndarray, centres: np.ndarray, k: int, tolerance: float) -> np.ndarray:
    """Say which runs lie within the tolerance of a budget, and nearer to it than to any other."""
    away = np.abs(logs[:, None] - centres[None])
    return (away.argmin(axis=1) == k) & (away[:, k] <= tolerance * (1 + 1e-9))


def _find_clusters(logs: np.ndarray, sizes: np.ndarray, tolerance: float, least: int) -> list[np.ndarray]:
    """Take the densest cluster again and again, and keep the clusters that are unlikely by chance."""
    free, clusters = np.ones(logs.size, dtype=bool), []
    while (members := _find_densest(logs, free, tolerance)).size:
        free[members] = False
        if len(np.unique(sizes[members])) >= least:
            clusters.append(members)
    return [members for members in clusters if _compute_chance(logs, members, tolerance) < CHANCE]


def _find_densest(logs: np.ndarray, free: np.ndarray, tolerance: float) -> np.ndarray:
    """Return the largest set of free runs in a window of twice the tolerance. The narrowest of equal sets is taken."""
    at = np.flatnonzero(free)
    at = at[np.argsort(logs[at], kind="stable")]
    x = logs[at]
    if not x.size:
        return at
    end = np.searchsorted(x, x + 2 * tolerance, side="right")
    count, span = end - np.arange(x.size), x[end - 1] - x
    start = np.lexsort((span, -count))[0]
    # The edges of the window are arbitrary, so the cluster is what lies around its median.
    centre = np.median(x[start : end[start]])
    return at[np.abs(x - centre) <= tolerance * (1 + 1e-9)]


def _compute_chance(logs: np.ndarray, members: np.ndarray, tolerance: float) -> float:
    """Return the probability that a window holds so many runs, given the density around it."""
    centre, width = np.median(logs[members]), 2 * tolerance
    steps = np.array([k for k in range(-NEIGHBOURS, NEIGHBOURS + 1) if k])
    around = [np.sum(np.abs(logs - (centre + k * width)) <= tolerance) for k in steps]
    return _poisson_tail(members.size, max(float(np.median(around)), THINNEST))


def _poisson_tail(count: int, mean: float) -> float:
    """Return the probability that a Poisson variable of this mean is at least this count."""
    return 1 - sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count))


def gather_profiles(runs: xr.Dataset, members: list[np.ndarray], tolerance: float) -> xr.Dataset:
    """Return the runs of these profiles, each with its budget and the shift of its log loss to that budget."""
    which = np.concatenate(members)
    index = np.repeat(np.arange(len(members)), [who.size for who in members])
    order = np.argsort(which, kind="stable")
    which, index = which[order], index[order]
    profiles = runs.isel(run=which)
    logs = np.log(profiles["compute"].values.astype(float))
    budget = np.array([np.median(profiles["compute"].values[index == k]) for k in range(len(members))], dtype=float)
    log_budget = np.log(budget)
    lowest = np.array([np.log(profiles["loss"].values[index == k].min()) for k in range(len(members))])
    slope = np.gradient(lowest, log_budget)
    profiles = profiles.assign(
        budget_index=("run", index),
        shift=("run", slope[index] * (log_budget[index] - logs), {"long_name": "log loss from the run to its budget"}),
    ).assign_coords({BUDGET: (BUDGET, budget, {"units": "FLOP"})})
    count = {
        "runs": runs.sizes["run"],
        "on_profiles": int(which.size),
        "left_out": int(runs.sizes["run"] - which.size),
        "tolerance": tolerance,
    }
    return profiles.assign_attrs(profiles=json.dumps(count))


def _explain_too_few(
    runs: xr.Dataset, kept: list[np.ndarray], members: list[np.ndarray], tolerance: float, least: int
) -> str:
    where = runs.attrs.get("source", "the runs")
    at = ", ".join(scientific(float(np.median(runs["compute"].values[who])), 2) for who in kept) or "none"
    thin = len(members) - len(kept)
    thinner = f", and {thin} with fewer than {least} sizes" if thin else ""
    return (
        f"{where}: {len(kept)} IsoFLOP profile{'s' * (len(kept) != 1)} among {runs.sizes['run']} runs (at {at} FLOP"
        f"{thinner}); it takes {LEAST_BUDGETS}, each of {least} sizes or more within {tolerance:g} decades of one "
        "budget. Name the budgets with budgets=[...], or raise the tolerance."
    )
