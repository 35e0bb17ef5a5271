"""bayescale's fast path: draws about the mode, weighed by importance, with a verdict of its own."""

import pandas as pd
from common import CHAINS, Draws, run_sampler

import bayescale as bs

NAMES = ("E", "from_params", "from_tokens", "alpha", "beta", "sigma", "nu")


def fit(frame: pd.DataFrame, seed: int, tune: int, draws: int) -> Draws:
    """Draw from the posterior of the card `chinchilla`."""
    runs = bs.read_runs(frame[["N", "D", "loss"]])
    options = {"draws": draws, "chains": CHAINS, "prior_draws": 0, "pointwise": False}
    tree = bs.fit(runs, "chinchilla", seed=seed, method="laplace", **options)
    return {name: tree["posterior"][name].values.reshape(CHAINS, draws) for name in NAMES}


run_sampler(fit)
