"""How low will the loss be there, and how sure is that?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayescale.answers.posterior import (
    DRAW_DIMS,
    POINT,
    answer_attrs,
    card_of,
    complete_inputs,
    compute_points,
    cost_of,
    decades_beyond,
    distance_in,
    law_of,
    law_theta,
    loss_unit,
    own_distance,
    reference_of,
    respond_at,
    same_length,
    scale_points,
    spans_of,
    theta_of,
)
from bayescale.answers.split import optimal_split
from bayescale.errors import QuestionError
from bayescale.inference import require_quotable
from bayescale.inference.sampling import SEED
from bayescale.layers import respond
from bayescale.layers.noise import NOISES, draw_response, no_error
from bayescale.layers.shared_errors import new_errors


def extrapolate(
    fit: xr.DataTree,
    compute: Any = None,
    *,
    params: Any = None,
    tokens: Any = None,
    at: Mapping[str, Any] | None = None,
    family: str | None = None,
    seed: int = SEED,
    allow_unconverged: bool = False,
) -> xr.Dataset:
    """Return the loss at larger compute, with the draws.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`.
    compute : str, float or list of either, optional
        FLOP, or a multiple of the largest run such as ``"100x"``. Alone, the run is taken at the recommended split: the
        posterior median of the compute-optimal N. With ``params`` or ``tokens``, the other follows from the cost model.
    params, tokens : float or list, optional
        N and D of the runs in question; both, or one and ``compute``.
    at : mapping of str, optional
        Anything else that the law takes, by column, such as ``{"unique_tokens": "25B"}`` or ``{"width": 4096}``; a
        multiple such as ``"10x"`` is of the largest in the runs.
    family : str, optional
        One family; by default all of them, on the dimension ``family``.
    seed : int
        Seed of the run noise.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        ``expected_loss``, without the scatter of runs, and ``loss``, that of one new run with it, dims
        ``(chain, draw, point[, family])``; ``share_parameters``, ``share_noise`` and, where the card has them,
        ``share_drift`` and ``share_errors`` (those that runs share): how the width of the 90% band of ``loss`` is made
        up (squared widths); coords ``params``, ``tokens``, ``compute``, whatever else was given, ``decades_beyond``
        the largest run and, of families, ``family_decades_beyond`` that of its own. A law of a share gives
        ``expected_accuracy`` and ``accuracy`` (or ``error``) instead.

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, or the question is not understood.

    Notes
    -----
    The band is that of the fitted form. A plain card's does not know that its form may be wrong, and is too narrow far
    from the runs; that of a card with a drift does (``bs.fit(runs, "chinchilla+drift")``), and `forecast` asks several
    forms. `backtest` says how often such bands held on the runs at hand.

    Errors that runs share (``[errors]`` of the card) are drawn anew, also at a budget that was fitted: each draw has
    one for all points of the same compute in a family, or of the same design, so that the draws of their difference are
    without it. A point is taken to be in the middle of its budget's profile.

    Examples
    --------
    >>> import bayescale as bs
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> far = bs.extrapolate(fit, params=["1M"], tokens=["40M"], family="english")
    >>> far["loss"].dims
    ('chain', 'draw', 'point')
    """
    quotable = require_quotable(fit, allow_unconverged)
    given = {"compute": compute, "params": params, "tokens": tokens, **(at or {})}
    inputs, how = _inputs(fit, {k: v for k, v in given.items() if v is not None}, family, allow_unconverged)
    card, law, rng = card_of(fit), law_of(fit), np.random.default_rng([seed, 1])
    noise = card.noise.family
    expected, theta = respond_at(fit, inputs, family)
    expected = mean = expected.transpose(*DRAW_DIMS, POINT, ...)
    if card.errors:
        drawn = theta_of(fit, family)
        errors, groups = new_errors(card, drawn, inputs, expected.isel(dict.fromkeys(DRAW_DIMS, 0), drop=True), rng)
        mean, theta = respond(card, drawn | errors, {**inputs, **groups}, reference_of(fit), spans_of(fit))
        mean = mean.transpose(*expected.dims)
    response = draw_response(noise, mean, theta, rng, no_error(noise))
    measure = (lambda y: y) if NOISES[noise].of_shares else xr.ufuncs.log
    by_law = law.at(np, inputs, law_theta(fit, family), reference_of(fit))
    widths = {"parameters": _width(measure(by_law)) ** 2}
    if card.discrepancy:
        widths["drift"] = _width(measure(expected) - measure(by_law)) ** 2
    if card.errors:
        widths["errors"] = _width(measure(mean) - measure(expected)) ** 2
    # A scatter with few degrees of freedom has draws whose loss rounds to zero; quantiles bear that.
    with np.errstate(divide="ignore"):
        widths["noise"] = _width(measure(response) - measure(mean)) ** 2
    unit, name = loss_unit(fit), law.response
    out = xr.Dataset(
        {
            f"expected_{name}": expected.assign_attrs(units=unit, long_name=f"{name} without the scatter of runs"),
            name: response.assign_attrs(units=unit, long_name=f"{name} of one new run"),
        }
        | {f"share_{part}": width / sum(widths.values()) for part, width in widths.items()}
    ).assign_coords(inputs | {"decades_beyond": decades_beyond(fit, inputs)})
    out = out.assign_coords(own_distance(fit, inputs, out, family))
    about = answer_attrs(fit, f"{name} {how}", quotable) | {"distance_in": distance_in(fit, inputs)}
    return out.assign_attrs(about)


def _width(values: xr.DataArray) -> xr.DataArray:
    """Return the width of the central 90%: a spread that exists under heavy-tailed noise too."""
    low, high = (values.quantile(q, dim=DRAW_DIMS).drop_vars("quantile") for q in (0.05, 0.95))
    return high - low


def _inputs(
    fit: xr.DataTree, given: dict[str, Any], family: str | None, allow_unconverged: bool
) -> tuple[dict[str, xr.DataArray], str]:
    """Return all that the law takes, dims ``point`` (and ``family`` where the split differs by family), and how."""
    law, cost = law_of(fit), cost_of(fit)
    if not given and law.has_split:
        raise QuestionError(
            "say where: compute alone (the recommended split is taken), or two of params, tokens and compute; "
            "got none of them."
        )
    if {"compute", "params", "tokens"} <= given.keys():
        raise QuestionError(
            "say where with two of params, tokens and compute, not all three; got compute, params, tokens."
        )
    if "compute" in given and law.has_split and given.keys().isdisjoint({"params", "tokens", "step"}):
        others = {name: value for name, value in given.items() if name != "compute"}
        split = optimal_split(fit, given["compute"], at=others, family=family, allow_unconverged=allow_unconverged)
        c = split["compute"].reset_coords(drop=True)
        n = np.exp(xr.ufuncs.log(split["params"]).median(DRAW_DIMS)).reset_coords(drop=True)
        found = {"params": n, "tokens": cost.tokens(n, c), "compute": c}
        found |= {name: split[name].reset_coords(drop=True) for name in others}
        return complete_inputs(law, found, cost), "at the recommended split"
    points = same_length(
        {k: compute_points(fit, v) if k == "compute" else scale_points(fit, v, k) for k, v in given.items()}
    )
    named = " and ".join({"params": "N", "tokens": "D"}.get(name, name) for name in law.inputs)
    return complete_inputs(law, points, cost), f"at the given {named}"
