"""Bounds are never too small: whatever operands are, a result lies within what was computed for it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from luagen import bounds
from luagen.builtins import BUILTINS

NUMBERS = st.integers(-(10**6), 10**6)
OPERATIONS = st.sampled_from(["add", "subtract", "multiply", "minimum", "maximum", "negate"])


@st.composite
def intervals(draw: st.DrawFn) -> tuple[bounds.Interval, int]:
    """An interval and a number in it."""
    least, number, most = sorted(draw(st.tuples(NUMBERS, NUMBERS, NUMBERS)))
    return (least, most), number


@given(OPERATIONS, intervals(), intervals())
def test_operations(
    function: str, one: tuple[bounds.Interval, int], other: tuple[bounds.Interval, int]
) -> None:
    operands = (one,) if function == "negate" else (one, other)
    least, most = bounds.of_operation(function, [interval for interval, _ in operands])
    result = BUILTINS[function].compute(*(number for _, number in operands))
    assert isinstance(result, int)
    assert least <= result <= most


@given(st.sampled_from(["floor_divide", "modulo"]), intervals(), NUMBERS.filter(bool))
def test_division(function: str, dividend: tuple[bounds.Interval, int], divisor: int) -> None:
    interval, number = dividend
    least, most = bounds.of_operation(function, [interval, (divisor, divisor)])
    result = BUILTINS[function].compute(number, divisor)
    assert isinstance(result, int)
    assert least <= result <= most
