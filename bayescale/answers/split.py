"""How should a budget be split between parameters and tokens?"""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from bayescale.answers.frontier import frontier_exponent, optimal_params
from bayescale.answers.posterior import (
    POINT,
    answer_attrs,
    compute_points,
    cost_of,
    decades_beyond,
    expected_loss,
    law_of,
    law_theta,
    loss_unit,
    own_distance,
    reference_of,
    same_length,
    scale_points,
)
from bayescale.inference import require_quotable


def optimal_split(
    fit: xr.DataTree,
    compute: Any = "100x",
    *,
    at: Mapping[str, Any] | None = None,
    family: str | None = None,
    allow_unconverged: bool = False,
) -> xr.Dataset:
    """Return the compute-optimal N and D at each budget, with the draws.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`.
    compute : str, float or list of either
        FLOP, or a multiple of the largest run such as ``"100x"``.
    at : mapping of str, optional
        What else the law takes, by column, such as ``{"unique_tokens": 25e9}``: one value, or one for each budget.
    family : str, optional
        One family; by default all of them, on the dimension ``family``.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        ``params``, ``tokens``, ``tokens_per_param`` and ``optimal_loss``, dims ``(chain, draw, point[, family])``; the
        exponents ``a`` and ``b`` of N_opt ~ C**a and D_opt ~ C**b; coords ``compute`` (FLOP), ``decades_beyond`` the
        largest run and, of families, ``family_decades_beyond`` that of its own.

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, or the question is not understood.

    Notes
    -----
    Each draw has its own optimum (Hoffmann et al. 2022, eq. 4, under C = 6ND).

    Examples
    --------
    >>> import bayescale as bs
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> split = bs.optimal_split(fit, compute=["10x", "100x"], family="english")
    >>> split["params"].dims
    ('chain', 'draw', 'point')
    """
    quotable = require_quotable(fit, allow_unconverged)
    law, cost, theta, reference = law_of(fit), cost_of(fit), law_theta(fit, family), reference_of(fit)
    points = compute_points(fit, compute)
    others = {name: scale_points(fit, values, name) for name, values in (at or {}).items()}
    others = same_length({"compute": points} | others)
    points = others.pop("compute")
    params = optimal_params(law, theta, points, cost, reference, others)
    tokens = cost.tokens(params, points)
    a = frontier_exponent(law, theta, points, cost, reference, others)
    inputs = {"params": params, "tokens": tokens, "compute": points} | others
    out = xr.Dataset(
        {
            "params": params.assign_attrs(units="parameters", long_name="compute-optimal N"),
            "tokens": tokens.assign_attrs(units="tokens", long_name="compute-optimal D"),
            "tokens_per_param": (tokens / params).assign_attrs(
                units="tokens/parameter", long_name="D/N at the optimum"
            ),
            "optimal_loss": expected_loss(fit, inputs, family).assign_attrs(units=loss_unit(fit)),
            "a": a.drop_attrs(),
            "b": (1 - a).drop_attrs(),
        }
    )
    out = out.assign_coords(others | {"compute": points, "decades_beyond": decades_beyond(fit, {"compute": points})})
    out = out.assign_coords(own_distance(fit, {"compute": points}, out, family))
    ordered = out.transpose("chain", "draw", POINT, ...)
    return ordered.assign_attrs(answer_attrs(fit, "compute-optimal split of N and D", quotable))
