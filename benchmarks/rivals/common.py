"""What all rivals share: the runs, the question and how a script reports what it took.

A rival is a script that runs on the Python of its own environment, with nothing but its own library:

    python RIVAL.py RUNS.csv REFITS

It answers one question, the loss at ten times the largest N and D (100x its compute), and prints one line of JSON.
"""

import json
import os
import resource
import sys
from collections.abc import Callable

import numpy as np
import pandas as pd

# Posterior draws by name, dims (chain, draw).
Draws = dict[str, np.ndarray]
Fit = Callable[[pd.DataFrame, int, int, int], Draws]

CHAINS, DRAWS, TUNE = 4, 1000, 1000
# A refit is to nine tenths of the runs: what a backtest or a bootstrap does again and again.
REFIT_DRAWS, REFIT_SHARE = 500, 0.9
PROBABILITIES = (0.05, 0.5, 0.95)


class Runs:
    """One family of runs on the scales of the model: N and D relative to their geometric means, and log loss."""

    def __init__(self, frame: pd.DataFrame) -> None:
        loss = frame["loss"].to_numpy(copy=True)
        log_n, log_d = (np.log(frame[name].to_numpy()) for name in ("N", "D"))
        self.n, self.d = np.exp(log_n - log_n.mean()), np.exp(log_d - log_d.mean())
        self.log_loss, self.lowest = np.log(loss), loss.min()


def law(theta: Draws, n: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Return Hoffmann et al. 2022, equation 10, at N and D relative to the reference run."""
    return theta["E"] + theta["from_params"] * n ** -theta["alpha"] + theta["from_tokens"] * d ** -theta["beta"]


def farthest(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the run that is asked for: ten times the largest N and D."""
    return pd.DataFrame({"N": [10 * frame["N"].max()], "D": [10 * frame["D"].max()]})


def answer(theta: Draws, frame: pd.DataFrame) -> np.ndarray:
    """Return draws of the loss at the run that is asked for."""
    at = farthest(frame)
    relative = [at[name].iloc[0] / np.exp(np.log(frame[name]).mean()) for name in ("N", "D")]
    return law(theta, *relative)


def draw_subset(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return nine tenths of the runs, always as many, in their order."""
    keep = np.random.default_rng(seed).permutation(len(frame))[: round(REFIT_SHARE * len(frame))]
    return frame.iloc[np.sort(keep)].reset_index(drop=True)


def cpu_seconds() -> float:
    """Return the CPU seconds, user and system, of this process since its start and of those it has waited for."""
    return sum(os.times()[:4])


def least_ess(theta: Draws) -> float:
    """Return the lowest of the bulk and tail effective sample sizes."""
    from arviz_stats.base import array_stats

    kinds = ({"method": "bulk"}, {"method": "tail", "prob": (0.05, 0.95)})
    return float(min(array_stats.ess(x, **kind) for x in theta.values() for kind in kinds))


def report(quantiles: np.ndarray, **figures: float) -> None:
    """Print the figures, with the answer's band and the peak memory of the process."""
    figures |= dict(zip(("lower", "median", "upper"), quantiles, strict=True))
    figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({name: float(f"{value:.6g}") for name, value in figures.items()}))


def time_refits(frame: pd.DataFrame, refits: int, refit: Callable[[pd.DataFrame, int], object]) -> dict[str, float]:
    """Return refits per CPU second; the first one may compile for its number of runs and does not count."""
    if not refits:
        return {}
    refit(draw_subset(frame, 0), 0)
    start = cpu_seconds()
    for seed in range(1, refits + 1):
        refit(draw_subset(frame, seed), seed)
    return {"refits_per_s": refits / (cpu_seconds() - start)}


def run_sampler(fit: Fit, name: str = "") -> None:
    """Time a sampler: to the answer from the start of the process, then the same fit again, then refits."""
    frame, refits = pd.read_csv(sys.argv[1]), int(sys.argv[2])
    quantiles = np.quantile(answer(fit(frame, 1, TUNE, DRAWS), frame), PROBABILITIES)
    to_answer = cpu_seconds()
    again = fit(frame, 2, TUNE, DRAWS)
    second = cpu_seconds() - to_answer
    ess = least_ess(again)
    rate = time_refits(frame, refits, lambda runs, seed: fit(runs, seed, REFIT_DRAWS, REFIT_DRAWS))
    report(quantiles, to_answer_s=to_answer, second_s=second, ess=ess, ess_per_s=ess / second, **rate)


def run_estimator(fit_and_ask: Callable[[pd.DataFrame, pd.DataFrame, int], np.ndarray]) -> None:
    """Time an estimator whose function returns draws, or quantiles, of the loss at the run that is asked for."""
    frame, refits = pd.read_csv(sys.argv[1]), int(sys.argv[2])
    quantiles = np.quantile(fit_and_ask(frame, farthest(frame), 1), PROBABILITIES)
    to_answer = cpu_seconds()
    fit_and_ask(frame, farthest(frame), 2)
    second = cpu_seconds() - to_answer
    rate = time_refits(frame, refits, lambda runs, seed: fit_and_ask(runs, farthest(frame), seed))
    report(quantiles, to_answer_s=to_answer, second_s=second, **rate)
