"""How far is the model from the data? The reducible loss as a KL divergence."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayescale.answers.extrapolate import extrapolate
from bayescale.answers.irreducible import irreducible_loss
from bayescale.answers.posterior import DRAW_DIMS, POINT, law_of
from bayescale.errors import QuestionError
from bayescale.laws import LAWS, Law
from bayescale.laws.base import Quantity, Theta

NATS_IN_A_BIT = float(np.log(2))


def required_floor(law: Law) -> Callable[[Theta], Quantity]:
    """Return a law's irreducible loss as a function of its parameters; refuse a law in which runs cannot move it.

    Raises
    ------
    QuestionError
        The message lists the laws that have one.
    """
    if law.floor is not None and law.has_floor and law.response == "loss":
        return law.floor
    able = ", ".join(name for name, other in LAWS.items() if other.has_floor and other.response == "loss")
    raise QuestionError(
        f"the law {law.name!r} has no irreducible loss that runs can tell, so nothing says how much of its loss is "
        f"reducible. Laws with one: {able}."
    )


def reducible_loss(
    fit: xr.DataTree,
    compute: Any = None,
    *,
    params: Any = None,
    tokens: Any = None,
    at: Mapping[str, Any] | None = None,
    family: str | None = None,
    allow_unconverged: bool = False,
) -> xr.Dataset:
    """Return the loss above the irreducible one, the KL divergence between data and model, with the draws.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`, of a law with a floor.
    compute, params, tokens, at, family, allow_unconverged
        Where, as in `extrapolate`.

    Returns
    -------
    xarray.Dataset
        ``reducible_loss`` in the runs' unit, ``reducible_bits`` the same in bits, ``share`` of the loss that is
        reducible, ``irreducible_loss``; dims ``(chain, draw, point[, family])``, coords as in `extrapolate`.
        ``attrs["warning"]`` says where the floor, and so the answer, is not the data's.

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, the law has no floor that the runs can move, or the place is not understood.

    Notes
    -----
    A cross-entropy is the entropy of the data plus the KL divergence from data to model (Henighan et al. 2020, arXiv
    2010.14701). The fitted floor is that entropy only as far as larger models of this kind would reach it; what no such
    model learns counts as irreducible here.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.answers.reducible import reducible_loss
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> reducible_loss(fit, "100x", family="english")["reducible_bits"].attrs["units"]
    'bits/byte'
    """
    required_floor(law_of(fit))
    far = extrapolate(
        fit,
        compute,
        params=params,
        tokens=tokens,
        at=at,
        family=family,
        allow_unconverged=allow_unconverged,
    )
    floor = irreducible_loss(fit, family=family, allow_unconverged=allow_unconverged)
    reducible = far["expected_loss"] - floor["irreducible_loss"]
    unit = far.attrs["loss_unit"]
    out = xr.Dataset(
        {
            "reducible_loss": reducible.assign_attrs(units=unit, long_name="KL divergence between data and model"),
            "reducible_bits": (reducible / NATS_IN_A_BIT).assign_attrs(units=unit.replace("nats", "bits")),
            "share": (reducible / far["expected_loss"]).assign_attrs(units="1"),
            "irreducible_loss": floor["irreducible_loss"],
        }
    )
    ordered = out.transpose(*DRAW_DIMS, POINT, ...)
    return ordered.assign_attrs(far.attrs, question="reducible loss", warning=floor.attrs["warning"])
