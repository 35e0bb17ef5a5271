"""A law of the user's own: a decorated function, or an expression in a model card."""

import ast
import hashlib
import importlib.util
import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from bayescale.errors import CardError, did_you_mean
from bayescale.laws.base import Law, Parameter, Quantity, Support, Theta
from bayescale.laws.registry import LAWS, OWN, get_law
from bayescale.laws.scales import SCALES

SYMBOLS = {symbol: scale.name for scale in SCALES.values() for symbol in (scale.symbol, scale.relative) if symbol}
FUNCTIONS = ("exp", "log", "sqrt", "minimum", "maximum")
_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def law(
    *,
    parameters: Mapping[str, str] | tuple[Parameter, ...],
    inputs: tuple[str, ...] = ("params", "tokens"),
    equation: str = "",
    title: str = "",
    source: str = "your own",
    floor: str | None = None,
    response: str = "loss",
) -> Callable[[Callable[[Any, Mapping[str, Quantity], Theta], Quantity]], Law]:
    """Declare a function as a scaling law of your own: it can then be fitted, split, compared and reported.

    Parameters
    ----------
    parameters : mapping of str to str, or tuple of Parameter
        The sampled parameters with their meanings. A parameter of which only the meaning is given is positive.
    inputs : tuple of str
        The columns that the law takes, from `bayescale.laws.SCALES`.
    equation, title, source : str
        Texts for readers.
    floor : str, optional
        The parameter that is the irreducible loss; by default ``E``, where there is a parameter of that name.
    response : {"loss", "accuracy", "error"}
        The column that the law predicts.

    Returns
    -------
    callable
        The decorator. It takes ``function(xp, x, theta)`` with arithmetic and functions of the namespace ``xp`` only;
        ``x["N"]`` is a quantity in its own unit, ``x["n"]`` relative to the reference run. A model card names it as
        ``law = "file.py:function"``, or by the name of the function where its module was imported.

    Raises
    ------
    CardError
        If an input, the floor or the response is not known, or the name is that of a shipped law.

    Examples
    --------
    >>> import bayescale as bs
    >>> @bs.law(parameters={"E": "floor", "a": "reducible loss at the reference run", "alpha": "exponent"})
    ... def one_exponent(xp, x, theta):
    ...     return theta["E"] + theta["a"] * (x["n"] * x["d"]) ** -theta["alpha"]
    >>> one_exponent.parameter_names
    ('E', 'a', 'alpha')
    """

    def declare(mean: Callable[[Any, Mapping[str, Quantity], Theta], Quantity]) -> Law:
        if mean.__name__ in LAWS:
            raise CardError(f"law {mean.__name__!r}: a shipped law has that name; give your function another.")
        made = _make_law(
            mean.__name__, title, equation, source, _make_parameters(parameters), inputs, mean, floor, response
        )
        OWN[made.name] = made
        return made

    return declare


def _make_parameters(given: Mapping[str, str] | tuple[Parameter, ...]) -> tuple[Parameter, ...]:
    if isinstance(given, Mapping):
        return tuple(Parameter(name, meaning, "") for name, meaning in given.items())
    return tuple(given)


def _make_law(
    name: str,
    title: str,
    equation: str,
    source: str,
    parameters: tuple[Parameter, ...],
    inputs: tuple[str, ...],
    mean: Callable[[Any, Mapping[str, Quantity], Theta], Quantity],
    floor: str | None,
    response: str,
) -> Law:
    names = [p.name for p in parameters]
    for column in inputs:
        if column not in SCALES:
            raise CardError(
                f"law {name!r}: there is no input {column!r}.{did_you_mean(column, SCALES)} Accepted: "
                f"{', '.join(SCALES)}."
            )
    if response not in ("loss", "accuracy", "error"):
        raise CardError(f"law {name!r}: response {response!r}; accepted: loss, accuracy, error.")
    floor = floor or ("E" if "E" in names and response == "loss" else None)
    if floor is not None and floor not in names:
        raise CardError(f"law {name!r}: the floor {floor!r} is not one of its parameters: {', '.join(names)}.")
    made = Law(
        name=name,
        title=title or f"{name}: a law of your own",
        equation=equation,
        source=source,
        kind="your own",
        inputs=inputs,
        parameters=parameters,
        mean=mean,
        response=response,
    )
    if floor is None:
        return made
    return replace(made, floor=lambda theta: theta[floor], has_floor=True)


def law_by_name(name: str) -> Law:
    """Return the law of that name, or the law that ``file.py:function`` names."""
    return law_from_file(name) if ".py:" in name else get_law(name)


@lru_cache(maxsize=64)
def law_from_file(place: str) -> Law:
    """Run a file and return the law that ``file.py:function`` names.

    Raises
    ------
    CardError
        If the file or the function is not there, the file fails, or the function was not declared with `law`.
    """
    file, _, function = place.rpartition(":")
    if not Path(file).is_file():
        raise CardError(f"the law {function!r} stands in {file}, which is not there.")
    unique = f"bayescale_own_{hashlib.sha1(file.encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(unique, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise CardError(f"{file} failed while it was read: {type(error).__name__}: {error}.") from error
    laws = [name for name, value in vars(module).items() if isinstance(value, Law)]
    declared = getattr(module, function, None)
    if not isinstance(declared, Law):
        why = "is there, but is not declared with @bs.law(...)" if declared is not None else "is not there"
        raise CardError(
            f"{file}: {function!r} {why}.{did_you_mean(function, laws)} Laws in it: {', '.join(laws) or 'none'}."
        )
    return declared


def expression_law(
    name: str,
    expression: str,
    supports: Mapping[str, Support],
    floor: str | None = None,
    response: str = "loss",
) -> Law:
    """Return the law of an expression such as ``E + a*n^-alpha + b*d^-beta``; it is parsed, never evaluated as code.

    Parameters
    ----------
    name : str
        The name of the law.
    expression : str
        Numbers, ``+ - * / ^``, parentheses, ``exp log sqrt minimum maximum``, the symbols of `bayescale.laws.SCALES`
        (``N`` in parameters, ``n`` relative to the reference run) and the parameters.
    supports : mapping of str to str
        The names of the parameters with the values that they may take.
    floor, response : str, optional
        As in `law`.

    Raises
    ------
    CardError
        If the expression has another part; the message names it.

    Examples
    --------
    >>> from bayescale.laws import expression_law
    >>> import numpy as np
    >>> root = expression_law("root", "E + a*n^-0.5", {"E": "positive", "a": "positive"})
    >>> root.mean(np, {"n": 4.0}, {"E": 1.5, "a": 1.0})
    2.0
    """
    if clash := [parameter for parameter in supports if parameter in FUNCTIONS]:
        raise CardError(f"expression: {clash[0]!r} is a function, so no parameter can have that name.")
    # A name that has a prior is a parameter: `b` is then no longer the batch.
    quantities = {symbol: name for symbol, name in SYMBOLS.items() if symbol not in supports}
    try:
        tree = ast.parse(expression.replace("^", "**"), mode="eval").body
    except SyntaxError as error:
        raise CardError(f"expression {expression!r} cannot be read: {error.msg} at character {error.offset}.") from None
    used: dict[str, None] = {}
    _check_node(tree, expression, supports, quantities, used)
    columns = tuple(dict.fromkeys(quantities[symbol] for symbol in used if symbol in quantities))
    if not columns:
        raise CardError(f"expression {expression!r} uses no quantity of the runs. Accepted: {', '.join(quantities)}.")
    idle = [parameter for parameter in supports if parameter not in used]
    if idle:
        raise CardError(f"expression {expression!r} does not use {', '.join(idle)}, for which there is a prior.")
    parameters = tuple(Parameter(p, "parameter of your expression", "", support) for p, support in supports.items())
    # The order is that of the shipped laws, whatever comes first in the expression.
    inputs = tuple(column for column in SCALES if column in columns)

    def mean(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
        return _evaluate_node(tree, xp, {**x, **theta})

    return _make_law(name, "", f"{response} = {expression}", "your own", parameters, inputs, mean, floor, response)


def _check_node(
    node: ast.expr,
    expression: str,
    supports: Mapping[str, Support],
    quantities: Mapping[str, str],
    used: dict[str, None],
) -> None:
    match node:
        case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
            return
        case ast.Name(id=symbol):
            if symbol not in quantities and symbol not in supports:
                known = (*supports, *quantities)
                raise CardError(
                    f"expression {expression!r}: {symbol!r} is neither a quantity of the runs nor a parameter with a "
                    f"prior.{did_you_mean(symbol, known)} Parameters: {', '.join(supports)}; quantities: "
                    f"{', '.join(quantities)}."
                )
            used[symbol] = None
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=inside):
            _check_node(inside, expression, supports, quantities, used)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            _check_node(left, expression, supports, quantities, used)
            _check_node(right, expression, supports, quantities, used)
        case ast.Call(func=ast.Name(id=function), args=[_, *_] as arguments, keywords=[]) if function in FUNCTIONS:
            if len(arguments) != (2 if function in ("minimum", "maximum") else 1):
                raise CardError(f"expression {expression!r}: {function} takes another number of arguments.")
            for argument in arguments:
                _check_node(argument, expression, supports, quantities, used)
        case _:
            raise CardError(
                f"expression {expression!r}: {ast.unparse(node)!r} is not accepted. Accepted: numbers, + - * / ^, "
                f"parentheses, {', '.join(FUNCTIONS)}, quantities of the runs and parameters."
            )


def _evaluate_node(node: ast.expr, xp: Any, names: Mapping[str, Quantity]) -> Quantity:
    match node:
        case ast.Constant(value=number):
            return float(number)  # type: ignore[arg-type]
        case ast.Name(id=symbol):
            return names[symbol]
        case ast.UnaryOp(op=sign, operand=inside):
            value = _evaluate_node(inside, xp, names)
            return -value if isinstance(sign, ast.USub) else value
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_evaluate_node(left, xp, names), _evaluate_node(right, xp, names))
        case ast.Call(func=ast.Name(id=function), args=arguments):
            return getattr(xp, function)(*(_evaluate_node(argument, xp, names) for argument in arguments))
        case _:
            raise AssertionError("checked before")
