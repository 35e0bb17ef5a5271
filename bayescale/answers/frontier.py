"""The compute-optimal frontier: closed form where there is one, else a solver over all draws at once."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from scipy.optimize import elementwise

from bayescale.answers.posterior import complete_inputs
from bayescale.costs import CostModel, PowerCost
from bayescale.errors import QuestionError
from bayescale.laws import LAWS, Law
from bayescale.laws.base import Theta

FARTHEST = 80.0  # in log N, from the reference run's tokens per parameter: a factor of 1e35
# The first-order condition is checked by the Newton step that is left, from differences over this in log N.
STEP, LARGEST_STEP = 0.05, 0.02


def optimal_params(
    law: Law,
    theta: Theta,
    compute: Any,
    cost: CostModel,
    reference: Mapping[str, float],
    at: Mapping[str, Any] | None = None,
) -> Any:
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
    reference : mapping of str to float
        The reference run at which ``theta`` is given, by column; ones for the paper's own coefficients.
    at : mapping, optional
        What else the law takes, by column: unique tokens, batch, sparsity.

    Returns
    -------
    float, numpy.ndarray or xarray.DataArray
        N_opt in parameters; D_opt is ``cost.tokens(N_opt, compute)``.

    Raises
    ------
    QuestionError
        If the law does not trade N against D, something that it takes is not said, or the loss has no interior minimum
        at that compute for some draw.

    Notes
    -----
    Where the loss increases with ``A n**-alpha + B d**-beta`` and C = k N D, N_opt = G (C/k)**(beta/(alpha+beta)) with
    G = (alpha A / (beta B))**(1/(alpha+beta)) (Hoffmann et al. 2022, eq. 4). Otherwise the loss is minimised over log N
    by Chandrupatla's method, element by element (`scipy.optimize.elementwise.find_minimum`), and every solution is
    checked against the first-order condition.
    """
    if not law.has_split:
        able = ", ".join(name for name, other in LAWS.items() if other.has_split)
        raise QuestionError(
            f"the law {law.name!r} takes {', '.join(law.inputs)}: it does not trade parameters against tokens, so a "
            f"budget cannot be split by it. Laws that do: {able}."
        )
    if law.power_terms is not None and isinstance(cost, PowerCost):
        t = law.power_terms(theta)
        budget = compute / cost.compute(reference["params"], reference["tokens"])
        ratio = (t.alpha * t.A / (t.beta * t.B)) ** (1 / (t.alpha + t.beta))
        return reference["params"] * ratio * budget ** (t.beta / (t.alpha + t.beta))
    return _solve(law, theta, compute, cost, reference, at or {})


def _solve(
    law: Law, theta: Theta, compute: Any, cost: CostModel, reference: Mapping[str, float], at: Mapping[str, Any]
) -> Any:
    names = (*at, *theta)
    given = [xr.DataArray(value) for value in (compute, *at.values(), *theta.values())]
    compute_, *values = xr.broadcast(*given)
    params0 = reference["params"]

    def loss(log_n: np.ndarray, c: np.ndarray, *rest: np.ndarray) -> np.ndarray:
        params = params0 * np.exp(log_n)
        known = dict(zip(names, rest, strict=True))
        inputs = {"params": params, "tokens": cost.tokens(params, c), "compute": c} | {k: known[k] for k in at}
        return law.at(np, complete_inputs(law, inputs, cost), {k: known[k] for k in theta}, reference)

    arguments = tuple(value.values for value in (compute_, *values))
    # A balanced start: the reference run's tokens-per-parameter ratio at the wanted compute.
    tokens0 = reference.get("tokens") or cost.tokens(params0, np.ravel(arguments[0])[0])
    start = 0.5 * np.log(arguments[0] / cost.compute(params0, tokens0))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        bracket = elementwise.bracket_minimum(loss, start, xl0=start - 1.0, xr0=start + 1.0, args=arguments)
        found = elementwise.find_minimum(loss, bracket.bracket, args=arguments)
        left, here, right = (loss(found.x + h, *arguments) for h in (-STEP, 0.0, STEP))
        small, large = (loss(start + away, *arguments) for away in (-FARTHEST / 4, FARTHEST / 4))
        newton = STEP * (right - left) / 2 / (right + left - 2 * here)
    # Where the loss only levels off, the bracket closes on rounding, absurdly far away.
    sound = bracket.success & found.success & (np.abs(found.x - start) < FARTHEST)
    sound &= (np.minimum(left, right) >= here) & (np.abs(newton) < LARGEST_STEP)
    if not np.all(sound):
        raise QuestionError(_runs_off(law, np.ravel(arguments[0])[0], sound, large < small))
    return compute_.copy(data=params0 * np.exp(found.x))


def _runs_off(law: Law, compute: float, sound: np.ndarray, to_infinity: np.ndarray) -> str:
    bad = ~np.asarray(sound)
    share = np.mean(np.asarray(to_infinity)[bad])
    where = "to infinity" if share == 1 else "to zero" if share == 0 else "to zero or to infinity"
    return (
        f"{law.name!r} has no compute-optimal split at {float(compute):.3g} FLOP for {bad.sum()} of "
        f"{bad.size} draws: the loss keeps falling as N goes {where}, so these runs and this form set no best size. "
        "Runs at several sizes for one budget would; or give N yourself."
    )


def frontier_exponent(
    law: Law,
    theta: Theta,
    compute: Any,
    cost: CostModel,
    reference: Mapping[str, float],
    at: Mapping[str, Any] | None = None,
) -> Any:
    """Return a, the exponent in N_opt ~ C**a: closed form, else the local slope over a factor of e either way."""
    if law.power_terms is not None and isinstance(cost, PowerCost):
        t = law.power_terms(theta)
        return t.beta / (t.alpha + t.beta)
    up, down = (optimal_params(law, theta, compute * f, cost, reference, at) for f in (np.e, 1 / np.e))
    return (np.log(up) - np.log(down)) / 2
