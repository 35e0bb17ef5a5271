"""How low will the loss be there, and how sure is that?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayescale.answers.optimal_split import best_params
from bayescale.answers.summary import band_width
from bayescale.errors import QuestionError
from bayescale.laws.inputs import DRAW_DIMS, POINT, complete_inputs, same_length
from bayescale.layers.noise import NOISES
from bayescale.posterior import SEED, Posterior

WIDTH = 0.9  # the mass of the band whose width is taken apart: it exists under heavy-tailed noise too


def extrapolate(
    fit: xr.DataTree | Posterior,
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
    params : float or list, optional
        N of the runs in question, with ``tokens`` or ``compute``.
    tokens : float or list, optional
        D of the runs in question, with ``params`` or ``compute``.
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
    The band belongs to the fitted form. A plain card takes its form to be exact, and its band is too narrow far from
    the runs. A card with a drift (``bs.fit(runs, "chinchilla+drift")``) allows for a wrong form, and `forecast` asks
    several forms. `backtest` says how often such bands held on the runs at hand.

    Errors that runs share (``[errors]`` of the card) are drawn anew, also at a budget that was fitted. In each draw all
    points of the same compute in a family, or of the same design, have the same error: it cancels in their difference.
    A point is taken to be in the middle of its budget's profile.

    Examples
    --------
    >>> import bayescale as bs
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> far = bs.extrapolate(fit, params=["1M"], tokens=["40M"], family="english")
    >>> far["loss"].dims
    ('chain', 'draw', 'point')
    """
    view = Posterior.quoted(fit, family, allow_unconverged)
    given = {"compute": compute, "params": params, "tokens": tokens, **(at or {})}
    inputs, how = _find_inputs(view, {k: v for k, v in given.items() if v is not None})
    card, rng = view.card, np.random.default_rng([seed, 1])
    expected, theta = view.respond(inputs)
    expected = mean = expected.transpose(*DRAW_DIMS, POINT, ...)
    if card.errors:
        mean, theta = view.respond_with_new_errors(inputs, expected, rng)
    response = view.draw_new_run(mean, theta, rng)
    measure = (lambda y: y) if NOISES[card.noise.family].of_shares else xr.ufuncs.log
    by_law = view.by_law(inputs)
    widths = {"parameters": band_width(measure(by_law), WIDTH) ** 2}
    if card.discrepancy:
        widths["drift"] = band_width(measure(expected) - measure(by_law), WIDTH) ** 2
    if card.errors:
        widths["errors"] = band_width(measure(mean) - measure(expected), WIDTH) ** 2
    # A scatter with few degrees of freedom has draws whose loss rounds to zero; quantiles bear that.
    with np.errstate(divide="ignore"):
        widths["noise"] = band_width(measure(response) - measure(mean), WIDTH) ** 2
    unit, name, along = view.loss_unit, view.response, view.distance_in(inputs)
    low, high = view.seen[along]
    out = xr.Dataset(
        {
            f"expected_{name}": expected.assign_attrs(units=unit, long_name=f"{name} without the scatter of runs"),
            name: response.assign_attrs(units=unit, long_name=f"{name} of one new run"),
        }
        | {f"share_{part}": width / sum(widths.values()) for part, width in widths.items()},
        inputs | view.distances(inputs, "family" in expected.dims),
        view.attrs(
            "extrapolate",
            f"{name} {how}",
            distance_in=along,
            span_decades=float(np.log10(high / low)),
        ),
    )
    return out


def _find_inputs(view: Posterior, given: dict[str, Any]) -> tuple[dict[str, xr.DataArray], str]:
    """Return all that the law takes, dims ``point`` (and ``family`` where the split differs by family), and how."""
    law, cost = view.law, view.cost
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
        others = same_length({name: view.points(values, name) for name, values in given.items()})
        c = others.pop("compute")
        best = best_params(view, c, others).transpose(*DRAW_DIMS, POINT, ...)
        n = np.exp(xr.ufuncs.log(best).median(DRAW_DIMS))
        n = n.assign_attrs(units="parameters", long_name="compute-optimal N")
        inputs = {"params": n, "tokens": cost.tokens(n, c), "compute": c} | others
        return complete_inputs(law, inputs, cost), "at the recommended split"
    points = same_length({name: view.points(values, name) for name, values in given.items()})
    named = " and ".join({"params": "N", "tokens": "D"}.get(name, name) for name in law.inputs)
    return complete_inputs(law, points, cost), f"at the given {named}"
