"""A compiled model as a value that can be kept on disk: machine code, names, and draws from its prior.

Reading a program back and evaluating it imports neither PyMC nor PyTensor nor Numba.
"""

import ctypes
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import xarray as xr

from bayescale.inference.native.machine import has_symbol, load_code

DENSITY, VARIABLES, DERIVED = "log_density", "variables", "derived"
"""The names of the functions of a program."""
PADDING = 8
"""Machine code may read so many elements after the end of an array."""
# The C functions that nutpie calls: size, point, gradient, value, data; and size, length, point, values, data.
_DENSITY = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, *[ctypes.c_void_p] * 4)
# What follows from the data alone: addresses of arrays to fill, data.
_DERIVED = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 2)
_VARIABLES = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_uint64] * 2, *[ctypes.c_void_p] * 3)


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
        program, out = self.program, self.variables_at(points)
        sizes = list(map(prod, program.shapes))
        parts = np.split(out[None], np.cumsum(sizes)[:-1], axis=-1)
        return program.label(
            {
                name: part.reshape(1, len(out), *shape)
                for name, shape, part in zip(program.names, program.shapes, parts, strict=True)
                if name not in program.unconstrained
            }
        )

    def variables_at(self, points: np.ndarray) -> np.ndarray:
        """Return all variables at unconstrained points, dims (draw, element); not a number where there are none."""
        points, size, length = self._check_points(points), self.size, sum(map(prod, self.program.shapes))
        out, compute, data = np.empty((len(points), length)), self._variables, self._data
        point, row = points.ctypes.data, out.ctypes.data
        for k in range(len(points)):
            if compute(size, length, point + 8 * k * size, row + 8 * k * length, data):
                out[k] = np.nan
        return out

    def starts(self, count: int, seed: int) -> np.ndarray:
        """Return unconstrained draws from the prior, dims (draw, parameter)."""
        return self.program.starts(count, seed)

    def nutpie_arguments(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Return what nutpie is told of the two functions; the density is handed over to be kept alive."""
        density, variables = self.program.addresses[:2]
        length = sum(map(prod, self.program.shapes))
        return (density, self._data, self), (self.size, length, variables, self._data, self)

    def _check_points(self, points: np.ndarray) -> np.ndarray:
        points = np.ascontiguousarray(points, dtype=float)
        if points.ndim != 2 or points.shape[1] != self.size:
            raise ValueError(f"points of shape {points.shape}: expected (points, {self.size})")
        return points


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
