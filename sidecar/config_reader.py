"""Reading a JSON document member by member, collecting every mistake with its place. Does no I/O.

A reader returns a harmless value of the right type where it has noted a mistake; nothing built from such
values leaves `config.parse`, because it raises when there was any.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, TypeVar

from sidecar.strict_json import JsonObject

Choice = TypeVar("Choice", bound=str)


class ConfigError(Exception):
    """A configuration that cannot be used. `mistakes`: one line each, `place: what is wrong`."""

    def __init__(self, mistakes: tuple[str, ...]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


class Mistakes:
    """The mistakes found so far, in the order of the checks."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, place: str, what: str) -> None:
        self._lines.append(f"{place}: {what}")

    def raise_if_any(self) -> None:
        if self._lines:
            raise ConfigError(tuple(self._lines))


class Table:
    """One JSON object of the document, at `place`."""

    def __init__(self, members: JsonObject, place: str, mistakes: Mistakes) -> None:
        self._members = members
        self._place = place
        self._mistakes = mistakes
        self._read: set[str] = set()

    def mistake(self, name: str, what: str) -> None:
        self._mistakes.add(f"{self._place}.{name}" if self._place else name, what)

    def close(self) -> None:
        """Notes every member that nobody has read."""
        for name in self._members:
            if name not in self._read:
                self.mistake(name, "unknown member")

    def is_null(self, name: str) -> bool:
        self._read.add(name)
        return name in self._members and self._members[name] is None

    def text(self, name: str, *, pattern: str = r"[^\x00-\x1f\x7f]+") -> str:
        """A string of which the whole matches `pattern`."""
        value = self._take(name)
        if isinstance(value, str) and re.fullmatch(pattern, value):
            return value
        if value is not _MISSING:
            self.mistake(name, f"must be a string that matches `{pattern}`")
        return ""

    def integer(self, name: str, least: int, most: int) -> int:
        value = self._take(name)
        if type(value) is int and least <= value <= most:
            return value
        if value is not _MISSING:
            self.mistake(name, f"must be an integer from {least} to {most}")
        return least

    def boolean(self, name: str) -> bool:
        value = self._take(name)
        if value is not _MISSING and not isinstance(value, bool):
            self.mistake(name, "must be true or false")
        return value is True

    def choice(self, name: str, among: tuple[Choice, ...]) -> Choice:
        value = self._take(name)
        for choice in among:
            if value == choice:
                return choice
        if value is not _MISSING:
            self.mistake(name, "must be one of " + ", ".join(f"`{choice}`" for choice in among))
        return among[0]

    def texts(
        self, name: str, *, at_least: int = 0, one_of: Collection[str] | None = None
    ) -> tuple[str, ...]:
        value = self._take(name)
        if value is _MISSING:
            return ()
        if not isinstance(value, list) or not all(isinstance(element, str) and element for element in value):
            self.mistake(name, "must be an array of strings")
            return ()
        if len(value) < at_least:
            self.mistake(name, "must not be empty")
        for element in value:
            if one_of is not None and element not in one_of:
                self.mistake(
                    name, f"`{element}` is none of " + ", ".join(f"`{one}`" for one in sorted(one_of))
                )
        if len(set(value)) != len(value):
            self.mistake(name, "names something twice")
        return tuple(value)

    def object(self, name: str) -> JsonObject:
        value = self._take(name)
        if isinstance(value, dict):
            return value
        if value is not _MISSING:
            self.mistake(name, "must be an object")
        return {}

    def optional_table(self, name: str) -> Table | None:
        """The object under `name`; None when it is null, which must be written."""
        if self.is_null(name):
            return None
        value = self._take(name)
        if isinstance(value, dict):
            return self._table(value, name)
        if value is not _MISSING:
            self.mistake(name, "must be an object or null")
        return None

    def tables(self, name: str) -> list[Table]:
        value = self._take(name)
        if value is _MISSING:
            return []
        if not isinstance(value, list) or not all(isinstance(element, dict) for element in value):
            self.mistake(name, "must be an array of objects")
            return []
        return [self._table(element, f"{name}[{index}]") for index, element in enumerate(value)]

    def _table(self, members: JsonObject, name: str) -> Table:
        return Table(members, f"{self._place}.{name}" if self._place else name, self._mistakes)

    def _take(self, name: str) -> Any:
        self._read.add(name)
        if name not in self._members:
            self.mistake(name, "is missing")
            return _MISSING
        return self._members[name]


_MISSING = object()
