"""Reads the keys of one table against what it takes, and reports what does not fit where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

from luagen.diagnostics import Bag, Code, did_you_mean, nearest, quoted
from luagen.document import Array, Boolean, Entry, Integer, Table, Text, Value, kind
from luagen.schema import Key
from luagen.source import Span

_Word = TypeVar("_Word", bound=StrEnum)
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,15}")


class TableReader:
    """One table that takes `keys` (as in `schema.TABLES`); `title` is what messages call it.

    Unknown and missing keys are reported at once. A getter returns None when the key is absent or was
    reported; `entry` tells the two apart.
    """

    def __init__(self, table: Table, keys: tuple[Key, ...], title: str, bag: Bag) -> None:
        self.table = table
        self.bag = bag
        self._entries = table.entries
        names = [key.name for key in keys]
        self.meant: set[str] = set()  # keys that unknown ones were probably to be
        for entry in table.entries.values():
            if entry.key in names:
                continue
            found = nearest(entry.key, names)
            self.meant |= {found} if found else set()
            listed = f"there are {', '.join(f'`{name}`' for name in names)}"
            self.error(
                Code.UNKNOWN_KEY,
                f"{title} has no key {quoted(entry.key)}",
                entry.span,
                help=f"did you mean `{found}`?" if found else listed,
            )
        for key in keys:
            # A key that was probably misspelt has been reported already.
            if key.required and key.name not in table.entries and key.name not in self.meant:
                message = f"{title} needs the key `{key.name}`"
                self.error(Code.MISSING_KEY, message, table.span, help=f"it takes {key.takes}")

    def entry(self, key: str) -> Entry | None:
        return self._entries.get(key)

    def _value(self, key: str) -> Value | None:
        entry = self._entries.get(key)
        return None if entry is None else entry.value

    def text(self, key: str) -> Text | None:
        """A string with its positions; it may be empty."""
        match self._value(key):
            case None:
                return None
            case Text() as text:
                return text
            case other:
                self.wrong_type(key, "a string", other)
                return None

    def string(self, key: str) -> str | None:
        """A string that is not empty and has no control characters."""
        text = self.text(key)
        return None if text is None else plain_text(text, self.bag)

    def strings(self, key: str) -> tuple[Text, ...] | None:
        """A string, or a non-empty array of strings; not empty and without control characters, each once."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        values: list[Value] = entry.value.values if isinstance(entry.value, Array) else [entry.value]
        if not values:
            self.error(Code.INVALID_VALUE, f"`{key}` needs at least one string", entry.value.span)
            return None
        texts: list[Text] = []
        seen: set[str] = set()
        for value in values:
            if not isinstance(value, Text):
                self.wrong_type(key, "a string or an array of strings", value)
            elif plain_text(value, self.bag) is None:
                continue
            elif value.value in seen:
                self.error(Code.DUPLICATE_NAME, f"{quoted(value.value)} stands here twice", value.span)
            else:
                seen.add(value.value)
                texts.append(value)
        return tuple(texts) if len(texts) == len(values) else None

    def integer(self, key: str, least: int, most: int, default: int) -> int:
        """An integer within the limits, or the default (also when something was reported)."""
        match self._value(key):
            case None:
                return default
            case Integer(value=value, span=span):
                if least <= value <= most:
                    return value
                self.error(Code.INVALID_VALUE, f"`{key}` is from {least} to {most}, not {value}", span)
            case Text(value=value) as text if _INTEGER.fullmatch(value):
                self.wrong_type(key, "an integer", text, help=f"write `{value}`")
            case other:
                self.wrong_type(key, "an integer", other)
        return default

    def boolean(self, key: str, default: bool) -> bool:
        """A boolean, or the default (also when something was reported)."""
        match self._value(key):
            case None:
                return default
            case Boolean(value=value):
                return value
            case Text(value="true" | "false" as value) as text:
                self.wrong_type(key, "`true` or `false`", text, help=f"write `{value}`")
                return default
            case other:
                self.wrong_type(key, "`true` or `false`", other)
                return default

    def word(self, key: str, words: type[_Word]) -> _Word | None:
        """One of a closed list of words."""
        text = self.text(key)
        if text is None:
            return None
        if text.value in list(words):
            return words(text.value)
        listed = " or ".join(f'`"{word}"`' for word in words)
        self.error(
            Code.INVALID_VALUE,
            f"`{key}` cannot be {quoted(text.value)}",
            text.span,
            help=did_you_mean(text.value, list(words)) or f"it is {listed}",
        )
        return None

    def inner(self, key: str) -> Table | None:
        """A table."""
        match self._value(key):
            case None:
                return None
            case Table() as table:
                return table
            case other:
                self.wrong_type(key, "a table", other)
                return None

    def error(self, code: Code, message: str, span: Span, *, help: str | None = None) -> None:
        self.bag.error(code, message, span, help=help)

    def wrong_type(self, key: str, expected: str, found: Value, *, help: str | None = None) -> None:
        message = f"{quoted(key)} takes {expected}, not {kind(found)}"
        self.error(Code.WRONG_TYPE, message, found.span, help=help)


def plain_text(text: Text, bag: Bag) -> str | None:
    """The string when it is not empty and has no control characters; else None, and that is reported."""
    if not text.value:
        bag.error(Code.INVALID_VALUE, "the string is empty", text.span)
        return None
    return text.value if no_controls(text, bag) else None


def no_controls(text: Text, bag: Bag, *, allowed: Iterable[str] = ()) -> bool:
    """Whether the string is free of control characters; the first is reported."""
    for index, char in enumerate(text.value):
        if (char < " " or char == "\x7f") and char not in allowed:
            bag.error(
                Code.CONTROL_CHARACTER,
                f"the control character {quoted(char)} cannot stand here",
                text.part(index, index + 1),
            )
            return False
    return True
