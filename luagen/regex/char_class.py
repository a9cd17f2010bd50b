"""A character class, `[…]`, to the set of its bytes."""

from __future__ import annotations

from luagen.regex import escapes
from luagen.regex.cursor import Cursor
from luagen.regex.tree import ALL, ByteSet, ignoring_case

_UNTERMINATED = "the character class has no end"
_UNTERMINATED_HELP = "close it with `]`, or write `\\[` for the character"


def parse_class(cursor: Cursor, *, ignore_case: bool) -> ByteSet:
    """The bytes of the class whose `[`, already taken, stands before the cursor. Raises RegexError."""
    opened = cursor.at - 1
    if cursor.next == "[":
        raise cursor.error(
            "`[` first in a class may mean a nested class in a later Python",
            cursor.at,
            "write `\\[`",
            end=cursor.at + 1,
        )
    negated = cursor.accept("^")
    members: set[int] = set()
    empty = True
    while not (cursor.next == "]" and not empty):
        start = cursor.at
        if not empty and cursor.next and cursor.next in "-&~|":
            _refuse_doubled(cursor, start)
        low = _member(cursor, opened)
        empty = False
        if not cursor.accept("-"):
            members |= low
            continue
        if cursor.next == "]":
            members |= low | {ord("-")}
            break
        if cursor.next == "-":
            _refuse_doubled(cursor, cursor.at - 1)
        high = _member(cursor, opened)
        if len(low) != 1 or len(high) != 1:
            raise cursor.error(
                "a range goes from one character to another", start, "write `\\-` for the character `-`"
            )
        if max(low) > max(high):
            raise cursor.error("the range ends before it begins", start, "write the smaller character first")
        members |= set(range(max(low), max(high) + 1))
    cursor.take()
    accepts = frozenset(members)
    if ignore_case:
        accepts = ignoring_case(accepts)
    return ALL - accepts if negated else accepts


def _member(cursor: Cursor, opened: int) -> ByteSet:
    start = cursor.at
    character = cursor.take()
    if not character:
        raise cursor.error(_UNTERMINATED, opened, _UNTERMINATED_HELP)
    if character == "\\":
        found = escapes.in_class(cursor)
        if not isinstance(found, str):
            return found.accepts
        character = found
    if not character.isascii():
        raise cursor.error(
            f"`{character}` is more than one byte, and a class stands for one byte",
            start,
            "list such characters with `|`: `(?:ä|ö|[a-z])`",
        )
    return frozenset([ord(character)])


def _refuse_doubled(cursor: Cursor, start: int) -> None:
    """Raises for `--`, `&&`, `~~` and `||`, where Python warns of a change to come."""
    sign = cursor.pattern[start]
    if cursor.pattern.startswith(sign * 2, start):
        raise cursor.error(
            f"`{sign * 2}` in a class may mean an operation on sets in a later Python",
            start,
            f"write `\\{sign}` for the character",
            end=start + 2,
        )
