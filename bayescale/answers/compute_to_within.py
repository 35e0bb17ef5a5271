"""When does the loss come within eps of the irreducible one? Compute, and the years until somebody spends it."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayescale.answers.irreducible_loss import irreducible_loss, required_floor
from bayescale.answers.optimal_split import best_params, optimal_params
from bayescale.errors import QuestionError
from bayescale.laws.inputs import DRAW_DIMS, complete_inputs
from bayescale.numbers import parse_compute
from bayescale.papers.tables import published_table
from bayescale.posterior import Posterior

EPS = (0.1, 0.05, 0.02, 0.01)
GROWTH = (4.0, 4.5, 5.0)
START = 5e25
STOCK = "stock of public text"
DECADES = 40.0  # from the reference run: nobody spends as much, and beyond it the terms drown in rounding


def compute_to_within(
    fit: xr.DataTree | Posterior,
    eps: float | Iterable[float] = EPS,
    *,
    start: Any = START,
    growth: float | Iterable[float] = GROWTH,
    at: Mapping[str, Any] | None = None,
    family: str | None = None,
    allow_unconverged: bool = False,
) -> xr.Dataset:
    """Return the compute at which the loss on the compute-optimal frontier is within eps of the irreducible loss.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`, of a law with a floor.
    eps : float or iterable of float
        Reducible loss, in the runs' unit.
    start : str or float
        The largest compute spent today: FLOP, or a multiple of the largest run such as ``"1x"``. By default 5e25, of
        the order of the largest trainings of 2024 (Llama 3 405B took 3.8e25).
    growth : float or iterable of float
        Factors by which the largest compute grows a year; 4 to 5 by Epoch AI (2024).
    at : mapping of str, optional
        What else the law takes, by column.
    family : str, optional
        One family; by default all of them, on the dimension ``family``.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        ``compute``, dims ``(chain, draw, eps[, family])``; where the law splits a budget also ``params`` and ``tokens``
        of the run that gets there and, where the loss is per token, ``share_of_stock``, its tokens over the published
        stock of public text (3e14); ``years`` with the dimension ``growth`` besides, negative where it is behind us;
        ``decades_beyond`` the runs. ``attrs["warning"]`` says where the floor is not the data's.

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, the law has no floor that the runs can move, or the loss never comes so
        near.

    Notes
    -----
    With Hoffmann's law and C = 6ND the reducible loss on the frontier is ``K (C/6)**-(alpha beta / (alpha + beta))``,
    K = A G**-alpha (1 + alpha/beta). Here the frontier is solved for C draw by draw, whatever the law and the cost.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.answers import compute_to_within
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> compute_to_within(fit, [0.1, 0.05], family="english")["years"].dims
    ('chain', 'draw', 'eps', 'growth')
    """
    view = Posterior.quoted(fit, family, allow_unconverged)
    law, cost = view.law, view.cost
    required_floor(law)
    wanted = _check_above(eps, "eps", 0.0)
    rates = _check_above(growth, "growth", 1.0)
    others = view.single_points(at)
    compute = _solve_for_compute(view, wanted, others)
    first = parse_compute(start, view.seen.get("compute", (None, None))[1])
    out = xr.Dataset({"compute": compute.assign_attrs(units="FLOP", long_name="compute to come within eps")})
    if law.has_split:
        params = best_params(view, compute, others)
        tokens = cost.tokens(params, compute)
        out["params"] = params.assign_attrs(units="parameters", long_name="compute-optimal N")
        out["tokens"] = tokens.assign_attrs(units="tokens", long_name="compute-optimal D")
        if view.loss_unit.endswith("token"):
            share = tokens / _read_stock()
            out["share_of_stock"] = share.assign_attrs(units="1", long_name=f"share of the {STOCK}")
    years = xr.ufuncs.log(compute / first) / xr.ufuncs.log(rates)
    out["years"] = years.assign_attrs(units="years", long_name=f"years from {first:.3g} FLOP")
    if "compute" in view.seen:
        out["decades_beyond"] = view.decades_beyond({"compute": compute})
    out.attrs = view.attrs(
        "compute_to_within",
        "compute to come within eps of the irreducible loss",
        start=first,
        warning=irreducible_loss(view).attrs["warning"],
    )
    return out.transpose(*DRAW_DIMS, "eps", ...)


def _check_above(values: float | Iterable[float], name: str, limit: float) -> xr.DataArray:
    numbers = np.atleast_1d(np.asarray(values, dtype=float)).ravel()
    if not (np.isfinite(numbers).all() and (numbers > limit).all()):
        raise QuestionError(f"{name}: accepted: numbers above {limit:g}; got {values!r}.")
    return xr.DataArray(numbers, {name: numbers}, dims=name)


def _solve_for_compute(view: Posterior, eps: xr.DataArray, others: Mapping[str, xr.DataArray]) -> xr.DataArray:
    """Return the compute of every draw at which the reducible loss on the frontier is eps."""
    from scipy.optimize import elementwise

    law, cost, reference, theta, floor = view.law, view.cost, view.reference, view.law_theta, required_floor(view.law)
    wanted, *values = xr.broadcast(eps, *theta.values())
    known: dict[str, Any] = {name: float(value) for name, value in others.items()}

    def measure_excess(log_c: np.ndarray, log_eps: np.ndarray, *rest: np.ndarray) -> np.ndarray:
        draws = dict(zip(theta, rest, strict=True))
        inputs = {"compute": np.exp(log_c), **known}
        if law.has_split:
            inputs["params"] = np.asarray(optimal_params(law, draws, inputs["compute"], cost, reference, known))
        loss = law.at(np, complete_inputs(law, inputs, cost), draws, reference)
        return np.log(loss - floor(draws)) - log_eps

    if "compute" in reference:
        middle = reference["compute"]
    else:
        middle = cost.compute(reference.get("params", 1e9), reference.get("tokens", 2e10))
    arguments = (np.log(wanted.values), *(value.values for value in values))
    start, reach = np.full(wanted.shape, np.log(middle)), DECADES * np.log(10.0)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        bracket = elementwise.bracket_root(
            measure_excess, start, start + 10.0, xmin=start - reach, xmax=start + reach, args=arguments
        )
        found = elementwise.find_root(measure_excess, bracket.bracket, args=arguments)
    sound = bracket.success & found.success
    if not np.all(sound):
        raise QuestionError(
            f"by the law {law.name!r} no compute within {DECADES:g} decades of the runs brings the loss within "
            f"{float(wanted.values[~sound].min()):g} of the irreducible loss in {int((~sound).sum())} of {sound.size} "
            "draws. Ask for a larger eps."
        )
    return wanted.copy(data=np.exp(found.x)).drop_attrs()


def _read_stock() -> float:
    trends = published_table("trends")
    return float(trends["value"][trends["trend"] == STOCK].item())
