"""On the front of time against compute: the fastest way, the cheapest, and what a deadline costs."""

import re
from typing import Any

import numpy as np
import xarray as xr

from bayescale.answers.given import positive
from bayescale.answers.posterior import DRAW_DIMS, POINT
from bayescale.costs import cost_model
from bayescale.errors import QuestionError
from bayescale.laws.critical_batch import examples_at, examples_for, steps_at

SURE = 0.9
SECONDS = {"": 1.0, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(.*?)\s*(s|min|h|d)?")


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
    >>> from bayescale.answers.batch import time_and_compute
    >>> from bayescale.answers.deadline import fastest_and_cheapest
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
    >>> from bayescale.answers.batch import time_and_compute
    >>> from bayescale.answers.deadline import cost_of_deadline
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
        [_duration(entry) for entry in np.atleast_1d(np.asarray(deadline, dtype=object))], dims=POINT
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
    about = front.attrs | {"question": "cost of a deadline"}
    return out.transpose(*DRAW_DIMS, POINT, ...).assign_attrs(about)


def _duration(entry: Any) -> float:
    """Return seconds."""
    number, unit = entry, ""
    if isinstance(entry, str):
        found = _DURATION.fullmatch(entry.strip())
        number, unit = (found[1], found[2] or "") if found else (entry, "")
    try:
        return positive(number, "deadline") * SECONDS[unit]
    except QuestionError:
        raise QuestionError(f"deadline {entry!r} is not understood. Accepted: seconds, or 90min, 12h, 7d.") from None
