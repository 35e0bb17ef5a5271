"""How probable is it? The share of the draws in which something is so, and how sure that share is."""

import arviz as az
import numpy as np
import xarray as xr

from bayescale.answers.posterior import DRAW_DIMS


def probability(event: xr.DataArray) -> xr.Dataset:
    """Return the probability of an event and its Monte Carlo standard error.

    Parameters
    ----------
    event : xarray.DataArray
        Whether it is so, for each draw: bool, with the dims ``chain`` and ``draw``.

    Returns
    -------
    xarray.Dataset
        ``probability`` and ``mc_error``, on the dims that are left.

    Notes
    -----
    The error is the standard deviation of a Beta distribution over the effective draws, which is above zero even where
    all draws agree.

    Examples
    --------
    >>> import xarray as xr
    >>> from bayescale.answers.probability import probability
    >>> found = probability(xr.DataArray([[True, True, True, True, False] * 80], dims=("chain", "draw")))
    >>> float(found["probability"]), bool(found["mc_error"] < 0.05)
    (0.8, True)
    """
    so = event.astype(float)
    effective = az.ess(so.rename("so").to_dataset(), method="mean")["so"]
    # Of a handful of draws no effective number can be estimated: they are taken as they are.
    effective = effective.fillna(event.sizes["chain"] * event.sizes["draw"])
    share = so.mean(DRAW_DIMS)
    success, failure = share * effective + 0.5, (1 - share) * effective + 0.5
    total = success + failure
    error = np.sqrt(success * failure / (total**2 * (total + 1)))
    return xr.Dataset({"probability": share, "mc_error": error})
