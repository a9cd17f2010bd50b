"""Shell-like paths to regular expressions."""

from __future__ import annotations

import re

from luagen.regex.cursor import Cursor
from luagen.regex.tree import ByteSet

_ASCII = frozenset(range(128))
_SLASH = ord("/")
_OTHER_CHARACTER = r"[\xc2-\xf4][\x80-\xbf]{1,3}"  # beyond ASCII, in UTF-8


def glob_pattern(glob: str) -> str:
    """A pattern that matches a whole text exactly when the text fits the glob. Raises RegexError.

    `*`      any characters but `/`, also none; alone between slashes (or a slash and an end of the glob, not
             of braces) at least one
    `**`     as a whole segment: any number of segments, also none; last, everything below. `/users/**` fits
             `/users/` and `/users/a/b` but not `/users`; `/users/**/x` fits `/users/x` and `/users/a/b/x`;
             `**` fits everything
    `?`      one character but `/`; beyond ASCII a whole one, in UTF-8
    `[a-z]`  one of these ASCII characters; `[!a-z]` one character, not of these and not `/`. `]` is a member
             when it comes first, `-` when it comes first or last
    `{a,b}`  one of these, which may hold everything above but `**`, and braces

    Everything else is itself, also the backslash: a literal `*` is `[*]`, a literal `{` is `[{]`.
    """
    cursor = Cursor(glob)
    return r"\A(?:" + _sequence(cursor, depth=0) + r")\Z"


def _sequence(cursor: Cursor, depth: int) -> str:
    """Translates up to the end, inside braces up to their next `,` or `}`, which is not taken."""
    parts: list[str] = []
    while cursor.next and not (depth and cursor.next in ",}"):
        start = cursor.at
        match cursor.take():
            case "*" if cursor.next == "*":
                cursor.take()
                parts.append(_segments(cursor, start, depth))
            case "*":
                parts.append("[^/]+" if _is_segment(cursor, start) else "[^/]*")
            case "?":
                parts.append(_one_character(_ASCII - {_SLASH}, others=True))
            case "[":
                parts.append(_class(cursor, start))
            case "{":
                parts.append(_braces(cursor, start, depth))
            case "}":
                raise cursor.error("this `}` closes nothing", start, "write `[}]` for the character")
            case character:
                parts.append(re.escape(character))
    return "".join(parts)


def _is_segment(cursor: Cursor, start: int) -> bool:
    """Whether what was taken since `start` is a whole segment."""
    return (start == 0 or cursor.pattern[start - 1] == "/") and cursor.next in ("", "/")


def _segments(cursor: Cursor, start: int, depth: int) -> str:
    if cursor.next == "*":
        cursor.take()
        raise cursor.error("`***` has no meaning", start, "write `**` for any number of segments")
    if depth or not _is_segment(cursor, start):
        raise cursor.error(
            "`**` stands for whole segments",
            start,
            "write it between slashes, outside of braces, or write `*`",
        )
    return "(?:[^/]*/)*" if cursor.accept("/") else "(?s:.*)"


def _braces(cursor: Cursor, start: int, depth: int) -> str:
    if depth == 10:
        raise cursor.error(
            "more than 10 braces stand inside one another", start, "leave out braces that change nothing"
        )
    choices = [_sequence(cursor, depth + 1)]
    while cursor.accept(","):
        choices.append(_sequence(cursor, depth + 1))
    if not cursor.accept("}"):
        raise cursor.error(
            "this `{` is never closed", start, "add `}`, or write `[{]` for the character", end=start + 1
        )
    return "(?:" + "|".join(choices) + ")"


def _class(cursor: Cursor, start: int) -> str:
    if cursor.next == "^":
        cursor.take()
        raise cursor.error(
            "`^` first in `[…]` is not the same everywhere", start, "write `[!…]` for all others"
        )
    negated = cursor.accept("!")
    members: set[int] = set()
    first = True
    while first or cursor.next != "]":
        first = False
        low = _member(cursor, start)
        high = low
        if cursor.next == "-" and cursor.pattern[cursor.at + 1 : cursor.at + 2] not in ("", "]"):
            begun = cursor.at - 1
            cursor.take()
            high = _member(cursor, start)
            if high < low:
                raise cursor.error(
                    "the range ends before it begins", begun, "write the smaller character first"
                )
        members |= set(range(low, high + 1))
    cursor.take()
    return _one_character((_ASCII - members if negated else frozenset(members)) - {_SLASH}, others=negated)


def _member(cursor: Cursor, opened: int) -> int:
    start = cursor.at
    character = cursor.take()
    if not character:
        raise cursor.error(
            "this `[` is never closed", opened, "add `]`, or write `[[]` for the character", end=opened + 1
        )
    if character == "/":
        raise cursor.error("a class stands for a character inside a segment, never for `/`", start)
    if not character.isascii():
        raise cursor.error(f"`{character}` in a class is not possible", start, "list the characters: `{ä,ö}`")
    return ord(character)


def _one_character(accepts: ByteSet, *, others: bool) -> str:
    """One character of an ASCII set, with `others` or one beyond ASCII."""
    listed = _ranges(sorted(accepts))
    choices = ([f"[{listed}]"] if listed else []) + ([_OTHER_CHARACTER] if others else [])
    return "(?:" + "|".join(choices or [r"[^\x00-\xff]"]) + ")"


def _ranges(values: list[int]) -> str:
    """Members of a class in ascending order, as ranges."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return "".join(rf"\x{low:02x}" + (rf"-\x{high:02x}" if high > low else "") for low, high in runs)
