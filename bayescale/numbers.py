"""Numbers as people write them: 70B, 1.4T, 300k, 1e24, 1,000,000."""

import math
import re
from typing import Any

EXPONENTS = {"k": 3, "m": 6, "b": 9, "g": 9, "t": 12}
NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?P<digits>[0-9]{1,3}(?:[,_][0-9]{3})+(?:\.[0-9]*)?|[0-9]+\.?[0-9]*|\.[0-9]+)"
    r"(?:e(?P<power>[+-]?[0-9]+)|\s*(?P<suffix>[kmbgt]))?",
    re.IGNORECASE,
)


def parse_number(value: Any) -> float:
    """Read a number as people write it.

    Parameters
    ----------
    value : str, int or float
        Text such as ``"70B"``, ``"1.4T"``, ``"300k"``, ``"1e24"`` or ``"1,000,000"``; a number passes as it is.
        The suffixes are k, M, B (or G) and T, in either case.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        The text is not a number; the message says what would be.

    Examples
    --------
    >>> from bayescale.numbers import parse_number
    >>> parse_number("1.4T")
    1400000000000.0
    """
    if isinstance(value, str):
        match = NUMBER.fullmatch(value.strip())
        if match is None:
            raise ValueError(f"{value!r} is not a number; accepted: 70B, 1.4T, 300k, 1e24, 1,000,000")
        suffix = match["suffix"]
        power = EXPONENTS[suffix.lower()] if suffix else match["power"] or 0
        # Put together as text so that 1.4T is the float nearest to 1.4e12, as if it had been written so.
        return float(f"{match['sign']}{re.sub('[,_]', '', match['digits'])}e{power}")
    if isinstance(value, bool) or value is None:
        raise ValueError(f"{value!r} is not a number")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is not a number") from None


def human_number(value: float, digits: int = 3) -> str:
    """Write a number as people read it, so that ``parse_number`` gives it back to that many digits.

    Parameters
    ----------
    value : float
        Any finite number.
    digits : int
        Significant digits to keep.

    Returns
    -------
    str

    Examples
    --------
    >>> from bayescale.numbers import human_number
    >>> human_number(1.4e12), human_number(5.76e23)
    ('1.4T', '5.76e23')
    """
    value = float(f"{value:.{digits - 1}e}")
    size = abs(value)
    if 1e3 <= size < 1e15:
        power = max(p for p in EXPONENTS.values() if 10**p <= size)
        suffix = {3: "k", 6: "M", 9: "B", 12: "T"}[power]
        return f"{float(f'{value:.{digits - 1}e}') / 10**power:.{max(digits, 4)}g}{suffix}"
    return _short_exponent(f"{value:.{digits}g}")


def scientific(value: float, digits: int = 3) -> str:
    """Write a number as FLOP are written, such as ``5.76e23``, so that ``parse_number`` gives it back.

    Parameters
    ----------
    value : float
        Any finite number.
    digits : int
        Significant digits to keep.

    Returns
    -------
    str

    Examples
    --------
    >>> from bayescale.numbers import scientific
    >>> scientific(5.76e23), scientific(1e18)
    ('5.76e23', '1e18')
    """
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def _short_exponent(text: str) -> str:
    return re.sub(r"e\+?(-?)0*", r"e\1", text)


def loss_text(*values: float, width: float) -> list[str]:
    """Write losses with the digits that a band of that width supports.

    Examples
    --------
    >>> from bayescale.numbers import loss_text
    >>> loss_text(1.5234, 1.6178, width=0.09)
    ['1.523', '1.618']
    """
    digits = min(max(1 - math.floor(math.log10(max(width, 1e-9))), 2), 4)
    return [f"{value:.{digits}f}" for value in values]
