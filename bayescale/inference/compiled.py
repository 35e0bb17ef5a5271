"""Compile a model once for each shape, and sample it again with new data."""

import logging
import os
import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayescale.errors import SamplingError
from bayescale.modeling import Problem

if TYPE_CHECKING:
    import pymc as pm

MAX_COMPILED = 16
POLL_SECONDS = 0.1
SAMPLE_STATS = {
    "diverging": "diverging",
    "energy": "energy",
    "depth": "tree_depth",
    "maxdepth_reached": "reached_max_treedepth",
    "n_steps": "n_steps",
    "step_size": "step_size",
    "mean_tree_accept": "acceptance_rate",
    "logp": "lp",
}
_compiled: "OrderedDict[Hashable, Compiled]" = OrderedDict()


@dataclass(frozen=True)
class Compiled:
    """A compiled model of one shape."""

    model: "pm.Model"
    program: Any

    def with_data(self, arrays: Mapping[str, np.ndarray]) -> Any:
        """Return the program over other data, without compiling."""
        # PyTensor drops data that the graph does not use: the family of a run where there is one family.
        used = {variable.name for variable in self.program.shared_var_keys}
        return self.program.with_data(**{name: arrays[name] for name in used})


def compile_once(key: Hashable, build: "Callable[[], pm.Model]") -> Compiled:
    """Return the compiled model of that key, from this process's store where it was compiled before."""
    if key not in _compiled:
        model = build()
        _compiled[key] = Compiled(model, _compile_program(model))
        while len(_compiled) > MAX_COMPILED:
            _compiled.popitem(last=False)
    _compiled.move_to_end(key)
    return _compiled[key]


def _compile_program(model: "pm.Model") -> Any:
    """Return the compiled model, whose chains start at draws from the prior.

    Chains that all start in the middle of the prior find the same far mode and agree on it, or stay there alone.
    """
    import nutpie

    with warnings.catch_warnings():
        # Only the chains' starts could use that BLAS, and they are small.
        warnings.filterwarnings("ignore", "PyTensor could not link to a BLAS")
        return nutpie.compile_pymc_model(model, default_initialization_strategy="prior", jitter_rvs=set())


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
    """Run NUTS; return posterior and sample statistics, dims ``(chain, draw, ...)``.

    Ctrl-C stops the chains and raises KeyboardInterrupt: a part of a posterior is never returned.

    Raises
    ------
    SamplingError
        If no chain could start.
    """
    import nutpie

    done, total = 0, chains * (draws + tune)

    def count_done(chain_states: list[Any]) -> None:
        nonlocal done
        done = sum(chain.finished_draws for chain in chain_states)

    try:
        sampler = nutpie.sample(
            compiled.with_data(arrays),
            draws=draws,
            tune=tune,
            chains=chains,
            cores=min(chains, os.cpu_count() or 1),
            seed=seed,
            adaptation="low_rank",
            target_accept=target_accept,
            progress_bar=False,
            progress_callback=count_done if progress else None,
            save_warmup=False,
            blocking=False,
        )
        try:
            trace = None
            while trace is None:
                try:
                    trace = sampler.wait(timeout=POLL_SECONDS)
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
    posterior = trace["posterior"].to_dataset()
    stats = trace["sample_stats"].to_dataset()[list(SAMPLE_STATS)].rename(SAMPLE_STATS)
    if posterior.sizes["draw"] != draws or posterior.sizes["chain"] != chains:
        raise SamplingError(f"sampling stopped after {posterior.sizes['draw']} of {draws} draws; nothing was kept.")
    return posterior, stats


def sample_prior(compiled: Compiled, problem: Problem, names: list[str], draws: int, seed: int) -> xr.Dataset:
    """Draw parameters from the prior of these runs."""
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
