"""Point estimates by optimisation, to hold the laws against published ones: no part of the package fits this way."""

import itertools

import numpy as np
from scipy import optimize


def huber(residual, delta=1e-3):
    """Huber's loss, analytic in the residual on either side so that a complex step goes through it."""
    sign = np.sign(residual.real)
    return np.where(np.abs(residual.real) <= delta, residual**2 / 2, delta * (sign * residual - delta / 2))


def _grid(law, starts):
    return [np.log(start) for start in itertools.product(*(starts[name] for name in law.parameter_names))]


def summed_huber(law, inputs, loss, starts):
    """The parameters at the runs' reference that minimise the summed Huber(1e-3) of log loss, from every start."""
    x0, names = law.reference(inputs), law.parameter_names

    def objective(z):
        return huber(np.log(law.at(np, inputs, dict(zip(names, np.exp(z), strict=True)), x0)) - np.log(loss)).sum()

    def value_and_gradient(z):
        steps = z + 1e-30j * np.eye(len(z))
        return 1e3 * objective(z + 0j).real, 1e3 * np.array([objective(s).imag for s in steps]) / 1e-30

    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 2000, "maxls": 50}
    bounds = [(-5, 2)] * len(names)
    found = [
        optimize.minimize(value_and_gradient, s, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        for s in _grid(law, starts)
    ]
    best = min(found, key=lambda f: f.fun)
    agreeing = sum(f.fun < best.fun + 1e-6 for f in found)
    return dict(zip(names, np.exp(best.x), strict=True)), best.fun / 1e3, agreeing


def least_squares(law, inputs, loss, starts):
    """The parameters at the runs' reference of least squares in log loss, and the root mean square."""
    x0, names = law.reference(inputs), law.parameter_names

    def residual(z):
        return np.log(law.at(np, inputs, dict(zip(names, np.exp(z), strict=True)), x0)) - np.log(loss)

    # The floor of a curve that identifies none wanders off; within these bounds nothing overflows.
    options = {"jac": "3-point", "bounds": (-15, 8), "xtol": 1e-13, "ftol": 1e-13, "gtol": 1e-13}
    best = min((optimize.least_squares(residual, s, **options) for s in _grid(law, starts)), key=lambda f: f.cost)
    return dict(zip(names, np.exp(best.x), strict=True)), np.sqrt(2 * best.cost / len(loss))


def log_rms(law, inputs, loss, theta, x0):
    """Root mean square of the log residuals."""
    return float(np.sqrt(np.mean((np.log(law.at(np, inputs, theta, x0)) - np.log(loss)) ** 2)))
