"""A posterior's modes, and the normal distribution about each: Laplace's approximation."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from bayescale.inference.program import Density

STARTS = 4
# Chains start at draws from a Student t of so many degrees of freedom that is so much wider than the normal
# distribution about a mode. So many are made, of which each chain takes one.
STARTS_FREEDOM, STARTS_WIDER, STARTS_KEPT = 6, 1.5, 64
# L-BFGS: pairs of steps that it remembers, the most steps, and when it stops.
MEMORY, MAX_STEPS, TOLERANCE = 20, 1500, 1e-8
# Half the width of a numeric derivative of the gradient, in unconstrained coordinates; all of them are of order 1.
WIDTH = 1e-4
# No direction has a lower precision: unconstrained coordinates have priors of order 1.
LEAST_PRECISION = 0.1
# A local maximum whose share of the probability, by its normal distribution, is less than that does not count.
LEAST_SHARE = 1e-3


class Mode(NamedTuple):
    """A local maximum of a log density.

    Attributes
    ----------
    point : array
        Where it is, in unconstrained coordinates.
    log_density : float
        How high it is.
    precision : array
        Inverse covariance of the normal distribution about it: the negative Hessian, made positive.
    """

    point: np.ndarray
    log_density: float
    precision: np.ndarray

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of that distribution."""
        return np.linalg.inv(self.precision)

    @property
    def log_mass(self) -> float:
        """The log of the integral of the density about the mode, were it normal, but for a constant."""
        return self.log_density - 0.5 * float(np.linalg.slogdet(self.precision)[1])


def find_modes(density: "Density", starts: np.ndarray) -> list[Mode]:
    """Climb from each start; return the different modes that count, highest mass first, and at least one.

    Parameters
    ----------
    density : Density
        A compiled log density over its data.
    starts : array
        Unconstrained points, dims (start, parameter): draws from the prior, or where a similar posterior has its mode.

    Returns
    -------
    list of Mode
        Empty where no start has a density.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.inference.compiled import compile_problem
    >>> from bayescale.inference.laplace import find_modes
    >>> problem = bs.modeling.prepare(bs.load_card("power"), bs.load_shipped("tinylm"))
    >>> density = compile_problem(problem).with_data(problem.arrays)
    >>> [mode] = find_modes(density, density.starts(3, seed=1))
    >>> mode.point.shape == (density.size,)
    True
    """
    modes: list[Mode] = []
    for start in starts:
        point, height = climb(density, start, modes)
        if np.isfinite(height) and not any(_is_near(point, mode) for mode in modes):
            modes.append(Mode(point, height, estimate_precision(density, point)))
    modes.sort(key=lambda mode: -mode.log_mass)
    return [mode for mode in modes if mode.log_mass > modes[0].log_mass + np.log(LEAST_SHARE)]


def starts_about_modes(density: "Density", seed: int) -> np.ndarray:
    """Return where chains start: draws about the modes, spread more widely than the posterior; none without a mode.

    Where prior draws climb to several modes that count, the starts are about all of them, and chains that stay there
    will not agree.
    """
    modes = find_modes(density, density.starts(STARTS, seed))
    if not modes:
        return np.empty((0, density.size))
    rng = np.random.default_rng([seed, 9])
    stretch = np.sqrt(rng.chisquare(STARTS_FREEDOM, STARTS_KEPT) / STARTS_FREEDOM)[:, None]
    units = STARTS_WIDER * rng.standard_normal((STARTS_KEPT, density.size)) / stretch
    roots = [np.linalg.cholesky(mode.covariance) for mode in modes]
    chosen = np.arange(STARTS_KEPT) % len(modes)
    points = np.array([modes[k].point + roots[k] @ unit for k, unit in zip(chosen, units, strict=True)])
    return points[np.isfinite(density.log_densities(points)[0])]


def climb(density: "Density", start: np.ndarray, known: Sequence[Mode] = ()) -> tuple[np.ndarray, float]:
    """Return the local maximum that L-BFGS finds from a start, and its log density; it stops near a known mode."""
    from scipy.optimize import minimize

    def stop_near_mode(intermediate_result: Any) -> None:
        if any(_is_near(intermediate_result.x, mode) for mode in known):
            raise StopIteration

    def descend(point: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = density.log_density(point)
        # A line search that steps out of the support comes back.
        return (-value, -gradient) if np.isfinite(value) else (1e300, np.zeros_like(gradient))

    options = {"maxcor": MEMORY, "maxiter": MAX_STEPS, "maxfun": 2 * MAX_STEPS, "ftol": TOLERANCE}
    found = minimize(descend, start, jac=True, method="L-BFGS-B", options=options, callback=stop_near_mode)
    return found.x, -float(found.fun) if found.fun < 1e300 else -np.inf


def estimate_precision(density: "Density", point: np.ndarray) -> np.ndarray:
    """Return the negative Hessian, by differences of the gradient, with no direction of low precision."""
    steps = WIDTH * np.eye(len(point))
    _, gradients = density.log_densities(np.concatenate([point + steps, point - steps]))
    hessian = (gradients[: len(point)] - gradients[len(point) :]) / (2 * WIDTH)
    precision, axes = np.linalg.eigh(-(hessian + hessian.T) / 2)
    return (axes * np.maximum(precision, LEAST_PRECISION)) @ axes.T


def _is_near(point: np.ndarray, mode: Mode) -> bool:
    """Say whether a point lies where the normal distribution about a mode has its draws, or L-BFGS stopped early."""
    away = point - mode.point
    distance = float(away @ mode.precision @ away)
    return distance < len(point) + 4 * np.sqrt(2 * len(point))
