"""The map from independent coordinates to latents, and its gradient: what `layers.whitened` does, block by block."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from llvmlite import ir

from bayescale.inference.native.scalars import FLOAT, INT
from bayescale.inference.native.unsupported import UnsupportedError

if TYPE_CHECKING:
    from bayescale.inference.native.emitter import Emitter

ZERO, HALF = ir.Constant(FLOAT, 0.0), ir.Constant(FLOAT, 0.5)


class _Numbers(NamedTuple):
    """Numbers in memory: a vector, or a matrix of so many columns."""

    code: Any
    place: Any
    columns: int = 1

    def _at(self, i: Any, j: Any) -> Any:
        if j is not None:
            i = self.code.add(self.code.mul(i, ir.Constant(INT, self.columns)), j)
        return self.code.gep(self.place, [i], source_etype=FLOAT)

    def get(self, i: Any, j: Any = None) -> Any:
        return self.code.load(self._at(i, j), typ=FLOAT)

    def set(self, value: Any, i: Any, j: Any = None) -> None:
        self.code.store(value, self._at(i, j))


class _Block:
    """One block of latents: its inputs, and what is worked out of them."""

    def __init__(self, emitter: "Emitter", node: Any, index: Any) -> None:
        self.emitter, self.code = emitter, emitter.code
        inputs = emitter.plan.inputs_of(node)
        size = emitter.lengths[inputs[2]][1]
        if not isinstance(size, int) or size < 2:
            raise UnsupportedError(f"the operation {node.op} on {size} latents")
        self.size, self.index = size, index
        self.precision, self.score, self.point = (self.part_of(variable) for variable in inputs[:3])
        self.root, self.half, self.latents = self.make(size), self.make(), self.make()

    def part_of(self, variable: Any) -> _Numbers:
        """Return the block of an array."""
        matrix = variable.type.ndim == 3
        step = ir.Constant(INT, self.size**2 if matrix else self.size)
        array = self.emitter.get_array(variable)
        place = self.code.gep(array, [self.code.mul(self.index, step)], source_etype=FLOAT)
        return _Numbers(self.code, place, self.size)

    def make(self, columns: int = 1) -> _Numbers:
        """Return room for a vector or a matrix."""
        return _Numbers(self.code, self.emitter.entry.alloca(FLOAT, self.size * columns), columns)

    def rows(self, backward: bool = False) -> Any:
        """Return a loop over the latents."""
        return self.emitter.loop(ir.Constant(INT, self.size)) if not backward else _backward(self.emitter, self.size)

    def after(self, i: Any) -> tuple[Any, Callable[[Any], Any]]:
        """Return how many latents come after one, and which the m-th of them is."""
        first = self.code.add(i, ir.Constant(INT, 1))
        return self.code.sub(ir.Constant(INT, self.size), first), lambda m: self.code.add(first, m)

    def subtract(self, start: Any, count: Any, term: Callable[[Any], tuple[Any, Any]]) -> Any:
        """Return a number less so many products."""
        total = self.emitter.slot(FLOAT)
        self.code.store(start, total)
        with self.emitter.loop(count) as m:
            product = self.code.fmul(*term(m))
            self.code.store(self.code.fsub(self.code.load(total, typ=FLOAT), product), total)
        return self.code.load(total, typ=FLOAT)

    def solve_lower(self, right: Callable[[Any], Any], out: _Numbers, column: Any = None) -> None:
        """Solve ``root out = right``."""
        with self.rows() as i:
            total = self.subtract(right(i), i, lambda m: (self.root.get(i, m), out.get(m, column)))
            out.set(self.code.fdiv(total, self.root.get(i, i)), i, column)

    def solve_upper(self, right: Callable[[Any], Any], out: _Numbers, column: Any = None) -> None:
        """Solve ``root' out = right``."""
        with self.rows(backward=True) as i:
            count, later = self.after(i)
            total = self.subtract(right(i), count, lambda m: (self.root.get(later(m), i), out.get(later(m), column)))
            out.set(self.code.fdiv(total, self.root.get(i, i)), i, column)

    def solve(self) -> None:
        """Work out the Cholesky factor, half of the mean, and the latents."""
        code = self.code
        with self.rows() as i, self.emitter.loop(code.add(i, ir.Constant(INT, 1))) as j:
            left = self.subtract(self.precision.get(i, j), j, lambda m: (self.root.get(i, m), self.root.get(j, m)))
            divided = code.fdiv(left, self.root.get(j, j))
            diagonal = code.icmp_signed("==", i, j)
            self.root.set(code.select(diagonal, self.emitter.scalar.intrinsic("sqrt", [left]), divided), i, j)
        self.solve_lower(self.score.get, self.half)
        self.solve_upper(lambda i: code.fadd(self.half.get(i), self.point.get(i)), self.latents)


def _backward(emitter: "Emitter", size: int) -> Any:
    """Return a loop from the last index to the first."""
    from contextlib import contextmanager

    @contextmanager
    def loop() -> Any:
        with emitter.loop(ir.Constant(INT, size)) as k:
            yield emitter.code.sub(ir.Constant(INT, size - 1), k)

    return loop()


def emit_unwhiten(emitter: "Emitter", node: Any) -> None:
    """Emit latents and log volume from precision, score and point."""
    latents, volume = node.outputs
    code = emitter.code
    emitter.make_array(latents)
    if not emitter.lengths.is_single(volume):
        emitter.make_array(volume)
    with emitter.loops(emitter.lengths[volume]) as (index,):
        block = _Block(emitter, node, index)
        block.solve()
        out, total = block.part_of(latents), emitter.slot(FLOAT)
        code.store(ZERO, total)
        with block.rows() as i:
            out.set(block.latents.get(i), i)
            log = emitter.externals.call(code, "log", [block.root.get(i, i)], 1)
            code.store(code.fsub(code.load(total, typ=FLOAT), log), total)
        value = code.load(total, typ=FLOAT)
        if emitter.lengths.is_single(volume):
            emitter.set_scalar(volume, value)
        else:
            emitter.write_at(volume, index, value)


def emit_gradient(emitter: "Emitter", node: Any) -> None:
    """Emit the gradient by precision, score and point; see `layers.whitened.pull_back`."""
    code, (of_latents, of_volume) = emitter.code, emitter.plan.inputs_of(node)[3:]
    for variable in node.outputs:
        emitter.make_array(variable)
    with emitter.loops(emitter.lengths[node.outputs[1]][:1]) as (index,):
        block = _Block(emitter, node, index)
        block.solve()
        slope, volume = block.part_of(of_latents), emitter.read_element(of_volume, [index])
        precision, score, point = (block.part_of(variable) for variable in node.outputs)
        block.solve_lower(slope.get, point)
        block.solve_upper(point.get, score)
        # By the Cholesky factor, below its diagonal and on it.
        change, product = block.make(block.size), block.make(block.size)
        with block.rows() as i, emitter.loop(code.add(i, ir.Constant(INT, 1))) as j:
            first = code.fmul(block.latents.get(i), point.get(j))
            both = code.fneg(code.fadd(first, code.fmul(score.get(i), block.half.get(j))))
            diagonal = code.icmp_signed("==", i, j)
            of_log = code.select(diagonal, code.fdiv(volume, block.root.get(i, i)), ZERO)
            change.set(code.fsub(both, of_log), i, j)
        # The lower half of C' bar(C), its diagonal halved, between C^-T and C^-1, and made symmetric.
        with block.rows() as i, block.rows() as j:
            count, later = block.after(code.sub(i, ir.Constant(INT, 1)))
            total = block.subtract(ZERO, count, lambda m: (block.root.get(later(m), i), change.get(later(m), j)))
            total = code.fneg(code.select(code.icmp_signed("==", i, j), code.fmul(total, HALF), total))
            product.set(code.select(code.icmp_signed("<=", j, i), total, ZERO), i, j)
        solved = block.make(block.size)
        with block.rows() as j:
            block.solve_upper(lambda i: product.get(i, j), solved, j)
        with block.rows() as i, block.rows(backward=True) as j:
            count, later = block.after(j)
            total = block.subtract(
                solved.get(i, j), count, lambda m: (product.get(i, later(m)), block.root.get(later(m), j))
            )
            product.set(code.fdiv(total, block.root.get(j, j)), i, j)
        with block.rows() as i, block.rows() as j:
            precision.set(code.fmul(code.fadd(product.get(i, j), product.get(j, i)), HALF), i, j)
