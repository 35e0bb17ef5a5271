"""How many dimensions has the data? Sharma and Kaplan 2020: d = 4 / alpha."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayescale.errors import QuestionError
from bayescale.laws import LAWS, scale_of
from bayescale.laws.inputs import DRAW_DIMS
from bayescale.posterior import Posterior

RESOURCE = "resource"
RESOURCES = ("params", "tokens")
SMOOTH, ROUGH = 4.0, 2.0  # d times the exponent, for a network that is piecewise linear or piecewise constant
PLENTY = 1e100  # of everything but the resource in question; a product of two is still a number
SAME = 1e-6

CAVEAT = (
    "d = 4/alpha holds for cross-entropy or squared error, a smooth target, and a loss limited by the resolution of "
    "the model or the data. With a piecewise constant function it is 2/alpha; where variance limits the loss, alpha "
    "says nothing of d. For language models the theory was checked against no more than a lower bound of d."
)
NO_FLOOR = " The law has no floor: with one the same runs give a larger alpha and a smaller d."
FLOOR = " Alpha and the floor trade off: a law without a floor gives a smaller alpha and a larger d from the same runs."


def data_dimension(
    fit: xr.DataTree | Posterior,
    *,
    at: Mapping[str, Any] | None = None,
    family: str | None = None,
    allow_unconverged: bool = False,
) -> xr.Dataset:
    """Return the dimension of the data manifold that the exponents in N and in D imply, with the draws.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`.
    at : mapping of str, optional
        What else the law takes, by column, such as a batch size.
    family : str, optional
        One family; by default all of them, on the dimension ``family``.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        On the dims ``(chain, draw, resource[, family])``: ``exponent``, with which the reducible loss falls with N
        (``params``) or D (``tokens``) while all else is plentiful; ``dimension``, 4 over it; ``dimension_if_rough``, 2
        over it. ``attrs["warning"]`` holds the caveats.

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, or its law has no one exponent in N or in D.

    Notes
    -----
    Sharma and Kaplan 2020, arXiv 2004.10802: N parameters cut a manifold of dimension d into cells of width N**(-1/d);
    a piecewise linear function is off by the square of that, and the loss by its fourth power. Kaplan et al.'s
    alpha_N = 0.076 gives 52.6.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.answers import data_dimension
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> data_dimension(fit, family="english")["dimension"].dims
    ('chain', 'draw', 'resource')
    """
    view = Posterior.quoted(fit, family, allow_unconverged)
    law = view.law
    resources = [name for name in RESOURCES if name in law.inputs]
    if not resources or law.floor is None or law.response != "loss":
        able = ", ".join(k for k, v in LAWS.items() if v.floor is not None and not set(RESOURCES).isdisjoint(v.inputs))
        raise QuestionError(
            f"the law {law.name!r} has no exponent in N or in D from which a dimension follows. Laws with one: {able}."
        )
    exponents = [_measure_exponent(view, name, at or {}) for name in resources]
    exponent = xr.concat(exponents, xr.DataArray(resources, dims=RESOURCE, name=RESOURCE))
    exponent = exponent.transpose(*DRAW_DIMS, RESOURCE, ...)
    out = xr.Dataset(
        {
            "exponent": exponent.assign_attrs(units="1", long_name="exponent of the reducible loss"),
            "dimension": (SMOOTH / exponent).assign_attrs(units="1", long_name="dimension of the data manifold"),
            "dimension_if_rough": (ROUGH / exponent).assign_attrs(units="1", long_name="the same, piecewise constant"),
        }
    )
    warning = CAVEAT + (FLOOR if law.has_floor else NO_FLOOR)
    return out.assign_attrs(view.attrs("data_dimension", "dimension of the data manifold", warning=warning))


def _measure_exponent(view: Posterior, name: str, at: Mapping[str, Any]) -> xr.DataArray:
    """Return the slope of log reducible loss in the log of one resource, with plenty of all others."""
    law = view.law
    plenty: dict[str, Any] = {other: PLENTY for other in law.inputs if other != name and scale_of(other).relative}
    plenty |= view.single_points(at)
    floor = law.floor(view.law_theta) if law.floor is not None else 0.0
    start = view.reference[name]
    # The slope over one unit of log x, and the next: a power law has one slope.
    left, middle, right = (xr.ufuncs.log(view.expect({name: start * np.exp(k), **plenty}) - floor) for k in range(3))
    slope = left - middle
    if not bool((np.abs(middle - right - slope) < SAME).all()):
        raise QuestionError(
            f"the law {law.name!r} has no one exponent in {name}: with plenty of all else its reducible loss is not a "
            f"power of {name}."
        )
    return slope
