"""What most papers do: a Huber fit of the law to log loss by L-BFGS from a grid of starts, and 100 bootstrap refits."""

import itertools

import numpy as np
import pandas as pd
from common import Runs, answer, run_estimator
from scipy.optimize import minimize
from scipy.special import huber

DELTA, REFITS = 1e-3, 100  # Hoffmann et al. 2022, section 3.3
STARTS = list(itertools.product((-1.5, 0.0, 0.6), (-3.0, -1.0), (-3.0, -1.0), (0.2, 0.5, 1.0), (0.2, 0.5, 1.0)))


def objective(z: np.ndarray, runs: Runs) -> tuple[float, np.ndarray]:
    """Return the summed Huber loss of log loss, and its gradient."""
    log_n, log_d = np.log(runs.n), np.log(runs.d)
    e, a, b, alpha, beta = z
    floor, by_n, by_d = np.full_like(log_n, np.exp(e)), np.exp(a - alpha * log_n), np.exp(b - beta * log_d)
    mean = floor + by_n + by_d
    residual = np.log(mean) - runs.log_loss
    slope = np.clip(residual, -DELTA, DELTA) / DELTA / mean
    gradient = np.array([floor, by_n, by_d, -by_n * log_n, -by_d * log_d]) @ slope
    return huber(DELTA, residual).sum() / DELTA, gradient


def best(runs: Runs, starts: list[np.ndarray]) -> np.ndarray:
    """Return the parameters of least Huber loss."""
    fits = [minimize(objective, start, args=(runs,), jac=True, method="L-BFGS-B") for start in starts]
    return min(fits, key=lambda fit: fit.fun).x


def fit_and_ask(frame: pd.DataFrame, at: pd.DataFrame, seed: int) -> np.ndarray:
    """Return bootstrap draws of the loss at a run."""
    rng, reference = np.random.default_rng(seed), Runs(frame)
    point, draws = best(reference, [np.array(start) for start in STARTS]), []
    for _ in range(REFITS):
        runs, rows = Runs(frame), rng.integers(len(frame), size=len(frame))
        runs.n, runs.d, runs.log_loss = runs.n[rows], runs.d[rows], runs.log_loss[rows]
        e, a, b, alpha, beta = best(runs, [point])
        draws.append({"E": np.exp(e), "from_params": np.exp(a), "from_tokens": np.exp(b), "alpha": alpha, "beta": beta})
    return np.array([answer(theta, frame) for theta in draws])


run_estimator(fit_and_ask)
