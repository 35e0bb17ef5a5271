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
    folds = [fold for node in nodes if (fold := plan.fold_of(node))]
    operands = {v for node in nodes for v in plan.inputs_of(node) if v is not plan.looked_up(node)}
    flat = all(lengths.is_single(variable) or lengths[variable] == where for variable in operands)
    flat = flat and set(folds) <= {"all"}
    for node in nodes:
        for variable in node.outputs:
            if variable in plan.stored:
                emitter.make_array(variable)
    elements = Elements(emitter, nodes)
    if flat:
        count = emitter.count(where)
        with emitter.loop(count, LANES) as k:
            elements.emit([], k, count)
    else:
        count = emitter.length(where[-1])
        with emitter.loops(where[:-1]) as row:
            elements.begin_row()
            with emitter.loop(count, LANES) as k:
                elements.emit(row, k, count)
            elements.end_row(row)
    elements.finish()


class Elements:
    """What is done in one loop, or in a loop over rows and one over the elements of a row."""

    def __init__(self, emitter: "Emitter", nodes: list[Any]) -> None:
        self._emitter, self._nodes = emitter, nodes
        self._arithmetic = Arithmetic(emitter.code, emitter.externals, LANES)
        self._values: dict[Any, Any] = {}
        self._totals: dict[Any, Any] = {}
        for node in nodes:
            fold, out = emitter.plan.fold_of(node), node.outputs[0]
            if fold in ("all", "row"):
                self._totals[node] = emitter.slot(self._arithmetic.type(kind_of(out)))
            if fold == "all":
                self._start(node)
            elif fold:
                emitter.make_array(out)
            if fold == "column":
                with emitter.loop(emitter.count(emitter.lengths[out]), LANES) as k:
                    emitter.write_at(out, k, self._identity(node), LANES)

    def begin_row(self) -> None:
        """Emit the start of each row's sums."""
        for node in self._totals:
            if self._emitter.plan.fold_of(node) == "row":
                self._start(node)

    def end_row(self, row: list[Any]) -> None:
        """Emit the end of each row's sums."""
        for node in self._totals:
            if self._emitter.plan.fold_of(node) == "row":
                self._emitter.write_at(node.outputs[0], row[0], self._sum_lanes(node))

    def finish(self) -> None:
        """Emit, after the loop, what is left to do for the sums."""
        for node in self._nodes:
            fold = self._emitter.plan.fold_of(node)
            if fold == "all":
                self._emitter.set_scalar(node.outputs[0], self._sum_lanes(node))
            elif fold:
                self._emitter.fill_room(node.outputs[0])

    def emit(self, row: list[Any], k: Any, count: Any) -> None:
        """Emit all operations on the elements from the k-th on, of a row or of all; there are so many."""
        emitter, arithmetic = self._emitter, self._arithmetic
        present = self._find_present(k, count) if self._totals else None
        for node in self._nodes:
            out, inputs, name = node.outputs[0], emitter.plan.inputs_of(node), type(node.op).__name__
            if name in FOLDS:
                self._add_to_total(node, self._get(inputs[0], row, k), k, present)
                continue
            if name == "AdvancedSubtensor":
                value = self._look_up(inputs[0], self._get(inputs[1], row, k))
            elif name == "Alloc":
                value = self._get(inputs[0], row, k)
            else:
                args = [self._get(variable, row, k) for variable in inputs]
                value = arithmetic.apply(node.op.scalar_op, args, list(map(kind_of, inputs)), kind_of(out))
            self._values[out] = value
            if out in emitter.plan.stored:
                # What is written after the end of a row is written again as the next row's start.
                place = emitter.flat_index(emitter.lengths[out], [*row, k]) if row else k
                emitter.write_at(out, place, value, LANES)

    def _get(self, variable: Any, row: list[Any], k: Any) -> Any:
        if variable not in self._values:
            emitter, dims = self._emitter, self._emitter.lengths[variable]
            if emitter.lengths.is_single(variable):
                value = self._arithmetic.splat(emitter.get_scalar(variable))
            elif not row:
                value = emitter.read_at(variable, k, LANES)
            else:
                place = emitter.flat_index(dims, [*row, k])
                wide = dims[-1] != 1
                value = emitter.read_at(variable, place, LANES if wide else 1)
                value = value if wide else self._arithmetic.splat(value)
            self._values[variable] = value
        return self._values[variable]

    def _look_up(self, variable: Any, index: Any) -> Any:
        """Return the elements of a vector at other places, which may count from its end."""
        emitter, code = self._emitter, self._emitter.code
        if emitter.lengths.is_single(variable):
            return self._arithmetic.splat(emitter.get_scalar(variable))
        length = emitter.length(emitter.lengths[variable][0])
        found = ir.Constant(self._arithmetic.type(kind_of(variable)), ir.Undefined)
        for k in range(LANES):
            lane = ir.Constant(LANE, k)
            at = emitter.check_index(code.extract_element(index, lane), length)
            found = code.insert_element(found, emitter.read_at(variable, at), lane)
        return found

    def _find_present(self, k: Any, count: Any) -> Any:
        """Return which lanes are of elements that there are, and not of what lies after them."""
        code, arithmetic = self._emitter.code, self._arithmetic
        steps = ir.Constant(arithmetic.type("i"), list(range(LANES)))
        return code.icmp_signed("<", code.add(arithmetic.splat(k), steps), arithmetic.splat(count))

    def _identity(self, node: Any) -> Any:
        return self._arithmetic.constant(kind_of(node.outputs[0]), self._emitter.identity_of(node.op))

    def _start(self, node: Any) -> None:
        self._emitter.code.store(self._identity(node), self._totals[node])

    def _add_to_total(self, node: Any, value: Any, k: Any, present: Any) -> None:
        emitter, arithmetic, out = self._emitter, self._arithmetic, node.outputs[0]
        kind = kind_of(out)
        value = arithmetic.convert(value, kind_of(node.inputs[0]), kind)
        if node not in self._totals:  # the sums of columns; what is added after the last column is not read
            total = emitter.read_at(out, k, LANES)
            emitter.write_at(out, k, arithmetic.apply(node.op.scalar_op, [total, value], [kind, kind], kind), LANES)
            return
        value = emitter.code.select(present, value, self._identity(node))
        total = emitter.code.load(self._totals[node], typ=arithmetic.type(kind))
        total = arithmetic.apply(node.op.scalar_op, [total, value], [kind, kind], kind)
        emitter.code.store(total, self._totals[node])

    def _sum_lanes(self, node: Any) -> Any:
        code, kind = self._emitter.code, kind_of(node.outputs[0])
        total = code.load(self._totals[node], typ=self._arithmetic.type(kind))
        parts = [code.extract_element(total, ir.Constant(LANE, k)) for k in range(LANES)]
        while len(parts) > 1:
            pairs = zip(parts[: len(parts) // 2], parts[len(parts) // 2 :], strict=True)
            parts = [self._emitter.scalar.apply(node.op.scalar_op, [a, b], [kind, kind], kind) for a, b in pairs]
        return parts[0]
