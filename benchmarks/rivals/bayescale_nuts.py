"""bayescale's own `fit`, of this checkout or of another: PYTHONPATH says which."""

import pandas as pd
from common import CHAINS, Draws, run_sampler

import bayescale as bs

NAMES = ("E", "from_params", "from_tokens", "alpha", "beta", "sigma", "nu")


def fit(frame: pd.DataFrame, seed: int, tune: int, draws: int) -> Draws:
    """Sample the card `chinchilla`."""
    runs = bs.read_runs(frame[["N", "D", "loss"]])
    tree = bs.fit(runs, "chinchilla", seed=seed, tune=tune, draws=draws, chains=CHAINS, prior_draws=0)
    return {name: tree["posterior"][name].values.reshape(CHAINS, draws) for name in NAMES}


run_sampler(fit)
