"""The best that some tokens can give, and the best that some compute can give."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayescale.answers.optimal_split import optimal_split
from bayescale.errors import QuestionError
from bayescale.laws import LAWS
from bayescale.laws.inputs import DRAW_DIMS, POINT, same_length
from bayescale.posterior import Posterior

# Stands for infinity where a law gives NaN at infinity. Its usual negative powers are next to nothing.
PLENTY = 1e250
ON_THE_WAY = np.logspace(0, 12, 13)  # multiples of the least amount seen between which the loss may only fall
ROUNDING = 1e-9


def loss_of_tokens(
    fit: xr.DataTree | Posterior,
    tokens: Any,
    *,
    at: Mapping[str, Any] | None = None,
    family: str | None = None,
    allow_unconverged: bool = False,
) -> xr.Dataset:
    """Return L(D), the best loss that D tokens can give with unlimited compute, with the draws.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`: of a law in N and D, or of one in tokens alone (``"power:tokens"``).
    tokens : str, float or list of either
        D: tokens, or a multiple of the most in the runs such as ``"10x"``.
    at : mapping of str, optional
        What else the law takes, by column, such as a batch size.
    family : str, optional
        One family; by default all of them, on the dimension ``family``.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        ``best_loss``, dims ``(chain, draw, point[, family])``; coords ``tokens`` and ``decades_beyond`` (of tokens).

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, its law does not take tokens, or more parameters can raise its loss.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.answers import loss_of_tokens
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> loss_of_tokens(fit, ["10M", "1B"], family="english")["best_loss"].dims
    ('chain', 'draw', 'point')
    """
    view = Posterior.quoted(fit, family, allow_unconverged)
    law = view.law
    if not law.has_split and law.inputs != ("tokens",):
        raise QuestionError(
            f"the law {law.name!r} takes {', '.join(law.inputs)}: it does not say what tokens can give. Laws that do: "
            f"{_name_splitting_laws()}; or one in tokens alone, such as power:tokens."
        )
    given = same_length({name: view.points(value, name) for name, value in {"tokens": tokens, **(at or {})}.items()})
    loss = unlimited_loss(view, given, "params") if law.has_split else view.expect(given)
    out = xr.Dataset({"best_loss": loss.assign_attrs(units=view.loss_unit, long_name="best loss with these tokens")})
    if "tokens" in view.seen:
        given["decades_beyond"] = xr.ufuncs.log10(given["tokens"] / view.seen["tokens"][1])
    out = out.assign_coords(given).transpose(*DRAW_DIMS, POINT, ...)
    return out.assign_attrs(view.attrs("loss_of_tokens", "best loss that tokens can give", distance_in="tokens"))


def loss_of_compute(
    fit: xr.DataTree | Posterior,
    compute: Any = "100x",
    *,
    at: Mapping[str, Any] | None = None,
    family: str | None = None,
    allow_unconverged: bool = False,
) -> xr.Dataset:
    """Return L(C), the best loss that compute C can give, with the draws.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`: of a law in N and D, whose best is at the compute-optimal split of each draw, or of one
        in compute alone (``"power:compute"``), fitted to runs on the frontier.
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
        ``best_loss``, dims ``(chain, draw, point[, family])``; from a law in N and D also ``params`` and ``tokens``;
        coords ``compute`` and ``decades_beyond``.

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, its law says nothing of compute, or the question is not understood.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.answers import loss_of_compute
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> loss_of_compute(fit, ["1x", "100x"], family="english")["best_loss"].dims
    ('chain', 'draw', 'point')
    """
    view = Posterior.quoted(fit, family, allow_unconverged)
    law = view.law
    attrs = view.attrs("loss_of_compute", "best loss that compute can give")
    if law.has_split:
        split = optimal_split(view, compute, at=at)
        return split[["optimal_loss", "params", "tokens"]].rename(optimal_loss="best_loss").assign_attrs(attrs)
    if law.inputs != ("compute",):
        raise QuestionError(
            f"the law {law.name!r} takes {', '.join(law.inputs)}: it does not say what compute can give. Laws that do: "
            f"{_name_splitting_laws()}; or one in compute alone, such as power:compute."
        )
    points = view.points(compute)
    loss = view.expect({"compute": points}).transpose(*DRAW_DIMS, POINT, ...)
    out = xr.Dataset({"best_loss": loss.assign_attrs(units=view.loss_unit, long_name="best loss with this compute")})
    out = out.assign_coords(compute=points, decades_beyond=view.decades_beyond({"compute": points}))
    return out.assign_attrs(attrs)


def unlimited_loss(view: Posterior, inputs: Mapping[str, Any], resource: str) -> xr.DataArray:
    """Return the expected loss with no limit on one resource, `params` or `tokens`, and all else as given by column.

    Raises
    ------
    QuestionError
        If the loss is not least there: a law may say that more of the resource does harm.
    """

    def expect_with(amount: float) -> xr.DataArray:
        return view.expect({**inputs, resource: xr.DataArray(amount)})

    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        limit = expect_with(np.inf)
        if bool(limit.isnull().any()):
            limit = limit.fillna(expect_with(PLENTY))
    known = {resource, *(("step",) if resource == "tokens" else ())}
    if known.isdisjoint(view.law.falls_with):
        least = min(view.seen.get(resource, (1e6, 1e6)))
        before = xr.concat([expect_with(least * more) for more in ON_THE_WAY], "on_the_way").min("on_the_way")
        if not bool((limit <= before * (1 + ROUNDING)).all()):
            raise QuestionError(
                f"by the law {view.law.name!r} more {resource} can raise the loss, so what unlimited {resource} "
                "give is not the best."
            )
    return limit


def _name_splitting_laws() -> str:
    return ", ".join(name for name, law in LAWS.items() if law.has_split)
