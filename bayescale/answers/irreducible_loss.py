"""How low can the loss go?"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import xarray as xr

from bayescale.answers.extrapolate import extrapolate
from bayescale.answers.summary import band_width
from bayescale.errors import QuestionError
from bayescale.inference.new_family import unseen_parameters
from bayescale.laws import LAWS, Law
from bayescale.laws.base import Quantity, Theta
from bayescale.laws.inputs import DRAW_DIMS, POINT
from bayescale.posterior import Posterior

# Below this the posterior's spread is more than half the prior's: the answer is mostly what was put in.
IDENTIFIED = 0.5
NATS_IN_A_BIT = float(np.log(2))


def irreducible_loss(
    fit: xr.DataTree | Posterior, *, family: str | None = None, allow_unconverged: bool = False
) -> xr.Dataset:
    """Return the loss with unlimited parameters and tokens, with the draws.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`.
    family : str, optional
        One family; by default all of them, on the dimension ``family``.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        ``irreducible_loss``, dims ``(chain, draw[, family])``; ``population``, the centre from which the families
        differ, and ``new_family``, that of a family not seen, under partial pooling; ``prior``, its prior draws;
        ``learned`` and ``identified``, how much of the prior's spread the runs removed and whether that is at least
        half; ``lowest_seen``, the smallest loss in the runs. ``attrs["warning"]`` says in words where the answer is not
        the data's.

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, or there is no such family.

    Examples
    --------
    >>> import bayescale as bs
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> bs.irreducible_loss(fit, family="english")["irreducible_loss"].dims
    ('chain', 'draw')
    """
    view = Posterior.quoted(fit, family, allow_unconverged)
    law, unit = view.law, view.loss_unit
    if law.floor is None:
        able = ", ".join(name for name, other in LAWS.items() if other.has_floor)
        raise QuestionError(f"the law {law.name!r} has no irreducible loss to give. Laws with one: {able}.")
    floor = law.floor(view.law_theta)
    out = xr.Dataset(
        {
            "irreducible_loss": floor.assign_attrs(units=unit, long_name="irreducible loss"),
            "lowest_seen": _find_lowest(view, "family" in floor.dims),
        },
        attrs=view.attrs("irreducible_loss", "irreducible loss", warning=""),
    )
    if not law.has_floor:
        return _mark_as_put_in(out, f"{law.title}: zero by assumption, whatever the runs say.")
    if any(f"{name}_population" in view.draws for name in law.parameter_names):
        population = law.floor(
            {name: view.draws.get(f"{name}_population", view.draws[name]) for name in law.parameter_names}
        )
        if "family" not in population.dims:
            out["population"] = population.assign_attrs(units=unit, long_name="population irreducible loss")
        with suppress(QuestionError):  # of some cards nothing can be said of another family
            unseen = law.floor(unseen_parameters(view.fit, law.parameter_names))
            out["new_family"] = unseen.assign_attrs(units=unit, long_name="irreducible loss of a family not seen")
    if "prior" not in view.fit.children:
        return out
    fixed, before = view.card.fixed, view.fit["prior"].to_dataset()
    if "E" in fixed:
        return _mark_as_put_in(out, f"the card holds E at {fixed['E']:g}: it was put in, not learned.")
    prior = law.floor({name: fixed[name] if name in fixed else before[name] for name in law.parameter_names})
    if view.family is not None and "family" in prior.dims:
        prior = prior.sel(family=view.family, drop=True)
    out["learned"] = 1 - _width_of_log(floor) / _width_of_log(prior)
    out["identified"] = out["learned"] >= IDENTIFIED
    # The prior has its own number of draws, so it keeps its own dimension.
    out["prior"] = prior.stack(prior_draw=DRAW_DIMS).reset_index("prior_draw", drop=True)
    return out.assign_attrs(warning=_warn_of_prior(out["identified"]))


def _mark_as_put_in(out: xr.Dataset, why: str) -> xr.Dataset:
    """Return the answer as one that the runs could not move."""
    nowhere = xr.zeros_like(out["irreducible_loss"].isel(chain=0, draw=0, drop=True), dtype=bool).drop_attrs()
    return out.assign(identified=nowhere, learned=nowhere * 0.0).assign_attrs(warning=why)


def _width_of_log(values: xr.DataArray) -> xr.DataArray:
    return band_width(xr.ufuncs.log(values), 0.5)


def _find_lowest(view: Posterior, by_family: bool) -> xr.DataArray:
    """Return the smallest loss in the runs, of each family where the answer has several."""
    constant, family = view.fit["constant_data"].to_dataset(), view.family
    loss = view.fit["observed_data"].to_dataset()["loss"].values
    if "family" not in constant or (family is None and not by_family):
        return xr.DataArray(loss.min())
    labels = constant["family"].values
    if family is not None:
        return xr.DataArray(loss[labels == family].min())
    names = np.unique(labels)
    return xr.DataArray([loss[labels == name].min() for name in names], {"family": names}, "family")


def _warn_of_prior(identified: xr.DataArray) -> str:
    if bool(identified.all()):
        return ""
    where = ""
    if "family" in identified.dims:
        where = " for " + ", ".join(identified["family"].values[~identified.values])
    return (
        f"The runs do not identify the irreducible loss{where}: most of the band is the prior's. Runs nearer to the "
        "floor (larger N and D together) would."
    )


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
    fit: xr.DataTree | Posterior,
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
    compute : str, float or list of either, optional
        FLOP, or a multiple of the largest run such as ``"100x"``; alone, at the recommended split as in `extrapolate`.
    params : float or list, optional
        N of the runs in question, with ``tokens`` or ``compute``.
    tokens : float or list, optional
        D of the runs in question, with ``params`` or ``compute``.
    at : mapping of str, optional
        Anything else that the law takes, by column.
    family : str, optional
        One family; by default all of them, on the dimension ``family``.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

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
    >>> from bayescale.answers import reducible_loss
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> reducible_loss(fit, "100x", family="english")["reducible_bits"].attrs["units"]
    'bits/byte'
    """
    view = Posterior.quoted(fit, family, allow_unconverged)
    required_floor(view.law)
    far, floor = extrapolate(view, compute, params=params, tokens=tokens, at=at), irreducible_loss(view)
    reducible = far["expected_loss"] - floor["irreducible_loss"]
    unit = view.loss_unit
    out = xr.Dataset(
        {
            "reducible_loss": reducible.assign_attrs(units=unit, long_name="KL divergence between data and model"),
            "reducible_bits": (reducible / NATS_IN_A_BIT).assign_attrs(units=unit.replace("nats", "bits")),
            "share": (reducible / far["expected_loss"]).assign_attrs(units="1"),
            "irreducible_loss": floor["irreducible_loss"],
        },
        attrs=far.attrs | {"asked": "reducible_loss", "question": "reducible loss", "warning": floor.attrs["warning"]},
    )
    return out.transpose(*DRAW_DIMS, POINT, ...)
