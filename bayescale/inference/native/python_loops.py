"""An operation that is written as loops in Python, as machine code: it is stated once, for NumPy and for here.

Of Python there are whole numbers, floats and arrays of floats; ``for`` over a range, ``if``, assignments, arithmetic,
comparisons, ``np.sqrt``, ``np.log``, ``np.exp``, ``np.zeros``, ``len`` and ``.shape``; and functions of the same module
that are written so. An operation of PyTensor has its function as the attribute ``loops``.
"""

import ast
import inspect
from collections.abc import Callable, Sequence
from functools import cache
from textwrap import dedent
from typing import TYPE_CHECKING, Any, NamedTuple

from llvmlite import ir

from bayescale.inference.native.lengths import Length, Lengths
from bayescale.inference.native.scalars import FLOAT, INT, kind_of
from bayescale.inference.native.unsupported import UnsupportedError

if TYPE_CHECKING:
    from bayescale.inference.native.emitter import Emitter

SIGNS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
FUNCTIONS = {"sqrt": "sqrt", "log": "log", "exp": "exp"}


class Array(NamedTuple):
    """An array of floats in memory."""

    place: Any
    dims: Lengths


class Size(NamedTuple):
    """How long an array is."""

    length: Length


def emit_python_loops(emitter: "Emitter", node: Any) -> None:
    """Emit an operation by its function in Python."""
    given = [emitter.plan.resolve(variable) for variable in node.inputs]
    if any(kind_of(variable) != "f" for variable in given):
        raise UnsupportedError(f"the operation {node.op} on other than floats")
    arrays = [Array(emitter.as_array(variable), emitter.lengths[variable]) for variable in given]
    made = _Call(emitter, node.op.loops).run(arrays)
    for variable, array in zip(node.outputs, made if isinstance(made, tuple) else (made,), strict=True):
        emitter.take_array(variable, array.place)


@cache
def _parse(function: Callable[..., Any]) -> ast.FunctionDef:
    tree = ast.parse(dedent(inspect.getsource(function))).body[0]
    assert isinstance(tree, ast.FunctionDef)
    return tree


class _Call:
    """One call of a function: its names, and the code of its statements."""

    def __init__(self, emitter: "Emitter", function: Callable[..., Any]) -> None:
        self._emitter, self._code, self._function = emitter, emitter.code, function
        self._names: dict[str, Any] = {}
        self._result: Any = None

    def run(self, arguments: Sequence[Any]) -> Any:
        """Emit the function's statements and return what it returns."""
        tree = _parse(self._function)
        self._names = dict(zip((argument.arg for argument in tree.args.args), arguments, strict=True))
        self._run_all(tree.body)
        return self._result

    def _run_all(self, statements: Sequence[ast.stmt]) -> None:
        for statement in statements:
            self._run(statement)

    def _run(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Expr(value=ast.Constant()):  # a docstring
                return
            case ast.Assign(targets=[target], value=value):
                self._assign(target, self._value(value))
            case ast.AugAssign(target=target, op=op, value=value):
                before = self._value(ast.copy_location(_as_read(target), target))
                self._assign(target, self._operate(op, before, self._value(value)))
            case ast.For(target=ast.Name(id=name), iter=ast.Call(func=ast.Name(id="range"), args=args), body=body):
                self._repeat(name, args, body)
            case ast.If(test=test, body=body, orelse=[]):
                with self._code.if_then(self._value(test)):
                    self._run_all(body)
            case ast.Return(value=value) if value is not None:
                self._result = self._value(value)
            case _:
                raise UnsupportedError(f"{ast.unparse(statement)!r} in {self._function.__name__}")

    def _repeat(self, name: str, args: Sequence[ast.expr], body: Sequence[ast.stmt]) -> None:
        bounds = [self._number(self._value(arg)) for arg in args]
        step = ast.literal_eval(args[2]) if len(args) == 3 else 1
        start, stop = (ir.Constant(INT, 0), bounds[0]) if len(args) == 1 else bounds[:2]
        if step not in (1, -1):
            raise UnsupportedError(f"a step of {step} in {self._function.__name__}")
        count = self._code.sub(stop, start) if step == 1 else self._code.sub(start, stop)
        with self._emitter.loop(count) as k:
            self._names[name] = self._code.add(start, k) if step == 1 else self._code.sub(start, k)
            self._run_all(body)

    def _assign(self, target: ast.expr, value: Any) -> None:
        match target:
            case ast.Tuple(elts=targets):
                for each, part in zip(targets, value, strict=True):
                    self._assign(each, part)
            case ast.Name(id=name) if isinstance(value, Array | Size | tuple):
                self._names[name] = value
            case ast.Name(id=name):
                if not isinstance(self._names.get(name), ir.AllocaInstr):
                    self._names[name] = self._emitter.slot(value.type)
                self._code.store(value, self._names[name])
            case ast.Subscript():
                self._code.store(self._float(value), self._element(target))
            case _:
                raise UnsupportedError(f"{ast.unparse(target)!r} in {self._function.__name__}")

    def _value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=int() as number):
                return ir.Constant(INT, number)
            case ast.Constant(value=float() as number):
                return ir.Constant(FLOAT, number)
            case ast.Name(id=name) if name in self._names:
                value = self._names[name]
                return self._code.load(value) if isinstance(value, ir.AllocaInstr) else value
            case ast.Tuple(elts=parts):
                return tuple(map(self._value, parts))
            case ast.Attribute(value=array, attr="shape"):
                return tuple(map(Size, self._value(array).dims))
            case ast.Subscript(value=ast.Attribute(attr="shape") as shape, slice=ast.Constant(value=int() as axis)):
                return self._value(shape)[axis]
            case ast.Subscript():
                return self._code.load(self._element(node), typ=FLOAT)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                value = self._number(self._value(operand))
                return self._code.neg(value) if value.type == INT else self._code.fneg(value)
            case ast.BinOp(left=left, op=op, right=right):
                return self._operate(op, self._value(left), self._value(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return self._compare(SIGNS[type(op)], self._value(left), self._value(right))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                both = [self._float(self._value(part)) for part in (body, orelse)]
                return self._code.select(self._value(test), *both)
            case ast.Call(func=function, args=args):
                return self._call(function, args)
        raise UnsupportedError(f"{ast.unparse(node)!r} in {self._function.__name__}")

    def _call(self, function: ast.expr, args: Sequence[ast.expr]) -> Any:
        values = [self._value(arg) for arg in args]
        match function:
            case ast.Name(id="len"):
                return Size(values[0].dims[0])
            case ast.Attribute(value=ast.Name(id="np"), attr="zeros"):
                sizes = values[0] if type(values[0]) is tuple else (values[0],)
                dims = tuple(map(self._length, sizes))
                return Array(self._emitter.make_zeros(dims), dims)
            case ast.Attribute(value=ast.Name(id="np"), attr=name) if name in FUNCTIONS:
                number = self._float(values[0])
                if name == "sqrt":
                    return self._emitter.scalar.intrinsic("sqrt", [number])
                return self._emitter.externals.call(self._code, FUNCTIONS[name], [number], 1)
            case ast.Name(id=name) if inspect.isfunction(self._function.__globals__.get(name)):
                return _Call(self._emitter, self._function.__globals__[name]).run(values)
        raise UnsupportedError(f"{ast.unparse(function)!r} in {self._function.__name__}")

    def _operate(self, op: ast.operator, a: Any, b: Any) -> Any:
        a, b, code = self._number(a), self._number(b), self._code
        whole = {ast.Add: code.add, ast.Sub: code.sub, ast.Mult: code.mul}
        if a.type == INT and b.type == INT and type(op) in whole:
            return whole[type(op)](a, b)
        floats = {ast.Add: code.fadd, ast.Sub: code.fsub, ast.Mult: code.fmul, ast.Div: code.fdiv}
        if type(op) not in floats:
            raise UnsupportedError(f"{type(op).__name__} in {self._function.__name__}")
        return floats[type(op)](self._float(a), self._float(b), flags=("contract",))

    def _compare(self, sign: str, a: Any, b: Any) -> Any:
        a, b = self._number(a), self._number(b)
        if a.type == INT and b.type == INT:
            return self._code.icmp_signed(sign, a, b)
        return self._emitter.scalar.compare(sign, self._float(a), self._float(b), "f")

    def _element(self, node: ast.Subscript) -> Any:
        array, index = self._value(node.value), self._value(node.slice)
        indices = [self._number(k) for k in (index if type(index) is tuple else (index,))]
        if len(indices) != len(array.dims):
            raise UnsupportedError(f"{ast.unparse(node)!r} in {self._function.__name__}")
        place = indices[0]
        for length, k in zip(array.dims[1:], indices[1:], strict=True):
            place = self._code.add(self._code.mul(place, self._emitter.length(length)), k)
        return self._emitter.at(array.place, place)

    def _length(self, value: Any) -> Length:
        if isinstance(value, ir.Constant) and value.type == INT:
            return int(value.constant)
        if not isinstance(value, Size):
            raise UnsupportedError(f"an array of such a length in {self._function.__name__}")
        return value.length

    def _number(self, value: Any) -> Any:
        if isinstance(value, Size):
            return self._emitter.length(value.length)
        if isinstance(value, tuple):
            raise UnsupportedError(f"arithmetic of whole arrays in {self._function.__name__}")
        return value

    def _float(self, value: Any) -> Any:
        value = self._number(value)
        return self._code.sitofp(value, FLOAT) if value.type == INT else value


def _as_read(target: ast.expr) -> Any:
    """Return a name or an element as it is read, and not assigned to."""
    return ast.parse(ast.unparse(target), mode="eval").body
