"""One best law for some runs, by the two estimators in use: summed Huber loss and least squares, both of log loss."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import optimize

from bayescale.laws import Law

Inputs = Mapping[str, np.ndarray]
Theta = dict[str, Any]

HUBER_DELTA = 1e-3  # Hoffmann et al. 2022, section 3.3
BOUNDS = (-15.0, 4.0)  # of a parameter's logarithm, or of one that may be negative: a floor may go to nothing
STEP = 1e-30  # of the complex-step derivative, exact to rounding
WALL = 1e9  # the objective where it is not finite
CENTRAL = 1e-5  # of central differences, where the law is not analytic
LBFGS = {"ftol": 1e-12, "gtol": 1e-8, "maxiter": 500, "maxls": 50}


def grid(law: Law, starts: Mapping[str, Sequence[float]]) -> np.ndarray:
    """Return every combination of the starting values, one a row, on the scale of the optimiser."""
    return np.array(
        [_free_values(law, start) for start in itertools.product(*(starts[n] for n in law.parameter_names))]
    )


def scale_starts(law: Law, starts: Mapping[str, Sequence[float]], loss: np.ndarray) -> dict[str, list[float]]:
    """Return the starting values of each parameter: multiples of the lowest (E) or the median loss, or exponents."""
    unit = {p.name: np.median(loss) if p.unit == "loss" else 1.0 for p in law.parameters} | {"E": loss.min()}
    return {name: [value * unit[name] for value in starts[name]] for name in law.parameter_names}


def _find_positive(law: Law) -> np.ndarray:
    return np.array([p.support == "positive" for p in law.parameters])


def _free_values(law: Law, values: Sequence[float]) -> np.ndarray:
    """Return the logarithm of what is positive and the rest as it is."""
    z, positive = np.array(values, dtype=float), _find_positive(law)
    z[positive] = np.log(z[positive])
    return z


def theta_of(law: Law, z: np.ndarray) -> Theta:
    """Return the parameters by name; where z holds many fits, a row each, each parameter is a column."""
    by_name = zip(law.parameter_names, np.moveaxis(z, -1, 0), _find_positive(law), strict=True)
    return {name: (np.exp(v) if positive else v)[..., None] for name, v, positive in by_name}


def log_loss(law: Law, inputs: Inputs, z: np.ndarray, reference: Mapping[str, float]) -> np.ndarray:
    """Return the log of the law's loss, runs along the last axis, for one fit or many."""
    return np.log(law.at(np, inputs, theta_of(law, z), reference))


def huber(residual: np.ndarray) -> np.ndarray:
    """Return Huber's loss; analytic on either side of the bend, so that a complex step goes through it."""
    size = np.sign(residual.real) * residual
    return np.where(size.real <= HUBER_DELTA, residual**2 / 2, HUBER_DELTA * (size - HUBER_DELTA / 2))


def least_huber(
    law: Law, inputs: Inputs, loss: np.ndarray, starts: np.ndarray, weights: np.ndarray | None = None, keep: int = 8
) -> np.ndarray:
    """Return the free parameters of least summed Huber loss: L-BFGS from those of the starts that begin lowest."""
    reference = law.reference(inputs)
    observed = np.log(loss)
    weights = np.ones(len(loss)) if weights is None else weights

    def objective(z: np.ndarray) -> np.ndarray:
        # In units of the bend: the optimiser's tolerances expect numbers about one.
        return (weights * huber(log_loss(law, inputs, z, reference) - observed)).sum(-1) / HUBER_DELTA

    def value_and_gradient(z: np.ndarray) -> tuple[float, np.ndarray]:
        stepped = objective(z + 1j * STEP * np.eye(len(z)))
        # A trial step may lie where nothing is finite: a wall, from which the line search turns back.
        return float(np.nan_to_num(stepped[0].real, nan=WALL, posinf=WALL)), np.nan_to_num(stepped.imag / STEP)

    def polish(start: np.ndarray) -> Any:
        return optimize.minimize(
            value_and_gradient, start, jac=True, method="L-BFGS-B", bounds=[BOUNDS] * len(start), options=LBFGS
        )

    with np.errstate(all="ignore"):
        best = starts[np.argsort(objective(starts))[:keep]]
        return np.asarray(min((polish(start) for start in best), key=lambda found: found.fun).x)


def least_squares(
    law: Law, inputs: Inputs, loss: np.ndarray, starts: np.ndarray, weights: np.ndarray | None = None, keep: int = 12
) -> np.ndarray:
    """Return the free parameters of least squares in log loss, from those of the starts that begin lowest."""
    reference, observed = law.reference(inputs), np.log(loss)
    root = 1.0 if weights is None else np.sqrt(weights)

    def residual(z: np.ndarray) -> np.ndarray:
        return root * (log_loss(law, inputs, z, reference) - observed)

    def jacobian(z: np.ndarray) -> np.ndarray:
        step = CENTRAL * np.eye(len(z))
        return ((residual(z + step) - residual(z - step)) / (2 * CENTRAL)).T

    def polish(start: np.ndarray) -> Any:
        return optimize.least_squares(residual, start, jac=jacobian, bounds=BOUNDS, x_scale="jac", max_nfev=300)

    with np.errstate(all="ignore"):
        best = starts[np.argsort((residual(starts) ** 2).sum(-1))[:keep]]
        return np.asarray(min((polish(start) for start in best), key=lambda found: found.cost).x)
