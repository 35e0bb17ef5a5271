"""A compiled model as a value that can be kept on disk: machine code, names, and draws from its prior.

Names that numba and nutpie keep private are used in this module and in `compile_program`, nowhere else. Reading
a program back imports neither PyMC nor PyTensor nor ArviZ.
"""

import ctypes
import importlib.util
import io
import pickle
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.machinery import PathFinder
from math import prod
from typing import Any

import numpy as np
import xarray as xr

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
# The C functions that nutpie calls: size, point, gradient, value, data; and size, length, point, values, data.
_DENSITY = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, *[ctypes.c_void_p] * 4)
_EXPAND = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_uint64] * 2, *[ctypes.c_void_p] * 3)
_loading = threading.Lock()


@dataclass(frozen=True, eq=False)
class Program:
    """A compiled model without data: log density, gradient and parameters of every data set of one shape.

    Attributes
    ----------
    addresses : tuple of int
        Addresses of the two C functions that nutpie calls: log density with gradient, and parameters.
    code : object
        What holds the machine code in memory.
    size : int
        Unconstrained parameters.
    names, shapes : tuple
        Variables that the parameters' function returns, in order: the unconstrained ones come first.
    unconstrained : frozenset of str
        Variables that a posterior does not show, as it shows them on their own scale.
    dims, coords : mapping
        Dimensions by variable, and labels by dimension.
    inputs : tuple of (str, str, int)
        Name, type and number of dimensions of each array of data, in the order that the C functions expect.
    prior : array
        Unconstrained draws from the prior, dims (draw, parameter).
    """

    addresses: tuple[int, int]
    code: Any
    size: int
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    unconstrained: frozenset[str]
    dims: Mapping[str, tuple[str, ...]]
    coords: Mapping[str, list[Any]]
    inputs: tuple[tuple[str, str, int], ...]
    prior: np.ndarray

    def with_data(self, arrays: Mapping[str, np.ndarray]) -> "Density":
        """Return the density over these data, of any length, without compiling.

        Parameters
        ----------
        arrays : mapping of str to array
            As `Problem.arrays` has them; those that the model does not use are left out.
        """
        return Density(self, arrays)

    def starts(self, count: int, seed: int) -> np.ndarray:
        """Return unconstrained draws from the prior, dims (draw, parameter): different ones, as far as they go."""
        kept = len(self.prior)
        return self.prior[np.random.default_rng(seed).choice(kept, count, replace=count > kept)]

    def label(self, values: Mapping[str, np.ndarray]) -> xr.Dataset:
        """Return arrays of dims ``(chain, draw, ...)`` as a Dataset with the model's dimensions and labels."""
        columns = {}
        for name, value in values.items():
            dims = self.dims.get(name) or tuple(f"{name}_dim_{k}" for k in range(value.ndim - 2))
            columns[name] = (("chain", "draw", *dims), value)
        ds = xr.Dataset(columns)
        labels = {dim: self.coords.get(str(dim), range(size)) for dim, size in ds.sizes.items()}
        return ds.assign_coords({dim: list(label) for dim, label in labels.items()})


class Density:
    """A compiled model over its data: the log density of the posterior, but for a constant, and its gradient.

    Points are unconstrained, in the order in which PyMC has the model's value variables. All methods may be called
    from several threads at once.

    Attributes
    ----------
    program : Program
        The compiled model.
    size : int
        Unconstrained parameters.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.inference.compiled import compile_problem
    >>> problem = bs.modeling.prepare(bs.load_card("power"), bs.load_shipped("tinylm"))
    >>> density = compile_problem(problem).with_data(problem.arrays)
    >>> points = density.starts(5, seed=1)
    >>> values, gradients = density.log_densities(points)
    >>> gradients.shape == (5, density.size)
    True
    >>> density.constrain(points)["alpha"].dims
    ('chain', 'draw', 'family')
    """

    def __init__(self, program: Program, arrays: Mapping[str, np.ndarray]) -> None:
        self.program, self.size = program, program.size
        self._arrays = []
        for name, dtype, ndim in program.inputs:
            array = np.array(arrays[name], dtype=dtype, order="C", copy=True)
            if array.ndim != ndim:
                raise ValueError(f"data {name}: {array.ndim} dimensions, expected {ndim}")
            self._arrays.append(array)
        # The record that nutpie's C functions read: all addresses, then all sizes, then all shapes.
        addresses = [array.ctypes.data for array in self._arrays]
        lengths = [length for array in self._arrays for length in array.shape]
        record = [*addresses, *(array.size for array in self._arrays), *lengths]
        self._record = np.array(record, dtype=np.uintp)
        self._data = self._record.ctypes.data
        self._density, self._expand = _DENSITY(program.addresses[0]), _EXPAND(program.addresses[1])

    def log_density(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the log density at an unconstrained point and its gradient; minus infinity and 0 where there is none.

        The point is read where it is if it is a contiguous array of floats.
        """
        values, gradients = self.log_densities(np.reshape(point, (1, -1)))
        return float(values[0]), gradients[0]

    def log_densities(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the log density and its gradient at many unconstrained points.

        Parameters
        ----------
        points : array
            Dims (point, parameter).

        Returns
        -------
        tuple of array
            Log densities, dims (point,), and gradients, dims (point, parameter); minus infinity and 0 where a point
            has no density.
        """
        points = self._check_points(points)
        values, gradients = np.empty(len(points)), np.empty(points.shape)
        evaluate, size, data, width = self._density, self.size, self._data, 8 * self.size
        point, slope, value = points.ctypes.data, gradients.ctypes.data, values.ctypes.data
        for k in range(len(points)):
            if evaluate(size, point + k * width, slope + k * width, value + k * 8, data):
                values[k], gradients[k] = -np.inf, 0.0
        return values, gradients

    def constrain(self, points: np.ndarray) -> xr.Dataset:
        """Return all variables of the model at unconstrained points.

        Parameters
        ----------
        points : array
            Dims (draw, parameter).

        Returns
        -------
        xarray.Dataset
            Dims ``(chain, draw, ...)`` with one chain; what a posterior shows, in the same order.
        """
        points, program = self._check_points(points), self.program
        sizes = [prod(shape) for shape in program.shapes]
        out = np.empty((len(points), sum(sizes)))
        expand, size, data, width, length = self._expand, self.size, self._data, 8 * self.size, out.shape[1]
        point, row = points.ctypes.data, out.ctypes.data
        for k in range(len(points)):
            if expand(size, length, point + k * width, row + k * 8 * length, data):
                out[k] = np.nan
        parts = np.split(out[None], np.cumsum(sizes)[:-1], axis=-1)
        return program.label(
            {
                name: part.reshape(1, len(points), *shape)
                for name, shape, part in zip(program.names, program.shapes, parts, strict=True)
                if name not in program.unconstrained
            }
        )

    def starts(self, count: int, seed: int) -> np.ndarray:
        """Return unconstrained draws from the prior, dims (draw, parameter)."""
        return self.program.starts(count, seed)

    def sample(
        self,
        *,
        draws: int,
        tune: int,
        chains: int,
        cores: int,
        seed: int,
        target_accept: float,
        callback: Callable[[list[Any]], None] | None = None,
    ) -> "Sampling":
        """Start NUTS with low-rank adaptation of the metric; the callback gets the state of each chain."""
        library = load_nutpie()
        settings = library.PyNutsSettings.LowRank(seed)
        settings.update({"num_tune": tune, "num_draws": draws, "num_chains": chains, "target_accept": target_accept})
        quiet, storage = library.ProgressType.none(), library.PyStorage.arrow()
        model, rate = self.as_nutpie(library), PROGRESS_MILLISECONDS
        sampler = library.PySampler.from_pymc(settings, cores, model, quiet, callback, rate, storage)
        return Sampling(self.program, sampler)

    def as_nutpie(self, library: Any) -> Any:
        """Return the model as nutpie's sampler takes it; the density is handed over to be kept alive."""
        program = self.program
        expanded = sum(map(prod, program.shapes))
        density = library.LogpFunc(program.addresses[0], self._data, self)
        expand = library.ExpandFunc(self.size, expanded, program.addresses[1], self._data, self)
        types = ["float64"] * len(program.names)
        sizes: dict[str, int] = {}  # `new_variables` fills in the sizes of dimensions
        variables = library.PyVariable.new_variables(list(program.names), types, list(program.shapes), sizes, {})
        return library.PyMcModel(density, expand, variables, self.size, sizes, {}, self._start_at, None)

    def _start_at(self, seed: int) -> np.ndarray:
        """Return where a chain starts: one of the draws from the prior."""
        return self.program.prior[seed % len(self.program.prior)].copy()

    def _check_points(self, points: np.ndarray) -> np.ndarray:
        points = np.ascontiguousarray(points, dtype=float)
        if points.ndim != 2 or points.shape[1] != self.size:
            raise ValueError(f"points of shape {points.shape}: expected (points, {self.size})")
        return points


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


def load_program(content: bytes) -> Program:
    """Return the program that `compile_model` wrote.

    The bytes hold machine code: only what this user wrote may be read.
    """
    return load_content(pickle.loads(content))


def load_content(content: Mapping[str, Any]) -> Program:
    """Return the program of a written record."""
    from numba.core.registry import cpu_target
    from numba.core.runtime import rtsys
    from numba.extending import get_cython_function_address

    context = cpu_target.target_context
    rtsys.initialize(context)
    codegen, libraries, addresses = context.codegen(), [], []
    for wrapper, code in content["code"]:
        binary, environments = _Unpickler(io.BytesIO(code)).load()
        library = codegen.unserialize_library(binary)
        for environment in environments:
            codegen.set_env(environment.env_name, environment)
        libraries.append((library, environments))
        addresses.append(library.get_pointer_to_function(wrapper))
    for place, module, function in content["pointers"]:
        address = get_cython_function_address(module, function)
        ctypes.c_void_p.from_address(codegen._engine.get_global_value_address(place)).value = address
    fields = {name: value for name, value in content.items() if name not in ("code", "pointers")}
    return Program(addresses=tuple(addresses), code=libraries, **fields)


class _Unpickler(pickle.Unpickler):
    """Reads what numba pickled, and imports numba and NumPy alone."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numba.core.environment", "_rebuild_env"):
            return _rebuild_environment
        if module.partition(".")[0] not in ("numba", "numpy", "copyreg") and (module, name) != ("builtins", "object"):
            raise pickle.UnpicklingError(f"{module}.{name} is not a part of a compiled model")
        return super().find_class(module, name)


def _rebuild_environment(module: str, constants: list[Any], name: str) -> Any:
    """Return the constants of a function, as numba does, without importing the module that the function was made in.

    Compiled code reads the constants and never the module, which may be one of PyTensor.
    """
    from numba.core.environment import Environment, lookup_environment

    environment = lookup_environment(name)
    if environment is None:
        environment = Environment({"__name__": module})
        environment.consts[:] = constants
        environment.env_name = name
        Environment._memo[name] = environment
    return environment
