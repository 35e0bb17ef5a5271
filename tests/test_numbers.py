import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayescale.numbers import human_number, parse_number, scientific


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("70B", 7e10),
        ("1.4T", 1.4e12),
        ("7M", 7e6),
        ("300k", 3e5),
        ("125m", 1.25e8),
        (" 70 b ", 7e10),
        ("2G", 2e9),
        ("1e24", 1e24),
        ("5.76E+23", 5.76e23),
        ("1,000,000", 1e6),
        ("1_000_000", 1e6),
        ("1,234.5", 1234.5),
        (".5", 0.5),
        ("3.", 3.0),
        ("-2", -2.0),
        (7, 7.0),
        (2.5, 2.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3.0),
    ],
)
def test_numbers_as_people_write_them(text, value):
    assert parse_number(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "many", "70 billion", "2^20", "1,5", "1,00,000", "7BB", "B", "1e3k", "0x10", "nan", "inf", "1/2", "50%", "٣"],
)
def test_other_text_is_refused_with_what_is_accepted(text):
    with pytest.raises(ValueError, match=r"is not a number; accepted: 70B, 1.4T, 300k, 1e24, 1,000,000"):
        parse_number(text)


@pytest.mark.parametrize("value", [None, True, [1], {}])
def test_other_things_are_refused(value):
    with pytest.raises(ValueError, match="is not a number"):
        parse_number(value)


def test_a_float_passes_as_it_is():
    assert math.isnan(parse_number(float("nan")))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_survives_its_own_text(value):
    assert parse_number(repr(value)) == value


@given(st.floats(min_value=1e-3, max_value=1e30), st.integers(min_value=1, max_value=6), st.sampled_from([1, -1]))
def test_what_is_shown_reads_back_to_its_digits(size, digits, sign):
    value = sign * size
    for show in (human_number, scientific):
        assert parse_number(show(value, digits)) == pytest.approx(value, rel=0.51 * 10 ** (1 - digits))


@given(st.integers(min_value=1, max_value=999), st.sampled_from([("k", 1e3), ("M", 1e6), ("B", 1e9), ("T", 1e12)]))
def test_suffixes_are_written_and_read(count, suffix):
    letter, size = suffix
    assert parse_number(f"{count}{letter}") == count * size
    assert human_number(count * size) == f"{count}{letter}"


def test_rounding_up_moves_to_the_next_suffix():
    assert human_number(999_999) == "1M"
