"""Critical batch: how time trades against compute, and what that means with so many accelerators and so many days."""

import re
from typing import Any

import numpy as np
import xarray as xr

from bayescale.costs import cost_model
from bayescale.errors import QuestionError
from bayescale.laws.critical_batch import b_crit, examples_at, examples_for, steps_at
from bayescale.laws.inputs import DRAW_DIMS, POINT
from bayescale.laws.kaplan_steps import tokens_to_reach
from bayescale.numbers import human_number, parse_positive
from bayescale.posterior import Posterior, Source

LAW = "kaplan-steps"
OF_BATCH = ("B_star", "alpha_B")
OF_TIME = (*OF_BATCH, "N_c", "alpha_N", "S_c", "alpha_S")
PLENTY = 1e100
# The default batches: from 1/32 of the critical batch to 32 times the critical batch.
SPAN, BATCHES = 32.0, 31
MOST_MUST_REACH = 0.5
SURE = 0.9
SECONDS = {"": 1.0, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(.*?)\s*(s|min|h|d)?")
MEANINGS = {
    "steps": ("steps", "steps to the loss"),
    "tokens": ("tokens", "tokens to the loss"),
    "compute": ("FLOP", "training compute to the loss"),
    "extra_compute": ("1", "compute beyond the least, as a share of it"),
    "time": ("s", "time to the loss"),
    "critical_batch": ("tokens", "critical batch at the loss"),
    "fewest_steps": ("steps", "steps at an unlimited batch"),
    "least_tokens": ("tokens", "tokens at a batch of next to nothing"),
    "least_compute": ("FLOP", "compute at a batch of next to nothing"),
    "shortest_time": ("s", "time at an unlimited batch"),
}


def critical_batch(fit: Source, loss: Any, *, family: str | None = None, allow_unconverged: bool = False) -> xr.Dataset:
    """Return the batch beyond which a larger one saves few steps, at each loss, with the draws.

    Parameters
    ----------
    fit : xarray.DataTree or mapping of str to float
        A posterior of a law with a critical batch, such as `kaplan-steps`; or ``B_star`` (tokens) and ``alpha_B``.
    loss : float or list
        The losses at which training is looked at.
    family : str, optional
        One family; by default all of them, on the dimension ``family``.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        ``critical_batch`` in tokens, dims ``(chain, draw, point[, family])``; ``fall_to_double``, the share by which
        the loss must fall for it to double; coord ``loss``. ``attrs["lowest_seen"]`` is the smallest loss in the runs,
        and ``attrs["warning"]`` says where the runs are silent.

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, its law has no critical batch, or a loss is not a number above 0.

    Notes
    -----
    ``B_crit = B_star / L**(1/alpha_B)`` (Kaplan et al. 2020, eq. 1.4). A run at the critical batch takes twice the
    fewest steps and twice the fewest tokens; it doubles when the loss falls by ``1 - 2**-alpha_B``, 13.5% by their
    constants.

    Examples
    --------
    >>> from bayescale.answers import critical_batch
    >>> kaplan = {"B_star": 2e8, "alpha_B": 0.21}
    >>> critical_batch(kaplan, [2.0, 3.0])["critical_batch"].values.round().tolist()
    [[[7371465.0, 1069114.0]]]
    """
    question = "critical batch"
    view = Posterior.with_parameters(fit, LAW, OF_BATCH, question, family, allow_unconverged)
    points = view.points(loss, "loss")
    found = b_crit(points, view.paper["B_star"], view.paper["alpha_B"]).transpose(*DRAW_DIMS, POINT, ...)
    out = xr.Dataset(
        {
            "critical_batch": found.assign_attrs(units="tokens", long_name="critical batch"),
            "fall_to_double": (1 - 2 ** -view.paper["alpha_B"]).assign_attrs(
                units="1", long_name="share by which the loss must fall for the critical batch to double"
            ),
        },
        {"loss": points},
    )
    attrs = view.attrs("critical_batch", question, warning=_warn_of_one_batch(view))
    if "observed_data" in view.fit.children:
        attrs["lowest_seen"] = float(view.runs["loss"].min())
    return out.assign_attrs(attrs)


def time_and_compute(
    fit: Source,
    loss: float,
    params: Any,
    *,
    batches: Any = None,
    seconds_per_step: Any = None,
    max_accelerators: int | None = None,
    tokens_per_accelerator: Any = None,
    family: str | None = None,
    allow_unconverged: bool = False,
) -> xr.Dataset:
    """Return what it takes to bring a model to a loss at each batch: the front of time against compute, with the draws.

    Parameters
    ----------
    fit : xarray.DataTree or mapping of str to float
        A posterior of the law `kaplan-steps`; or its ``N_c``, ``alpha_N``, ``S_c``, ``alpha_S``, ``B_star`` and
        ``alpha_B``.
    loss : float
        The loss to reach.
    params : float or str
        The model's size N.
    batches : float or list, optional
        Tokens a step; by default from 1/32 of the critical batch to 32 times it, and the largest that the limit allows.
    seconds_per_step : float or str, optional
        How long a step takes, whatever the batch: more accelerators work side by side. Without it time is in steps.
    max_accelerators : int, float or str, optional
        The limit: how many accelerators can be used at once.
    tokens_per_accelerator : int, float or str, optional
        How many tokens each accelerator takes a step.
    family : str, optional
        One family; by default all of them, on the dimension ``family``.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        On the dims ``(chain, draw, point[, family])``: ``steps``, ``tokens``, ``compute``, ``extra_compute`` (beyond
        the least, as a share of it) and, where a step's length is known, ``time`` in seconds. By draw:
        ``critical_batch``, ``fewest_steps``, ``least_tokens``, ``least_compute`` and ``shortest_time``, which no batch
        beats. Coords ``batch``, in order; ``feasible`` within the limit, ``largest_batch`` that it allows, and
        ``accelerators``; ``p_reached``, the share of draws in which a model of this size gets there at all (the others
        are missing); and ``decades_beyond`` the runs.

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, its law has no critical batch, the question is not understood, or most draws
        say that a model of this size does not reach that loss.

    Notes
    -----
    With x = B / B_crit, steps are ``S_min (1 + 1/x)`` and tokens ``E_min (1 + x)`` (McCandlish et al. 2018; Kaplan et
    al. 2020, eq. 5.1): time falls with the batch and compute rises. Every batch is therefore on the front, and only
    the limit cuts it. However many accelerators there are, time is at least S_min steps, where data parallelism ends
    (Kumar et al. 2020, arXiv 2011.03641). A batch larger than the limit, in several passes a step, would take
    longer and cost more.

    Examples
    --------
    >>> from bayescale.answers import time_and_compute
    >>> kaplan = dict(N_c=6.5e13, alpha_N=0.077, S_c=2.1e3, alpha_S=0.76, B_star=2e8, alpha_B=0.21)
    >>> front = time_and_compute(kaplan, 2.6, "2B", batches=["1M", "4M"], seconds_per_step=2)
    >>> (front["time"] / 3600).values.round(1).tolist()
    [[[13.2, 6.5]]]
    """
    question = "time against compute"
    view = Posterior.with_parameters(fit, LAW, OF_TIME, question, family, allow_unconverged)
    target, size = view.single_point(loss, "loss"), view.single_point(params, "params")
    limit = _check_limit(max_accelerators, tokens_per_accelerator)
    ends = _find_ends(view, target, size)
    batch = view.points(_choose_batches(ends["critical_batch"], limit) if batches is None else batches, "batch")
    batch = batch.sortby(batch)
    tokens = examples_at(ends["least_tokens"], batch, ends["critical_batch"])
    out = xr.Dataset({"steps": steps_at(ends["fewest_steps"], batch, ends["critical_batch"]), "tokens": tokens, **ends})
    out["compute"] = view.cost.compute(size, tokens)
    out["extra_compute"] = out["compute"] / out["least_compute"] - 1
    if seconds_per_step is not None:
        second = parse_positive(seconds_per_step, "seconds_per_step")
        out = out.assign(time=out["steps"] * second, shortest_time=out["fewest_steps"] * second)
        out = out.assign_coords(seconds_per_step=second)
    largest = limit[0] * limit[1] if limit else np.inf
    out = out.assign_coords(loss=target, params=size, batch=batch, feasible=batch <= largest, largest_batch=largest)
    if limit:
        out = out.assign_coords(accelerators=np.ceil(batch / limit[1]), tokens_per_accelerator=limit[1])
    reached = ends["fewest_steps"].notnull().mean(DRAW_DIMS)
    out = out.assign_coords({"p_reached": reached} | view.median_beyond(out["compute"]))
    for name, (unit, meaning) in MEANINGS.items():
        if name in out:
            out[name].attrs = {"units": unit, "long_name": meaning}
    warning = " ".join(filter(None, (_warn_of_one_batch(view), _warn_of_unreached(reached))))
    attrs = view.attrs("time_and_compute", question, warning=warning)
    return out.transpose(*DRAW_DIMS, POINT, ...).assign_attrs(attrs)


def fastest_and_cheapest(front: xr.Dataset) -> xr.Dataset:
    """Return the two ends of the front that the limit allows: the largest batch and the smallest of those looked at.

    Parameters
    ----------
    front : xarray.Dataset
        What `time_and_compute` returned.

    Returns
    -------
    xarray.Dataset
        The front at two points, with the coord ``choice``: ``fastest`` and ``cheapest``.

    Raises
    ------
    QuestionError
        If the limit allows none of the batches.

    Examples
    --------
    >>> from bayescale.answers import time_and_compute
    >>> from bayescale.answers import fastest_and_cheapest
    >>> kaplan = dict(N_c=6.5e13, alpha_N=0.077, S_c=2.1e3, alpha_S=0.76, B_star=2e8, alpha_B=0.21)
    >>> front = time_and_compute(kaplan, 2.6, "2B", max_accelerators=256, tokens_per_accelerator=8192)
    >>> best = fastest_and_cheapest(front).set_xindex("choice")
    >>> float(best["batch"].sel(choice="fastest"))
    2097152.0
    """
    allowed = np.flatnonzero(front["feasible"].values)
    if not allowed.size:
        raise QuestionError(
            f"the limit allows no batch beyond {float(front['largest_batch']):.3g} tokens, and the smallest looked at "
            f"is {float(front['batch'].min()):.3g}: give smaller batches, or more accelerators."
        )
    # The batches are in order: time falls with the batch in every draw, and compute rises.
    ends = front.isel({POINT: [allowed[-1], allowed[0]]})
    return ends.assign_coords(choice=(POINT, ["fastest", "cheapest"]))


def cost_of_deadline(front: xr.Dataset, deadline: Any, *, sure: float = SURE) -> xr.Dataset:
    """Return the smallest batch that is sure enough to be in time, and what it costs, with the draws.

    Parameters
    ----------
    front : xarray.Dataset
        What `time_and_compute` returned, with ``seconds_per_step``.
    deadline : float, str or list
        Seconds, or ``"90min"``, ``"12h"``, ``"7d"``.
    sure : float
        The probability with which the run shall be in time.

    Returns
    -------
    xarray.Dataset
        On the dims ``(chain, draw, point[, family])``: ``needed_batch``, the batch with which a draw is exactly in time
        (missing where none is); ``time``, ``compute`` and ``extra_compute`` (beyond the least, as a share of it) at the
        recommended batch. Coords ``deadline`` (s); ``batch``, the recommended one, the smallest that is in time with
        probability ``sure``, missing where the limit or the law allows none; ``p_possible``, the probability that the
        largest batch is in time; and ``accelerators`` where there is a limit.

    Raises
    ------
    QuestionError
        If the front has no time, or a deadline is not understood.

    Examples
    --------
    >>> from bayescale.answers import time_and_compute
    >>> from bayescale.answers import cost_of_deadline
    >>> kaplan = dict(N_c=6.5e13, alpha_N=0.077, S_c=2.1e3, alpha_S=0.76, B_star=2e8, alpha_B=0.21)
    >>> front = time_and_compute(kaplan, 2.6, "2B", seconds_per_step=2)
    >>> cost_of_deadline(front, ["1d", "6h", "2h"])["extra_compute"].values.round(2).tolist()
    [[[0.22, 2.42, nan]]]
    """
    if "time" not in front:
        raise QuestionError("a deadline needs the length of a step: ask time_and_compute with seconds_per_step.")
    if not 0 < sure < 1:
        raise QuestionError(f"sure: got {sure!r}; accepted: a probability between 0 and 1.")
    seconds = xr.DataArray(
        [_parse_duration(entry) for entry in np.atleast_1d(np.asarray(deadline, dtype=object))], dims=POINT
    )
    step, largest, critical = front["seconds_per_step"], front["largest_batch"], front["critical_batch"]
    allowed = (seconds / step).where(seconds > front["shortest_time"])
    needed = examples_for(allowed, front["fewest_steps"], front["least_tokens"]) / allowed
    batch = needed.fillna(np.inf).quantile(sure, DRAW_DIMS, method="higher").drop_vars("quantile")
    batch = batch.where(np.isfinite(batch) & (batch <= largest))
    tokens = examples_at(front["least_tokens"], batch, critical)
    compute = cost_model(front.attrs["cost"]).compute(front["params"], tokens)
    out = xr.Dataset(
        {
            "needed_batch": needed.assign_attrs(units="tokens", long_name="batch that is exactly in time"),
            "time": (steps_at(front["fewest_steps"], batch, critical) * step).assign_attrs(units="s"),
            "compute": compute.assign_attrs(units="FLOP"),
            "extra_compute": (compute / front["least_compute"] - 1).assign_attrs(units="1"),
        }
    )
    out = out.drop_vars([name for name in out.coords if POINT in out[name].dims])
    out = out.assign_coords(deadline=seconds, batch=batch, p_possible=(needed <= largest).mean(DRAW_DIMS), sure=sure)
    if "tokens_per_accelerator" in front.coords:
        out = out.assign_coords(accelerators=np.ceil(batch / front["tokens_per_accelerator"]))
    about = front.attrs | {"asked": "cost_of_deadline", "question": "cost of a deadline"}
    return out.transpose(*DRAW_DIMS, POINT, ...).assign_attrs(about)


def _check_limit(max_accelerators: Any, tokens_per_accelerator: Any) -> tuple[float, float] | None:
    """Return the largest number of accelerators and the tokens that each takes; None where no limit is given."""
    if max_accelerators is None and tokens_per_accelerator is None:
        return None
    if max_accelerators is None or tokens_per_accelerator is None:
        raise QuestionError("a limit takes both max_accelerators and tokens_per_accelerator: their product is a batch.")
    return parse_positive(max_accelerators, "max_accelerators"), parse_positive(
        tokens_per_accelerator, "tokens_per_accelerator"
    )


def _find_ends(view: Posterior, loss: xr.DataArray, params: xr.DataArray) -> dict[str, xr.DataArray]:
    """Return both ends of each draw's front and the critical batch; NaN where the model never reaches the loss."""
    critical = b_crit(loss, view.paper["B_star"], view.paper["alpha_B"])
    with np.errstate(invalid="ignore", divide="ignore"):
        tokens = tokens_to_reach(view.paper, params, loss)
    tokens = tokens.where(np.isfinite(tokens))
    worst = float(tokens.notnull().mean(DRAW_DIMS).min())
    if worst < MOST_MUST_REACH:
        raise QuestionError(_describe_unreached(view, loss, params, worst))
    return {
        "critical_batch": critical,
        "fewest_steps": tokens / critical,
        "least_tokens": tokens,
        "least_compute": view.cost.compute(params, tokens),
    }


def _describe_unreached(view: Posterior, loss: xr.DataArray, params: xr.DataArray, share: float) -> str:
    converged = view.by_law({"params": params, "step": PLENTY, "batch": PLENTY}).median(DRAW_DIMS).max()
    return (
        f"a model of {human_number(float(params))} parameters does not reach a loss of {float(loss):g} in "
        f"{100 * (1 - share):.0f}% of the draws: it converges to {float(converged):.3g} (median). Ask for a higher "
        "loss or a larger model."
    )


def _warn_of_unreached(reached: xr.DataArray) -> str:
    if float(reached.min()) == 1:
        return ""
    return (
        f"In {100 * (1 - float(reached.min())):.2g}% of the draws a model of this size never gets there: they are "
        "left out of the bands, which are too good for it."
    )


def _choose_batches(critical: xr.DataArray, limit: tuple[float, float] | None) -> np.ndarray:
    middle = float(critical.median())
    usual = np.geomspace(middle / SPAN, middle * SPAN, BATCHES)
    return np.append(usual, limit[0] * limit[1]) if limit else usual


def _warn_of_one_batch(view: Posterior) -> str:
    """Return a warning where all runs have one batch: how steps depend on the batch is then mostly the prior's."""
    low, high = view.seen.get("batch", (0.0, 1.0))
    if low < high:
        return ""
    return "Every run has the same batch: the critical batch is mostly the prior's. Runs at other batches would say."


def _parse_duration(entry: Any) -> float:
    """Return seconds."""
    number, unit = entry, ""
    if isinstance(entry, str):
        found = _DURATION.fullmatch(entry.strip())
        number, unit = (found[1], found[2] or "") if found else (entry, "")
    try:
        return parse_positive(number, "deadline") * SECONDS[unit]
    except QuestionError:
        raise QuestionError(f"deadline {entry!r} is not understood. Accepted: seconds, or 90min, 12h, 7d.") from None
