"""From a PyMC model to the graphs that are compiled: log density with gradient, and all variables that are shown."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pymc as pm

KEPT_DRAWS = 2000
"""Draws from the prior that are kept with a program: chains start at them, and a fit shows them as its prior."""
PRIOR_SEED = 1
# Rewrites that serve other compilers, and one that takes longer than all others and saves nothing here.
_EXCLUDED = ("fusion", "inplace", "BlasOpt", "local_greedy_distributor")


class Graphs(NamedTuple):
    """The graphs of a model.

    Attributes
    ----------
    density : FunctionGraph
        Log density, then its gradient by parameter, of the parameters, the data and what is derived of the data.
    variables : FunctionGraph
        All variables of the model: the unconstrained parameters, then those that are computed from them. Of the
        parameters and the data.
    derived : FunctionGraph
        Arrays that follow from the data alone, so that they are computed once for many points. Of the data.
    names : tuple of str
        The names of all variables.
    shapes : tuple of tuple of int
        The shape of each parameter, in the order of a point.
    data : dict of str to array
        The data of the model.
    """

    density: Any
    variables: Any
    derived: Any
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    data: dict[str, np.ndarray]


def make_graphs(model: "pm.Model", shapes: Sequence[tuple[int, ...]]) -> Graphs:
    """Return the graphs of a model whose parameters have these shapes."""
    import pytensor.tensor as pt
    from pytensor.graph import clone_replace, rewrite_graph

    computed = [variable for variable in model.unobserved_value_vars if variable not in model.value_vars]
    points = [
        pt.TensorType("float64", shape)(value.name) for value, shape in zip(model.value_vars, shapes, strict=True)
    ]
    given = dict(zip(model.value_vars, points, strict=True)) | {data: data.type(data.name) for data in model.data_vars}
    log_density, *shown = clone_replace(_inline([model.logp(), *computed]), given)
    log_density = rewrite_graph(log_density, include=["canonicalize", "stabilize"])
    gradient = pt.grad(log_density, points, disconnected_inputs="ignore")
    inputs = list(given.values())
    density, derived = _split_off_data(_rewrite(inputs, [log_density, *gradient]), len(points))
    return Graphs(
        density,
        _rewrite(inputs, [*points, *shown]),
        derived,
        tuple(str(variable.name) for variable in (*model.value_vars, *computed)),
        tuple(shapes),
        {str(data.name): np.asarray(data.get_value()) for data in model.data_vars},
    )


def _inline(outputs: Sequence[Any]) -> list[Any]:
    """Return graphs without operations that are graphs themselves."""
    from pytensor.compile.builders import OpFromGraph
    from pytensor.compile.rewriting import inline_ofg_node
    from pytensor.graph import clone_replace
    from pytensor.graph.traversal import applys_between

    while nodes := [node for node in applys_between([], outputs) if isinstance(node.op, OpFromGraph)]:
        outputs = clone_replace(outputs, dict(zip(nodes[0].outputs, inline_ofg_node(nodes[0]), strict=True)))
    return list(outputs)


def _rewrite(inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
    from pytensor.compile.mode import Mode
    from pytensor.graph import FunctionGraph

    graph = FunctionGraph(inputs, _inline(outputs), clone=True)
    Mode(linker="py", optimizer="fast_run").excluding(*_EXCLUDED).optimizer.rewrite(graph)
    made = _inline(graph.outputs)  # what was found to be a softmax
    if made != graph.outputs:
        graph = FunctionGraph(graph.inputs, made, clone=True)
        Mode(linker="py", optimizer="merge").optimizer.rewrite(graph)
    return graph


def _split_off_data(graph: Any, parameters: int) -> tuple[Any, Any]:
    """Return a graph of parameters, data and derived arrays, and that of the derived arrays."""
    from pytensor.graph import FunctionGraph, clone_replace
    from pytensor.tensor.elemwise import Elemwise

    _raise_by_logarithms(graph)
    data = graph.inputs[parameters:]
    follows, derived = set(data), list[Any]()
    for node in graph.toposort():
        if node.inputs and all(variable in follows or hasattr(variable, "data") for variable in node.inputs):
            follows |= set(node.outputs)
    for node in graph.toposort():
        (out, *_) = node.outputs
        if out in follows and isinstance(node.op, Elemwise) and out.type.dtype == "float64" and None in out.type.shape:
            users = [user for user, _ in graph.clients[out]]
            if any(isinstance(user.op, str) or not set(getattr(user, "outputs", ())) <= follows for user in users):
                derived.append(out)
    if not derived:
        return graph, FunctionGraph(data, [], clone=True)
    once = FunctionGraph(data, derived, clone=True)
    given = [out.type(f"derived_{k}") for k, out in enumerate(derived)]
    outputs = clone_replace(graph.outputs, dict(zip(derived, given, strict=True)))
    return FunctionGraph([*graph.inputs, *given], outputs, clone=True), once


def _raise_by_logarithms(graph: Any) -> None:
    """Raise data to a power by their logarithm where the graph has that anyway, as it is then known beforehand."""
    from pytensor.tensor.elemwise import Elemwise
    from pytensor.tensor.math import exp

    def find(name: str) -> list[Any]:
        nodes = graph.toposort()
        return [n for n in nodes if isinstance(n.op, Elemwise) and type(n.op.scalar_op).__name__ == name]

    logarithms = {node.inputs[0]: node.outputs[0] for node in find("Log") if node.inputs[0] in graph.inputs}
    for node in find("Pow"):
        base, exponent = node.inputs
        if base in logarithms:
            graph.replace(node.outputs[0], exp(exponent * logarithms[base]), import_missing=True)


def interpret(graph: Any, values: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Evaluate a graph by PyTensor's own functions in NumPy, one operation after the other."""
    known = {
        variable: variable.type.filter(value, allow_downcast=True)
        for variable, value in zip(graph.inputs, values, strict=True)
    }

    def get(variable: Any) -> Any:
        return known.get(variable, getattr(variable, "data", None))

    with np.errstate(all="ignore"):  # a branch that a switch does not take may be worth nothing
        for node in graph.toposort():
            given = [get(variable) for variable in node.inputs]
            name = type(getattr(node.op, "scalar_op", None)).__name__
            if type(node.op).__name__ == "Elemwise" and name in ("Add", "Mul"):  # NumPy's functions take 32 at most
                known[node.outputs[0]] = functools.reduce(np.add if name == "Add" else np.multiply, given)
                continue
            places: list[list[Any]] = [[None] for _ in node.outputs]
            node.op.perform(node, given, places)
            known |= {variable: place[0] for variable, place in zip(node.outputs, places, strict=True)}
    return [np.asarray(get(variable)) for variable in graph.outputs]


def draw_prior_points(model: "pm.Model", draws: int = KEPT_DRAWS) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    """Return unconstrained draws from a model's prior, dims (draw, parameter), and the shape of each parameter.

    Chains that all start in the middle of the prior find the same far mode and agree on it, or stay there alone. Data
    that a prior depends on are taken as ones, so that the draws belong to the shape of a model and not to the runs
    that it was compiled for.
    """
    import pymc as pm
    from pymc.initial_point import make_initial_point_expression
    from pytensor.compile.mode import get_mode

    points = make_initial_point_expression(
        free_rvs=model.free_RVs,
        rvs_to_transforms=model.rvs_to_transforms,
        initval_strategies={},
        default_strategy="prior",
        return_transformed=True,
    )
    with model:
        mode = get_mode("FAST_COMPILE").excluding("BlasOpt")
        function = pm.compile([], points, mode=mode, random_seed=PRIOR_SEED)
    values = {data: data.get_value() for data in model.data_vars}
    try:
        for data, value in values.items():
            data.set_value(np.ones_like(value))
        drawn = [function() for _ in range(draws)]
    finally:
        for data, value in values.items():
            data.set_value(value)
    shapes = [tuple(np.shape(part)) for part in drawn[0]]
    return np.array([np.concatenate([np.ravel(part) for part in parts]) for parts in drawn], dtype=float), shapes
