"""Operations on whole arrays, element by element: rearranging, taking and changing parts, sums along an axis."""

from typing import TYPE_CHECKING, Any

from llvmlite import ir

from bayescale.inference.native.lengths import Lengths, iter_index
from bayescale.inference.native.plan import FOLDS
from bayescale.inference.native.python_loops import emit_python_loops
from bayescale.inference.native.scalars import INT, kind_of
from bayescale.inference.native.unsupported import UnsupportedError

if TYPE_CHECKING:
    from bayescale.inference.native.emitter import Emitter


def emit_array(emitter: "Emitter", node: Any) -> None:
    """Emit one operation on whole arrays."""
    name = type(node.op).__name__
    match name:
        case "DimShuffle" | "Reshape":
            _rearrange(emitter, node)
        case "MakeVector" | "Join":
            _join(emitter, node)
        case "Split":
            _split(emitter, node)
        case "Subtensor" | "AdvancedSubtensor":
            _take_part(emitter, node)
        case "IncSubtensor" | "AdvancedIncSubtensor":
            _change_part(emitter, node)
        case "Alloc":
            _fill(emitter, node)
        case "Eye":
            _make_identity(emitter, node)
        case _ if name in FOLDS:
            _fold_along(emitter, node)
        case _ if hasattr(node.op, "loops"):
            emit_python_loops(emitter, node)
        case _:
            raise UnsupportedError(f"the operation {node.op}")


def _write(emitter: "Emitter", variable: Any, index: list[Any], value: Any) -> None:
    if emitter.lengths.is_single(variable):
        emitter.set_scalar(variable, value)
    else:
        emitter.write_at(variable, emitter.flat_index(emitter.lengths[variable], index), value)


def _make(emitter: "Emitter", variable: Any) -> Lengths:
    """Make room for a variable, and return its dimensions."""
    if not emitter.lengths.is_single(variable):
        emitter.make_array(variable)
    return emitter.lengths[variable]


def _rearrange(emitter: "Emitter", node: Any) -> None:
    (out,), whole = node.outputs, emitter.plan.resolve(node.inputs[0])
    order = [axis for axis in getattr(node.op, "new_order", ()) if axis != "x" and emitter.lengths[whole][axis] != 1]
    if order == sorted(order):  # the elements stay in their order
        emitter.take_array(out, emitter.get_array(whole))
        return
    with emitter.loops(_make(emitter, out)) as index:
        source = [ir.Constant(INT, 0)] * len(emitter.lengths[whole])
        for k, axis in zip(index, node.op.new_order, strict=True):
            if axis != "x":
                source[axis] = k
        _write(emitter, out, index, emitter.read_element(whole, source))


def _join(emitter: "Emitter", node: Any) -> None:
    (out,), inputs = node.outputs, emitter.plan.inputs_of(node)
    emitter.make_array(out)
    if type(node.op).__name__ == "MakeVector":
        for k, part in enumerate(inputs):
            value = emitter.scalar.convert(emitter.get_scalar(part), kind_of(part), kind_of(out))
            emitter.write_at(out, ir.Constant(INT, k), value)
        return
    start = ir.Constant(INT, 0)
    for part in inputs:
        dims = emitter.lengths[part]
        with emitter.loops(dims) as index:
            value = emitter.scalar.convert(emitter.read_element(part, index), kind_of(part), kind_of(out))
            index[node.op.axis] = emitter.code.add(index[node.op.axis], start)
            _write(emitter, out, index, value)
        start = emitter.code.add(start, emitter.length(dims[node.op.axis]))


def _split(emitter: "Emitter", node: Any) -> None:
    whole, start = emitter.plan.resolve(node.inputs[0]), ir.Constant(INT, 0)
    for out in node.outputs:
        dims = _make(emitter, out)
        with emitter.loops(dims) as index:
            source = list(index)
            source[node.op.axis] = emitter.code.add(source[node.op.axis], start)
            _write(emitter, out, index, emitter.read_element(whole, source))
        start = emitter.code.add(start, emitter.length(dims[node.op.axis]))


def _fill(emitter: "Emitter", node: Any) -> None:
    (out,), value = node.outputs, emitter.plan.resolve(node.inputs[0])
    with emitter.loops(_make(emitter, out)) as index:
        part = index[len(index) - value.type.ndim :]
        _write(emitter, out, index, emitter.read_element(value, part))


def _make_identity(emitter: "Emitter", node: Any) -> None:
    (out,), offset = node.outputs, emitter.get_scalar(node.inputs[2])
    with emitter.loops(_make(emitter, out)) as (row, column):
        on = emitter.code.icmp_signed("==", column, emitter.code.add(row, offset))
        _write(emitter, out, [row, column], emitter.scalar.convert(on, "b", kind_of(out)))


def _take_part(emitter: "Emitter", node: Any) -> None:
    (out,), whole = node.outputs, emitter.plan.resolve(node.inputs[0])
    entries = _read_entries(emitter, node)
    with emitter.loops(_make(emitter, out)) as index:
        _write(emitter, out, index, emitter.read_element(whole, _source_index(emitter, node, entries, index)))


def _change_part(emitter: "Emitter", node: Any) -> None:
    """Copy an array, and set or add to a part of the copy."""
    (out,), (whole, part) = node.outputs, emitter.plan.inputs_of(node)[:2]
    dims = emitter.lengths[whole]
    if emitter.lengths.is_single(out):
        raise UnsupportedError(f"the operation {node.op} on one element")
    emitter.make_array(out)
    with emitter.loops(dims) as index:
        _write(emitter, out, index, emitter.read_element(whole, index))
    entries = _read_entries(emitter, node)
    region = _region(emitter, node)
    with emitter.loops(region) as index:
        value = emitter.read_element(part, index[len(index) - part.type.ndim :])
        value = emitter.scalar.convert(value, kind_of(part), kind_of(out))
        place = emitter.flat_index(dims, _source_index(emitter, node, entries, index))
        if not node.op.set_instead_of_inc:
            value = emitter.code.fadd(emitter.read_at(out, place), value)
        emitter.write_at(out, place, value)


def _region(emitter: "Emitter", node: Any) -> Lengths:
    """Return the dimensions of the part that an operation changes."""
    return emitter.lengths.index_dims(node)


def _read_entries(emitter: "Emitter", node: Any) -> list[Any]:
    """Return, along each axis, a start and a step, one index, or a vector of indices."""
    whole, entries = emitter.lengths[emitter.plan.resolve(node.inputs[0])], []
    for length, entry in zip(whole, iter_index(node), strict=False):
        if not isinstance(entry, slice):
            if kind_of(entry) != "i":
                raise UnsupportedError(f"the index {entry}")
            entries.append(
                entry if entry.type.ndim else emitter.check_index(emitter.get_scalar(entry), emitter.length(length))
            )
            continue
        start, step = (None if k is None else emitter.lengths.trace(k) for k in (entry.start, entry.step))
        if not (step is None or step in (1, -1)) or isinstance(start, str):
            raise UnsupportedError(f"the slice {entry}")
        step = 1 if step is None else int(step)
        if isinstance(length, int):
            stop = None if entry.stop is None else emitter.lengths.trace(entry.stop)
            begin = ir.Constant(INT, slice(start, stop, step).indices(length)[0])
        elif step == -1:
            begin = emitter.code.sub(emitter.length(length), ir.Constant(INT, 1))
        else:
            begin = ir.Constant(INT, start or 0)
        entries.append((begin, ir.Constant(INT, step)))
    return entries


def _source_index(emitter: "Emitter", node: Any, entries: list[Any], index: list[Any]) -> list[Any]:
    """Return where an element of a part stands in the whole; all arrays of indices move together."""
    whole, rest, source = emitter.lengths[emitter.plan.resolve(node.inputs[0])], list(index), []
    place: list[Any] = []
    apart = [k for k, entry in enumerate(entries) if hasattr(entry, "owner")]
    if apart and apart != list(range(apart[0], apart[-1] + 1)):
        raise UnsupportedError("indices that do not stand beside each other")
    for length, entry in zip(whole, entries, strict=False):
        if isinstance(entry, tuple):
            begin, step = entry
            source.append(emitter.code.add(begin, emitter.code.mul(step, rest.pop(0))))
        elif hasattr(entry, "owner"):
            if not place:
                place, rest = rest[: entry.type.ndim], rest[entry.type.ndim :]
            source.append(emitter.check_index(emitter.read_element(entry, place), emitter.length(length)))
        else:
            source.append(entry)
    return source + rest


def _fold_along(emitter: "Emitter", node: Any) -> None:
    (out,), whole = node.outputs, emitter.plan.resolve(node.inputs[0])
    dims, kind = emitter.lengths[whole], kind_of(out)
    kept = [axis for axis in range(len(dims)) if axis not in node.op.axis]
    emitter.make_array(out)
    start = emitter.scalar.constant(kind, emitter.identity_of(node.op))
    if kept == list(range(len(kept))):  # the sum of each row stays in a register
        with emitter.loops(dims[: len(kept)]) as outer:
            total = emitter.slot(start.type)
            emitter.code.store(start, total)
            with emitter.loops(dims[len(kept) :]) as inner:
                value = emitter.scalar.convert(emitter.read_element(whole, [*outer, *inner]), kind_of(whole), kind)
                both = [emitter.code.load(total, typ=start.type), value]
                emitter.code.store(emitter.scalar.apply(node.op.scalar_op, both, [kind, kind], kind), total)
            _write(emitter, out, outer, emitter.code.load(total, typ=start.type))
        return
    with emitter.loops(emitter.lengths[out]) as index:
        _write(emitter, out, index, start)
    with emitter.loops(dims) as index:
        value = emitter.scalar.convert(emitter.read_element(whole, index), kind_of(whole), kind)
        place = emitter.flat_index(emitter.lengths[out], [index[axis] for axis in kept])
        both = [emitter.read_at(out, place), value]
        emitter.write_at(out, place, emitter.scalar.apply(node.op.scalar_op, both, [kind, kind], kind))
