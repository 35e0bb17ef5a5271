"""The compute-optimal frontier: closed form where there is one, else a solver over all draws at once."""

from typing import Any

import numpy as np
import xarray as xr
from scipy.optimize import elementwise

from bayescale.costs import CostModel, PowerCost
from bayescale.errors import QuestionError
from bayescale.laws import Law
from bayescale.laws.base import Theta

FARTHEST = 80.0  # in log N, from the reference run's tokens per parameter: a factor of 1e35


def optimal_params(law: Law, theta: Theta, compute: Any, cost: CostModel, params0: float, tokens0: float) -> Any:
    """Return the N that gives the lowest loss for that compute.

    Parameters
    ----------
    law : Law
        The law.
    theta : mapping
        Its parameters: floats, arrays or posterior draws.
    compute : float or array
        FLOP; broadcast by name against ``theta``.
    cost : CostModel
        Ties N, D and C.
    params0, tokens0 : float
        The reference run at which ``theta`` is given; 1 and 1 for the paper's own coefficients.

    Returns
    -------
    float, numpy.ndarray or xarray.DataArray
        N_opt in parameters; D_opt is ``cost.tokens(N_opt, compute)``.

    Raises
    ------
    QuestionError
        If the loss has no interior minimum at that compute for some draw.

    Notes
    -----
    Where the loss increases with ``A n**-alpha + B d**-beta`` and C = k N D, N_opt = G (C/k)**(beta/(alpha+beta)) with
    G = (alpha A / (beta B))**(1/(alpha+beta)) (Hoffmann et al. 2022, eq. 4). Otherwise the loss is minimised over log N
    by Chandrupatla's method, element by element (`scipy.optimize.elementwise.find_minimum`).
    """
    if law.power_terms is not None and isinstance(cost, PowerCost):
        t = law.power_terms(theta)
        budget = compute / (cost.factor * params0 * tokens0)
        ratio = (t.alpha * t.A / (t.beta * t.B)) ** (1 / (t.alpha + t.beta))
        return params0 * ratio * budget ** (t.beta / (t.alpha + t.beta))
    return _solve(law, theta, compute, cost, params0, tokens0)


def _solve(law: Law, theta: Theta, compute: Any, cost: CostModel, params0: float, tokens0: float) -> Any:
    given = [xr.DataArray(value) for value in (compute, *theta.values())]
    compute_, *values = xr.broadcast(*given)

    def loss(log_n: np.ndarray, c: np.ndarray, *parameters: np.ndarray) -> np.ndarray:
        params = params0 * np.exp(log_n)
        return law.mean(
            np, params / params0, cost.tokens(params, c) / tokens0, dict(zip(theta, parameters, strict=True))
        )

    arguments = tuple(value.values for value in (compute_, *values))
    # A balanced start: the reference run's tokens-per-parameter ratio at the wanted compute.
    start = 0.5 * np.log(arguments[0] / cost.compute(params0, tokens0))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        bracket = elementwise.bracket_minimum(loss, start, xl0=start - 1.0, xr0=start + 1.0, args=arguments)
        found = elementwise.find_minimum(loss, bracket.bracket, args=arguments)
    # Where the loss only levels off, the bracket closes on rounding, absurdly far away.
    sound = bracket.success & found.success & (np.abs(found.x - start) < FARTHEST)
    if not np.all(sound):
        bad = int(np.sum(~sound))
        raise QuestionError(
            f"{law.name!r} has no compute-optimal split at {float(np.ravel(arguments[0])[0]):.3g} FLOP for {bad} of "
            f"{found.x.size} draws: the loss keeps falling as N goes to zero or to infinity."
        )
    return compute_.copy(data=params0 * np.exp(found.x))


def frontier_exponent(law: Law, theta: Theta, compute: Any, cost: CostModel, params0: float, tokens0: float) -> Any:
    """Return a, the exponent in N_opt ~ C**a: closed form, else the local slope over a factor of e either way."""
    if law.power_terms is not None and isinstance(cost, PowerCost):
        t = law.power_terms(theta)
        return t.beta / (t.alpha + t.beta)
    up, down = (optimal_params(law, theta, compute * f, cost, params0, tokens0) for f in (np.e, 1 / np.e))
    return (np.log(up) - np.log(down)) / 2
