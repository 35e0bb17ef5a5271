"""The same model by hand in PyMC, sampled by nutpie with its low-rank metric: what a user of PyMC would write."""

import numpy as np
import nutpie
import pandas as pd
import pymc as pm
from common import CHAINS, Draws, Runs, law, run_sampler

NAMES = ("E", "from_params", "from_tokens", "alpha", "beta", "sigma", "nu")
compiled = None


def build(runs: Runs) -> pm.Model:
    """Return the model, with the runs as data."""
    with pm.Model() as model:
        n, d, observed = (pm.Data(name, getattr(runs, name)) for name in ("n", "d", "log_loss"))
        theta = {
            "E": pm.Deterministic("E", pm.Data("lowest", runs.lowest) * pm.Beta("share", 4, 2)),
            "from_params": pm.LogNormal("from_params", np.log(0.3), 1),
            "from_tokens": pm.LogNormal("from_tokens", np.log(0.3), 1),
            "alpha": pm.LogNormal("alpha", np.log(0.35), 0.4),
            "beta": pm.LogNormal("beta", np.log(0.35), 0.4),
        }
        sigma, nu = pm.LogNormal("sigma", np.log(0.01), 0.8), pm.Gamma("nu", 2, 0.1)
        pm.StudentT("y", nu=nu, mu=pm.math.log(law(theta, n, d)), sigma=sigma, observed=observed)
    return model


def fit(frame: pd.DataFrame, seed: int, tune: int, draws: int) -> Draws:
    """Sample it; compiled once, other runs come as new data."""
    global compiled
    runs = Runs(frame)
    if compiled is None or len(frame) != compiled[1]:
        # The observed variable is a constant of the compiled model: another number of runs is another model.
        compiled = nutpie.compile_pymc_model(build(runs)), len(frame)
    program = compiled[0].with_data(n=runs.n, d=runs.d, log_loss=runs.log_loss, lowest=runs.lowest)
    trace = nutpie.sample(
        program, draws=draws, tune=tune, chains=CHAINS, cores=1, seed=seed, adaptation="low_rank", progress_bar=False
    )
    return {name: trace["posterior"][name].values for name in NAMES}


run_sampler(fit)
