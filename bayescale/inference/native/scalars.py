"""PyTensor's operations on numbers as LLVM instructions, on one number or on several at once."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from bayescale.inference.native.machine import CALLABLE
from bayescale.inference.native.unsupported import UnsupportedError

LANES = 8
"""How many elements of an array are computed at once."""
FLOAT, INT, BOOL, BYTE, POINTER = ir.DoubleType(), ir.IntType(64), ir.IntType(1), ir.IntType(8), ir.PointerType()
KINDS = {"f": FLOAT, "i": INT, "u": INT, "b": BOOL}
# Functions of C's mathematical library, and of SciPy for those that it lacks, by the name of PyTensor's operation.
LIBM = {
    "Exp": "exp", "Exp2": "exp2", "Expm1": "expm1", "Log": "log", "Log2": "log2", "Log10": "log10", "Log1p": "log1p",
    "Pow": "pow", "Sin": "sin", "Cos": "cos", "Tan": "tan", "ArcTan": "atan", "Sinh": "sinh", "Cosh": "cosh",
    "Tanh": "tanh", "Erf": "erf", "Erfc": "erfc", "GammaLn": "lgamma",
}  # fmt: skip
SCIPY = {"Psi": "psi", "Erfcx": "erfcx"}
INTRINSICS = {
    "Sqrt": "sqrt",
    "Abs": "fabs",
    "Floor": "floor",
    "Ceil": "ceil",
    "Minimum": "minimum",
    "Maximum": "maximum",
}
COMPARISONS = {"LT": "<", "LE": "<=", "GT": ">", "GE": ">=", "EQ": "==", "NEQ": "!="}
CONTRACT = ("contract",)  # a product and a sum may be rounded once
RECIPROCAL = ("arcp",)  # several divisions by one number may be products with its inverse


def kind_of(variable: Any) -> str:
    """Return whether a variable of PyTensor holds floats, whole numbers or truth values: f, i, b."""
    kind = np.dtype(variable.type.dtype).kind
    if kind not in KINDS:
        raise UnsupportedError(f"values of type {variable.type.dtype}")
    return "i" if kind == "u" else kind


class Externals:
    """Functions from outside of the module: C's mathematical library, its vector forms, and SciPy.

    Attributes
    ----------
    module : llvmlite.ir.Module
        Where they are declared.
    vectors : tuple of (int, str)
        How many numbers the vector forms take at once, and what their names begin with; none where there are none.
    has : callable
        Says whether a function of that name is there.
    """

    def __init__(self, module: ir.Module, vectors: Sequence[tuple[int, str]], has: Callable[[str], bool]) -> None:
        self.module, self.vectors, self.has = module, vectors, has

    def declare(self, name: str, result: Any, arguments: Sequence[Any], pure: bool = True) -> ir.Function:
        """Return a function, which has no effect but its result where it is pure."""
        if name in self.module.globals:
            return self.module.globals[name]
        function = ir.Function(self.module, ir.FunctionType(result, arguments), name)
        function.attributes.add("nounwind")
        if pure:
            function.attributes.add("readnone")
        return function

    def call(self, builder: ir.IRBuilder, name: str, args: Sequence[Any], lanes: int) -> Any:
        """Call a function of numbers on each lane, by its vector form where there is one."""
        if lanes == 1:
            return builder.call(self.declare(name, FLOAT, [FLOAT] * len(args)), args)
        forms = ((width, f"{prefix}{'v' * len(args)}_{name}") for width, prefix in self.vectors if width <= lanes)
        width, symbol = next(((width, symbol) for width, symbol in forms if self.has(symbol)), (1, name))
        parts = []
        for first in range(0, lanes, width):
            chunk = [_take_lanes(builder, arg, first, width, lanes) for arg in args]
            typ = FLOAT if width == 1 else ir.VectorType(FLOAT, width)
            parts.append(builder.call(self.declare(symbol, typ, [typ] * len(args)), chunk))
        return _join_lanes(builder, parts, width, lanes)


def _take_lanes(builder: ir.IRBuilder, value: Any, first: int, width: int, lanes: int) -> Any:
    if width == 1:
        return builder.extract_element(value, ir.Constant(ir.IntType(32), first))
    if width == lanes:
        return value
    mask = ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(first, first + width)))
    return builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), mask)


def _join_lanes(builder: ir.IRBuilder, parts: list[Any], width: int, lanes: int) -> Any:
    if width == 1:
        out = ir.Constant(ir.VectorType(parts[0].type, lanes), ir.Undefined)
        for k, part in enumerate(parts):
            out = builder.insert_element(out, part, ir.Constant(ir.IntType(32), k))
        return out
    while len(parts) > 1:
        mask = ir.Constant(ir.VectorType(ir.IntType(32), 2 * width), list(range(2 * width)))
        parts = [builder.shuffle_vector(a, b, mask) for a, b in zip(parts[::2], parts[1::2], strict=True)]
        width *= 2
    return parts[0]


class Arithmetic:
    """Emits operations on one number (one lane) or on several at once."""

    def __init__(self, builder: ir.IRBuilder, externals: Externals, lanes: int) -> None:
        self.builder, self.externals, self.lanes = builder, externals, lanes

    def type(self, kind: str) -> Any:
        """Return the type of a value of that kind in each lane."""
        return KINDS[kind] if self.lanes == 1 else ir.VectorType(KINDS[kind], self.lanes)

    def constant(self, kind: str, value: Any) -> Any:
        """Return a number in each lane."""
        one = float(value) if kind == "f" else int(value)
        return ir.Constant(self.type(kind), one if self.lanes == 1 else [ir.Constant(KINDS[kind], one)] * self.lanes)

    def splat(self, value: Any) -> Any:
        """Return one value in each lane."""
        if self.lanes == 1:
            return value
        typ, zero = ir.VectorType(value.type, self.lanes), ir.Constant(ir.IntType(32), 0)
        first = self.builder.insert_element(ir.Constant(typ, ir.Undefined), value, zero)
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, ir.Constant(typ, ir.Undefined), mask)

    def convert(self, value: Any, kind: str, to: str) -> Any:
        """Return a value as another kind."""
        builder, typ = self.builder, self.type(to)
        match kind, to:
            case ("i", "f"):
                return builder.sitofp(value, typ)
            case ("b", "f"):
                return builder.uitofp(value, typ)
            case ("b", "i"):
                return builder.zext(value, typ)
            case ("f", "i"):
                return builder.fptosi(value, typ)
            case (_, "b") if kind != "b":
                return self.compare("!=", value, self.constant(kind, 0), kind)
        return value

    def compare(self, sign: str, a: Any, b: Any, kind: str) -> Any:
        """Compare two values; nothing is equal to, below or above what is not a number."""
        if kind == "f":
            return (self.builder.fcmp_unordered if sign == "!=" else self.builder.fcmp_ordered)(sign, a, b)
        return (self.builder.icmp_signed if kind == "i" else self.builder.icmp_unsigned)(sign, a, b)

    def intrinsic(self, name: str, args: Sequence[Any]) -> Any:
        """Call a function that LLVM knows, on all lanes."""
        typ = self.type("f")
        full = f"llvm.{name}.{'f64' if self.lanes == 1 else f'v{self.lanes}f64'}"
        return self.builder.call(self.externals.declare(full, typ, [typ] * len(args)), args)

    def apply(self, op: Any, args: Sequence[Any], kinds: Sequence[str], out: str) -> Any:
        """Return what one of PyTensor's operations on numbers makes, as a value of the kind ``out``."""
        name = type(op).__name__.removeprefix("Scalar")
        if name == "Composite":
            return self._compose(op, args, kinds)
        builder = self.builder
        if name in COMPARISONS:
            common = "f" if "f" in kinds else "i" if "i" in kinds else "b"
            a, b = (self.convert(arg, kind, common) for arg, kind in zip(args, kinds, strict=True))
            return self.compare(COMPARISONS[name], a, b, common)
        if name == "Switch":
            wanted = self.convert(args[0], kinds[0], "b")
            return builder.select(wanted, *(self.convert(a, k, out) for a, k in zip(args[1:], kinds[1:], strict=True)))
        if name in ("IsNan", "IsInf") and kinds[0] == "f":
            if name == "IsNan":
                return builder.fcmp_unordered("uno", args[0], args[0])
            return self.compare("==", self.intrinsic("fabs", args), self.constant("f", np.inf), "f")
        # All others compute in the kind of their result.
        args = [self.convert(arg, kind, out) for arg, kind in zip(args, kinds, strict=True)]
        if name in ("Cast", "Identity"):
            return args[0]
        if name == "Second":
            return args[1]
        if out == "f":
            return self._apply_to_floats(name, args)
        if out == "b" and name in ("AND", "OR", "Invert", "XOR"):
            bits = {"AND": builder.and_, "OR": builder.or_, "XOR": builder.xor, "Invert": builder.not_}
            return bits[name](*args)
        whole = {"Add": builder.add, "Sub": builder.sub, "Mul": builder.mul, "Neg": builder.neg}
        if out == "i" and name in whole:
            return _reduce(whole[name], args)
        if out == "i" and name in ("Minimum", "Maximum"):
            below = builder.icmp_signed("<" if name == "Minimum" else ">", *args)
            return builder.select(below, *args)
        raise UnsupportedError(f"the operation {op} on {out}")

    def _apply_to_floats(self, name: str, args: list[Any]) -> Any:
        builder, one, zero = self.builder, self.constant("f", 1.0), self.constant("f", 0.0)
        if name in LIBM:
            return self.externals.call(builder, LIBM[name], args, self.lanes)
        if name in SCIPY:
            return self.externals.call(builder, CALLABLE + SCIPY[name], args, self.lanes)
        if name in INTRINSICS:
            return self.intrinsic(INTRINSICS[name], args)
        match name:
            case "Add" | "Mul":
                operation = builder.fadd if name == "Add" else builder.fmul
                return _reduce(lambda a, b: operation(a, b, flags=CONTRACT), args)
            case "Sub":
                return builder.fsub(*args, flags=CONTRACT)
            case "TrueDiv":
                return builder.fdiv(*args, flags=RECIPROCAL)
            case "Reciprocal":
                return builder.fdiv(one, args[0], flags=RECIPROCAL)
            case "Neg":
                return builder.fneg(args[0])
            case "Sqr":
                return builder.fmul(args[0], args[0], flags=CONTRACT)
            case "Sign":
                above, below = (self.compare(sign, args[0], zero, "f") for sign in "><")
                return builder.select(above, one, builder.select(below, self.constant("f", -1.0), args[0]))
            case "Sigmoid":
                return builder.fdiv(one, builder.fadd(one, self._call("exp", builder.fneg(args[0]))))
            case "Softplus":
                far = self._call("exp", builder.fneg(self.intrinsic("fabs", args)))
                return builder.fadd(self.intrinsic("maximum", [args[0], zero]), self._call("log1p", far))
        raise UnsupportedError(f"the operation {name} on floats")

    def _call(self, name: str, arg: Any) -> Any:
        return self.externals.call(self.builder, name, [arg], self.lanes)

    def _compose(self, op: Any, args: Sequence[Any], kinds: Sequence[str]) -> Any:
        """Return what a graph of operations makes."""
        known = dict(zip(op.fgraph.inputs, zip(args, kinds, strict=True), strict=True))

        def get(variable: Any) -> tuple[Any, str]:
            kind = kind_of(variable)
            return known[variable] if variable in known else (self.constant(kind, variable.data), kind)

        for node in op.fgraph.toposort():
            inside = [get(variable) for variable in node.inputs]
            kind = kind_of(node.outputs[0])
            made = self.apply(node.op, [value for value, _ in inside], [kind for _, kind in inside], kind)
            known[node.outputs[0]] = made, kind
        return get(op.fgraph.outputs[0])[0]


def _reduce(operation: Callable[..., Any], args: Sequence[Any]) -> Any:
    if len(args) == 1:
        return operation(args[0]) if operation.__name__ == "neg" else args[0]
    total = args[0]
    for arg in args[1:]:
        total = operation(total, arg)
    return total
