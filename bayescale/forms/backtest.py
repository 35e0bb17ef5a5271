"""Leave the largest runs out, predict them from the smaller ones, and count how often the bands held."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.answers import bands
from bayescale.cards import Card, load_card
from bayescale.errors import QuestionError, did_you_mean
from bayescale.forms.forms_for import forms_for
from bayescale.forms.rehearse import Say, not_rehearsed, rehearse, rungs
from bayescale.forms.skipped import pack_skipped
from bayescale.forms.weights import drawn_together, form_weights, mixed
from bayescale.inference.sampling import SEED
from bayescale.runs.read import as_runs

FACTORS = (3.0, 10.0, 30.0, 100.0)
PROBS = (0.5, 0.8, 0.9, 0.95)
HEADLINE = 0.9
FORECAST = "forecast"
# Scores by distance are taken over half decades.
DISTANCE, STEP = "distance", 0.5
QUANTILES = 200  # over which the CRPS is taken


def backtest(
    runs: xr.Dataset,
    model: "str | Path | Card | Mapping[str, float] | Iterable[str | Path | Card]" = FORECAST,
    factor: float | Iterable[float] = FACTORS,
    *,
    seed: int = SEED,
    progress: Say | None = None,
) -> xr.Dataset:
    """Fit the runs at C <= Cmax / factor and score the prediction of all larger ones, for each factor.

    Parameters
    ----------
    runs : xarray.Dataset
        Validated runs, dims ``run``; or learning curves for cards with a curve (``chinchilla+curve``): runs whose last
        checkpoint lies beyond the cut are left out with all their checkpoints, and their last loss is predicted.
    model : str, path, Card, or several of them
        What is tested: ``"forecast"``, several forms with weights as `forecast` has them; forms of your own choice, as
        a list or with their weights as a mapping; or one card.
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
        ``params``, ``tokens``, ``compute``, ``fitted`` (how many runs), ``decades_beyond`` (of the fitted runs):
        ``loss``, ``median``, ``lower`` and ``upper`` (dims ``prob``), ``elpd`` (log density of log loss; that of
        several forms as each is), ``crps``; and, of several forms, ``weight`` (dims ``form``). `unpack_skipped` gives
        what could not be scored and why. `score` sums it up, `plots.plot_backtest` draws it.

    Raises
    ------
    CardError, DesignError, QuestionError
        If there is no such form, or all runs together cannot identify it.

    Notes
    -----
    A run whose measurement error is known is predicted with that error added. The weights that a forecast has at a
    cut-off are those earned on the runs below it. A compiled model is used again at every cut-off.

    Examples
    --------
    >>> import bayescale as bs
    >>> held = bs.backtest(bs.load_shipped("tinylm"), "chinchilla", factor=10)
    >>> held.sizes["prob"]
    4
    """
    runs = as_runs(runs)
    factors = [float(f) for f in np.unique(np.asarray(factor, dtype=float))]
    if any(not f > 1 for f in factors):
        raise QuestionError(f"factor: a cut-off lies below the largest run, so a factor is above 1; got {factors}.")
    if isinstance(model, str | Path | Card) and model != FORECAST:
        cards, weights = [load_card(model)], None
    else:
        named, weights = forms_for(runs, None if model == FORECAST else model)
        cards = list(named.values())
    cuts = factors if weights is None else sorted({*factors, *(r for r in rungs(cards) if r > min(factors))})
    rehearsed = rehearse(runs, cards, cuts, seed=seed, progress=progress)
    return held_out(rehearsed, weights, factors, seed=seed)


def held_out(
    rehearsed: xr.Dataset, weights: Mapping[str, float] | None, factors: Sequence[float] = FACTORS, *, seed: int = SEED
) -> xr.Dataset:
    """Return what `backtest` does, from what every form said at every cut-off; of the first form without weights."""
    cuts = sorted({*factors} & {*rehearsed["factor"].values.tolist()})
    each_cut = [_predict_at(rehearsed, weights, factor, seed) for factor in cuts]
    parts = [part for part in each_cut if part is not None]
    out = xr.concat(parts, dim="held_out") if parts else _empty_backtest(rehearsed, weights)
    name = FORECAST if weights is not None else str(rehearsed["form"].values[0])
    # Some cut-offs were rehearsed for the weights alone. What was skipped there is not listed.
    return out.assign_attrs(rehearsed.attrs | {"model": name} | pack_skipped(not_rehearsed(rehearsed, factors)))


def _predict_at(
    rehearsed: xr.Dataset, weights: Mapping[str, float] | None, factor: float, seed: int
) -> xr.Dataset | None:
    """Return what the forms together predicted at one cut-off; None where none of them could be fitted."""
    from scipy.special import logsumexp

    part = rehearsed.isel(held_out=rehearsed["factor"].values == factor)
    # The density of a form that was not fitted is nan. A form that misses a run by far has the density minus infinity.
    fitted = (~xr.ufuncs.isnan(part["log_density"])).all("held_out")
    names = [str(name) for name in part["form"].values[fitted.values] if weights is None or name in weights]
    if not names:
        return None
    if weights is None:
        weight = xr.DataArray(np.ones(1), dims="form", coords={"form": names[:1]})
    else:
        reach = float(np.log10(factor))
        weight = form_weights({name: weights[name] for name in names}, rehearsed, factor, reach)["weight"]
    weighted = part.sel(form=weight["form"])
    draws = mixed(drawn_together(weighted["predicted"], weight), weight, seed)
    quantiles, y = bands(draws, PROBS), part[rehearsed.attrs["response"]]
    columns = {
        y.name: y,
        **{name: quantiles[name] for name in ("median", "lower", "upper")},
        "elpd": ("held_out", logsumexp(weighted["log_density"].values + np.log(weight.values)[:, None], axis=0)),
        "crps": crps(draws, y),
    }
    if weights is not None:
        every = weight.reindex(form=list(weights), fill_value=0.0)
        columns["weight"] = every.expand_dims(held_out=part.sizes["held_out"]).transpose("held_out", "form")
    return xr.Dataset(columns)


def crps(draws: xr.DataArray, y: xr.DataArray) -> xr.DataArray:
    """Return the continuous ranked probability score of each run: twice the mean pinball loss over the quantiles.

    Over quantiles rather than draws, as the exponential of heavy-tailed scatter has no mean. The draws are on the
    dimensions that ``y`` lacks.
    """
    level = (np.arange(QUANTILES) + 0.5) / QUANTILES
    q = draws.quantile(level, dim=[dim for dim in draws.dims if dim not in y.dims], method="inverted_cdf")
    return 2 * ((q["quantile"] - (y < q)) * (y - q)).mean("quantile")


def _empty_backtest(rehearsed: xr.Dataset, weights: Mapping[str, float] | None) -> xr.Dataset:
    response, rehearsed = rehearsed.attrs["response"], rehearsed.isel(held_out=slice(0))
    band = {name: (("prob", "held_out"), np.zeros((len(PROBS), 0))) for name in ("lower", "upper")}
    values = {name: ("held_out", np.zeros(0)) for name in (response, "median", "elpd", "crps")}
    share = {} if weights is None else {"weight": (("held_out", "form"), np.zeros((0, len(weights))))}
    coords = {name: rehearsed[name] for name in rehearsed.coords if rehearsed[name].dims == ("held_out",)}
    out = xr.Dataset(values | band | share, coords={"prob": list(PROBS)} | coords)
    return out if weights is None else out.assign_coords(form=list(weights))


def score(held: xr.Dataset, by: str | Iterable[str] = "factor", prob: float = HEADLINE) -> pd.DataFrame:
    """Sum up a backtest: how often the bands held, how wide they were, how far off the centre was.

    Parameters
    ----------
    held : xarray.Dataset
        What `backtest` returned.
    by : str or iterable of str
        What to group by: ``factor``, ``family``, any other coordinate of the held-out runs; or ``distance``, the middle
        of the half decade beyond the fitted runs that a run lies in, over all factors.
    prob : float
        Mass of the band that is scored.

    Returns
    -------
    pandas.DataFrame
        Columns ``runs``, ``inside`` (count), ``coverage`` (share), ``winkler`` (interval score, mean), ``width``
        (median) and ``error`` (median absolute), ``bias`` (mean, positive where the prediction is too high), all in %
        of the loss, ``crps`` (mean, in % of the loss) and ``elpd`` (sum).

    Raises
    ------
    QuestionError
        If there is no band of that mass, or nothing of that name to group by.

    Notes
    -----
    The interval score of a band of mass p is its width plus 2 / (1 - p) times the overshoot (Winkler 1972; Gneiting and
    Raftery 2007); lower is better.

    Examples
    --------
    >>> import bayescale as bs
    >>> held = bs.backtest(bs.load_shipped("tinylm"), "chinchilla", factor=10)
    >>> bool(bs.forms.score(held)["coverage"].between(0, 1).all())
    True
    """
    if prob not in held["prob"].values:
        known = ", ".join(f"{p:g}" for p in held["prob"].values)
        raise QuestionError(f"there is no band of mass {prob!r} in this backtest; accepted: {known}.")
    by = [by] if isinstance(by, str) else list(by)
    groups = {str(name): values for name, values in held.coords.items() if values.dims == ("held_out",)}
    if "decades_beyond" in groups:
        groups[DISTANCE] = STEP * (np.floor(groups["decades_beyond"] / STEP + 1e-9) + 0.5)
    if unknown := [name for name in by if name not in groups]:
        raise QuestionError(
            f"there is no {unknown[0]!r} to group by.{did_you_mean(unknown[0], groups)} Accepted: {', '.join(groups)}."
        )
    y, band = held[held.attrs.get("response", "loss")], held.sel(prob=prob)
    low, high = band["lower"], band["upper"]
    overshoot = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    rows = pd.DataFrame(
        {
            **{name: groups[name].values for name in by},
            "inside": ((y >= low) & (y <= high)).values,
            "winkler": (100 * (high - low + 2 / (1 - prob) * overshoot) / y).values,
            "width": (100 * (high - low) / y).values,
            "error": (100 * abs(held["median"] / y - 1)).values,
            "bias": (100 * (held["median"] / y - 1)).values,
            "crps": (100 * held["crps"] / y).values,
            "elpd": held["elpd"].values,
        }
    )
    summed = {"runs": "size", "inside": "sum", "coverage": "mean", "winkler": "mean", "width": "median"}
    summed |= {"error": "median", "bias": "mean", "crps": "mean", "elpd": "sum"}
    of = {"runs": "inside", "coverage": "inside"}
    return rows.groupby(by).agg(**{name: (of.get(name, name), how) for name, how in summed.items()})
