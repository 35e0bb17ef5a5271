"""The best that some tokens can give, and the best that some compute can give."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayescale.answers.posterior import (
    POINT,
    answer_attrs,
    compute_points,
    decades_beyond,
    expected_loss,
    law_of,
    loss_unit,
    same_length,
    scale_points,
    seen,
)
from bayescale.answers.split import optimal_split
from bayescale.errors import QuestionError
from bayescale.inference import require_quotable
from bayescale.laws import LAWS

# Where a law makes no number of infinity, as of infinity over infinity; to any usual power it leaves next to nothing.
PLENTY = 1e250
ON_THE_WAY = np.logspace(0, 12, 13)  # where it is looked whether the loss only falls
ROUNDING = 1e-9


def loss_of_tokens(
    fit: xr.DataTree,
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
    >>> from bayescale.answers.unlimited import loss_of_tokens
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> loss_of_tokens(fit, ["10M", "1B"], family="english")["best_loss"].dims
    ('chain', 'draw', 'point')
    """
    quotable = require_quotable(fit, allow_unconverged)
    law = law_of(fit)
    if not law.has_split and law.inputs != ("tokens",):
        raise QuestionError(
            f"the law {law.name!r} takes {', '.join(law.inputs)}: it does not say what tokens can give. Laws that do: "
            f"{_splitting()}; or one in tokens alone, such as power:tokens."
        )
    given = {"tokens": scale_points(fit, tokens, "tokens")}
    given = same_length(given | {name: scale_points(fit, value, name) for name, value in (at or {}).items()})
    loss = unlimited_loss(fit, given, "params", family) if law.has_split else expected_loss(fit, given, family)
    out = xr.Dataset({"best_loss": loss.assign_attrs(units=loss_unit(fit), long_name="best loss with these tokens")})
    if "tokens" in seen(fit):
        given["decades_beyond"] = xr.ufuncs.log10(given["tokens"] / seen(fit)["tokens"][1])
    out = out.assign_coords(given).transpose("chain", "draw", POINT, ...)
    return out.assign_attrs(answer_attrs(fit, "best loss that tokens can give", quotable), distance_in="tokens")


def loss_of_compute(
    fit: xr.DataTree,
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
    >>> from bayescale.answers.unlimited import loss_of_compute
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> loss_of_compute(fit, ["1x", "100x"], family="english")["best_loss"].dims
    ('chain', 'draw', 'point')
    """
    quotable = require_quotable(fit, allow_unconverged)
    law = law_of(fit)
    about = answer_attrs(fit, "best loss that compute can give", quotable)
    if law.has_split:
        split = optimal_split(fit, compute, at=at, family=family, allow_unconverged=allow_unconverged)
        return split[["optimal_loss", "params", "tokens"]].rename(optimal_loss="best_loss").assign_attrs(about)
    if law.inputs != ("compute",):
        raise QuestionError(
            f"the law {law.name!r} takes {', '.join(law.inputs)}: it does not say what compute can give. Laws that do: "
            f"{_splitting()}; or one in compute alone, such as power:compute."
        )
    points = compute_points(fit, compute)
    loss = expected_loss(fit, {"compute": points}, family).transpose("chain", "draw", POINT, ...)
    out = xr.Dataset({"best_loss": loss.assign_attrs(units=loss_unit(fit), long_name="best loss with this compute")})
    out = out.assign_coords(compute=points, decades_beyond=decades_beyond(fit, {"compute": points}))
    return out.assign_attrs(about)


def unlimited_loss(
    fit: xr.DataTree, inputs: Mapping[str, Any], resource: str, family: str | None = None
) -> xr.DataArray:
    """Return the expected loss with no limit on one resource, `params` or `tokens`, and all else as given by column.

    Raises
    ------
    QuestionError
        If the loss is not least there: a law may say that more of it does harm.
    """

    def loss(amount: float) -> xr.DataArray:
        return expected_loss(fit, {**inputs, resource: xr.DataArray(amount)}, family)

    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        limit = loss(np.inf)
        if bool(limit.isnull().any()):
            limit = limit.fillna(loss(PLENTY))
    known = {resource, *(("step",) if resource == "tokens" else ())}
    if known.isdisjoint(law_of(fit).falls_with):
        least = min(seen(fit).get(resource, (1e6, 1e6)))
        before = xr.concat([loss(least * more) for more in ON_THE_WAY], "on_the_way").min("on_the_way")
        if not bool((limit <= before * (1 + ROUNDING)).all()):
            raise QuestionError(
                f"by the law {law_of(fit).name!r} more {resource} can raise the loss, so what unlimited {resource} "
                "give is not the best."
            )
    return limit


def _splitting() -> str:
    return ", ".join(name for name, law in LAWS.items() if law.has_split)
