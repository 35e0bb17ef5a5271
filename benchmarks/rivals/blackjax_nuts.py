"""The same density by hand in JAX, NUTS of BlackJAX with window adaptation and a dense metric, four chains at once."""

from functools import partial

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from common import CHAINS, Draws, Runs, law, run_sampler
from jax.scipy import stats
from jax.scipy.special import expit, logit

jax.config.update("jax_enable_x64", True)
NAMES = ("E", "from_params", "from_tokens", "alpha", "beta", "sigma", "nu")
LOGNORMAL = {  # median, sigma
    "from_params": (0.3, 1),
    "from_tokens": (0.3, 1),
    "alpha": (0.35, 0.4),
    "beta": (0.35, 0.4),
    "sigma": (0.01, 0.8),
}
START = jnp.array([logit(0.67), *(jnp.log(median) for median, _ in LOGNORMAL.values()), jnp.log(20.0)])


def constrain(z: jax.Array, lowest: jax.Array) -> dict[str, jax.Array]:
    """Return the parameters by name."""
    theta = {name: jnp.exp(z[1 + k]) for k, name in enumerate(LOGNORMAL)}
    return theta | {"E": lowest * expit(z[0]), "nu": jnp.exp(z[6])}


def log_density(z: jax.Array, n: jax.Array, d: jax.Array, log_loss: jax.Array, lowest: jax.Array) -> jax.Array:
    """Return the log posterior density of the unconstrained parameters."""
    theta = constrain(z, lowest)
    prior = stats.beta.logpdf(expit(z[0]), 4, 2) + jax.nn.log_sigmoid(z[0]) + jax.nn.log_sigmoid(-z[0])
    for k, (median, sigma) in enumerate(LOGNORMAL.values()):
        prior += stats.norm.logpdf(z[1 + k], jnp.log(median), sigma)
    prior += stats.gamma.logpdf(theta["nu"], 2, scale=10.0) + z[6]
    residual = log_loss - jnp.log(law(theta, n, d))
    return prior + stats.t.logpdf(residual, theta["nu"], scale=theta["sigma"]).sum()


@partial(jax.jit, static_argnames=("tune", "draws"))
def sample(key: jax.Array, data: tuple[jax.Array, ...], tune: int, draws: int) -> jax.Array:
    """Adapt and sample each chain by itself."""
    density = lambda z: log_density(z, *data)  # noqa: E731

    def chain(key: jax.Array) -> jax.Array:
        start, warm, main = jax.random.split(key, 3)
        warmup = blackjax.window_adaptation(blackjax.nuts, density, is_mass_matrix_diagonal=False)
        (state, parameters), _ = warmup.run(warm, START + 0.5 * jax.random.normal(start, START.shape), tune)
        step = blackjax.nuts(density, **parameters).step

        def draw(state, key):
            state, _ = step(key, state)
            return state, state.position

        return jax.lax.scan(draw, state, jax.random.split(main, draws))[1]

    return jax.vmap(chain)(jax.random.split(key, CHAINS))


def fit(frame: pd.DataFrame, seed: int, tune: int, draws: int) -> Draws:
    """Sample it."""
    runs = Runs(frame)
    z = sample(jax.random.key(seed), (runs.n, runs.d, runs.log_loss, runs.lowest), tune, draws)
    theta = jax.vmap(jax.vmap(lambda z: constrain(z, runs.lowest)))(z)
    return {name: np.asarray(theta[name]) for name in NAMES}


run_sampler(fit)
