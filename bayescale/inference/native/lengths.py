"""How long each dimension of each variable of a graph is: a number, or a symbol for what only the data will tell."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from bayescale.inference.native.unsupported import UnsupportedError

Length = int | str
Lengths = tuple[Length, ...]


class LengthTable:
    """The dimensions of the variables of a graph.

    Attributes
    ----------
    dims : dict
        By variable.
    equal : list of (Length, Length)
        Lengths that were taken as equal, which the data must confirm.
    sums : dict of str to (int, tuple of str)
        Symbols that are the sum of a number and other symbols.
    """

    def __init__(self, graph: Any, known: Mapping[Any, Lengths]) -> None:
        self.dims: dict[Any, Lengths] = dict(known)
        self.equal: list[tuple[Length, Length]] = []
        self.sums: dict[str, tuple[int, tuple[str, ...]]] = {}
        self._names: dict[str, Length] = {}
        for node in graph.toposort():
            for variable, dims in zip(node.outputs, self._infer(node), strict=True):
                self.dims[variable] = dims

    def __getitem__(self, variable: Any) -> Lengths:
        if variable not in self.dims:
            self.dims[variable] = tuple(variable.data.shape)  # a constant
        return tuple(map(self.find, self.dims[variable]))

    def find(self, length: Length) -> Length:
        """Return the one name of a length that has several."""
        while isinstance(length, str) and length in self._names:
            length = self._names[length]
        return length

    def is_single(self, variable: Any) -> bool:
        """Say whether a variable has one element, whatever the data."""
        return all(length == 1 for length in self[variable])

    def fixed_size(self, dims: Lengths) -> int | None:
        """Return how many elements an array has; None where only the data will tell."""
        known = [length for length in dims if isinstance(length, int)]
        return prod(known) if len(known) == len(dims) else None

    def unify(self, first: Length, second: Length) -> Length:
        """Take two lengths as equal, and return their name."""
        first, second = self.find(first), self.find(second)
        if first == second:
            return first
        self.equal.append((first, second))
        if isinstance(first, int) and isinstance(second, int):
            raise UnsupportedError(f"lengths {first} and {second} that should be equal")
        old, new = (first, second) if isinstance(first, str) else (second, first)
        assert isinstance(old, str)
        self._names[old] = new
        return new

    def add(self, parts: Sequence[Length]) -> Length:
        """Return the sum of lengths."""
        parts = [self.find(part) for part in parts]
        number = sum(part for part in parts if isinstance(part, int))
        symbols = tuple(part for part in parts if isinstance(part, str))
        if not symbols:
            return number
        if len(symbols) == 1 and number == 0:
            return symbols[0]
        name = f"sum{len(self.sums)}"
        self.sums[name] = number, symbols
        return name

    def trace(self, variable: Any) -> Length:
        """Return the value of a whole number that says how long something is."""
        node = variable.owner
        if node is None:
            if hasattr(variable, "data"):
                return int(variable.data)
            raise UnsupportedError(f"the length {variable}")
        match type(node.op).__name__:
            case "Shape_i":
                return self[node.inputs[0]][node.op.i]
            case "ScalarFromTensor" | "TensorFromScalar" | "DimShuffle" | "Assert":
                return self.trace(node.inputs[0])
            case "Elemwise" if type(node.op.scalar_op).__name__ == "Cast":
                return self.trace(node.inputs[0])
            case "Elemwise" if type(node.op.scalar_op).__name__ == "Add":
                return self.add([self.trace(part) for part in node.inputs])
            case "Elemwise" if type(node.op.scalar_op).__name__ == "Sub":
                whole, less = (self.trace(part) for part in node.inputs)
                if isinstance(less, int):
                    return self.add([whole, -less])
        raise UnsupportedError(f"a length that {node.op} computes")

    def trace_many(self, variable: Any) -> list[Length]:
        """Return the elements of a vector of whole numbers."""
        if hasattr(variable, "data"):
            return [int(value) for value in variable.data]
        if variable.owner is not None and type(variable.owner.op).__name__ == "MakeVector":
            return [self.trace(part) for part in variable.owner.inputs]
        if self.is_single(variable):
            return [self.trace(variable)]
        raise UnsupportedError(f"lengths {variable}")

    def _infer(self, node: Any) -> list[Lengths]:
        """Return the dimensions of what an operation makes."""
        op, inputs = node.op, node.inputs
        match type(op).__name__:
            case "Elemwise":
                return [self._broadcast(inputs)] * len(node.outputs)
            case "CAReduce" | "Sum" | "Prod" | "All" | "Any" | "Max" | "Min":
                axes = range(len(self[inputs[0]])) if op.axis is None else op.axis
                return [tuple(n for axis, n in enumerate(self[inputs[0]]) if axis not in axes)]
            case "DimShuffle":
                return [tuple(1 if axis == "x" else self[inputs[0]][axis] for axis in op.new_order)]
            case "Alloc":
                return [tuple(self.trace(length) for length in inputs[1:])]
            case "Eye":
                return [tuple(self.trace(length) for length in inputs[:2])]
            case "MakeVector":
                return [(len(inputs),)]
            case "Shape_i" | "ScalarFromTensor" | "TensorFromScalar":
                return [()]
            case _ if scalar_op_of(node):
                return [()]
            case "SpecifyShape":
                given = [None if _is_none(n) else self.trace(n) for n in inputs[1:]]
                return [
                    tuple(n if m is None else self.unify(n, m) for n, m in zip(self[inputs[0]], given, strict=True))
                ]
            case "Reshape":
                return [tuple(self.trace_many(inputs[1]))]
            case "Join":
                first = self[inputs[0]]
                total = self.add([self[part][op.axis] for part in inputs])
                return [(*first[: op.axis], total, *first[op.axis + 1 :])]
            case "Split":
                whole = self[inputs[0]]
                return [(*whole[: op.axis], n, *whole[op.axis + 1 :]) for n in self.trace_many(inputs[1])]
            case "Subtensor" | "AdvancedSubtensor":
                return [self.index_dims(node)]
            case (
                "IncSubtensor"
                | "AdvancedIncSubtensor"
                | "Assert"
                | "CheckParameterValue"
                | "CheckAndRaise"
                | "DeepCopyOp"
            ):
                return [self[inputs[0]]]
        if hasattr(op, "loops"):
            return list(op.infer_shape(node, [self[variable] for variable in inputs]))
        raise UnsupportedError(f"the operation {op}")

    def _broadcast(self, inputs: Sequence[Any]) -> Lengths:
        found: list[Length] = [1] * inputs[0].type.ndim
        for variable in inputs:
            for axis, length in enumerate(self[variable]):
                if not variable.type.broadcastable[axis] and length != 1:
                    found[axis] = length if found[axis] == 1 else self.unify(found[axis], length)
        return tuple(found)

    def index_dims(self, node: Any) -> Lengths:
        """Return the dimensions of a part of an array; see `arrays.read_index` for what parts there are."""
        whole, entries = self[node.inputs[0]], iter_index(node)
        out: list[Length] = []
        vectors: list[Any] = []
        for axis, entry in enumerate(entries):
            if isinstance(entry, slice):
                out.append(self.slice_length(entry, whole[axis]))
            elif entry.type.ndim and vectors:
                if self[entry] != self[vectors[0]]:
                    raise UnsupportedError(f"indices of lengths {self[entry]} and {self[vectors[0]]}")
            elif entry.type.ndim:
                out.extend(self[entry])
                vectors.append(entry)
        return (*out, *whole[len(entries) :])

    def slice_length(self, entry: slice, whole: Length) -> Length:
        """Return how many elements a slice takes."""
        start, stop, step = (
            None if part is None else self.trace(part) for part in (entry.start, entry.stop, entry.step)
        )
        if isinstance(whole, int) and not any(isinstance(part, str) for part in (start, stop, step)):
            return len(range(*slice(start, stop, step).indices(whole)))
        if start in (None, 0) and step in (None, 1) and (stop is None or stop == whole):
            return whole
        if start is None and stop is None and step == -1:
            return whole
        if isinstance(start, int) and start > 0 and stop is None and step in (None, 1):
            return self.add([whole, -start])
        if start in (None, 0) and isinstance(stop, int) and stop < 0 and step in (None, 1):
            return self.add([whole, stop])
        raise UnsupportedError(f"the slice {entry} of a length that only the data will tell")


def iter_index(node: Any) -> list[Any]:
    """Return what an indexing operation takes along each axis: a slice of variables, or a variable."""
    first = 2 if "Inc" in type(node.op).__name__ else 1
    given = node.inputs[first:]

    def read(entry: Any) -> Any:
        if isinstance(entry, slice):
            return slice(*(None if k is None else given[k] for k in (entry.start, entry.stop, entry.step)))
        return given[entry]

    return [read(entry) for entry in node.op.idx_list]


def scalar_op_of(node: Any) -> Any:
    """Return the operation on numbers that a node does, on its elements or on numbers that are none of an array."""
    from pytensor.scalar.basic import ScalarOp

    if isinstance(node.op, ScalarOp):
        return node.op
    return node.op.scalar_op if type(node.op).__name__ == "Elemwise" else None


def _is_none(variable: Any) -> bool:
    return getattr(variable, "data", 0) is None
