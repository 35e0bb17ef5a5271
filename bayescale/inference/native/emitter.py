"""A graph of PyTensor as one C function in LLVM's language.

Elements that need nothing of each other are computed in one loop, several at once. What is needed after its loop is
stored; an array has room for a few elements more than it has, so that the last step of a loop may be a whole one.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

from llvmlite import ir

from bayescale.inference.native.arrays import emit_array
from bayescale.inference.native.elements import emit_loop
from bayescale.inference.native.lengths import Length, Lengths, LengthTable, scalar_op_of
from bayescale.inference.native.plan import Plan
from bayescale.inference.native.scalars import (
    BOOL,
    BYTE,
    FLOAT,
    INT,
    KINDS,
    LANES,
    POINTER,
    Arithmetic,
    Externals,
    kind_of,
)
from bayescale.inference.native.unsupported import UnsupportedError

MAX_ON_STACK = 2000
"""An array of more elements lies in memory that is asked for at each call."""
IDENTITIES = {"Add": 0, "Mul": 1, "AND": 1, "OR": 0, "Maximum": float("-inf"), "Minimum": float("inf")}


class Emitter:
    """Writes a function that evaluates a graph.

    Attributes
    ----------
    lengths : LengthTable
        The dimensions of all variables.
    code : IRBuilder
        Where the next instruction goes.
    """

    def __init__(
        self, externals: Externals, name: str, arguments: Sequence[Any], graph: Any, lengths: LengthTable
    ) -> None:
        self.externals, self.graph, self.lengths = externals, graph, lengths
        self.plan = Plan(graph, lengths)
        self.function = ir.Function(externals.module, ir.FunctionType(INT, arguments), name)
        self.entry = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.body = self.function.append_basic_block("body")
        self.code = ir.IRBuilder(self.body)
        self.scalar = Arithmetic(self.code, externals, 1)
        self._scalars: dict[Any, Any] = {}
        self._pointers: dict[Any, Any] = {}
        self._symbols: dict[str, Any] = {}
        self._heap: list[tuple[Any, Any]] = []
        self._constants = 0
        self._bad = self.slot(BOOL)
        self.entry.store(ir.Constant(BOOL, 0), self._bad)

    # What the function is given ---------------------------------------------------------------------------------------

    def take_parameter(self, variable: Any, point: Any, offset: int) -> None:
        """Read a parameter from its place in a point; an array is copied, as a point has no room after its end."""
        if self.lengths.is_single(variable):
            self._scalars[variable] = self.entry.load(self._at(self.entry, point, offset), typ=FLOAT)
            return
        count = self.lengths.fixed_size(self.lengths[variable])
        assert count is not None
        made, start = self.make_array(variable), self._at(self.code, point, offset)
        with self.loop(ir.Constant(INT, count + LANES)) as k:
            last = ir.Constant(INT, count - 1)
            inside = self.code.select(self.code.icmp_signed("<", k, last), k, last)
            self.code.store(self.code.load(self._at(self.code, start, inside), typ=FLOAT), self._at(self.code, made, k))

    def take_data(self, variable: Any, record: Any, place: int, first_length: int) -> None:
        """Read an array of data, and how long it is, from the record of all data."""
        pointer = self.take_pointer(record, place)
        for axis, length in enumerate(self.lengths.dims[variable]):
            if isinstance(length, str):
                self._symbols[length] = self.entry.load(self._at(self.entry, record, first_length + axis), typ=INT)
        if self.lengths.is_single(variable):
            value = self.entry.load(pointer, typ=_in_memory(kind_of(variable)))
            self._scalars[variable] = self._from_memory(self.entry, value, kind_of(variable), 1)
        else:
            self._pointers[variable] = pointer

    def take_pointer(self, record: Any, place: int) -> Any:
        """Read an address from a record."""
        address = self.entry.load(self._at(self.entry, record, place), typ=INT)
        return self.entry.inttoptr(address, POINTER)

    # What operations work with ----------------------------------------------------------------------------------------

    def slot(self, typ: Any) -> Any:
        """Return a place for one value."""
        return self.entry.alloca(typ)

    def length(self, length: Length) -> Any:
        """Return how long something is."""
        length = self.lengths.find(length)
        if isinstance(length, int):
            return ir.Constant(INT, length)
        if length in self.lengths.sums:
            number, symbols = self.lengths.sums[length]
            total = ir.Constant(INT, number)
            for symbol in symbols:
                total = self.entry.add(total, self.length(symbol))
            return total
        return self._symbols[length]

    def count(self, dims: Lengths) -> Any:
        """Return how many elements an array has."""
        total = ir.Constant(INT, prod(length for length in dims if isinstance(length, int)))
        for length in dims:
            if isinstance(length, str):
                total = self.entry.mul(total, self.length(length))
        return total

    def make_array(self, variable: Any) -> Any:
        """Return the place of a new array for a variable."""
        self._pointers[variable] = self._allocate(self.lengths[variable], kind_of(variable))
        return self._pointers[variable]

    def make_zeros(self, dims: Lengths) -> Any:
        """Return the place of a new array of zeros."""
        place, zeros = self._allocate(dims, "f"), Arithmetic(self.code, self.externals, LANES).constant("f", 0.0)
        with self.loop(self.count(dims), LANES) as k:
            self.code.store(zeros, self.at(place, k), align=8)
        return place

    def take_array(self, variable: Any, place: Any) -> None:
        """Let a variable be an array that is there; of one element it is a number."""
        if self.lengths.is_single(variable):
            self._scalars[variable] = self.code.load(self.at(place, ir.Constant(INT, 0)), typ=FLOAT)
        else:
            self._pointers[variable] = place

    def as_array(self, variable: Any) -> Any:
        """Return the place of an array of floats, also where a variable has one element."""
        if not self.lengths.is_single(variable):
            return self.get_array(variable)
        place = self._allocate((1,), "f")
        self.code.store(self.get_scalar(variable), self.at(place, ir.Constant(INT, 0)))
        return place

    def at(self, place: Any, index: Any) -> Any:
        """Return the place of an element of an array of floats."""
        return self._at(self.code, place, index)

    def _allocate(self, dims: Lengths, kind: str) -> Any:
        size = self.lengths.fixed_size(dims)
        if size is not None and size <= MAX_ON_STACK:
            return self.entry.alloca(_in_memory(kind), size + LANES)
        place = self.slot(POINTER)
        self._heap.append((place, self.count(dims)))
        return self.code.load(place, typ=POINTER)

    def get_array(self, variable: Any) -> Any:
        """Return the place of an array."""
        variable = self.plan.resolve(variable)
        if variable not in self._pointers:
            if not hasattr(variable, "data"):
                raise UnsupportedError(f"{variable} as an array")
            kind = kind_of(variable)
            values = [float(value) if kind == "f" else int(value) for value in variable.data.ravel()]
            values += values[-1:] * LANES
            typ = ir.ArrayType(_in_memory(kind), len(values))
            constant = ir.GlobalVariable(self.externals.module, typ, f"constant.{self.function.name}.{self._constants}")
            constant.initializer, constant.global_constant = ir.Constant(typ, values), True
            self._constants += 1
            self._pointers[variable] = constant
        return self._pointers[variable]

    def get_scalar(self, variable: Any) -> Any:
        """Return the one element of a variable."""
        variable = self.plan.resolve(variable)
        if variable not in self._scalars:
            if hasattr(variable, "data"):
                return self.scalar.constant(kind_of(variable), variable.data.item())
            raise UnsupportedError(f"{variable} as a number")
        return self._scalars[variable]

    def set_scalar(self, variable: Any, value: Any) -> None:
        """Keep the one element of a variable."""
        self._scalars[variable] = value

    def read_at(self, variable: Any, index: Any, lanes: int = 1) -> Any:
        """Return the elements of an array from a place on."""
        kind = kind_of(variable)
        typ = _in_memory(kind) if lanes == 1 else ir.VectorType(_in_memory(kind), lanes)
        value = self.code.load(self._at(self.code, self.get_array(variable), index, kind), typ=typ, align=_align(kind))
        return self._from_memory(self.code, value, kind, lanes)

    def write_at(self, variable: Any, index: Any, value: Any, lanes: int = 1) -> None:
        """Store elements of an array from a place on."""
        kind = kind_of(variable)
        if kind == "b":
            value = self.code.zext(value, BYTE if lanes == 1 else ir.VectorType(BYTE, lanes))
        self.code.store(value, self._at(self.code, self.get_array(variable), index, kind), align=_align(kind))

    def read_element(self, variable: Any, index: Sequence[Any]) -> Any:
        """Return one element of an array, by its index along each axis; along an axis of one, any index."""
        if self.lengths.is_single(variable):
            return self.get_scalar(variable)
        return self.read_at(variable, self.flat_index(self.lengths[self.plan.resolve(variable)], index))

    def flat_index(self, dims: Lengths, index: Sequence[Any]) -> Any:
        """Return the place of an element in an array of those dimensions."""
        place = None
        for length, k in zip(dims, index, strict=True):
            place = None if place is None else self.code.mul(place, self.length(length))
            if length != 1:
                place = k if place is None else self.code.add(place, k)
        return ir.Constant(INT, 0) if place is None else place

    def fail_if(self, condition: Any) -> None:
        """Let the function fail where a condition is met."""
        self.code.store(self.code.or_(self.code.load(self._bad, typ=BOOL), condition), self._bad)

    @contextmanager
    def loop(self, count: Any, step: int = 1) -> Iterator[Any]:
        """Repeat what is emitted inside, for each index below a number."""
        place = self.slot(INT)
        head, body, end = (self.function.append_basic_block(name) for name in ("head", "loop", "end"))
        self.code.store(ir.Constant(INT, 0), place)
        self.code.branch(head)
        self.code.position_at_end(head)
        index = self.code.load(place, typ=INT)
        self.code.cbranch(self.code.icmp_signed("<", index, count), body, end)
        self.code.position_at_end(body)
        yield index
        self.code.store(self.code.add(index, ir.Constant(INT, step)), place)
        self.code.branch(head)
        self.code.position_at_end(end)

    @contextmanager
    def loops(self, dims: Lengths) -> Iterator[list[Any]]:
        """Repeat what is emitted inside for each element of an array; gives its index along each axis."""
        if not dims:
            yield []
        elif dims[0] == 1:
            with self.loops(dims[1:]) as rest:
                yield [ir.Constant(INT, 0), *rest]
        else:
            with self.loop(self.length(dims[0])) as first, self.loops(dims[1:]) as rest:
                yield [first, *rest]

    # The graph --------------------------------------------------------------------------------------------------------

    def evaluate(self) -> None:
        """Emit all operations of the graph."""
        for a, b in self.lengths.equal:
            self.fail_if(self.code.icmp_signed("!=", self.length_as_named(a), self.length_as_named(b)))
        for step in self.plan.steps:
            for node in step.straight:
                self._emit_straight(node)
            for where, nodes in step.loops.items():
                emit_loop(self, where, nodes)

    def length_as_named(self, length: Length) -> Any:
        """Return a length by the name that it had before it was taken as equal to another."""
        return self._symbols[length] if length in self._symbols else self.length(length)

    def copy_out(self, variable: Any, pointer: Any, offset: int) -> int:
        """Store a variable from a place on, and return how many elements that were."""
        count = self.lengths.fixed_size(self.lengths[variable])
        if count is None:
            raise UnsupportedError(f"{variable} is as long as the data")
        self.copy_to(variable, self._at(self.code, pointer, offset))
        return count

    def copy_to(self, variable: Any, start: Any) -> None:
        """Store a variable at a place."""
        kind = kind_of(variable)
        if self.lengths.is_single(variable):
            self.code.store(self.scalar.convert(self.get_scalar(variable), kind, "f"), start)
        else:
            with self.loop(self.count(self.lengths[variable])) as k:
                value = self.scalar.convert(self.read_at(self.plan.resolve(variable), k), kind, "f")
                self.code.store(value, self._at(self.code, start, k))

    def finish(self, codes: Sequence[tuple[int, Any]]) -> None:
        """End the function: it returns the code of the first condition that is met, 1 where a check failed, or 0."""
        result = ir.Constant(INT, 0)
        for code, condition in reversed([(1, self.code.load(self._bad, typ=BOOL)), *codes]):
            result = self.code.select(condition, ir.Constant(INT, code), result)
        if self._heap:
            sizes = [
                self.entry.add(self.entry.mul(n, ir.Constant(INT, 8)), ir.Constant(INT, 8 * LANES))
                for _, n in self._heap
            ]
            total = sizes[0]
            for size in sizes[1:]:
                total = self.entry.add(total, size)
            memory = self.entry.call(self.externals.declare("malloc", POINTER, [INT], pure=False), [total])
            place = memory
            for (slot, _), size in zip(self._heap, sizes, strict=True):
                self.entry.store(place, slot)
                place = self.entry.gep(place, [size], source_etype=BYTE)
            self.code.call(self.externals.declare("free", ir.VoidType(), [POINTER], pure=False), [memory])
        self.code.ret(result)
        self.entry.branch(self.body)

    def _emit_straight(self, node: Any) -> None:
        out, inputs = node.outputs[0], self.plan.inputs_of(node)
        name, single = type(node.op).__name__, self.lengths.is_single
        if name in ("Assert", "CheckParameterValue", "CheckAndRaise"):
            for condition in inputs[1:]:
                holds = self.scalar.convert(self.get_scalar(condition), kind_of(condition), "b")
                self.fail_if(self.code.not_(holds))
        elif name == "Shape_i":
            self.set_scalar(out, self.length(self.lengths[inputs[0]][node.op.i]))
        elif operation := scalar_op_of(node):
            args = [self.get_scalar(variable) for variable in inputs]
            self.set_scalar(out, self.scalar.apply(operation, args, list(map(kind_of, inputs)), kind_of(out)))
        elif single(out) and single(inputs[0]) and len(node.outputs) == 1 and name not in ("IncSubtensor", "Join"):
            self.set_scalar(out, self.scalar.convert(self.get_scalar(inputs[0]), kind_of(inputs[0]), kind_of(out)))
        else:
            emit_array(self, node)
            for variable in node.outputs:
                self.fill_room(variable)

    def check_index(self, index: Any, length: Any) -> Any:
        """Return an index counted from the start; one that is out of bounds lets the function fail, and is then 0."""
        zero = ir.Constant(INT, 0)
        index = self.code.select(self.code.icmp_signed("<", index, zero), self.code.add(index, length), index)
        wrong = self.code.icmp_unsigned(">=", index, length)
        self.fail_if(wrong)
        return self.code.select(wrong, zero, index)

    def fill_room(self, variable: Any) -> None:
        """Repeat the last element of an array in the room after its end: any other may be slow to compute with."""
        if not self.lengths.is_single(variable):
            count = self.count(self.lengths[variable])
            last = self.read_at(variable, self.code.sub(count, ir.Constant(INT, 1)))
            self.write_at(variable, count, Arithmetic(self.code, self.externals, LANES).splat(last), LANES)

    def identity_of(self, op: Any) -> float:
        """Return the value with which a fold begins."""
        return IDENTITIES[type(op.scalar_op).__name__.removeprefix("Scalar")]

    def _at(self, builder: ir.IRBuilder, pointer: Any, index: Any, kind: str = "f") -> Any:
        index = ir.Constant(INT, index) if isinstance(index, int) else index
        place = builder.gep(pointer, [index], source_etype=_in_memory(kind))
        place.type = POINTER  # what is stored there may be several elements
        return place

    def _from_memory(self, builder: ir.IRBuilder, value: Any, kind: str, lanes: int) -> Any:
        if kind != "b":
            return value
        return builder.trunc(value, BOOL if lanes == 1 else ir.VectorType(BOOL, lanes))


def _in_memory(kind: str) -> Any:
    return BYTE if kind == "b" else KINDS[kind]


def _align(kind: str) -> int:
    return 1 if kind == "b" else 8
