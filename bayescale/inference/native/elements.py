"""Operations that need nothing of other elements, in one loop over all elements, and the sums taken of them."""

from typing import TYPE_CHECKING, Any

from llvmlite import ir

from bayescale.inference.native.lengths import Lengths
from bayescale.inference.native.plan import FOLDS
from bayescale.inference.native.scalars import LANES, Arithmetic, kind_of

if TYPE_CHECKING:
    from bayescale.inference.native.emitter import Emitter

LANE = ir.IntType(32)


def emit_loop(emitter: "Emitter", where: Lengths, nodes: list[Any]) -> None:
    """Emit operations in one loop: several elements at once if all arrays have the same dimensions."""
    plan, lengths = emitter.plan, emitter.lengths
    operands = {v for node in nodes for v in plan.inputs_of(node) if v is not plan.looked_up(node)}
    flat = all(lengths.is_single(variable) or lengths[variable] == where for variable in operands)
    for node in nodes:
        for variable in node.outputs:
            if variable in plan.stored:
                emitter.make_array(variable)
    elements = Elements(emitter, where, nodes, LANES if flat else 1)
    if flat:
        with emitter.loop(emitter.count(where), LANES) as k:
            elements.emit([k])
    else:
        with emitter.loops(where) as index:
            elements.emit(index)
    elements.finish()


class Elements:
    """What is done in one loop."""

    def __init__(self, emitter: "Emitter", where: Lengths, nodes: list[Any], lanes: int) -> None:
        self._emitter, self._where, self._nodes = emitter, where, nodes
        self._arithmetic = Arithmetic(emitter.code, emitter.externals, lanes)
        self._values: dict[Any, Any] = {}
        self._totals: dict[Any, Any] = {}
        for node in nodes:
            if type(node.op).__name__ in FOLDS:
                kind = kind_of(node.outputs[0])
                self._totals[node] = emitter.slot(self._arithmetic.type(kind))
                start = self._arithmetic.constant(kind, emitter.identity_of(node.op))
                emitter.code.store(start, self._totals[node])

    def emit(self, index: list[Any]) -> None:
        """Emit all operations on the elements at an index."""
        emitter, arithmetic = self._emitter, self._arithmetic
        present = self._find_present(index[0]) if self._totals and arithmetic.lanes > 1 else None
        for node in self._nodes:
            out, inputs, name = node.outputs[0], emitter.plan.inputs_of(node), type(node.op).__name__
            if name in FOLDS:
                self._add_to_total(node, self._get(inputs[0], index), present)
                continue
            if name == "AdvancedSubtensor":
                value = self._look_up(inputs[0], self._get(inputs[1], index))
            elif name == "Alloc":
                value = self._get(inputs[0], index)
            else:
                args = [self._get(variable, index) for variable in inputs]
                value = arithmetic.apply(node.op.scalar_op, args, list(map(kind_of, inputs)), kind_of(out))
            self._values[out] = value
            if out in emitter.plan.stored:
                place = index[0] if arithmetic.lanes > 1 else emitter.flat_index(emitter.lengths[out], index)
                emitter.write_at(out, place, value, arithmetic.lanes)

    def finish(self) -> None:
        """Emit, after the loop, the sums over lanes."""
        code, scalar = self._emitter.code, self._emitter.scalar
        for node, place in self._totals.items():
            kind, lanes = kind_of(node.outputs[0]), self._arithmetic.lanes
            total = code.load(place, typ=self._arithmetic.type(kind))
            parts = [total] if lanes == 1 else [code.extract_element(total, ir.Constant(LANE, k)) for k in range(lanes)]
            while len(parts) > 1:
                pairs = zip(parts[::2], parts[1::2], strict=True)
                parts = [scalar.apply(node.op.scalar_op, [a, b], [kind, kind], kind) for a, b in pairs]
            self._emitter.set_scalar(node.outputs[0], parts[0])

    def _get(self, variable: Any, index: list[Any]) -> Any:
        if variable not in self._values:
            if self._emitter.lengths.is_single(variable):
                value = self._arithmetic.splat(self._emitter.get_scalar(variable))
            elif self._arithmetic.lanes > 1:
                value = self._emitter.read_at(variable, index[0], self._arithmetic.lanes)
            else:
                value = self._emitter.read_element(variable, index)
            self._values[variable] = value
        return self._values[variable]

    def _look_up(self, variable: Any, index: Any) -> Any:
        """Return the elements of a vector at other places, which may count from its end."""
        emitter, code, lanes = self._emitter, self._emitter.code, self._arithmetic.lanes
        if emitter.lengths.is_single(variable):
            return self._arithmetic.splat(emitter.get_scalar(variable))
        length = emitter.length(emitter.lengths[variable][0])
        if lanes == 1:
            return emitter.read_at(variable, emitter.check_index(index, length))
        found = ir.Constant(self._arithmetic.type(kind_of(variable)), ir.Undefined)
        for k in range(lanes):
            lane = ir.Constant(LANE, k)
            at = emitter.check_index(code.extract_element(index, lane), length)
            found = code.insert_element(found, emitter.read_at(variable, at), lane)
        return found

    def _find_present(self, index: Any) -> Any:
        """Return which lanes are of elements that the array has, and not of the room after its end."""
        code, arithmetic = self._emitter.code, self._arithmetic
        steps = ir.Constant(arithmetic.type("i"), list(range(arithmetic.lanes)))
        places = code.add(arithmetic.splat(index), steps)
        return code.icmp_signed("<", places, arithmetic.splat(self._emitter.count(self._where)))

    def _add_to_total(self, node: Any, value: Any, present: Any) -> None:
        code, arithmetic, kind = self._emitter.code, self._arithmetic, kind_of(node.outputs[0])
        value = arithmetic.convert(value, kind_of(node.inputs[0]), kind)
        if present is not None:
            value = code.select(present, value, arithmetic.constant(kind, self._emitter.identity_of(node.op)))
        total = code.load(self._totals[node], typ=arithmetic.type(kind))
        code.store(arithmetic.apply(node.op.scalar_op, [total, value], [kind, kind], kind), self._totals[node])
