"""A posterior by Laplace's approximation and importance sampling, in hundredths of a second, with its own verdict."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayescale.errors import SamplingError
from bayescale.inference.diagnostics import QUOTED, Limits, Verdict, diagnose_weights
from bayescale.inference.importance import importance_sample, largest_k, resample
from bayescale.inference.laplace import STARTS, find_modes

if TYPE_CHECKING:
    from bayescale.inference.program import Density


def approximate(
    density: "Density",
    *,
    seed: int,
    draws: int,
    chains: int,
    limits: Limits = QUOTED,
    starts: np.ndarray | None = None,
) -> tuple[xr.Dataset, xr.Dataset, Verdict, dict[str, Any]]:
    """Draw from a posterior about its modes, weigh the draws by the density that NUTS samples, and resample them.

    Parameters
    ----------
    density : Density
        The compiled log density over its data.
    seed : int
        Seed of starts, draws and resampling.
    draws, chains : int
        How many draws to return for each chain. The chains are parts of one set of draws and tell nothing of agreement.
    limits : Limits
        How many effective draws are wanted.
    starts : array, optional
        Unconstrained points from which modes are looked for, dims (start, parameter); by default draws from the prior.

    Returns
    -------
    tuple
        Posterior and log density, dims ``(chain, draw, ...)``; the verdict, by Pareto k and by effective draws; the
        settings.

    Raises
    ------
    SamplingError
        If the posterior has no density at any start.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.inference.approximate import approximate
    >>> from bayescale.inference.compiled import compile_problem
    >>> problem = bs.modeling.prepare(bs.load_card("power"), bs.load_shipped("tinylm"))
    >>> density = compile_problem(problem).with_data(problem.arrays)
    >>> posterior, _, verdict, _ = approximate(density, seed=1, draws=500, chains=4)
    >>> posterior.sizes["draw"], verdict.passed
    (500, True)
    """
    modes = find_modes(density, density.starts(STARTS, seed) if starts is None else starts)
    if not modes:
        raise SamplingError(
            "the posterior has no density at any start; look at the priors in the model card and at the units of N, D "
            "and loss."
        )
    weighted = importance_sample(density, modes, limits.ess, seed)
    verdict = diagnose_weights(weighted.pareto_k, largest_k(len(weighted.points)), weighted.ess, limits)
    chosen = resample(weighted, draws * chains, seed)
    posterior = _split_chains(density.constrain(weighted.points[chosen]), chains)
    stats = xr.Dataset({"lp": (("chain", "draw"), weighted.log_densities[chosen].reshape(chains, draws))})
    settings = {"method": "laplace", "draws": draws, "chains": chains, "seed": seed, "proposed": len(weighted.points)}
    about = {"pareto_k": round(weighted.pareto_k, 3), "ess": round(weighted.ess), "modes": len(modes)}
    return posterior, stats.assign_coords(posterior[["chain", "draw"]].coords), verdict, settings | about


def _split_chains(ds: xr.Dataset, chains: int) -> xr.Dataset:
    """Return draws of one chain as several."""
    draws = ds.sizes["draw"] // chains
    columns = {
        name: (value.dims, value.values.reshape(chains, draws, *value.shape[2:]))
        for name, value in ds.data_vars.items()
    }
    kept = {name: value for name, value in ds.coords.items() if not {"chain", "draw"} & {*value.dims}}
    return xr.Dataset(columns, coords=kept | {"chain": np.arange(chains), "draw": np.arange(draws)})
