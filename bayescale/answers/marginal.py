"""Bigger or longer? What the next unit of compute buys when it is spent on parameters, and when on tokens."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayescale.answers.frontier import optimal_params
from bayescale.answers.posterior import (
    POINT,
    answer_attrs,
    cost_of,
    decades_beyond,
    expected_loss,
    law_of,
    law_theta,
    loss_unit,
    reference_of,
    same_length,
    scale_points,
)
from bayescale.answers.probability import probability
from bayescale.answers.summary import bands
from bayescale.costs import CostModel
from bayescale.errors import QuestionError
from bayescale.inference import require_quotable
from bayescale.numbers import human_number

# Half the step of a central difference in the log of N or D: its error is 1e-9 of the slope, that of rounding less.
STEP = 1e-4
CLEAR = 0.95  # the probability from which one of the two is said to be better


def bigger_or_longer(
    fit: xr.DataTree,
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
    params, tokens : str, float or list of either
        N and D of the run in question, or of several: numbers, ``"70B"``, or multiples of the largest in the runs.
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
        ``decades_beyond``. ``attrs["answer"]`` says it in words, ``attrs["warning"]`` where there is no best N.

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
    >>> from bayescale.answers.marginal import bigger_or_longer
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> tiny = bigger_or_longer(fit, "10k", "100M", family="english")
    >>> float(tiny["probability_bigger"].squeeze())
    1.0
    """
    quotable = require_quotable(fit, allow_unconverged)
    law, cost = law_of(fit), cost_of(fit)
    given = {"params": params, "tokens": tokens, **(at or {})}
    points = same_length({name: scale_points(fit, value, name) for name, value in given.items()})
    compute = cost.compute(points["params"], points["tokens"])
    others = {name: points[name] for name in at or {}}
    out, warning = xr.Dataset(), ""
    try:
        best = optimal_params(law, law_theta(fit, family), compute, cost, reference_of(fit), others)
        out["size_ratio"] = (points["params"] / best).assign_attrs(units="1", long_name="N over the best N")
    except QuestionError as error:
        # Without a best N the next unit of compute still buys something; without a trade between N and D it does not.
        if not law.has_split:
            raise
        warning = str(error)

    def loss(inputs: Mapping[str, Any]) -> xr.DataArray:
        return expected_loss(fit, inputs, family)

    unit = f"{loss_unit(fit)} per unit of ln C"
    for name, resource in (("bigger", "params"), ("longer", "tokens")):
        fall = _fall(loss, cost, points, resource)
        out[f"fall_{name}"] = fall.assign_attrs(units=unit, long_name=f"fall of the loss, {name}")
    found = probability(out["fall_bigger"] > out["fall_longer"])
    out["probability_bigger"], out["mc_error"] = found["probability"], found["mc_error"]
    inputs = points | {"compute": compute}
    out = out.assign_coords(**inputs, decades_beyond=decades_beyond(fit, inputs)).transpose("chain", "draw", POINT, ...)
    about = answer_attrs(fit, "bigger or longer?", quotable)
    return out.assign_attrs(about, warning=warning, answer=" ".join(_sentences(out, loss_unit(fit))))


def _fall(
    loss: Callable[[Mapping[str, Any]], xr.DataArray], cost: CostModel, point: Mapping[str, xr.DataArray], resource: str
) -> xr.DataArray:
    """Return how fast the loss falls with the log of compute that goes into one resource alone."""
    less, more = ({**point, resource: point[resource] * np.exp(sign * STEP)} for sign in (-1, 1))
    spent = np.log(cost.compute(more["params"], more["tokens"]) / cost.compute(less["params"], less["tokens"]))
    return (loss(less) - loss(more)) / spent


def _sentences(out: xr.Dataset, unit: str) -> list[str]:
    families = out["family"].values if "family" in out.dims else [None]
    said = []
    for name in families:
        mine = out if name is None else out.sel(family=name)
        said += [_sentence(mine.isel({POINT: i}), name, unit) for i in range(mine.sizes[POINT])]
    return said


def _sentence(one: xr.Dataset, family: Any, unit: str) -> str:
    share, error = float(one["probability_bigger"]), float(one["mc_error"])
    choice = "bigger" if share >= CLEAR else "longer" if share <= 1 - CLEAR else "the runs do not tell"
    bigger, longer = (0.01 * float(one[f"fall_{name}"].median()) for name in ("bigger", "longer"))
    said = (
        f"{f'{family}: ' if family is not None else ''}at N = {human_number(float(one['params']))}, "
        f"D = {human_number(float(one['tokens']))}: {choice}. Parameters buy more than tokens with probability "
        f"{share:.3g} (Monte Carlo error {error:.1g}): 1% more compute lowers the loss by {bigger:.2g} {unit} as "
        f"parameters, by {longer:.2g} as tokens."
    )
    if "size_ratio" not in one:
        return said
    ratio = bands(one["size_ratio"], [0.95]).squeeze("prob")
    low, middle, high = (float(ratio[name]) for name in ("lower", "median", "upper"))
    return f"{said} N is {middle:.2g} times the best for that compute (95%: {low:.2g} to {high:.2g})."
