"""Compile a PyMC model: its log density with gradient and its parameters, as the two C functions that nutpie calls."""

from math import prod
from typing import Any

from llvmlite import ir

from bayescale.inference.native.emitter import Emitter
from bayescale.inference.native.graphs import Graphs
from bayescale.inference.native.lengths import Lengths, LengthTable
from bayescale.inference.native.machine import compile_module, has_symbol, vector_forms
from bayescale.inference.native.scalars import FLOAT, INT, POINTER, Externals
from bayescale.inference.program import DENSITY, VARIABLES


def compile_graphs(graphs: Graphs) -> tuple[bytes, tuple[str, ...]]:
    """Return the functions of a model as machine code, and the names of the functions that it calls.

    Raises
    ------
    UnsupportedError
        If a graph has an operation or a shape that no machine code is written for.
    """
    module = ir.Module("model")
    externals = Externals(module, vector_forms(), has_symbol)
    _emit_density(externals, graphs)
    _emit_variables(externals, graphs)
    calls = [f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")]
    return compile_module(module), tuple(calls)


def _begin(externals: Externals, name: str, arguments: int, graphs: Graphs, graph: Any) -> tuple[Emitter, Any]:
    """Begin a function of so many pointers after its sizes: the point comes first of them, the record of data last."""
    count = len(graphs.shapes)
    known: dict[Any, Lengths] = dict(zip(graph.inputs[:count], graphs.shapes, strict=True))
    for k, variable in enumerate(graph.inputs[count:]):
        static = variable.type.shape
        known[variable] = tuple(f"n{k}_{axis}" if n is None else n for axis, n in enumerate(static))
    sizes = [INT] * (1 if name == DENSITY else 2)
    emitter = Emitter(externals, name, [*sizes, *[POINTER] * arguments], graph, LengthTable(graph, known))
    point, record, offset = emitter.function.args[len(sizes)], emitter.function.args[-1], 0
    first_length = 2 * len(graphs.data)  # the record of nutpie: all addresses, all sizes, all lengths
    for k, variable in enumerate(graph.inputs[count:]):
        emitter.take_data(variable, record, k, first_length)
        first_length += variable.type.ndim
    for variable, shape in zip(graph.inputs[:count], graphs.shapes, strict=True):
        emitter.take_parameter(variable, point, offset)
        offset += prod(shape)
    emitter.evaluate()
    return emitter, emitter.function.args[len(sizes) + 1 :]


def _emit_density(externals: Externals, graphs: Graphs) -> None:
    emitter, (gradient, value, _) = _begin(externals, DENSITY, 4, graphs, graphs.density)
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


def _emit_variables(externals: Externals, graphs: Graphs) -> None:
    emitter, (out, _) = _begin(externals, VARIABLES, 3, graphs, graphs.variables)
    offset = 0
    for variable in graphs.variables.outputs:
        offset += emitter.copy_out(variable, out, offset)
    emitter.finish([])
