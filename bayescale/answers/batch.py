"""Critical batch: how time trades against compute, and what that means with so many accelerators and so many days."""

from typing import Any

import numpy as np
import xarray as xr

from bayescale.answers.given import Given, Source, given, positive
from bayescale.answers.posterior import DRAW_DIMS, POINT, seen
from bayescale.errors import QuestionError
from bayescale.laws.critical_batch import b_crit, examples_at, steps_at
from bayescale.laws.kaplan_steps import tokens_to_reach
from bayescale.numbers import human_number

LAW = "kaplan-steps"
OF_BATCH = ("B_star", "alpha_B")
OF_TIME = (*OF_BATCH, "N_c", "alpha_N", "S_c", "alpha_S")
PLENTY = 1e100
# Batches looked at unless told: from a thirtieth of the critical one to thirty times it.
SPAN, BATCHES = 32.0, 31
MOST_MUST_REACH = 0.5
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
    >>> from bayescale.answers.batch import critical_batch
    >>> kaplan = {"B_star": 2e8, "alpha_B": 0.21}
    >>> critical_batch(kaplan, [2.0, 3.0])["critical_batch"].values.round().tolist()
    [[[7371465.0, 1069114.0]]]
    """
    of = given(fit, LAW, OF_BATCH, "critical batch", family=family, allow_unconverged=allow_unconverged)
    points = of.points(loss, "loss")
    found = b_crit(points, of.paper["B_star"], of.paper["alpha_B"]).transpose(*DRAW_DIMS, POINT, ...)
    out = xr.Dataset(
        {
            "critical_batch": found.assign_attrs(units="tokens", long_name="critical batch"),
            "fall_to_double": (1 - 2 ** -of.paper["alpha_B"]).assign_attrs(
                units="1", long_name="share by which the loss must fall for the critical batch to double"
            ),
        },
        {"loss": points},
    )
    return out.assign_attrs(of.attrs, warning=_one_batch(of), **_lowest_seen(of))


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
    max_accelerators, tokens_per_accelerator : int, float or str, optional
        The limit: how many accelerators can be used at once, and how many tokens each takes a step.
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
    al. 2020, eq. 5.1): time falls with the batch and compute rises, so that every batch is on the front and the limit
    alone cuts it. However many accelerators there are, time is at least S_min steps, which is where data parallelism
    ends (Kumar et al. 2020, arXiv 2011.03641). A batch larger than the limit, in several passes a step, would take
    longer and cost more.

    Examples
    --------
    >>> from bayescale.answers.batch import time_and_compute
    >>> kaplan = dict(N_c=6.5e13, alpha_N=0.077, S_c=2.1e3, alpha_S=0.76, B_star=2e8, alpha_B=0.21)
    >>> front = time_and_compute(kaplan, 2.6, "2B", batches=["1M", "4M"], seconds_per_step=2)
    >>> (front["time"] / 3600).values.round(1).tolist()
    [[[13.2, 6.5]]]
    """
    of = given(fit, LAW, OF_TIME, "time against compute", family=family, allow_unconverged=allow_unconverged)
    target, size = of.one(loss, "loss"), of.one(params, "params")
    limit = _limit(max_accelerators, tokens_per_accelerator)
    ends = _ends(of, target, size)
    batch = of.points(_usual(ends["critical_batch"], limit) if batches is None else batches, "batch")
    batch = batch.sortby(batch)
    tokens = examples_at(ends["least_tokens"], batch, ends["critical_batch"])
    out = xr.Dataset({"steps": steps_at(ends["fewest_steps"], batch, ends["critical_batch"]), "tokens": tokens, **ends})
    out["compute"] = of.cost.compute(size, tokens)
    out["extra_compute"] = out["compute"] / out["least_compute"] - 1
    if seconds_per_step is not None:
        second = positive(seconds_per_step, "seconds_per_step")
        out = out.assign(time=out["steps"] * second, shortest_time=out["fewest_steps"] * second)
        out = out.assign_coords(seconds_per_step=second)
    largest = limit[0] * limit[1] if limit else np.inf
    out = out.assign_coords(loss=target, params=size, batch=batch, feasible=batch <= largest, largest_batch=largest)
    if limit:
        out = out.assign_coords(accelerators=np.ceil(batch / limit[1]), tokens_per_accelerator=limit[1])
    reached = ends["fewest_steps"].notnull().mean(DRAW_DIMS)
    out = out.assign_coords({"p_reached": reached} | of.beyond(out["compute"]))
    for name, (unit, meaning) in MEANINGS.items():
        if name in out:
            out[name].attrs = {"units": unit, "long_name": meaning}
    warning = " ".join(filter(None, (_one_batch(of), _not_all_reach(reached))))
    return out.transpose(*DRAW_DIMS, POINT, ...).assign_attrs(of.attrs, warning=warning)


def _limit(max_accelerators: Any, tokens_per_accelerator: Any) -> tuple[float, float] | None:
    """Return how many accelerators there are at most and the tokens of each; None where no limit is given."""
    if max_accelerators is None and tokens_per_accelerator is None:
        return None
    if max_accelerators is None or tokens_per_accelerator is None:
        raise QuestionError("a limit takes both max_accelerators and tokens_per_accelerator: their product is a batch.")
    return positive(max_accelerators, "max_accelerators"), positive(tokens_per_accelerator, "tokens_per_accelerator")


def _ends(of: Given, loss: xr.DataArray, params: xr.DataArray) -> dict[str, xr.DataArray]:
    """Return the two ends of each draw's front, and the batch at their ratio; missing where it never gets there."""
    critical = b_crit(loss, of.paper["B_star"], of.paper["alpha_B"])
    with np.errstate(invalid="ignore", divide="ignore"):
        tokens = tokens_to_reach(of.paper, params, loss)
    tokens = tokens.where(np.isfinite(tokens))
    worst = float(tokens.notnull().mean(DRAW_DIMS).min())
    if worst < MOST_MUST_REACH:
        raise QuestionError(_never(of, loss, params, worst))
    return {
        "critical_batch": critical,
        "fewest_steps": tokens / critical,
        "least_tokens": tokens,
        "least_compute": of.cost.compute(params, tokens),
    }


def _never(of: Given, loss: xr.DataArray, params: xr.DataArray, share: float) -> str:
    converged = of.expect({"params": params, "step": PLENTY, "batch": PLENTY}).median(DRAW_DIMS).max()
    return (
        f"a model of {human_number(float(params))} parameters does not reach a loss of {float(loss):g} in "
        f"{100 * (1 - share):.0f}% of the draws: it converges to {float(converged):.3g} (median). Ask for a higher "
        "loss or a larger model."
    )


def _not_all_reach(reached: xr.DataArray) -> str:
    if float(reached.min()) == 1:
        return ""
    return (
        f"In {100 * (1 - float(reached.min())):.2g}% of the draws a model of this size never gets there: they are "
        "left out of the bands, which are too good for it."
    )


def _usual(critical: xr.DataArray, limit: tuple[float, float] | None) -> np.ndarray:
    middle = float(critical.median())
    usual = np.geomspace(middle / SPAN, middle * SPAN, BATCHES)
    return np.append(usual, limit[0] * limit[1]) if limit else usual


def _one_batch(of: Given) -> str:
    """Return a warning where every run has one batch: then little but the prior says how steps depend on it."""
    low, high = seen(of.fit).get("batch", (0.0, 1.0))
    if low < high:
        return ""
    return "Every run has the same batch: the critical batch is mostly the prior's. Runs at other batches would say."


def _lowest_seen(of: Given) -> dict[str, float]:
    if "observed_data" not in of.fit.children:
        return {}
    return {"lowest_seen": float(of.fit["observed_data"].to_dataset()["loss"].min())}
