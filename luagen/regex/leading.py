"""What every match of an anchored pattern begins with, apart from the rest of the pattern."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from luagen.regex.parser import Parsed
from luagen.regex.tree import (
    LOOKING_BACK,
    Alternatives,
    Assertion,
    Expression,
    NamedGroup,
    OneByte,
    Place,
    Repeat,
    Sequence,
)

_START = Place(Assertion.TEXT_START)


@dataclass(frozen=True, slots=True)
class Split:
    """A pattern in two parts: it matches a text that begins with `leading` and whose remainder, taken for a
    whole text, `rest` matches. `leading` is empty when a pattern has no such parts; then `rest` is all of it.

    Patterns that differ in what they begin with have one rest, and so one automaton.
    """

    leading: bytes
    rest: Parsed


def split(parsed: Parsed) -> Split:
    parts = tuple(_parts(parsed.expression))
    leading = bytearray()
    if parts[:1] == (_START,):
        for part in parts[1:]:
            if not (isinstance(part, OneByte) and len(part.accepts) == 1):
                break
            leading += bytes(part.accepts)
    behind = parts[1 + len(leading) :]
    # What looks back would take the remainder for the whole text, whose first bytes it does not see.
    if not leading or any(map(_looks_back, behind)):
        return Split(b"", parsed)
    return Split(bytes(leading), Parsed(Sequence((_START, *behind)), parsed.groups, parsed.length))


def _parts(expression: Expression) -> Iterator[Expression]:
    """What a sequence consists of, sequences in it taken apart."""
    match expression:
        case Sequence(parts):
            for part in parts:
                yield from _parts(part)
        case _:
            yield expression


def _looks_back(expression: Expression) -> bool:
    match expression:
        case OneByte():
            return False
        case Place(assertion):
            return assertion in LOOKING_BACK
        case Sequence(parts) | Alternatives(parts):
            return any(map(_looks_back, parts))
        case Repeat(body=body) | NamedGroup(body=body):
            return _looks_back(body)
