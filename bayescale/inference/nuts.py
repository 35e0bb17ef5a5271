"""The sampler: nutpie's, without its Python package. Names that nutpie keeps private are used in this module alone."""

import importlib.util
import sys
import threading
from collections.abc import Callable
from importlib.machinery import PathFinder
from typing import Any

import numpy as np
import xarray as xr

from bayescale.inference.program import Density, Program

PROGRESS_MILLISECONDS = 100
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
_loading = threading.Lock()


def start_nuts(
    density: Density,
    *,
    draws: int,
    tune: int,
    chains: int,
    cores: int,
    seed: int,
    target_accept: float,
    starts: np.ndarray | None = None,
    callback: Callable[[list[Any]], None] | None = None,
) -> "Sampling":
    """Start NUTS with low-rank adaptation of the metric; the callback gets the state of each chain.

    Each chain starts at one of ``starts``, dims (start, parameter), or of the draws from the prior.
    """
    library = load_nutpie()
    settings = library.PyNutsSettings.LowRank(seed)
    settings.update({"num_tune": tune, "num_draws": draws, "num_chains": chains, "target_accept": target_accept})
    quiet, storage = library.ProgressType.none(), library.PyStorage.arrow()
    model = _as_nutpie(library, density, density.program.prior if starts is None else starts)
    sampler = library.PySampler.from_pymc(settings, cores, model, quiet, callback, PROGRESS_MILLISECONDS, storage)
    return Sampling(density.program, sampler)


def _as_nutpie(library: Any, density: Density, starts: np.ndarray) -> Any:
    """Return the model as nutpie's sampler takes it; each chain starts at one of these points."""
    program = density.program
    for_density, for_variables = density.nutpie_arguments()
    types = ["float64"] * len(program.names)
    sizes: dict[str, int] = {}  # `new_variables` fills in the sizes of dimensions
    variables = library.PyVariable.new_variables(list(program.names), types, list(program.shapes), sizes, {})

    def start_at(seed: int) -> np.ndarray:
        return starts[seed % len(starts)].copy()

    functions = library.LogpFunc(*for_density), library.ExpandFunc(*for_variables)
    return library.PyMcModel(*functions, variables, density.size, sizes, {}, start_at, None)


class Sampling:
    """A sampler that runs in the background."""

    def __init__(self, program: Program, sampler: Any) -> None:
        self._program, self._sampler = program, sampler

    def wait(self, timeout: float) -> tuple[xr.Dataset, xr.Dataset]:
        """Return posterior and sample statistics, dims ``(chain, draw, ...)``, without the warm-up.

        Raises
        ------
        TimeoutError
            If the sampler still runs after that many seconds.
        RuntimeError
            If no chain could start.
        """
        self._sampler.wait(timeout)
        draws, stats = self._sampler.take_results().get_arrow_trace()
        program, kept = self._program, [~_to_numpy(table.column("tuning")).astype(bool) for table in stats]
        values = {
            name: _stack_chains(draws, kept, name, shape)
            for name, shape in zip(program.names, program.shapes, strict=True)
            if name not in program.unconstrained
        }
        statistics = {name: _stack_chains(stats, kept, column) for column, name in SAMPLE_STATS.items()}
        return program.label(values), program.label(statistics)

    def cancel(self) -> None:
        """Stop the sampler and drop its draws."""
        self._sampler.abort()


def _stack_chains(tables: list[Any], kept: list[np.ndarray], column: str, shape: tuple[int, ...] = ()) -> np.ndarray:
    """Return a column of the Arrow tables of the chains, dims (chain, draw, ...)."""
    chains = [_to_numpy(table.column(column)).reshape(-1, *shape) for table in tables]
    return np.stack([chain[keep] for chain, keep in zip(chains, kept, strict=True)])


def _to_numpy(column: Any) -> np.ndarray:
    """Return a column of an Arrow table as one flat array."""
    import pyarrow  # type: ignore[import-untyped]

    array = pyarrow.array(column)
    while hasattr(array, "flatten") and pyarrow.types.is_nested(array.type):
        array = array.flatten()
    return array.to_numpy(zero_copy_only=False)


def load_nutpie() -> Any:
    """Return nutpie's sampler without its Python package, whose import takes in all of ArviZ and Matplotlib."""
    with _loading:
        if "nutpie._lib" not in sys.modules:
            package = importlib.util.find_spec("nutpie")
            assert package is not None
            spec = PathFinder.find_spec("nutpie._lib", package.submodule_search_locations)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            sys.modules["nutpie._lib"] = module
        return sys.modules["nutpie._lib"]
