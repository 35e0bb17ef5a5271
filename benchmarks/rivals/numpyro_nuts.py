"""The same model in NumPyro, NUTS with a dense metric, double precision, chains one after the other."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
from common import CHAINS, Draws, Runs, law, run_sampler
from numpyro.infer import MCMC, NUTS

numpyro.enable_x64()
NAMES = ("E", "from_params", "from_tokens", "alpha", "beta", "sigma", "nu")


def model(n: jax.Array, d: jax.Array, log_loss: jax.Array, lowest: jax.Array) -> None:
    """Define the model."""
    theta = {
        "E": numpyro.deterministic("E", lowest * numpyro.sample("share", dist.Beta(4, 2))),
        "from_params": numpyro.sample("from_params", dist.LogNormal(jnp.log(0.3), 1)),
        "from_tokens": numpyro.sample("from_tokens", dist.LogNormal(jnp.log(0.3), 1)),
        "alpha": numpyro.sample("alpha", dist.LogNormal(jnp.log(0.35), 0.4)),
        "beta": numpyro.sample("beta", dist.LogNormal(jnp.log(0.35), 0.4)),
    }
    sigma = numpyro.sample("sigma", dist.LogNormal(jnp.log(0.01), 0.8))
    nu = numpyro.sample("nu", dist.Gamma(2, 0.1))
    numpyro.sample("y", dist.StudentT(nu, jnp.log(law(theta, n, d)), sigma), obs=log_loss)


@cache
def sampler(tune: int, draws: int) -> MCMC:
    """Return the sampler, which keeps what it has compiled."""
    chains = {"num_chains": CHAINS, "chain_method": "sequential"}
    return MCMC(NUTS(model, dense_mass=True), num_warmup=tune, num_samples=draws, **chains, progress_bar=False)


def fit(frame: pd.DataFrame, seed: int, tune: int, draws: int) -> Draws:
    """Sample it."""
    runs, mcmc = Runs(frame), sampler(tune, draws)
    mcmc.run(jax.random.key(seed), runs.n, runs.d, runs.log_loss, runs.lowest)
    samples = mcmc.get_samples(group_by_chain=True)
    return {name: np.asarray(samples[name]) for name in NAMES}


run_sampler(fit)
