"""TOML text to its statements, with the place of every key and value.

`tomllib` decides what is TOML and has no positions; this scanner has positions and decides nothing: it
takes whatever has the shape of TOML 1.0, and is used together with `tomllib` (see `document.py`).
tomlkit, whose documents are lossless, has positions only inside its parser, and that changes from version
to version.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import NoReturn

MAX_NESTING = 100  # of arrays and inline tables: scanned recursively

_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b", '"': '"', "\\": "\\"}
_CODE_POINT_DIGITS = {"x": 2, "u": 4, "U": 8}

_BLANKS = re.compile(r"[ \t]*")
_EMPTY_LINES = re.compile(r"(?:[ \t\n]|\r\n|#[^\n]*)*")
_LINE_END = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\r?\n|\Z)")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[Tt ]\d{2}:[0-9:.]+(?:[Zz]|[+-]\d{2}:\d{2})?)?")
_SCALAR = re.compile(r"[A-Za-z0-9_+.:-]+")
_INTEGER = re.compile(r"[+-]?[0-9_]+|0x[0-9A-Fa-f_]+|0o[0-7_]+|0b[01_]+")
_STRING_ENDS = {
    '"': re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    "'": re.compile(r"'[^'\n]*'"),
    # One or two quotes directly before the closing three belong to the text.
    '"""': re.compile(r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}', re.DOTALL),
    "'''": re.compile(r"'''(?:[^']|'{1,2}(?!'))*'{3,5}", re.DOTALL),
}


class Kind(Enum):
    STRING = auto()
    INTEGER = auto()
    BOOLEAN = auto()
    FLOAT = auto()
    DATE_OR_TIME = auto()
    ARRAY = auto()
    INLINE_TABLE = auto()


@dataclass(frozen=True, slots=True)
class KeyPart:
    """One part of a dotted key; `text[start:end]` is its source, quotes included."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class RawValue:
    """`text[start:end]` and, for arrays and inline tables, what is inside (elements have no key)."""

    kind: Kind
    start: int
    end: int
    members: tuple[Assignment, ...] = ()


@dataclass(frozen=True, slots=True)
class Assignment:
    key: tuple[KeyPart, ...]
    value: RawValue


@dataclass(frozen=True, slots=True)
class Header:
    """`[a.b]` or `[[a.b]]`; `text[start:end]` is the header with its brackets."""

    key: tuple[KeyPart, ...]
    is_array: bool
    start: int
    end: int


Statement = Header | Assignment


@dataclass(frozen=True, slots=True)
class ScanError:
    """Where the text has no longer the shape of TOML."""

    message: str
    start: int
    end: int
    help: str | None


def scan(text: str) -> tuple[tuple[Statement, ...], ScanError | None]:
    """The statements of the text, up to the first that has not the shape of one. Never raises."""
    scanner = _Scanner(text)
    found: list[Statement] = []
    try:
        while not scanner.at_end():
            found.append(scanner.statement())
    except _Stop as stop:
        return tuple(found), stop.error
    return tuple(found), None


class _Stop(Exception):
    def __init__(self, error: ScanError) -> None:
        super().__init__(error.message)
        self.error = error


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def at_end(self) -> bool:
        """Whether only blanks and comments are left; they are passed."""
        self._skip(_EMPTY_LINES)
        return self._at == len(self._text)

    def statement(self) -> Statement:
        found = self._header() if self._text[self._at] == "[" else self._assignment()
        before = self._at
        if not self._skip(_LINE_END):
            self._skip(_BLANKS)
            hint = None
            if self._text[before - 1] in "\"'":
                hint = 'an expression that contains `"` stands in single quotes: \'request.path == "/"\''
            self._refuse("the statement should end here", hint)
        return found

    def _header(self) -> Header:
        start = self._at
        brackets = 2 if self._text.startswith("[[", start) else 1
        self._at += brackets
        key = self._key()
        if not self._text.startswith("]" * brackets, self._at):
            self._refuse(f"`{']' * brackets}` should stand here")
        self._at += brackets
        return Header(key, brackets == 2, start, self._at)

    def _assignment(self) -> Assignment:
        key = self._key()
        if self._text[self._at : self._at + 1] != "=":
            self._refuse(
                "`=` should stand here", "a line is `key = value`, `[table]`, `[[rule]]` or a comment"
            )
        self._at += 1
        self._skip(_BLANKS)
        return Assignment(key, self._value())

    def _key(self) -> tuple[KeyPart, ...]:
        parts: list[KeyPart] = []
        while True:
            self._skip(_BLANKS)
            start = self._at
            if self._text[start : start + 1] in ('"', "'"):
                self._string(self._text[start])
                name = decode_string(self._text[start : self._at], start)[0]
            elif self._skip(_BARE_KEY):
                name = self._text[start : self._at]
            else:
                self._refuse("a key should stand here", "a key has letters, digits, `-` and `_`, or quotes")
            parts.append(KeyPart(name, start, self._at))
            if len(parts) > MAX_NESTING:  # tomllib takes time with the square of the length
                self._refuse(f"a key has more than {MAX_NESTING} parts", at=start, end=self._at)
            self._skip(_BLANKS)
            if self._text[self._at : self._at + 1] != ".":
                return tuple(parts)
            self._at += 1

    def _value(self) -> RawValue:
        start = self._at
        char = self._text[start : start + 1]
        if char in ('"', "'") and char:
            self._string(char * 3 if self._text.startswith(char * 3, start) else char)
            return RawValue(Kind.STRING, start, self._at)
        if char == "[":
            return self._nested(start, Kind.ARRAY)
        if char == "{":
            return self._nested(start, Kind.INLINE_TABLE)
        if self._skip(_DATE):
            return RawValue(Kind.DATE_OR_TIME, start, self._at)
        if not self._skip(_SCALAR):
            self._refuse("a value should stand here")
        word = self._text[start : self._at]
        if word in ("true", "false"):
            return RawValue(Kind.BOOLEAN, start, self._at)
        if _INTEGER.fullmatch(word):
            return RawValue(Kind.INTEGER, start, self._at)
        if word[0].isalpha() and word not in ("inf", "nan"):
            self._refuse("a value should stand here", "text stands in quotes", at=start, end=self._at)
        return RawValue(Kind.DATE_OR_TIME if ":" in word else Kind.FLOAT, start, self._at)

    def _string(self, quotes: str) -> None:
        if self._skip(_STRING_ENDS[quotes]):
            return
        several = None if len(quotes) == 3 else "text of several lines stands in three quotes"
        self._refuse("the string is never closed", several)

    def _nested(self, start: int, kind: Kind) -> RawValue:
        self._depth += 1
        if self._depth > MAX_NESTING:
            self._refuse(f"values are nested more than {MAX_NESTING} levels deep")
        self._at += 1
        members = self._elements() if kind is Kind.ARRAY else self._members()
        self._depth -= 1
        return RawValue(kind, start, self._at, members)

    def _elements(self) -> tuple[Assignment, ...]:
        found: list[Assignment] = []
        while True:
            self._skip(_EMPTY_LINES)
            if self._passes("]"):
                return tuple(found)
            found.append(Assignment((), self._value()))
            self._skip(_EMPTY_LINES)
            if self._passes("]"):
                return tuple(found)
            if not self._passes(","):
                self._refuse("`,` or `]` should stand here")

    def _members(self) -> tuple[Assignment, ...]:
        hint = "an inline table is written on one line, without a comma at its end"
        found: list[Assignment] = []
        self._skip(_BLANKS)
        if self._passes("}"):
            return ()
        while True:
            self._skip(_BLANKS)
            if self._text[self._at : self._at + 1] in ("\n", "\r", "#", "}", ""):
                self._refuse("a key should stand here", hint)
            found.append(self._assignment())
            self._skip(_BLANKS)
            if self._passes("}"):
                return tuple(found)
            if not self._passes(","):
                self._refuse("`,` or `}` should stand here", hint)

    def _passes(self, char: str) -> bool:
        if self._text[self._at : self._at + 1] != char:
            return False
        self._at += 1
        return True

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        """Passes what the pattern matches here; whether that was anything that counts."""
        found = pattern.match(self._text, self._at)
        if found is None:
            return False
        self._at = found.end()
        return True

    def _refuse(
        self, message: str, help: str | None = None, *, at: int | None = None, end: int | None = None
    ) -> NoReturn:
        start = self._at if at is None else at
        if end is None:
            end = start if self._text[start : start + 1] in ("", "\n", "\r") else start + 1
        raise _Stop(ScanError(message, start, end, help))


def decode_string(source: str, start: int) -> tuple[str, Sequence[int]]:
    """The value of a valid TOML string whose source, quotes included, stands at offset `start`.

    Returns the value and one offset more than it has characters: character `i` comes from the source
    between `offsets[i]` and `offsets[i + 1]`, except that text which stands for nothing (a line
    continuation) belongs to the character before it. The last offset is the closing quotes'.
    """
    quote = source[:3] if source[:3] in ('"""', "'''") and len(source) >= 6 else source[0]
    index, end = len(quote), len(source) - len(quote)
    if len(quote) == 3:
        index += 2 if source.startswith("\r\n", index) else 1 if source.startswith("\n", index) else 0
    body = source[index:end]
    if "\r" not in body and ("\\" not in body or quote[0] == "'"):
        return body, range(start + index, start + end + 1)
    value: list[str] = []
    offsets: list[int] = []
    while index < end:
        char, length = source[index], 1
        if char == "\r":  # TOML permits it only before a line feed; both are one line end
            char, length = "\n", 2
        elif char == "\\" and quote[0] == '"':
            char, length = _escape(source, index)
        if char:
            value.append(char)
            offsets.append(start + index)
        index += length
    offsets.append(start + end)
    return "".join(value), offsets


def _escape(source: str, index: int) -> tuple[str, int]:
    """What the escape at `index` stands for, and its length; a line continuation stands for nothing."""
    kind = source[index + 1]
    if kind in _ESCAPES:
        return _ESCAPES[kind], 2
    if kind in _CODE_POINT_DIGITS:
        digits = source[index + 2 : index + 2 + _CODE_POINT_DIGITS[kind]]
        try:
            return chr(int(digits, 16)), 2 + len(digits)
        except (ValueError, OverflowError):
            return "", 2  # tomllib, which is asked afterwards, refuses it
    rest = source[index + 1 :]
    return "", 1 + len(rest) - len(rest.lstrip(" \t\r\n"))
