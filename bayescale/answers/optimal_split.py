"""How should a budget be split between parameters and tokens?

The split has a closed form for a law of two power terms under C = kND; otherwise a solver runs over all draws at once.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayescale.costs import CostModel, PowerCost
from bayescale.errors import QuestionError
from bayescale.laws import LAWS, Law
from bayescale.laws.base import Theta
from bayescale.laws.inputs import DRAW_DIMS, POINT, complete_inputs, same_length, without_labels
from bayescale.posterior import Posterior

FARTHEST = 80.0  # in log N, from the reference run's tokens per parameter: a factor of 1e35
# The first-order condition is checked by the Newton step that is left, from differences over this in log N.
STEP, LARGEST_STEP = 0.05, 0.02


def optimal_split(
    fit: xr.DataTree | Posterior,
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
    view = Posterior.quoted(fit, family, allow_unconverged)
    given = {"compute": view.points(compute)}
    given |= {name: view.points(values, name) for name, values in (at or {}).items()}
    others = same_length(given)
    points = others.pop("compute")
    params = best_params(view, points, others)
    tokens = view.cost.tokens(params, points)
    a = without_labels(
        lambda theta, at, there: frontier_exponent(view.law, theta, there["compute"], view.cost, view.reference, at),
        view.law_theta,
        others,
        {"compute": points},
    )
    loss = view.expect({"params": params, "tokens": tokens, "compute": points} | others)
    out = xr.Dataset(
        {
            "params": params.assign_attrs(units="parameters", long_name="compute-optimal N"),
            "tokens": tokens.assign_attrs(units="tokens", long_name="compute-optimal D"),
            "tokens_per_param": (tokens / params).assign_attrs(
                units="tokens/parameter", long_name="D/N at the optimum"
            ),
            "optimal_loss": loss.assign_attrs(units=view.loss_unit),
            "a": a,
            "b": 1 - a,
        },
        others | {"compute": points} | view.distances({"compute": points}, "family" in params.dims),
        view.attrs("optimal_split", "compute-optimal split of N and D"),
    )
    return out.transpose(*DRAW_DIMS, POINT, ...)


def best_params(view: Posterior, compute: xr.DataArray, at: Mapping[str, Any] | None = None) -> xr.DataArray:
    """Return the N of every draw of a posterior that gives the lowest loss for that compute."""
    return without_labels(
        lambda theta, at, there: optimal_params(view.law, theta, there["compute"], view.cost, view.reference, at),
        view.law_theta,
        at or {},
        {"compute": compute},
    )


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
    return _solve_for_params(law, theta, compute, cost, reference, at or {})


def _solve_for_params(
    law: Law, theta: Theta, compute: Any, cost: CostModel, reference: Mapping[str, float], at: Mapping[str, Any]
) -> Any:
    from scipy.optimize import elementwise

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
        raise QuestionError(_describe_runaway(law, np.ravel(arguments[0])[0], sound, large < small))
    return compute_.copy(data=params0 * np.exp(found.x))


def _describe_runaway(law: Law, compute: float, sound: np.ndarray, to_infinity: np.ndarray) -> str:
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
