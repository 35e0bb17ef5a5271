"""From draws to a table: medians, credible bands, and the probability of an event."""

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.errors import QuestionError
from bayescale.laws.inputs import DRAW_DIMS

BANDS = (0.5, 0.8, 0.95)


def bands(draws: xr.DataArray, prob: Iterable[float] = BANDS, dim: Iterable[str] = DRAW_DIMS) -> xr.Dataset:
    """Return the median and equal-tailed bands of draws; infinite draws count, draws that are NaN are left out.

    Returns
    -------
    xarray.Dataset
        ``median`` without the draw dims, and ``lower`` and ``upper`` with the dimension ``prob`` besides.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from bayescale.answers import bands
    >>> draws = xr.DataArray(np.linspace(0, 1, 101)[None], dims=("chain", "draw"))
    >>> round(float(bands(draws).sel(prob=0.8)["upper"]), 6)
    0.9
    """
    prob = np.asarray(list(prob), dtype=float)
    dims = list(dim)
    # Between a number and infinity there is nothing to interpolate: each quantile is then one of the draws.
    method: Any = "higher" if bool(np.isinf(draws).any()) else "linear"

    def at(q: np.ndarray) -> xr.DataArray:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="All-NaN slice", category=RuntimeWarning)
            found = draws.quantile(q, dim=dims, method=method)
        return found.rename(quantile="prob").assign_coords(prob=prob)

    median = at(np.full(len(prob), 0.5)).isel(prob=0, drop=True) if method == "higher" else draws.median(dims)
    return xr.Dataset({"median": median, "lower": at((1 - prob) / 2), "upper": at((1 + prob) / 2)})


def summary(answer: xr.Dataset, prob: Iterable[float] = BANDS) -> pd.DataFrame:
    """Return medians and equal-tailed credible bands of every drawn variable of an answer.

    Parameters
    ----------
    answer : xarray.Dataset
        What `extrapolate`, `optimal_split` or any other answer returned.
    prob : iterable of float
        Masses of the bands.

    Returns
    -------
    pandas.DataFrame
        A row for each variable and each remaining index (point, family, factor ...), columns ``median`` and, for each
        mass, ``lower_95``, ``upper_95`` and so on, in the variable's unit.

    Raises
    ------
    QuestionError
        If no variable has draws, as in a table of scores.
    ValueError
        If a mass is not between 0 and 1.

    Examples
    --------
    >>> import bayescale as bs
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> table = bs.extrapolate(fit, compute="100x", family="english").pipe(bs.summary)
    >>> list(table.columns)[:3]
    ['median', 'lower_50', 'upper_50']
    """
    prob = list(prob)
    rows = []
    for name, draws in answer.data_vars.items():
        if not {"chain", "draw"} <= set(draws.dims):
            continue
        found = bands(draws, prob)
        index = found["median"].dims
        for at in np.ndindex(*(found.sizes[d] for d in index)):
            pick = dict(zip(index, at, strict=True))
            labels = {str(d): _read_label(answer, str(d), i) for d, i in pick.items()}
            limits = {
                f"{side}_{100 * p:g}": float(found[side].isel(pick).sel(prob=p))
                for p in prob
                for side in ("lower", "upper")
            }
            row = {"variable": str(name), **labels, "median": float(found["median"].isel(pick)), **limits}
            rows.append(row | {"unit": draws.attrs.get("units", "")})
    if not rows:
        raise QuestionError(f"no variable has draws (dims chain, draw): {', '.join(map(str, answer.data_vars))}.")
    table = pd.DataFrame(rows)
    dims = dict.fromkeys(str(d) for name in answer.data_vars for d in answer[name].dims if str(d) in table)
    keys = ["variable", *sorted(dims, key=lambda d: (d != "point", d == "family"))]
    return table.fillna({"family": ""} if "family" in table else {}).set_index(keys)


def _read_label(answer: xr.Dataset, dim: str, i: int) -> object:
    return answer[dim].values[i] if dim in answer.coords else i


def band_width(values: xr.DataArray, mass: float) -> xr.DataArray:
    """Return the width of the central band of the draws; a draw that is NaN does not count."""
    variable = values.variable.transpose(*DRAW_DIMS, ...)
    low, high = np.nanquantile(variable.values, [(1 - mass) / 2, (1 + mass) / 2], axis=(0, 1))
    kept = variable.dims[2:]
    return xr.DataArray(high - low, {name: values.coords[name] for name in kept if name in values.coords}, kept)


def probability(event: xr.DataArray) -> xr.Dataset:
    """Return the probability of an event and its Monte Carlo standard error.

    Parameters
    ----------
    event : xarray.DataArray
        Whether the event happens in each draw: bool, with the dims ``chain`` and ``draw``.

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
    >>> from bayescale.answers import probability
    >>> found = probability(xr.DataArray([[True, True, True, True, False] * 80], dims=("chain", "draw")))
    >>> float(found["probability"]), bool(found["mc_error"] < 0.05)
    (0.8, True)
    """
    happened = event.astype(float)
    effective = xr.apply_ufunc(_count_effective, happened, input_core_dims=[DRAW_DIMS], vectorize=True)
    # The effective number of a handful of draws cannot be estimated: the draws then count as independent.
    effective = effective.fillna(event.sizes["chain"] * event.sizes["draw"])
    share = happened.mean(DRAW_DIMS)
    success, failure = share * effective + 0.5, (1 - share) * effective + 0.5
    total = success + failure
    error = np.sqrt(success * failure / (total**2 * (total + 1)))
    return xr.Dataset({"probability": share, "mc_error": error})


def _count_effective(values: np.ndarray) -> float:
    """Return how many independent draws these are worth for their mean, dims ``(chain, draw)``, as `arviz.ess` has it.

    From the autocorrelation of half chains, as far as its sums by twos are positive and fall (Geyer 1992; Vehtari et
    al. 2021, arXiv 1903.08008). In NumPy, as ArviZ takes longer to load than a question to answer.
    """
    half = values.shape[1] // 2
    if half < 2:
        return np.nan
    chains = np.concatenate([values[:, :half], values[:, -half:]])
    if np.ptp(chains) == 0:
        return chains.size
    spectrum = np.fft.rfft(chains - chains.mean(axis=1, keepdims=True), 2 * half, axis=1)
    covariance = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :half].mean(axis=0) / half
    total = covariance[0] + chains.mean(axis=1).var(ddof=1)
    correlation = 1 - (covariance[0] * half / (half - 1) - covariance) / total
    correlation[0] = 1.0
    pairs = correlation[: half // 2 * 2].reshape(-1, 2).sum(axis=1)
    count = int(np.argmax(np.append(pairs[: max(half - 3, 0) // 2], -1.0) <= 0))
    time = -1 + 2 * np.minimum.accumulate(pairs[:count]).sum() + max(correlation[2 * count], 0.0)
    return float(chains.size / max(time, 1 / np.log10(chains.size)))


def response_names(answer: xr.Dataset) -> tuple[str, str]:
    """Return the names of an answer's variables: of the expected response, and of that of one new run.

    An answer that does not say its response is of the loss, as answers of version 0.1.0 are.

    Examples
    --------
    >>> import xarray as xr
    >>> from bayescale.answers import response_names
    >>> response_names(xr.Dataset(attrs={"response": "accuracy"}))
    ('expected_accuracy', 'accuracy')
    """
    response = str(answer.attrs.get("response", "loss"))
    return f"expected_{response}", response
