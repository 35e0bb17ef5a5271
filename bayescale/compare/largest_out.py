"""Leave the largest runs out, predict them from the smaller ones, and count how often the bands held."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import logsumexp

from bayescale.answers import bands, theta_of
from bayescale.errors import BayescaleError, QuestionError
from bayescale.inference import by_run, fit, log_likelihood, verdict
from bayescale.inference.sampling import SEED
from bayescale.modeling import Card, check_design, load_card, model_data
from bayescale.modeling.noise import draw_response, known_of

FACTORS = (10.0, 100.0)
PROBS = (0.5, 0.8, 0.9, 0.95)
HEADLINE = 0.9


def backtest(
    runs: xr.Dataset,
    model: "str | Path | Card" = "chinchilla",
    factor: float | Iterable[float] = FACTORS,
    *,
    seed: int = SEED,
    progress: Callable[[str], None] | None = None,
) -> xr.Dataset:
    """Fit the runs at C <= Cmax / factor and score the prediction of all larger ones, for each factor.

    Parameters
    ----------
    runs : xarray.Dataset
        Validated runs, dims ``run``.
    model : str, path or Card
        The card.
    factor : float or iterable of float
        How far the largest run lies beyond the fitted ones, in compute.
    seed : int
        Seed of the fits and of the run noise.
    progress : callable, optional
        Called with a line for each fit.

    Returns
    -------
    xarray.Dataset
        Dims ``held_out``, one for each factor and run that was predicted, coords ``factor``, ``run``, ``family``,
        ``params``, ``tokens``, ``compute``, ``decades_beyond`` (of the fitted runs): ``loss``, ``median``, ``lower``
        and ``upper`` (dims ``prob``), ``elpd`` (log density of log loss). ``attrs["skipped"]`` says which factors could
        not be scored and why. `score` sums it up.

    Notes
    -----
    A run whose measurement error is known is predicted with that error added.

    Examples
    --------
    >>> import bayescale as bs
    >>> held = bs.backtest(bs.load_shipped("tinylm"), factor=10)
    >>> held.sizes["prob"]
    4
    """
    card = load_card(model)
    check_design(card, runs)
    response = card.get_law().response
    parts, skipped = [], []
    for f in np.atleast_1d(np.asarray(factor, dtype=float)):
        if progress:
            progress(f"{card.name}: predicting the largest runs from those {f:g}x smaller")
        try:
            parts.append(_one(runs, card, float(f), seed))
        except BayescaleError as error:
            skipped.append(f"{f:g}x: {error}")
    out = xr.concat(parts, dim="held_out") if parts else _empty(response)
    attrs = {"model": card.name, "skipped": "\n".join(skipped), "response": response}
    return out.assign_attrs(attrs, loss_unit=runs.attrs.get("loss_unit", "1"), measure=_measure(card, runs))


def _one(runs: xr.Dataset, card: Card, factor: float, seed: int) -> xr.Dataset:
    size = runs[_measure(card, runs)]
    # Rounding of C must not decide on which side the run at the cut falls.
    cut = size.values.max() / factor * (1 + 1e-6)
    train, test = runs.isel(run=size.values <= cut), runs.isel(run=size.values > cut)
    if "family" in runs.coords:
        known = np.isin(test["family"].values, train["family"].values)
        test = test.isel(run=known)
    posterior = fit(train, card, seed=seed, prior_draws=0)
    if not (found := verdict(posterior)).passed:
        raise BayescaleError(found.sentence)
    # Held-out runs are measured from the reference run of the runs that were fitted.
    data = model_data(card, train)
    density = next(iter(log_likelihood(card, posterior["posterior"].to_dataset(), test, data).data_vars.values()))
    elpd = logsumexp(density.values, axis=(0, 1)) - np.log(density.sizes["chain"] * density.sizes["draw"])
    found_bands = bands(_predictive(posterior, card, test, data.reference, seed), PROBS)
    response = card.get_law().response
    columns: dict[str, Any] = {
        response: ("held_out", test[response].values),
        "median": ("held_out", found_bands["median"].values),
        "lower": (("prob", "held_out"), found_bands["lower"].values),
        "upper": (("prob", "held_out"), found_bands["upper"].values),
        "elpd": ("held_out", elpd),
    }
    wanted = ("run", *dict.fromkeys(("params", "tokens", "compute", *card.get_law().inputs)))
    coords: dict[str, Any] = {name: ("held_out", test[name].values) for name in wanted if name in test} | {
        "prob": list(PROBS),
        "factor": ("held_out", np.full(test.sizes["run"], factor)),
        "fitted": ("held_out", np.full(test.sizes["run"], train.sizes["run"])),
        "family": ("held_out", test["family"].values if "family" in test.coords else np.full(test.sizes["run"], "all")),
        "decades_beyond": ("held_out", np.log10(test[size.name].values / train[size.name].values.max())),
    }
    return xr.Dataset(columns, coords=coords)


def _measure(card: Card, runs: xr.Dataset) -> str:
    """Return the column by which runs are large: their compute, or the first quantity that the law takes."""
    return "compute" if "compute" in runs else card.get_law().inputs[0]


def _predictive(
    posterior: xr.DataTree, card: Card, test: xr.Dataset, reference: Mapping[str, float], seed: int
) -> xr.DataArray:
    labels = test["family"] if "family" in test.coords else None
    theta = by_run(theta_of(posterior), labels)
    law, family = card.get_law(), card.noise.family
    mean = law.at(np, {name: test[name] for name in law.inputs}, theta, reference).transpose("chain", "draw", "run")
    return draw_response(family, mean, theta, np.random.default_rng([seed, 2]), known_of(family, test, law.response))


def _empty(response: str) -> xr.Dataset:
    names = ("run", "params", "tokens", "compute", "factor", "fitted", "family", "decades_beyond")
    flat = {name: ("held_out", np.array([], dtype=object if name in ("run", "family") else float)) for name in names}
    band = {name: (("prob", "held_out"), np.zeros((len(PROBS), 0))) for name in ("lower", "upper")}
    values = {name: ("held_out", np.zeros(0)) for name in (response, "median", "elpd")}
    return xr.Dataset(values | band, coords=flat | {"prob": list(PROBS)})


def score(held: xr.Dataset, by: Iterable[str] = ("factor",), prob: float = HEADLINE) -> pd.DataFrame:
    """Sum up a backtest: how often the bands held, how wide they were, how far off the centre was.

    Parameters
    ----------
    held : xarray.Dataset
        What `backtest` returned.
    by : iterable of str
        Coordinates to group by: ``factor``, ``family``.
    prob : float
        Mass of the band that is scored.

    Returns
    -------
    pandas.DataFrame
        Columns ``runs``, ``inside`` (count), ``coverage`` (share), ``winkler`` (interval score, mean), ``width``
        (median)
        and ``error`` (median absolute), ``bias`` (mean, positive where the prediction is too high), all in % of the
        loss, and ``elpd`` (sum).

    Notes
    -----
    The interval score of a band of mass p is its width plus 2 / (1 - p) times the overshoot (Winkler 1972; Gneiting and
    Raftery 2007); lower is better.

    Examples
    --------
    >>> import bayescale as bs
    >>> held = bs.backtest(bs.load_shipped("tinylm"), factor=10)
    >>> bool(bs.score(held)["coverage"].between(0, 1).all())
    True
    """
    if prob not in held["prob"].values:
        known = ", ".join(f"{p:g}" for p in held["prob"].values)
        raise QuestionError(f"there is no band of mass {prob!r} in this backtest; accepted: {known}.")
    y, at = held[held.attrs.get("response", "loss")], held.sel(prob=prob)
    low, high = at["lower"], at["upper"]
    overshoot = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    rows = pd.DataFrame(
        {
            **{name: held[name].values for name in by},
            "inside": ((y >= low) & (y <= high)).values,
            "winkler": (100 * (high - low + 2 / (1 - prob) * overshoot) / y).values,
            "width": (100 * (high - low) / y).values,
            "error": (100 * abs(held["median"] / y - 1)).values,
            "bias": (100 * (held["median"] / y - 1)).values,
            "elpd": held["elpd"].values,
        }
    )
    grouped = rows.groupby(list(by))
    return pd.DataFrame(
        {
            "runs": grouped.size(),
            "inside": grouped["inside"].sum(),
            "coverage": grouped["inside"].mean(),
            "winkler": grouped["winkler"].mean(),
            "width": grouped["width"].median(),
            "error": grouped["error"].median(),
            "bias": grouped["bias"].mean(),
            "elpd": grouped["elpd"].sum(),
        }
    )
