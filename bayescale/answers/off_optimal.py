"""How far from convergence does the optimum stop, and what does it cost to be off the optimal size?"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayescale.answers.loss_of_compute import unlimited_loss
from bayescale.answers.optimal_split import optimal_split
from bayescale.errors import QuestionError
from bayescale.laws.inputs import DRAW_DIMS, POINT, complete_inputs
from bayescale.posterior import Posterior

FACTOR = "factor"
# From 0.6 to 2.2 times the best size Kaplan et al. 2020 found at most 20% more compute.
FACTORS = (*(0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9), *(1.0, 1.15, 1.3, 1.5, 1.8, 2.2, 2.6, 3.0, 3.5, 4.0))


def convergence_gap(
    fit: xr.DataTree | Posterior,
    compute: Any = "100x",
    *,
    at: Mapping[str, Any] | None = None,
    family: str | None = None,
    allow_unconverged: bool = False,
) -> xr.Dataset:
    """Return how far above its converged loss the compute-optimal model stops, with the draws.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`, of a law that trades parameters against tokens (or steps).
    compute : str, float or list of either
        FLOP, or a multiple of the largest run such as ``"100x"``.
    at : mapping of str, optional
        What else the law takes, by column.
    family : str, optional
        One family; by default all of them, on the dimension ``family``.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        ``gap``, L(N_opt, D_opt) over L(N_opt, D without limit), less 1, dims ``(chain, draw, point[, family])``;
        ``optimal_loss`` and ``converged_loss``, of which it is made; ``params``, N_opt; coords ``compute``,
        ``decades_beyond``.

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, its law has no optimal split, or more tokens can raise its loss.

    Notes
    -----
    By Kaplan et al. 2020 (eq. 1.6) it is alpha_N / alpha_S, about 10%, at any compute (Appendix B).

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.answers import convergence_gap
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> bool((convergence_gap(fit, "10x", family="english")["gap"] > 0).all())
    True
    """
    view = Posterior.quoted(fit, family, allow_unconverged)
    split = optimal_split(view, compute, at=at)
    inputs = {"params": split["params"].reset_coords(drop=True), **_take_others(split, at)}
    converged = unlimited_loss(view, inputs, "tokens")
    out = split[["params", "optimal_loss"]]
    out["converged_loss"] = converged.assign_attrs(units=view.loss_unit, long_name="loss with unlimited tokens")
    gap = out["optimal_loss"] / out["converged_loss"] - 1
    out["gap"] = gap.assign_attrs(units="1", long_name="how far above the converged loss")
    attrs = view.attrs("convergence_gap", "how far from convergence the optimum stops")
    return out.transpose(*DRAW_DIMS, POINT, ...).assign_attrs(attrs)


def off_optimal(
    fit: xr.DataTree | Posterior,
    compute: Any = "100x",
    factors: Iterable[float] = FACTORS,
    *,
    at: Mapping[str, Any] | None = None,
    family: str | None = None,
    allow_unconverged: bool = False,
) -> xr.Dataset:
    """Return what it costs to reach the optimal loss with a model of another size than the best, with the draws.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`, of a law that trades parameters against tokens (or steps).
    compute : str, float or list of either
        FLOP, or a multiple of the largest run such as ``"100x"``: the compute whose best loss is to be reached.
    factors : iterable of float
        Sizes as multiples of the best N.
    at : mapping of str, optional
        What else the law takes, by column.
    family : str, optional
        One family; by default all of them, on the dimension ``family``.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        ``extra_compute``, the compute that it takes over the optimal one, less 1, dims
        ``(chain, draw, point, factor[, family])``; ``tokens_ratio``, its tokens over the optimal ones, which at one
        batch size are its steps; both infinite where a model of that size never reaches the loss. ``reachable``, the
        share of draws in which it does; ``params``, the best N. Coords ``factor``, ``compute``, ``decades_beyond``.

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, its law has no optimal split, more tokens can raise its loss, or a factor is
        not above 0.

    Notes
    -----
    Kaplan et al. 2020 (Appendix B) give it in closed form for their law in N and steps: 0.6 to 2.2 times the best size
    takes at most 20% more compute. Here the tokens that reach the loss are solved for, on all draws at once.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.answers import off_optimal
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> off = off_optimal(fit, "10x", [0.6, 1.0, 2.2], family="english")
    >>> bool((off["extra_compute"].sel(factor=[0.6, 2.2]) > 0).all())
    True
    """
    view = Posterior.quoted(fit, family, allow_unconverged)
    sizes = _check_factors(factors)
    split = optimal_split(view, compute, at=at)
    best = split[["params", "tokens", "optimal_loss"]].reset_coords(drop=True)
    others = _take_others(split, at)
    params = best["params"] * sizes
    reached = unlimited_loss(view, {"params": params, **others}, "tokens") < best["optimal_loss"]
    tokens = _solve_for_tokens(view, best, params, reached, others)
    spent = view.cost.compute(params, tokens) / view.cost.compute(best["params"], best["tokens"]) - 1
    ratio = tokens / best["tokens"]
    out = split[["params"]]
    out["extra_compute"] = spent.where(reached, np.inf).assign_attrs(units="1", long_name="extra compute")
    out["tokens_ratio"] = ratio.where(reached, np.inf).assign_attrs(units="1", long_name="tokens over the optimal ones")
    out["reachable"] = reached.mean(DRAW_DIMS).drop_attrs().assign_attrs(long_name="share of draws that reach the loss")
    out = out.assign_coords({FACTOR: sizes}).transpose(*DRAW_DIMS, POINT, FACTOR, ...)
    return out.assign_attrs(view.attrs("off_optimal", "cost of being off the optimal size"))


def _check_factors(factors: Iterable[float]) -> xr.DataArray:
    values = np.atleast_1d(np.asarray(factors if np.isscalar(factors) else list(factors), dtype=float))
    if not (values.size and np.isfinite(values).all() and (values > 0).all()):
        raise QuestionError(f"factors: accepted: numbers above 0, multiples of the best size; got {factors!r}.")
    return xr.DataArray(values, {FACTOR: values}, dims=FACTOR)


def _take_others(split: xr.Dataset, at: Mapping[str, Any] | None) -> dict[str, xr.DataArray]:
    return {name: split[name].reset_coords(drop=True) for name in at or {}}


def _solve_for_tokens(
    view: Posterior,
    best: xr.Dataset,
    params: xr.DataArray,
    reached: xr.DataArray,
    others: Mapping[str, xr.DataArray],
) -> xr.DataArray:
    """Return the tokens with which models of those sizes reach the optimal loss; any number where no tokens do."""
    from scipy.optimize import elementwise

    law, cost, reference, theta = view.law, view.cost, view.reference, view.law_theta
    names = (*others, *theta)
    # Where no tokens reach the loss, the loss at the optimal tokens replaces it: the solver then has a root to find.
    instead = view.expect({"params": params, "tokens": best["tokens"], **others})
    wanted = best["optimal_loss"].where(reached, instead)
    given: tuple[xr.DataArray, ...] = (wanted, params, xr.ufuncs.log(best["tokens"]), *others.values(), *theta.values())
    wanted, size, start, *values = xr.broadcast(*given)

    def excess(log_d: np.ndarray, loss: np.ndarray, n: np.ndarray, *rest: np.ndarray) -> Any:
        known = dict(zip(names, rest, strict=True))
        inputs = {"params": n, "tokens": np.exp(log_d)} | {name: known[name] for name in others}
        draws = {name: known[name] for name in theta}
        return law.at(np, complete_inputs(law, inputs, cost), draws, reference) - loss

    arguments = tuple(value.values for value in (wanted, size, *values))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        bracket = elementwise.bracket_root(excess, start.values - 1.0, start.values + 1.0, args=arguments)
        found = elementwise.find_root(excess, bracket.bracket, args=arguments)
    sound = bracket.success & found.success
    if not np.all(sound):
        raise QuestionError(
            f"by the law {law.name!r} the tokens that reach the optimal loss were not found for {int((~sound).sum())} "
            f"of {sound.size} draws and sizes. Ask for sizes nearer to the best."
        )
    return start.copy(data=np.exp(found.x))
