"""A compiled model as a value that can be kept on disk: machine code, names, and draws from its prior.

Reading a program back and sampling it imports neither PyMC nor PyTensor nor ArviZ. Names that nutpie keeps private are
used in this module alone.
"""

import ctypes
import importlib.util
import io
import json
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.machinery import PathFinder
from math import prod
from typing import Any

import numpy as np
import xarray as xr

from bayescale.inference.native.machine import has_symbol, load_code

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
DENSITY, VARIABLES, DERIVED = "log_density", "variables", "derived"
"""The names of the functions of a program."""
PADDING = 8
"""Machine code may read so many elements after the end of an array."""
# The C functions that nutpie calls: size, point, gradient, value, data; and size, length, point, values, data.
_DENSITY = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, *[ctypes.c_void_p] * 4)
# What follows from the data alone: addresses of arrays to fill, data.
_DERIVED = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 2)
_VARIABLES = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_uint64] * 2, *[ctypes.c_void_p] * 3)
_loading = threading.Lock()


@dataclass(frozen=True, eq=False)
class Program:
    """A compiled model without data: log density, gradient and parameters of every data set of one shape.

    Attributes
    ----------
    addresses : tuple of int
        Addresses of the two C functions that nutpie calls: log density with gradient, and variables; and of the one
        for what follows from the data alone, where there is any.
    code : object
        What holds the machine code in memory.
    size : int
        Unconstrained parameters.
    names, shapes : tuple
        The variables that the second function returns, in order: the unconstrained ones come first.
    unconstrained : frozenset of str
        Variables that a posterior does not show, as it shows them on their own scale.
    dims, coords : mapping
        Dimensions by variable, and labels by dimension.
    inputs : tuple of (str, str, int)
        Name, type and number of dimensions of each array of data, in the order that the C functions expect.
    derived : tuple of tuple
        The dimensions of arrays that follow from the data alone and are computed once: each is a number, or the number
        of an array of data and the axis along which that is as long.
    prior : array
        Unconstrained draws from the prior, dims (draw, parameter).
    """

    addresses: tuple[int, ...]
    code: Any
    size: int
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    unconstrained: frozenset[str]
    dims: Mapping[str, tuple[str, ...]]
    coords: Mapping[str, list[Any]]
    inputs: tuple[tuple[str, str, int], ...]
    prior: np.ndarray
    derived: tuple[tuple[Any, ...], ...] = ()

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
        shapes, self._arrays = [], list[np.ndarray]()
        for name, dtype, ndim in program.inputs:
            array = np.asarray(arrays[name], dtype=dtype)
            if array.ndim != ndim:
                raise ValueError(f"data {name}: {array.ndim} dimensions, expected {ndim}")
            end = array.ravel()[-1:] if array.size else np.zeros(1, dtype)
            self._arrays.append(np.concatenate([array.ravel(), np.repeat(end, PADDING)]))
            shapes.append(array.shape)
        self._record = self._make_record(shapes)
        if program.derived:
            self._derive(shapes)
        self._data = self._record.ctypes.data
        self._density, self._variables = _DENSITY(program.addresses[0]), _VARIABLES(program.addresses[1])

    def _make_record(self, shapes: list[tuple[int, ...]]) -> np.ndarray:
        """Return the record that nutpie's C functions read: all addresses, then all sizes, then all lengths."""
        addresses = [array.ctypes.data for array in self._arrays]
        return np.array([*addresses, *map(prod, shapes), *(n for shape in shapes for n in shape)], dtype=np.uintp)

    def _derive(self, shapes: list[tuple[int, ...]]) -> None:
        """Compute the arrays that follow from the data alone, and add them to the data."""
        program = self.program
        for dims in program.derived:
            shapes.append(tuple(n if isinstance(n, int) else shapes[n[0]][n[1]] for n in dims))
        made = [np.zeros(prod(shape) + PADDING) for shape in shapes[len(program.inputs) :]]
        places = np.array([array.ctypes.data for array in made], dtype=np.uintp)
        if _DERIVED(program.addresses[2])(places.ctypes.data, self._record.ctypes.data):
            raise ValueError("the arrays of the data do not fit each other")
        for array in made:
            array[-PADDING:] = array[-PADDING - 1]
        self._arrays += made
        self._record = self._make_record(shapes)

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
        compute, size, data, width, length = self._variables, self.size, self._data, 8 * self.size, out.shape[1]
        point, row = points.ctypes.data, out.ctypes.data
        for k in range(len(points)):
            if compute(size, length, point + k * width, row + k * 8 * length, data):
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


def dump_program(code: bytes, calls: tuple[str, ...], prior: np.ndarray, about: Mapping[str, Any]) -> bytes:
    """Return a program as bytes, which `load_program` reads.

    Parameters
    ----------
    code : bytes
        Machine code of the functions ``DENSITY`` and ``VARIABLES``.
    calls : tuple of str
        The functions of this machine that it calls.
    prior : array
        Unconstrained draws from the prior.
    about : mapping
        The other attributes of the `Program`.
    """
    file = io.BytesIO()
    written = json.dumps({**about, "calls": calls}, default=_as_plain)
    np.savez(file, allow_pickle=False, code=np.frombuffer(code, dtype=np.uint8), prior=prior, about=np.array(written))
    return file.getvalue()


def _as_plain(value: Any) -> Any:
    """Return a label of a dimension as JSON has it."""
    return value.item() if isinstance(value, np.generic) else sorted(value)


def load_program(content: bytes) -> Program:
    """Return the program that `dump_program` wrote.

    The bytes hold machine code: only what this user wrote on this machine may be read.

    Raises
    ------
    ValueError
        If the bytes are not a program, or this machine lacks a function that it calls.
    """
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        code, prior, about = file["code"].tobytes(), file["prior"], json.loads(str(file["about"]))
    missing = [name for name in about.pop("calls") if not has_symbol(name)]
    if missing:
        raise ValueError(f"this machine has no {', '.join(missing)}")
    engine, addresses = load_code(code, DENSITY, VARIABLES, DERIVED)
    return Program(
        addresses=tuple(addresses),
        code=engine,
        size=about["size"],
        names=tuple(about["names"]),
        shapes=tuple(map(tuple, about["shapes"])),
        unconstrained=frozenset(about["unconstrained"]),
        dims={name: tuple(dims) for name, dims in about["dims"].items()},
        coords=about["coords"],
        inputs=tuple((name, dtype, ndim) for name, dtype, ndim in about["inputs"]),
        prior=prior,
        derived=tuple(map(tuple, about["derived"])),
    )
