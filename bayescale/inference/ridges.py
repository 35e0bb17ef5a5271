"""Where a posterior is not normal about its mode: its profiles, followed outwards, a normal distribution at each step.

A parameter is moved away from the mode in steps, and all others follow to the highest density that there is with it.
Such a profile shows curved ridges and one-sided tails, of which the normal distribution about the mode knows nothing:
a floor that may come close to the lowest loss, degrees of freedom that may be large. Draws about the mode alone would
miss them, and their weights would not tell, as no draw is there.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bayescale.inference.laplace import Mode, estimate_precision

if TYPE_CHECKING:
    from bayescale.inference.program import Density

# A step, in standard deviations of the normal distribution about the mode; the most steps each way; and by how much the
# log density falls until a profile is left.
STEP, MOST_STEPS, FALL = 1.5, 6, 7.0
# Newton steps towards the ridge, how far one goes at most in standard deviations, and a gain that is worth another one.
CORRECTIONS, LONGEST, GAIN = 6, 2.0, 0.02


class Place(NamedTuple):
    """A normal distribution at a point of a ridge: along it as wide as the steps are, across it as Laplace says.

    Attributes
    ----------
    centre, covariance : array
        The distribution.
    log_mass : float
        The log of the integral of the density from here to the next places, about; comparable with `Mode.log_mass`.
    """

    centre: np.ndarray
    covariance: np.ndarray
    log_mass: float


def follow_ridges(density: "Density", mode: Mode, along: Iterable[int]) -> list[Place]:
    """Return places along the profiles of these parameters.

    Parameters
    ----------
    density : Density
        The compiled log density.
    mode : Mode
        Where to begin.
    along : iterable of int
        Which of the unconstrained parameters are moved.
    """
    return [place for moved in along for sign in (1, -1) for place in _follow_ridge(density, mode, moved, sign)]


def _follow_ridge(density: "Density", mode: Mode, moved: int, sign: int) -> list[Place]:
    """Return places along one profile in one direction."""
    others = np.delete(np.arange(len(mode.point)), moved)
    step = sign * STEP * np.sqrt(mode.covariance[moved, moved])
    point, precision, places = mode.point, mode.precision, list[Place]()
    # The others follow as the normal distribution at hand says, and later as they did in the last step.
    follow = -np.linalg.solve(precision[np.ix_(others, others)], precision[others, moved]) * step
    for _ in range(MOST_STEPS):
        ahead = point.copy()
        ahead[moved] += step
        ahead[others] += follow
        ahead, height = _return_to_ridge(density, ahead, others, precision[np.ix_(others, others)])
        if not height > mode.log_density - FALL:
            break
        precision, follow = estimate_precision(density, ahead), ahead[others] - point[others]
        point = ahead
        places.append(_place_at(point, height, precision, moved, abs(step)))
    return places


def _return_to_ridge(
    density: "Density", point: np.ndarray, others: np.ndarray, precision: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return the point where the others are highest, and the log density, by Newton steps with a precision at hand."""
    height, gradient = density.log_density(point)
    covariance = np.linalg.inv(precision)
    spread = np.sqrt(np.diag(covariance))
    for _ in range(CORRECTIONS):
        way = covariance @ gradient[others]
        way *= min(1.0, LONGEST / max(float(np.abs(way / spread).max()), 1e-12))
        for part in (1.0, 0.3):
            tried = point.copy()
            tried[others] += part * way
            value, slope = density.log_density(tried)
            if value > height:
                break
        if not value > height:
            break
        gain, point, height, gradient = value - height, tried, value, slope
        if gain < GAIN:
            break
    return point, height


def _place_at(point: np.ndarray, height: float, precision: np.ndarray, moved: int, step: float) -> Place:
    others = np.delete(np.arange(len(point)), moved)
    across = precision[np.ix_(others, others)]
    covariance = np.zeros_like(precision)
    covariance[np.ix_(others, others)] = np.linalg.inv(across)
    tangent = np.zeros(len(point))
    tangent[moved], tangent[others] = 1.0, -np.linalg.solve(across, precision[others, moved])
    covariance += np.outer(tangent, tangent) * step**2
    return Place(point, covariance, height - 0.5 * float(np.linalg.slogdet(across)[1]) + np.log(step))
