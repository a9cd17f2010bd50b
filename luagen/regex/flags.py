"""Inline flags: `(?i)` at the start of a pattern, `(?i-s:…)` for a part of it."""

from __future__ import annotations

from luagen.regex.cursor import Cursor

KNOWN = "aimsx"
_NO_EFFECT_ON_BYTES = {"u": "text is matched byte by byte", "L": "there is no locale"}


def parse_flags(cursor: Cursor, start: int) -> tuple[frozenset[str], frozenset[str], bool]:
    """Flags turned on, flags turned off, and whether they are for a part (`:`) or the whole pattern (`)`).

    `start` is the offset of the `(`; its `?` is taken. Raises RegexError.
    """
    on = _letters(cursor, start)
    off: frozenset[str] = frozenset()
    if cursor.accept("-"):
        off = _letters(cursor, start)
        if not off:
            raise cursor.error("no flag follows the `-`", start, "write `(?-i:…)`")
        if "a" in off:
            raise cursor.error("the flag `a` cannot be turned off", start)
    if on & off:
        raise cursor.error(f"the flag `{min(on & off)}` is turned on and off", start)
    if cursor.accept(":"):
        return on, off, True
    if not off and cursor.accept(")"):
        return on, off, False
    raise cursor.error("the flags have no end", start, "write `(?i:…)`, or `(?i)` at the start")


def _letters(cursor: Cursor, start: int) -> frozenset[str]:
    found = set()
    while (letter := cursor.next) and letter.isalpha():
        cursor.take()
        if letter in _NO_EFFECT_ON_BYTES:
            raise cursor.error(
                f"the flag `{letter}` means nothing here: {_NO_EFFECT_ON_BYTES[letter]}", start
            )
        if letter not in KNOWN:
            raise cursor.error(
                f"there is no flag `{letter}`", start, "the flags are `i`, `m`, `s`, `x` and `a`"
            )
        found.add(letter)
    return frozenset(found)
