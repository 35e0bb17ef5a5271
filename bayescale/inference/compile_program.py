"""Compile a PyMC model into bytes that can be kept on disk: see `program`, which reads them.

Nothing here is imported by a fit of a known shape.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bayescale.inference.native.compile import compile_graphs
from bayescale.inference.native.graphs import Graphs, draw_prior_points, interpret, make_graphs
from bayescale.inference.native.unsupported import UnsupportedError
from bayescale.inference.program import Program, dump_program, load_program

if TYPE_CHECKING:
    import pymc as pm

TYPES = {"f": "<f8", "i": "<i8", "u": "<i8", "b": "|b1"}
"""How machine code reads data, by the kind of NumPy's type."""
CHECKED, TOLERANCE = 3, 1e-8


def compile_model(model: "pm.Model") -> tuple[Program, bytes]:
    """Return a model as a program and as bytes.

    Raises
    ------
    UnsupportedError
        If no machine code is written for an operation of the model, or what was written computes something else than
        PyTensor.
    """
    from pytensor import config

    with config.change_flags(traceback__limit=0):  # where each node was made is not asked for
        prior, shapes = draw_prior_points(model)
        graphs = make_graphs(model, shapes)
    made = compile_graphs(graphs)
    transformed = {rv.name for rv in model.free_RVs if model.rvs_to_transforms.get(rv) is not None}
    about = {
        "size": prior.shape[1],
        "names": graphs.names,
        "shapes": [variable.type.shape for variable in graphs.variables.outputs],
        "unconstrained": [v.name for rv, v in model.rvs_to_values.items() if rv.name in transformed],
        "dims": model.named_vars_to_dims,
        "coords": {dim: list(labels) for dim, labels in model.coords.items() if labels is not None},
        "derived": made.derived,
        "inputs": [(name, TYPES[array.dtype.kind], array.ndim) for name, array in graphs.data.items()],
    }
    content = dump_program(made.code, made.calls, prior, about)
    program = load_program(content)
    _check_program(program, graphs)
    return program, content


def _check_program(program: Program, graphs: Graphs) -> None:
    """Refuse a program that computes something else than PyTensor's own functions at draws from the prior."""
    density, data = program.with_data(graphs.data), list(graphs.data.values())
    derived = interpret(graphs.derived, data)
    for point in program.prior[:CHECKED]:
        parts = np.split(point, np.cumsum([int(np.prod(shape)) for shape in graphs.shapes])[:-1])
        given = [part.reshape(shape) for part, shape in zip(parts, graphs.shapes, strict=True)]
        try:
            wanted = [
                *interpret(graphs.density, [*given, *data, *derived]),
                *interpret(graphs.variables, [*given, *data]),
            ]
        except ValueError:  # no density here
            continue
        value, slope = density.log_density(point)
        _check_same(wanted, [np.array(value), slope, density.variables_at(point[None])])


def _check_same(wanted: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> None:
    one, other = (np.concatenate([np.ravel(part) for part in parts]) for parts in (wanted, found))
    if np.isfinite(one).all() and not np.allclose(other, one, TOLERANCE, TOLERANCE * np.abs(one).max()):
        raise UnsupportedError("the machine code computes something else than PyTensor")


def compile_with_nutpie(model: "pm.Model") -> Program:
    """Return a model as nutpie compiles it, which takes longer and cannot be kept."""
    import warnings

    import nutpie

    with warnings.catch_warnings():
        # Only the chains' starts could use that BLAS, and they are small.
        warnings.filterwarnings("ignore", "PyTensor could not link to a BLAS")
        compiled = nutpie.compile_pymc_model(model)
    names, _, shapes = compiled.shape_info
    data = {variable.name: compiled.shared_data[key] for variable, key in compiled.shared_var_keys.items()}
    return Program(
        addresses=(compiled.compiled_logp_func.address, compiled.compiled_expand_func.address),
        code=compiled,
        size=int(compiled.n_dim),
        names=tuple(map(str, names)),
        shapes=tuple(tuple(map(int, shape)) for shape in shapes),
        unconstrained=frozenset(compiled.reparameterized_names),
        dims={name: tuple(dims) for name, dims in compiled.dims.items()},
        coords={name: list(labels) for name, labels in compiled.coords.items()},
        inputs=tuple((name, array.dtype.str, array.ndim) for name, array in data.items()),
        prior=draw_prior_points(model)[0],
    )
