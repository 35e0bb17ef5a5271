"""Compile a PyMC model: its log density with gradient and its variables, as the two C functions that nutpie calls."""

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

from llvmlite import ir

from bayescale.inference.native.emitter import Emitter
from bayescale.inference.native.graphs import Graphs
from bayescale.inference.native.lengths import Length, Lengths, LengthTable
from bayescale.inference.native.machine import compile_module, has_symbol, vector_forms
from bayescale.inference.native.scalars import FLOAT, INT, POINTER, Externals
from bayescale.inference.program import DENSITY, DERIVED, VARIABLES


class MachineCode(NamedTuple):
    """The functions of a model.

    Attributes
    ----------
    code : bytes
        Machine code.
    calls : tuple of str
        The functions of this machine that it calls.
    derived : tuple of tuple
        The dimensions of each array that follows from the data alone: a number, or of which array of data and along
        which axis.
    """

    code: bytes
    calls: tuple[str, ...]
    derived: tuple[tuple[int | tuple[int, int], ...], ...]


def compile_graphs(graphs: Graphs) -> MachineCode:
    """Return the functions of a model as machine code.

    Raises
    ------
    UnsupportedError
        If a graph has an operation or a shape that no machine code is written for.
    """
    module = ir.Module("model")
    externals = Externals(module, vector_forms(), has_symbol)
    dims = _emit_derived(externals, graphs)
    _emit_density(externals, graphs, dims)
    _emit_variables(externals, graphs, dims)
    calls = [f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")]
    return MachineCode(compile_module(module), tuple(calls), tuple(tuple(map(_place_of, each)) for each in dims))


def _name_lengths(k: int, variable: Any) -> Lengths:
    """Return the dimensions of the k-th array of data, with symbols for what is not known."""
    return tuple(f"n{k}_{axis}" if n is None else n for axis, n in enumerate(variable.type.shape))


def _place_of(length: Length) -> int | tuple[int, int]:
    """Return of which array and along which axis a length is."""
    if isinstance(length, int):
        return length
    k, axis = length.removeprefix("n").split("_")
    return int(k), int(axis)


def _begin(
    externals: Externals,
    name: str,
    sizes: int,
    pointers: int,
    graphs: Graphs,
    graph: Any,
    derived: Sequence[Lengths] = (),
) -> Emitter:
    """Begin a function of numbers and pointers: the point comes first of the pointers, the record of arrays last."""
    shapes = () if name == DERIVED else graphs.shapes
    points, arrays = graph.inputs[: len(shapes)], graph.inputs[len(shapes) :]
    dims = [_name_lengths(k, variable) for k, variable in enumerate(arrays[: len(graphs.data)])]
    known: dict[Any, Lengths] = dict(zip([*points, *arrays], [*shapes, *dims, *derived], strict=False))
    emitter = Emitter(externals, name, [INT] * sizes + [POINTER] * pointers, graph, LengthTable(graph, known))
    # All addresses, all sizes, all lengths: of the data, then of what is derived of them.
    record, lengths = emitter.function.args[-1], 2 * (len(graphs.data) + len(derived))
    for k, variable in enumerate(arrays):
        emitter.take_data(variable, record, k, lengths)
        lengths += variable.type.ndim
    offset = 0
    for variable, shape in zip(points, shapes, strict=True):
        emitter.take_parameter(variable, emitter.function.args[sizes], offset)
        offset += prod(shape)
    emitter.evaluate()
    return emitter


def _emit_derived(externals: Externals, graphs: Graphs) -> list[Lengths]:
    """Emit the function of arrays that follow from the data alone, and return their dimensions."""
    emitter = _begin(externals, DERIVED, 0, 2, graphs, graphs.derived)
    for k, variable in enumerate(graphs.derived.outputs):
        emitter.copy_to(variable, emitter.take_pointer(emitter.function.args[0], k))
    emitter.finish([])
    return [emitter.lengths[variable] for variable in graphs.derived.outputs]


def _emit_density(externals: Externals, graphs: Graphs, derived: Sequence[Lengths]) -> None:
    emitter = _begin(externals, DENSITY, 1, 4, graphs, graphs.density, derived)
    _, _, gradient, value, _ = emitter.function.args
    emitter.copy_out(graphs.density.outputs[0], value, 0)
    offset = 0
    for variable in graphs.density.outputs[1:]:
        offset += emitter.copy_out(variable, gradient, offset)
    # What is not finite stays so times 0, and its sum is not 0.
    code, total = emitter.code, emitter.slot(FLOAT)
    zero = ir.Constant(FLOAT, 0.0)
    code.store(zero, total)
    with emitter.loop(ir.Constant(INT, offset)) as k:
        slope = code.load(code.gep(gradient, [k], source_etype=FLOAT), typ=FLOAT)
        code.store(code.fadd(code.load(total, typ=FLOAT), code.fmul(slope, zero)), total)
    steep = code.fcmp_unordered("!=", code.load(total, typ=FLOAT), zero)
    nowhere = code.fcmp_unordered("!=", code.fmul(code.load(value, typ=FLOAT), zero), zero)
    emitter.finish([(3, steep), (4, nowhere)])


def _emit_variables(externals: Externals, graphs: Graphs, derived: Sequence[Lengths]) -> None:
    emitter = _begin(externals, VARIABLES, 2, 3, graphs, graphs.variables, derived)
    offset = 0
    for variable in graphs.variables.outputs:
        offset += emitter.copy_out(variable, emitter.function.args[3], offset)
    emitter.finish([])
