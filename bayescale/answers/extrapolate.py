"""How low will the loss be there, and how sure is that?"""

from typing import Any

import numpy as np
import xarray as xr

from bayescale.answers.posterior import (
    DRAW_DIMS,
    POINT,
    answer_attrs,
    card_of,
    compute_points,
    cost_of,
    decades_beyond,
    expected_loss,
    loss_unit,
    scale_points,
    theta_of,
)
from bayescale.answers.split import optimal_split
from bayescale.errors import QuestionError
from bayescale.inference import require_quotable
from bayescale.inference.sampling import SEED
from bayescale.modeling.noise import draw_noise, with_noise


def extrapolate(
    fit: xr.DataTree,
    compute: Any = None,
    *,
    params: Any = None,
    tokens: Any = None,
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
    family : str, optional
        One family; by default all of them, on the dimension ``family``.
    seed : int
        Seed of the run noise.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        ``expected_loss``, the law's loss, and ``loss``, that of one new run with its scatter, dims
        ``(chain, draw, point[, family])``; ``share_parameters`` and ``share_noise``, how the width of the 90% band of
        ``loss`` is made up (squared widths); coords ``params``, ``tokens``, ``compute``, ``decades_beyond``.

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, or the question is not understood.

    Notes
    -----
    The band is that of the fitted form: it does not know that the form may be wrong. `backtest` says how often such
    bands held on the runs at hand.

    Examples
    --------
    >>> import bayescale as bs
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> far = bs.extrapolate(fit, params=["1M"], tokens=["40M"], family="english")
    >>> far["loss"].dims
    ('chain', 'draw', 'point')
    """
    quotable = require_quotable(fit, allow_unconverged)
    n, d, c = _points(fit, compute, params, tokens, family, allow_unconverged)
    expected = expected_loss(fit, n, d, family).transpose(*DRAW_DIMS, POINT, ...)
    theta = theta_of(fit, family)
    noise = draw_noise(card_of(fit).noise.family, expected, theta, np.random.default_rng([seed, 1]))
    loss = with_noise(expected, noise)
    widths = [_log_width(xr.ufuncs.log(expected)) ** 2, _log_width(noise) ** 2]
    unit = loss_unit(fit)
    out = xr.Dataset(
        {
            "expected_loss": expected.assign_attrs(units=unit, long_name="loss by the law"),
            "loss": loss.assign_attrs(units=unit, long_name="loss of one new run"),
            "share_parameters": widths[0] / (widths[0] + widths[1]),
            "share_noise": widths[1] / (widths[0] + widths[1]),
        }
    ).assign_coords(params=n, tokens=d, compute=c, decades_beyond=decades_beyond(fit, c))
    how = "at the recommended split" if params is None and tokens is None else "at the given N and D"
    return out.assign_attrs(answer_attrs(fit, f"loss {how}", quotable))


def _log_width(values: xr.DataArray) -> xr.DataArray:
    """Return the width of the central 90%: a spread that exists under heavy-tailed noise too."""
    low, high = (values.quantile(q, dim=DRAW_DIMS).drop_vars("quantile") for q in (0.05, 0.95))
    return high - low


def _points(
    fit: xr.DataTree, compute: Any, params: Any, tokens: Any, family: str | None, allow_unconverged: bool
) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """Return N, D and C of the question, dims ``point`` (and ``family`` where the split differs by family)."""
    given = [name for name, v in (("compute", compute), ("params", params), ("tokens", tokens)) if v is not None]
    cost = cost_of(fit)
    if given == ["compute"]:
        split = optimal_split(fit, compute, family=family, allow_unconverged=allow_unconverged)
        c = split["compute"].reset_coords(drop=True)
        n = np.exp(xr.ufuncs.log(split["params"]).median(DRAW_DIMS)).reset_coords(drop=True)
        return n, cost.tokens(n, c), c
    if len(given) != 2:
        raise QuestionError(
            "say where: compute alone (the recommended split is taken), or two of params, tokens and compute; "
            f"got {', '.join(given) or 'none of them'}."
        )
    values = {"params": params, "tokens": tokens, "compute": compute}
    at = {
        name: compute_points(fit, values[name]) if name == "compute" else scale_points(values[name], name)
        for name in given
    }
    length = max(points.sizes[POINT] for points in at.values())
    if any(points.sizes[POINT] not in (1, length) for points in at.values()):
        raise QuestionError(f"{given[0]} and {given[1]} must be of equal length, or one of them a single value.")
    # A single value goes with every point of the other.
    at = {name: points.isel({POINT: np.arange(length) % points.sizes[POINT]}) for name, points in at.items()}
    if "compute" not in at:
        return at["params"], at["tokens"], cost.compute(at["params"], at["tokens"])
    if "tokens" not in at:
        return at["params"], cost.tokens(at["params"], at["compute"]), at["compute"]
    return cost.params(at["tokens"], at["compute"]), at["tokens"], at["compute"]
