"""Repeats: what the k-th epoch is worth, and how often limited data are best repeated."""

from typing import Any

import numpy as np
import xarray as xr

from bayescale.answers.optimal_split import best_params
from bayescale.errors import QuestionError
from bayescale.laws.base import Quantity
from bayescale.laws.inputs import DRAW_DIMS, POINT, same_length
from bayescale.laws.repeats import effective
from bayescale.numbers import human_number, parse_positive
from bayescale.posterior import Posterior, Source

LAW, COUNT = "repeats", "epochs"
NEEDED = ("E", "A", "B", "alpha", "beta", "R_D", "R_N")
EPOCHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 40, 60, 100)
WORTHWHILE = 0.1
NO_EPOCH = 1e-9
PLENTY = 1e100  # unique tokens, so that none is repeated


def value_of_epochs(
    fit: Source,
    unique_tokens: Any,
    params: Any,
    *,
    epochs: Any = EPOCHS,
    share: float = WORTHWHILE,
    family: str | None = None,
    allow_unconverged: bool = False,
) -> xr.Dataset:
    """Return what each epoch over the same tokens is worth, and the loss that it leads to, with the draws.

    Parameters
    ----------
    fit : xarray.DataTree or mapping of str to float
        A posterior of the law `repeats`; or its ``E``, ``A``, ``B``, ``alpha``, ``beta``, ``R_D`` and ``R_N``.
    unique_tokens : float or str
        The tokens there are.
    params : float or str
        The model's size N.
    epochs : float or list
        How often they are gone through, 1 or more.
    share : float
        An epoch worth less than this share of as many fresh tokens is not worthwhile.
    family : str, optional
        One family; by default all of them, on the dimension ``family``.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        On the dims ``(chain, draw, point[, family])``: ``effective_tokens`` D' and ``fresh_epochs``, the same over the
        unique ones; ``worth`` of the last epoch, as a share of as many fresh tokens; ``expected_loss``, and
        ``loss_if_fresh``, had no token been repeated. By draw ``last_worthwhile``, the epoch after which another is
        worth less than `share`. Coords ``epochs``, ``tokens``, ``unique_tokens``, ``params``, ``share`` and
        ``decades_beyond`` the runs. ``attrs["most_epochs_seen"]`` is the most in the runs, and ``attrs["warning"]``
        says where they are silent.

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, its law knows no repeats, or the question is not understood.

    Notes
    -----
    Muennighoff et al. 2023, arXiv 2305.16264, eq. 5: ``D' = U (1 + R_D (1 - exp(-(D/U - 1) / R_D)))``. The worth of an
    epoch is counted in tokens; what it does for the loss depends on N besides.

    Examples
    --------
    >>> from bayescale.answers import value_of_epochs
    >>> published = dict(E=1.8691, A=520.8, B=1487.7, alpha=0.35266, beta=0.35266, R_D=15.387756, R_N=5.309743)
    >>> value_of_epochs(published, "25B", "7B", epochs=[1, 4, 16])["fresh_epochs"].values.round(4).tolist()
    [[[1.0, 3.7257, 10.5825]]]
    """
    question = "value of epochs"
    view = Posterior.with_parameters(fit, LAW, NEEDED, question, family, allow_unconverged)
    unique, size = view.single_point(unique_tokens, "unique_tokens"), view.single_point(params, "params")
    count = xr.DataArray(
        [_parse_epochs(entry) for entry in np.atleast_1d(np.asarray(epochs, dtype=object))], dims=POINT
    )
    tokens, R_D = unique * count, view.paper["R_D"]
    fresh = fresh_epochs(count, R_D)
    run = {"params": size, "tokens": tokens}
    unit = view.loss_unit
    out = xr.Dataset(
        {
            "effective_tokens": (unique * fresh).assign_attrs(units="tokens", long_name="effective tokens"),
            "fresh_epochs": fresh.assign_attrs(units="1", long_name="epochs of fresh tokens worth as much"),
            "worth": worth_of_epoch(count, R_D).assign_attrs(units="1", long_name="worth of the last epoch"),
            "expected_loss": view.by_law(run | {"unique_tokens": unique}).assign_attrs(units=unit),
            "loss_if_fresh": view.by_law(run | {"unique_tokens": tokens}).assign_attrs(units=unit),
            "last_worthwhile": last_worthwhile_epoch(R_D, share).assign_attrs(units="epochs"),
        },
        {COUNT: count, "tokens": tokens, "unique_tokens": unique, "params": size, "share": share},
    )
    out = out.assign_coords(view.median_beyond(view.cost.compute(size, tokens)))
    attrs = view.attrs("value_of_epochs", question, **_find_repeats(view))
    return out.transpose(*DRAW_DIMS, POINT, ...).assign_attrs(attrs)


def best_epochs(
    fit: Source,
    compute: Any,
    unique_tokens: Any,
    *,
    share: float = WORTHWHILE,
    family: str | None = None,
    allow_unconverged: bool = False,
) -> xr.Dataset:
    """Return the most useful number of epochs at each budget: N and epochs that give the lowest loss, with the draws.

    Parameters
    ----------
    fit : xarray.DataTree or mapping of str to float
        A posterior of the law `repeats`; or its ``E``, ``A``, ``B``, ``alpha``, ``beta``, ``R_D`` and ``R_N``.
    compute : str, float or list of either
        FLOP, or a multiple of the largest run such as ``"100x"``.
    unique_tokens : float, str or list
        The tokens there are: one value, or one for each budget.
    share : float
        An epoch worth less than this share of as many fresh tokens is not worthwhile.
    family : str, optional
        One family; by default all of them, on the dimension ``family``.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        On the dims ``(chain, draw, point[, family])``: ``params``, ``tokens``, ``epochs`` (below 1 where the tokens
        outlast the budget) and ``optimal_loss``; ``worth`` of the last epoch, as a share of as many fresh tokens;
        ``loss_if_fresh``, the best loss of that budget with as many unique tokens as it can use. By draw
        ``last_worthwhile``, the epoch after which another is worth less than `share`. Coords ``compute``,
        ``unique_tokens``, ``share`` and ``decades_beyond`` the runs.

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, its law knows no repeats, the question is not understood, or the budget is
        more than so many unique tokens can use.

    Examples
    --------
    >>> from bayescale.answers import best_epochs
    >>> published = dict(E=1.8691, A=520.8, B=1487.7, alpha=0.35266, beta=0.35266, R_D=15.387756, R_N=5.309743)
    >>> best_epochs(published, 1e22, "25B")["epochs"].values.round(1).tolist()
    [[[9.5]]]
    """
    question = "most useful number of epochs"
    view = Posterior.with_parameters(fit, LAW, NEEDED, question, family, allow_unconverged)
    points = same_length(
        {"compute": view.points(compute), "unique_tokens": view.points(unique_tokens, "unique_tokens")}
    )
    budget, unique = points["compute"], points["unique_tokens"]
    params, loss = _find_best(view, budget, unique)
    tokens, R_D = view.cost.tokens(params, budget), view.paper["R_D"]
    unit = view.loss_unit
    out = xr.Dataset(
        {
            "params": params.assign_attrs(units="parameters", long_name="compute-optimal N"),
            "tokens": tokens.assign_attrs(units="tokens", long_name="compute-optimal D"),
            COUNT: (tokens / unique).assign_attrs(units="epochs", long_name="most useful number of epochs"),
            "optimal_loss": loss.assign_attrs(units=unit),
            "worth": worth_of_epoch(np.maximum(tokens / unique, 1.0), R_D).assign_attrs(
                units="1", long_name="worth of the last epoch"
            ),
            "loss_if_fresh": _find_best(view, budget, xr.full_like(unique, PLENTY))[1].assign_attrs(units=unit),
            "last_worthwhile": last_worthwhile_epoch(R_D, share).assign_attrs(units="epochs"),
        },
        {"compute": budget, "unique_tokens": unique, "share": share},
    )
    out = out.assign_coords(view.median_beyond(budget))
    attrs = view.attrs("best_epochs", question, **_find_repeats(view))
    return out.transpose(*DRAW_DIMS, POINT, ...).assign_attrs(attrs)


def fresh_epochs(epochs: Quantity, R_D: Quantity) -> Quantity:
    """Return how many epochs of fresh tokens that many epochs of the same tokens are worth.

    Examples
    --------
    >>> from bayescale.answers.best_epochs import fresh_epochs
    >>> [round(float(fresh_epochs(k, 15.387756)), 2) for k in (1, 4, 16, 100)]
    [1.0, 3.73, 10.58, 16.36]
    """
    return effective(np, epochs, np.minimum(epochs, 1.0), R_D)


def worth_of_epoch(epoch: Quantity, R_D: Quantity) -> Quantity:
    """Return what the k-th epoch is worth, as a share of as many fresh tokens.

    Examples
    --------
    >>> from bayescale.answers.best_epochs import worth_of_epoch
    >>> [round(float(worth_of_epoch(k, 15.387756)), 3) for k in (1, 2, 4, 16, 40)]
    [1.0, 0.968, 0.85, 0.39, 0.082]
    """
    return fresh_epochs(epoch, R_D) - fresh_epochs(np.maximum(epoch - 1, NO_EPOCH), R_D)


def last_worthwhile_epoch(R_D: Quantity, share: float = WORTHWHILE) -> Quantity:
    """Return the epoch after which another is worth less than that share of fresh tokens.

    Each epoch after the second is worth the same part of the one before it.

    Examples
    --------
    >>> from bayescale.answers.best_epochs import last_worthwhile_epoch, worth_of_epoch
    >>> last = last_worthwhile_epoch(15.387756)
    >>> round(float(last), 2), round(float(worth_of_epoch(last, 15.387756)), 6)
    (36.93, 0.1)
    """
    second, third = (worth_of_epoch(k, R_D) for k in (2.0, 3.0))
    last = 2 + np.log(share / second) / np.log(third / second)
    return xr.where(second < share, 1.0, last)


def _find_best(view: Posterior, compute: xr.DataArray, unique: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the best N and its loss.

    A best N always exists. Where the tokens give nearly all that they can, the loss is level to the last digit and the
    solver does not find the best N.
    """
    at = {"unique_tokens": unique}
    try:
        params = best_params(view, compute, at)
    except QuestionError as error:
        raise QuestionError(
            f"no best number of epochs at {float(compute.max()):.3g} FLOP and {human_number(float(unique.min()))} "
            "unique tokens: in some draws that is more compute than so few tokens can use, and the loss levels off. "
            "Ask for less compute, or value_of_epochs at a size of your choice."
        ) from error
    return params, view.by_law({"params": params, "compute": compute, **at})


def _parse_epochs(entry: Any) -> float:
    count = parse_positive(entry, COUNT)
    if count < 1:
        raise QuestionError(f"epochs: got {entry!r}; accepted: 1 or more (below 1 nothing is repeated).")
    return count


def _find_repeats(view: Posterior) -> dict[str, Any]:
    if "constant_data" not in view.fit.children:
        return {"warning": ""}
    runs = view.runs
    most = float((runs["tokens"] / runs["unique_tokens"]).max())
    silent = "No run repeats its tokens: what repeats are worth is the prior's." if most <= 1 else ""
    return {"most_epochs_seen": most, "warning": silent}
