"""What a backslash means, in a character class and outside of one.

As CPython's `re` reads patterns of bytes: categories are ASCII's.
"""

from __future__ import annotations

from luagen.regex.cursor import Cursor
from luagen.regex.tree import ALL, DIGITS, SPACE, WORD, Assertion, ByteSet, OneByte, Place

_CATEGORIES: dict[str, ByteSet] = {
    "d": DIGITS, "D": ALL - DIGITS,
    "s": SPACE, "S": ALL - SPACE,
    "w": WORD, "W": ALL - WORD,
}  # fmt: skip
_CONTROLS = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92}
_PLACES = {
    "A": Assertion.TEXT_START,
    "Z": Assertion.TEXT_END,
    "b": Assertion.BOUNDARY,
    "B": Assertion.NO_BOUNDARY,
}
_HEX = "0123456789abcdefABCDEF"
_OCTAL = "01234567"
_DECIMAL = "0123456789"


def outside_class(cursor: Cursor) -> OneByte | Place | str:
    """What the escape behind a backslash, already taken, stands for; a character beyond ASCII as itself."""
    start = cursor.at - 1
    letter = cursor.take()
    if letter in _PLACES:
        return Place(_PLACES[letter])
    if letter and letter in _DECIMAL:
        return OneByte(frozenset([_number(cursor, start, letter)]))
    return _common(cursor, start, letter)


def in_class(cursor: Cursor) -> OneByte | str:
    """The same inside a character class, where `\\b` is the backspace."""
    start = cursor.at - 1
    letter = cursor.take()
    if letter == "b":
        return OneByte(frozenset([8]))
    if letter and letter in _OCTAL:
        return OneByte(frozenset([_octal(cursor, start, letter + cursor.take_while(_OCTAL, 2))]))
    return _common(cursor, start, letter)


def _common(cursor: Cursor, start: int, letter: str) -> OneByte | str:
    if letter in _CATEGORIES:
        return OneByte(_CATEGORIES[letter])
    if letter in _CONTROLS:
        return OneByte(frozenset([_CONTROLS[letter]]))
    if letter == "x":
        digits = cursor.take_while(_HEX, 2)
        if len(digits) != 2:
            raise cursor.error("`\\x` is not followed by two hexadecimal digits", start, "write `\\x0a`")
        return OneByte(frozenset([int(digits, 16)]))
    if not letter:
        raise cursor.error("the pattern ends in a backslash", start, "write `\\\\` for a backslash")
    if letter in "uUN":
        raise cursor.error(
            f"`\\{letter}` cannot be used, patterns are matched byte by byte",
            start,
            "write the character itself",
        )
    if letter == "z":
        raise cursor.error("there is no escape `\\z`", start, "write `\\Z` for the end of the text")
    if letter.isascii() and letter.isalnum():
        raise cursor.error(
            f"there is no escape `\\{letter}` here", start, f"write `{letter}` for the character"
        )
    return OneByte(frozenset([ord(letter)])) if letter.isascii() else letter


def _number(cursor: Cursor, start: int, first: str) -> int:
    """The byte of `\\0`, `\\07` or `\\123`; all other numbers are back-references."""
    if first == "0":
        return _octal(cursor, start, first + cursor.take_while(_OCTAL, 2))
    digits = first + cursor.take_while(_DECIMAL, 1)
    if len(digits) == 2 and all(digit in _OCTAL for digit in digits + (cursor.next or "9")):
        return _octal(cursor, start, digits + cursor.take())
    raise cursor.error(
        f"`\\{digits}` is a back-reference, which no automaton can follow",
        start,
        "name both parts, `(?P<a>…)` and `(?P<b>…)`, and compare them: `a == b`",
    )


def _octal(cursor: Cursor, start: int, digits: str) -> int:
    value = int(digits, 8)
    if value > 0o377:
        raise cursor.error(f"`\\{digits}` is no byte, the largest is `\\377`", start)
    return value
