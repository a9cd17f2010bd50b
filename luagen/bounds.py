"""How large numbers can get, from what is known about fields, constants and functions.

Every Lua holds integers up to 2^53 exactly, and some hold no others. So arithmetic whose result could be
beyond is refused, and what is left is the same number everywhere.
"""

from __future__ import annotations

from luagen.model import (
    And,
    Call,
    Claim,
    Comprehension,
    Conditional,
    Expression,
    Field,
    Literal,
    Or,
    ParsedInteger,
    Quantifier,
)
from luagen.vocabulary import FIELDS, MAX_LENGTH
from luagen.walk import operands

MAX_INTEGER = 2**53 - 1
MAX_PARTIAL = 10**15 - 1  # of claims and of `int(…)`: 15 digits

Interval = tuple[int, int]  # both included


def interval(expression: Expression) -> Interval:
    """The least and the largest value of an expression of type INTEGER."""
    match expression:
        case Literal(value=int() as value):
            return value, value
        case Field(name=name):
            return FIELDS[name].least, FIELDS[name].most
        case Claim() | ParsedInteger():
            return -MAX_PARTIAL, MAX_PARTIAL
        case And(operands=parts) | Or(operands=parts):
            return _around([interval(part) for part in parts])
        case Conditional(then=then, otherwise=otherwise):
            return _around([interval(then), interval(otherwise)])
        case Call(function=function, arguments=arguments):
            return _of_call(function, arguments)
        case _:
            return -MAX_INTEGER, MAX_INTEGER


def _around(intervals: list[Interval]) -> Interval:
    return min(least for least, _ in intervals), max(most for _, most in intervals)


def _of_call(function: str, arguments: tuple[Expression, ...]) -> Interval:
    match function:
        case "len_text" | "len_texts" | "count":
            return 0, MAX_LENGTH
        case "find" | "rfind":
            return -1, MAX_LENGTH
        case "percent":
            return 0, 99
        case _:
            return of_operation(function, [interval(argument) for argument in arguments])


def of_operation(function: str, given: list[Interval]) -> Interval:
    """Of an arithmetic builtin for operands within these intervals; a divisor is one number, not 0."""
    match function, given:
        case "add", [(a, b), (c, d)]:
            return a + c, b + d
        case "subtract", [(a, b), (c, d)]:
            return a - d, b - c
        case "multiply", [(a, b), (c, d)]:
            products = (a * c, a * d, b * c, b * d)
            return min(products), max(products)
        case "floor_divide", [(a, b), (divisor, _)]:
            return min(a // divisor, b // divisor), max(a // divisor, b // divisor)
        case "modulo", [_, (divisor, _)]:
            return (0, divisor - 1) if divisor > 0 else (divisor + 1, 0)
        case "negate", [(a, b)]:
            return -b, -a
        case "minimum", [(a, b), (c, d)]:
            return min(a, c), min(b, d)
        case "maximum", [(a, b), (c, d)]:
            return max(a, c), max(b, d)
        case _:
            raise AssertionError(f"bug in luagen: nothing is known about how large `{function}` gets")


def nesting(expression: Expression) -> int:
    """How many generators stand within each other."""
    inner = max(map(nesting, operands(expression)), default=0)
    return inner + isinstance(expression, Quantifier | Comprehension)
