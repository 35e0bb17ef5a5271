"""A law's parameters from a posterior, or as constants that a paper prints: the same questions are asked of both."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from bayescale.answers.posterior import (
    DRAW_DIMS,
    answer_attrs,
    complete_inputs,
    cost_of,
    is_multiple,
    law_of,
    law_theta,
    reference_of,
    scale_points,
    seen,
)
from bayescale.costs import SIX_ND, CostModel
from bayescale.errors import QuestionError
from bayescale.inference import require_quotable
from bayescale.laws import LAWS, SCALES, Law, get_law, scale_of
from bayescale.numbers import parse_number

Source = xr.DataTree | Mapping[str, Any]
CONSTANTS = "given constants"


class Given(NamedTuple):
    """A law, the paper's coefficients and all that was sampled, and what ties N, D and C together.

    Attributes
    ----------
    law : Law
        The law.
    paper : dict
        Every parameter by the name that the paper gives it, dims ``(chain, draw[, family])``.
    reference : dict
        The reference run, by column; ones for given constants.
    cost : CostModel
        Ties N, D and C.
    fit : xarray.DataTree
        The posterior; empty for given constants.
    attrs : dict
        What the answer carries.
    """

    law: Law
    paper: dict[str, xr.DataArray]
    reference: dict[str, float]
    cost: CostModel
    fit: xr.DataTree
    attrs: dict[str, Any]

    @property
    def theta(self) -> dict[str, xr.DataArray]:
        """The sampled parameters."""
        return self.law.from_paper(np, self.paper, self.reference)

    def expect(self, inputs: Mapping[str, Any]) -> xr.DataArray:
        """Return what the law expects at inputs by column."""
        return self.law.at(np, complete_inputs(self.law, inputs, self.cost), self.theta, self.reference)

    def points(self, values: Any, name: str) -> xr.DataArray:
        """Return numbers, or multiples of the largest run where there are runs, dims ``point``."""
        if name not in seen(self.fit) and any(is_multiple(v) for v in np.atleast_1d(np.asarray(values, dtype=object))):
            raise QuestionError(
                f"{name}: a multiple needs runs that have it, got {values!r}; give {SCALES[name].meaning}."
            )
        return scale_points(self.fit, values, name)

    def one(self, value: Any, name: str) -> xr.DataArray:
        """Return a single number."""
        points = self.points(value, name)
        if points.size != 1:
            raise QuestionError(f"{name}: one value, please; got {points.size}.")
        return points.isel(point=0)

    def beyond(self, compute: xr.DataArray) -> dict[str, xr.DataArray]:
        """Return how many decades the compute in question lies beyond the largest run, where that is known."""
        if "compute" not in seen(self.fit):
            return {}
        middle = compute.median(DRAW_DIMS) if set(DRAW_DIMS) <= set(compute.dims) else compute
        return {"decades_beyond": xr.ufuncs.log10(middle / seen(self.fit)["compute"][1])}


def given(
    source: Source,
    law: str,
    needed: Iterable[str],
    question: str,
    *,
    family: str | None = None,
    allow_unconverged: bool = False,
) -> Given:
    """Return the parameters of a posterior, or those given as constants of that law.

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, its law has not what is needed, or a constant is missing or not positive.

    Examples
    --------
    >>> from bayescale.answers.given import given
    >>> kaplan = given({"B_star": 2e8, "alpha_B": 0.21}, "kaplan-steps", ("B_star", "alpha_B"), "critical batch")
    >>> kaplan.paper["B_star"].dims
    ('chain', 'draw')
    """
    if isinstance(source, xr.DataTree):
        return _of_posterior(source, tuple(needed), question, family, allow_unconverged)
    return _of_constants(source, get_law(law), tuple(needed), question)


def positive(value: Any, name: str) -> float:
    """Return a number above 0, also as people write it.

    Raises
    ------
    QuestionError
        If it is not one.
    """
    try:
        number = parse_number(value)
    except ValueError as error:
        raise QuestionError(f"{name}: {error}.") from None
    if not (np.isfinite(number) and number > 0):
        raise QuestionError(f"{name}: got {value!r}; accepted: a number above 0.")
    return number


def _names(law: Law) -> set[str]:
    return {p.name for p in (*law.parameters, *law.paper_parameters)}


def _of_posterior(
    fit: xr.DataTree, needed: tuple[str, ...], question: str, family: str | None, allow_unconverged: bool
) -> Given:
    quotable = require_quotable(fit, allow_unconverged)
    law, reference = law_of(fit), reference_of(fit)
    missing = [name for name in needed if name not in _names(law)]
    if missing:
        able = ", ".join(name for name, other in LAWS.items() if set(needed) <= _names(other))
        raise QuestionError(
            f"{question}: the law {law.name!r} has no {', '.join(missing)}. Laws that answer this: {able}; "
            "or give constants, as a dict."
        )
    theta = law_theta(fit, family)
    paper = theta | law.to_paper(np, theta, reference)
    return Given(law, paper, reference, cost_of(fit), fit, answer_attrs(fit, question, quotable))


def _of_constants(paper: Mapping[str, Any], law: Law, needed: tuple[str, ...], question: str) -> Given:
    missing = [name for name in needed if name not in paper]
    if missing:
        raise QuestionError(f"{question}: the constants lack {', '.join(missing)}. Needed: {', '.join(needed)}.")
    # Numbers and draws may stand side by side: every constant gets the draws of all.
    together = xr.broadcast(*(_checked(name, value) for name, value in paper.items()))
    draws = {name: _as_draws(values) for name, values in zip(paper, together, strict=True)}
    ones = {name: 1.0 for name in law.inputs if scale_of(name).relative}
    attrs = {"question": question, "model": CONSTANTS, "verdict": CONSTANTS, "loss_unit": "", "cost": SIX_ND.name}
    return Given(law, draws, ones, SIX_ND, xr.DataTree(xr.Dataset(attrs={"seen": "{}"})), attrs)


def _checked(name: str, value: Any) -> xr.DataArray:
    array = xr.DataArray(value)
    if array.dtype.kind not in "iuf" or not bool((np.isfinite(array) & (array > 0)).all()):
        raise QuestionError(f"{name}: got {value!r}; accepted: a number above 0.")
    return array.astype(float)


def _as_draws(values: xr.DataArray) -> xr.DataArray:
    return values.expand_dims([dim for dim in DRAW_DIMS if dim not in values.dims]).transpose(*DRAW_DIMS, ...)
