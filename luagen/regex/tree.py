"""The tree of a regular expression over bytes, with every flag already applied.

The parser makes it, `nfa.py` takes it apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

ByteSet = frozenset[int]

NEWLINE = 0x0A
ALL = frozenset(range(256))
DIGITS = frozenset(b"0123456789")
WORD = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
SPACE = frozenset(b" \t\n\r\f\v")


class Assertion(Enum):
    """What holds at a place between two bytes; the names are those of the syntax without flags."""

    TEXT_START = auto()  # `\A`, and `^` without `(?m)`
    LINE_START = auto()  # `^` with `(?m)`
    TEXT_END = auto()  # `\Z`
    LAST_LINE_END = auto()  # `$` without `(?m)`: the end, or before a newline that ends the text
    LINE_END = auto()  # `$` with `(?m)`
    BOUNDARY = auto()  # `\b`, by ASCII words
    NO_BOUNDARY = auto()  # `\B`


# Assertions about what stands before a place.
LOOKING_BACK = frozenset(
    {Assertion.TEXT_START, Assertion.LINE_START, Assertion.BOUNDARY, Assertion.NO_BOUNDARY}
)


@dataclass(frozen=True, slots=True)
class OneByte:
    """Any one byte of a set."""

    accepts: ByteSet


@dataclass(frozen=True, slots=True)
class Sequence:
    """One part after the other; no part at all is the empty text."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Alternatives:
    """The first alternative that leads to a match."""

    choices: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`least` to `most` times (None: without end), as often as possible or, when lazy, as seldom."""

    body: Expression
    least: int
    most: int | None
    lazy: bool


@dataclass(frozen=True, slots=True)
class NamedGroup:
    """A part whose last match is remembered; `index` counts the named groups from 0."""

    index: int
    body: Expression


@dataclass(frozen=True, slots=True)
class Place:
    """Nothing, where an assertion holds."""

    assertion: Assertion


Expression = OneByte | Sequence | Alternatives | Repeat | NamedGroup | Place


def may_be_empty(expression: Expression) -> bool:
    """Whether the expression may match without taking a byte."""
    match expression:
        case OneByte():
            return False
        case Sequence(parts):
            return all(may_be_empty(part) for part in parts)
        case Alternatives(choices):
            return any(may_be_empty(choice) for choice in choices)
        case Repeat(body, least):
            return least == 0 or may_be_empty(body)
        case NamedGroup(_, body):
            return may_be_empty(body)
        case Place():
            return True


def ignoring_case(accepts: ByteSet) -> ByteSet:
    """The set without regard to the case of ASCII letters."""
    text = bytes(accepts)
    return frozenset(text.lower() + text.upper())
