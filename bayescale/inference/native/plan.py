"""In which order the operations of a graph are done, and which of them share a loop."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bayescale.inference.native.lengths import Lengths, LengthTable

FOLDS = ("CAReduce", "Sum", "Prod", "All", "Any", "Max", "Min")
ALIASES = ("DeepCopyOp", "SpecifyShape", "Assert", "CheckParameterValue", "CheckAndRaise")


@dataclass
class Step:
    """Operations that are done one after the other, then loops of which each element needs nothing of another's."""

    straight: list[Any] = field(default_factory=list)
    loops: dict[Lengths, list[Any]] = field(default_factory=dict)


class Plan:
    """The steps of a graph.

    Attributes
    ----------
    steps : list of Step
        In order.
    stored : set
        Variables made in a loop that are needed outside of it.
    """

    def __init__(self, graph: Any, lengths: LengthTable) -> None:
        self._lengths, self._alias = lengths, dict[Any, Any]()
        self._level: dict[Any, int] = {}
        self._home: dict[Any, tuple[int, Lengths]] = {}  # the loop in which a variable is made
        self.steps: list[Step] = []
        self.stored: set[Any] = set()
        for node in graph.toposort():
            self._place(node)
        self._store(graph.outputs)

    def resolve(self, variable: Any) -> Any:
        """Return the variable that holds the same values in the same order and shape."""
        while variable in self._alias:
            variable = self._alias[variable]
        return variable

    def inputs_of(self, node: Any) -> list[Any]:
        """Return what an operation works on."""
        return [self.resolve(variable) for variable in node.inputs]

    def looked_up(self, node: Any) -> Any:
        """Return the variable in which a loop looks up elements, in any order; none for other operations."""
        vector = type(node.op).__name__ == "AdvancedSubtensor" and node.inputs[0].type.ndim == 1
        return self.resolve(node.inputs[0]) if vector else None

    def fold_of(self, node: Any) -> str:
        """Return how a loop over all elements can take a sum: of all, of each row, of each column, or not at all."""
        if type(node.op).__name__ not in FOLDS or self._lengths.is_single(node.inputs[0]):
            return ""
        if self._lengths.is_single(node.outputs[0]):
            return "all"
        if len(dims := self._lengths[node.inputs[0]]) != 2 or 1 in dims:
            return ""
        return "row" if tuple(node.op.axis) == (1,) else "column"

    def _role(self, node: Any) -> str:
        name, single = type(node.op).__name__, self._lengths.is_single
        if name in ALIASES:
            return "alias"
        if self.fold_of(node):
            return "fold"
        if single(node.outputs[0]):
            return "straight"
        if name == "Elemwise" or (name == "Alloc" and single(node.inputs[0])):
            return "loop"
        if self.looked_up(node) is not None:
            return "loop"
        return "straight"

    def _available(self, variable: Any) -> int:
        """Return the first step in which a variable can be had outside of the loop that makes it."""
        return self._level.get(variable, 0) + (variable in self._home)

    def _place(self, node: Any) -> None:
        role, inputs = self._role(node), self.inputs_of(node)
        if role == "alias":
            self._alias[node.outputs[0]] = inputs[0]
            if type(node.op).__name__ in ("DeepCopyOp", "SpecifyShape"):
                return
            role = "straight"
            inputs = inputs[1:]
        if role == "straight":
            level = max(map(self._available, inputs), default=0)
            self._step(level).straight.append(node)
        else:
            where = self._lengths[inputs[0] if role == "fold" else node.outputs[0]]
            level, looked_up = 0, self.looked_up(node)
            for variable in inputs:
                same = variable is not looked_up and self._home.get(variable, (0, None))[1] == where
                level = max(level, self._level[variable] if same else self._available(variable))
            self._step(level).loops.setdefault(where, []).append(node)
            if role == "loop":
                for variable in node.outputs:
                    self._home[variable] = level, where
        for variable in node.outputs:
            self._level[variable] = level + (role == "fold")

    def _step(self, level: int) -> Step:
        while len(self.steps) <= level:
            self.steps.append(Step())
        return self.steps[level]

    def _store(self, outputs: Iterable[Any]) -> None:
        wanted = {self.resolve(variable) for variable in outputs}
        for node, loop in self._iter_nodes():
            looked_up = self.looked_up(node)
            wanted |= {v for v in self.inputs_of(node) if v is looked_up or loop is None or self._home.get(v) != loop}
        self.stored = {variable for variable in wanted if variable in self._home}

    def _iter_nodes(self) -> Iterator[tuple[Any, tuple[int, Lengths] | None]]:
        for level, step in enumerate(self.steps):
            yield from ((node, None) for node in step.straight)
            for where, nodes in step.loops.items():
                yield from ((node, (level, where)) for node in nodes)
