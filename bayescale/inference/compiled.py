"""Compile a model once for each shape, and sample it again with new data."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayescale.errors import SamplingError
from bayescale.inference.laplace import starts_about_modes
from bayescale.inference.nuts import start_nuts
from bayescale.inference.program import Density, Program
from bayescale.inference.program_cache import kept_program
from bayescale.modeling import Problem, build
from bayescale.parallel import usable_cores

if TYPE_CHECKING:
    import pymc as pm

MAX_COMPILED = 16
POLL_SECONDS = 0.1
_compiled: "OrderedDict[Hashable, Compiled]" = OrderedDict()


@dataclass(frozen=True, eq=False)
class Compiled:
    """A compiled model of one shape.

    Attributes
    ----------
    build : callable
        Builds the PyMC model, which is done only where the model itself is asked for.
    program : Program
        Its log density, gradient and parameters: compiled, or read from disk.
    """

    build: "Callable[[], pm.Model]"
    program: Program

    @cached_property
    def model(self) -> "pm.Model":
        """The model in PyMC."""
        return self.build()

    def with_data(self, arrays: Mapping[str, np.ndarray]) -> Density:
        """Return the log density over these data, with its gradient, parameters and starts, without compiling."""
        return self.program.with_data(arrays)


def compile_once(key: Hashable, build: "Callable[[], pm.Model]", name: str) -> Compiled:
    """Return the compiled model of that key: from this process's store, from disk, or compiled now.

    Parameters
    ----------
    key : hashable
        Names the shape of the model: models of one key differ in their data alone.
    build : callable
        Builds the model.
    name : str
        What the cache on disk calls the model: the card, or the estimator.
    """
    if key not in _compiled:
        build = cache(build)
        _compiled[key] = Compiled(build, kept_program(key, name, build))
        while len(_compiled) > MAX_COMPILED:
            _compiled.popitem(last=False)
    _compiled.move_to_end(key)
    return _compiled[key]


def compile_problem(problem: Problem) -> Compiled:
    """Return the compiled model of a card and runs."""
    return compile_once(problem.key, lambda: build(problem), problem.card.name)


def quick_mode() -> Any:
    """Return the mode for draws from a model: compiling for speed would take longer than the draws do.

    Not every machine has a BLAS to link, and draws can do without.
    """
    from pytensor.compile.mode import get_mode

    return get_mode("FAST_COMPILE").excluding("BlasOpt")


def sample(
    compiled: Compiled,
    arrays: Mapping[str, np.ndarray],
    *,
    draws: int,
    tune: int,
    chains: int,
    seed: int,
    target_accept: float,
    progress: Callable[[int, int], None] | None,
) -> tuple[xr.Dataset, xr.Dataset]:
    """Run NUTS from about the mode; return posterior and sample statistics, dims ``(chain, draw, ...)``.

    Ctrl-C stops the chains and raises KeyboardInterrupt: a part of a posterior is never returned.

    Raises
    ------
    SamplingError
        If no chain could start.
    """
    density, done, total = compiled.with_data(arrays), 0, chains * (draws + tune)
    about = starts_about_modes(density, seed)

    def count_done(chain_states: list[Any]) -> None:
        nonlocal done
        done = sum(chain.finished_draws for chain in chain_states)

    try:
        sampler = start_nuts(
            density,
            draws=draws,
            tune=tune,
            chains=chains,
            cores=min(chains, usable_cores()),
            seed=seed,
            target_accept=target_accept,
            starts=about if len(about) else None,
            callback=count_done if progress else None,
        )
        try:
            drawn = None
            while drawn is None:
                try:
                    drawn = sampler.wait(POLL_SECONDS)
                except TimeoutError:
                    if progress:
                        progress(done, total)
        except BaseException:
            sampler.cancel()
            raise
    except RuntimeError as error:
        raise SamplingError(
            f"the sampler could not start: {error}. Every chain began where the posterior has no density; look at the "
            "priors in the model card and at the units of N, D and loss."
        ) from error
    if progress:
        progress(total, total)
    posterior, stats = drawn
    if posterior.sizes["draw"] != draws or posterior.sizes["chain"] != chains:
        raise SamplingError(f"sampling stopped after {posterior.sizes['draw']} of {draws} draws; nothing was kept.")
    return posterior, stats


def sample_prior(compiled: Compiled, problem: Problem, names: list[str], draws: int, seed: int) -> xr.Dataset:
    """Draw parameters from the prior of these runs: from the draws that are kept with a program, as far as they go."""
    if draws <= len(compiled.program.prior):
        density = compiled.with_data(problem.arrays)
        return label_dims(density.constrain(density.starts(draws, seed))[names], problem)
    import pymc as pm

    logger = logging.getLogger("pymc")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with compiled.model:
            pm.set_data(problem.arrays)
            prior = pm.sample_prior_predictive(
                draws, var_names=names, random_seed=seed, compile_kwargs={"mode": quick_mode()}
            )
    finally:
        logger.setLevel(level)
    return label_dims(prior["prior"].to_dataset(), problem)


def label_dims(ds: xr.Dataset, problem: Problem) -> xr.Dataset:
    """Label dimensions as these runs do: a compiled model remembers the names of the runs it was compiled for."""
    return ds.assign_coords({dim: np.array(labels) for dim, labels in problem.coords.items() if dim in ds.dims})
