"""IsoFLOP profiles that are read off learning curves."""

import json
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import xarray as xr

from bayescale.costs import cost_model
from bayescale.errors import DesignError
from bayescale.runs.checks.budgets import LEAST_BUDGETS, LEAST_SIZES, gather_profiles
from bayescale.runs.curves.envelope import as_rows, losses_by_size

SPACING = np.log(10) / 2  # between budgets


def profiles_of_curves(
    curves: xr.Dataset, *, budgets: Iterable[float] | None = None, least: int = LEAST_SIZES
) -> xr.Dataset:
    """Return IsoFLOP profiles that are read off learning curves: at each budget, the loss of every size that got there.

    Parameters
    ----------
    curves : xarray.Dataset
        From `read_curves` or `curves_of_runs`; of one family.
    budgets : iterable of float, optional
        FLOP. By default half a decade apart, where the best of the sizes is neither the smallest nor the largest.
    least : int
        How many sizes a profile takes.

    Returns
    -------
    xarray.Dataset
        As `isoflop_profiles` gives it, one entry for each size and budget. What is read between two points of a curve
        is no run of its own: profiles at many budgets are not as many observations.

    Raises
    ------
    DesignError
        If there are fewer than three profiles.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.runs.curves.profiles import profiles_of_curves
    >>> from bayescale.runs.curves.envelope import curves_of_runs
    >>> runs = bs.load_shipped("tinylm")
    >>> english = curves_of_runs(runs.isel(run=runs["family"].values == "english"))
    >>> profiles_of_curves(english).sizes["budget"]
    3
    """
    curves = as_rows(curves)
    log_c = np.log(curves["compute"].values.astype(float))
    given = np.arange(log_c.min(), log_c.max(), SPACING) if budgets is None else np.log(np.asarray(list(budgets)))
    params, losses = losses_by_size(curves, given)
    present = np.isfinite(losses)
    best, first, last = losses.argmin(axis=0), present.argmax(axis=0), len(params) - 1 - present[::-1].argmax(axis=0)
    sound = present.sum(axis=0) >= least
    if budgets is None:
        sound &= (best > first) & (best < last)
    kept = [np.flatnonzero(present[:, k]) for k in np.flatnonzero(sound)]
    if len(kept) < LEAST_BUDGETS:
        raise DesignError(
            f"{curves.attrs.get('source', 'the runs')}: {len(kept)} IsoFLOP profiles can be read off the learning "
            f"curves; it takes {LEAST_BUDGETS}, each of {least} sizes or more of which a middle one is the best."
        )
    at, of = np.repeat(given[sound], [who.size for who in kept]), np.concatenate(kept)
    read = xr.Dataset(
        {
            "params": ("run", params[of]),
            "compute": ("run", np.exp(at)),
            "loss": ("run", np.exp(losses[of, np.searchsorted(given, at)])),
        },
        coords={"run": np.arange(of.size)},
        attrs=curves.attrs,
    )
    read["tokens"] = cost_model(curves.attrs["cost"]).tokens(read["params"], read["compute"])
    ends = np.cumsum([0, *(who.size for who in kept)])
    profiles = gather_profiles(read, [np.arange(low, high) for low, high in pairwise(ends)], 0.0)
    return profiles.assign_attrs(profiles=json.dumps({"runs": curves.sizes["run"], "read_off_curves": of.size}))
