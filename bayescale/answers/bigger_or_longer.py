"""Bigger or longer? What the next unit of compute buys when it is spent on parameters, and when on tokens."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayescale.answers.optimal_split import best_params
from bayescale.answers.summary import probability
from bayescale.costs import CostModel
from bayescale.errors import QuestionError
from bayescale.laws.inputs import DRAW_DIMS, POINT, same_length
from bayescale.posterior import Posterior

# Half the step of a central difference in the log of N or D: its error is 1e-9 of the slope, that of rounding less.
STEP = 1e-4


def bigger_or_longer(
    fit: xr.DataTree | Posterior,
    params: Any,
    tokens: Any,
    *,
    at: Mapping[str, Any] | None = None,
    family: str | None = None,
    allow_unconverged: bool = False,
) -> xr.Dataset:
    """Return what more compute buys at (N, D): spent on a bigger model, and spent on training it longer.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`, of a law that trades parameters against tokens (or steps).
    params : str, float or list of either
        N of the run in question, or of several: numbers, ``"70B"``, or multiples of the largest in the runs.
    tokens : str, float or list of either
        D of the same runs, likewise.
    at : mapping of str, optional
        What else the law takes, by column, such as ``{"batch": "1M"}``.
    family : str, optional
        One family; by default all of them, on the dimension ``family``.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        On the dims ``(chain, draw, point[, family])``: ``fall_bigger`` and ``fall_longer``, the fall of the expected
        loss per unit of the natural log of compute that goes into N alone, or into D alone; ``size_ratio``, N over the
        best N for the same compute, where the law has one. Without the draws: ``probability_bigger``, that N buys more
        than D, and its Monte Carlo standard error ``mc_error``. Coords ``params``, ``tokens``, ``compute``,
        ``decades_beyond``. ``attrs["warning"]`` says where there is no best N.

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, its law does not trade N against D, or the question is not understood.

    Notes
    -----
    Both are slopes of the law by central differences in log N and log D, over those of the cost model. At the
    compute-optimal split they are equal.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.answers import bigger_or_longer
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> tiny = bigger_or_longer(fit, "10k", "100M", family="english")
    >>> float(tiny["probability_bigger"].squeeze())
    1.0
    """
    view = Posterior.quoted(fit, family, allow_unconverged)
    given = {"params": params, "tokens": tokens, **(at or {})}
    points = same_length({name: view.points(value, name) for name, value in given.items()})
    compute = view.cost.compute(points["params"], points["tokens"])
    out, warning = xr.Dataset(), ""
    try:
        best = best_params(view, compute, {name: points[name] for name in at or {}})
        out["size_ratio"] = (points["params"] / best).assign_attrs(units="1", long_name="N over the best N")
    except QuestionError as error:
        # The next unit of compute buys something at any N where the law trades N against D, even without a best N.
        if not view.law.has_split:
            raise
        warning = str(error)
    unit = f"{view.loss_unit} per unit of ln C"
    for name, resource in (("bigger", "params"), ("longer", "tokens")):
        fall = _measure_fall(view.expect, view.cost, points, resource)
        out[f"fall_{name}"] = fall.assign_attrs(units=unit, long_name=f"fall of the loss, {name}")
    found = probability(out["fall_bigger"] > out["fall_longer"])
    out["probability_bigger"], out["mc_error"] = found["probability"], found["mc_error"]
    inputs = points | {"compute": compute}
    out = out.assign_coords(inputs | {"decades_beyond": view.decades_beyond(inputs)})
    attrs = view.attrs("bigger_or_longer", "bigger or longer?", warning=warning)
    return out.transpose(*DRAW_DIMS, POINT, ...).assign_attrs(attrs)


def _measure_fall(
    loss: Callable[[Mapping[str, Any]], xr.DataArray], cost: CostModel, point: Mapping[str, xr.DataArray], resource: str
) -> xr.DataArray:
    """Return how fast the loss falls with the log of compute that goes into one resource alone."""
    less, more = ({**point, resource: point[resource] * np.exp(sign * STEP)} for sign in (-1, 1))
    spent = np.log(cost.compute(more["params"], more["tokens"]) / cost.compute(less["params"], less["tokens"]))
    return (loss(less) - loss(more)) / spent
