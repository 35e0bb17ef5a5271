"""What is said of a run by column, what follows from it, and a law at arrays with names for their dimensions."""

import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayescale.costs import CostModel
from bayescale.errors import QuestionError
from bayescale.laws.base import Law
from bayescale.laws.scales import scale_of

DRAW_DIMS = ("chain", "draw")
POINT = "point"
MOST_BYTES = 1e9


def complete_inputs(law: Law, known: Mapping[str, Any], cost: CostModel) -> dict[str, Any]:
    """Return the inputs given and those that follow from them.

    Raises
    ------
    QuestionError
        If something that the law takes is neither given nor follows.
    """
    values = dict(known)
    ways: tuple[tuple[str, tuple[str, str], Any], ...] = (
        ("tokens", ("step", "batch"), lambda step, batch: step * batch),
        ("tokens", ("params", "compute"), cost.tokens),
        ("params", ("tokens", "compute"), cost.params),
        ("compute", ("params", "tokens"), cost.compute),
        ("step", ("tokens", "batch"), lambda tokens, batch: tokens / batch),
    )
    for _ in range(2):
        for name, (first, second), follow in ways:
            if name not in values and first in values and second in values:
                values[name] = follow(values[first], values[second])
    missing = [name for name in law.inputs if name not in values]
    if missing:
        named = ", ".join(f"{name} ({scale_of(name).meaning})" for name in missing)
        raise QuestionError(
            f"say where: the law {law.name!r} takes {', '.join(law.inputs)}; not said: {named}; "
            f"got {', '.join(known) or 'none of them'}. Two of params, tokens and compute give the third; anything "
            f"else is given as at={{'name': value}} (--at name=value)."
        )
    return values


def refuse_too_many(points: int, families: int, drawn: Mapping[Hashable, int]) -> None:
    """Refuse so many points that the draws of an answer would not fit into memory.

    Raises
    ------
    QuestionError
        If one variable of the answer would take more than 1 GB.
    """
    size = 8 * points * families * math.prod(drawn.get(dim, 1) for dim in DRAW_DIMS)
    if size > MOST_BYTES:
        raise QuestionError(
            f"{points:,} points of {families} families would be {size / 1e9:.1f} GB of draws for each variable. Ask "
            "for their bands, which are drawn a few points at a time: bs.answers.bands_on_grid(bs.extrapolate, fit, "
            "compute=[...]); or for fewer points."
        )


def same_length(points: Mapping[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    """Return the points with a single value repeated for every value of the others.

    Raises
    ------
    QuestionError
        If two of them have several values, and not equally many.
    """
    length = max((values.sizes[POINT] for values in points.values()), default=1)
    odd = [name for name, values in points.items() if values.sizes[POINT] not in (1, length)]
    if odd:
        longest = next(name for name, values in points.items() if values.sizes[POINT] == length)
        both = " and ".join(name for name in points if name in (longest, odd[0]))
        raise QuestionError(f"{both} must be of equal length, or one of them a single value.")
    return {name: values.isel({POINT: np.arange(length) % values.sizes[POINT]}) for name, values in points.items()}


def without_labels(function: Callable[..., Any], *tables: Mapping[str, Any]) -> xr.DataArray:
    """Return what an elementwise function gives of tables of arrays whose labels agree.

    Dimensions are matched by their names. To compare the labels of all draws at each step takes xarray twenty times as
    long as the arithmetic.
    """
    labels: dict[Hashable, xr.Variable] = {}
    for value in (value for table in tables for value in table.values() if isinstance(value, xr.DataArray)):
        for name, label in value.coords.variables.items():
            if name in DRAW_DIMS or name not in value.dims or name not in labels:
                labels.setdefault(name, label)
            elif not np.array_equal(labels[name].values, label.values):
                return function(*tables)
    plain = (
        {name: value.variable if isinstance(value, xr.DataArray) else value for name, value in table.items()}
        for table in tables
    )
    found = function(*plain)
    found = found.variable if isinstance(found, xr.DataArray) else xr.as_variable(found)
    coords = {name: label for name, label in labels.items() if set(label.dims) <= set(found.dims)}
    return xr.DataArray(found.data, coords, found.dims)
