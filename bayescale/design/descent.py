"""Least squares and other smooth costs by damped Newton steps, for fits of a moment that load no library."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Derivatives = tuple[Array, Array]

# A step that lowers the cost by a smaller share is the last one.
ENOUGH = 1e-9
# How strongly steps are shortened at first, by which factor that changes, and where there is no better step.
DAMPING, FACTOR, STUCK = 1e-3, 10.0, 1e9
# Half the width of a numeric derivative.
WIDTH = 1e-3


def descend(
    cost: Callable[[Array], float], derivatives: Callable[[Array], Derivatives], start: Array, steps: int
) -> Array:
    """Return where a cost is least, by steps of Levenberg and Marquardt.

    Parameters
    ----------
    cost : callable
        The cost at a place.
    derivatives : callable
        Its gradient and a positive definite matrix of its second derivatives, or about them.
    start : array
        Where to begin.
    steps : int
        How many are tried at most.

    Raises
    ------
    ValueError
        If the cost is not finite at the start.

    Examples
    --------
    >>> import numpy as np
    >>> from bayescale.design.descent import descend
    >>> at = descend(lambda x: float((x - 2) @ (x - 2)), lambda x: (2 * (x - 2), 2 * np.eye(1)), np.zeros(1), 20)
    >>> round(float(at[0]), 6)
    2.0
    """
    at, here, damping = start, cost(start), DAMPING
    if not np.isfinite(here):
        raise ValueError("Residuals are not finite in the initial point.")
    slope, curvature = derivatives(at)
    for _ in range(steps):
        there = at - np.linalg.solve(curvature + damping * np.diag(np.diag(curvature)), slope)
        value = cost(there)
        if not value < here:
            damping *= FACTOR
            if damping > STUCK:
                break
            continue
        at, gained, here, damping = there, here - value, value, damping / FACTOR
        if gained <= ENOUGH * abs(here):
            break
        slope, curvature = derivatives(at)
    return at


def differentiate_twice(cost: Callable[[Array], float], at: Array) -> Derivatives:
    """Return the gradient of a cost and its second derivatives, made positive definite, by differences."""
    steps = WIDTH * np.eye(len(at))
    middle = cost(at)
    up, down = (np.array([cost(at + sign * step) for step in steps]) for sign in (1, -1))
    second = np.diag((up + down - 2 * middle) / WIDTH**2)
    for i, j in zip(*np.triu_indices(len(at), 1), strict=True):
        both = cost(at + steps[i] + steps[j]) - up[i] - up[j] + middle
        second[i, j] = second[j, i] = both / WIDTH**2
    size, ways = np.linalg.eigh(second)
    return (up - down) / (2 * WIDTH), (ways * np.maximum(np.abs(size), WIDTH)) @ ways.T
