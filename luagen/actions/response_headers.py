"""`set_response_headers`, `add_response_headers`, `remove_response_headers`: fields of the response."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from luagen import ir, names
from luagen.actions.value_actions import ArrayOfNames, TableOfTemplates
from luagen.lower_values import to_bytes

if TYPE_CHECKING:
    from luagen.reference.turn import Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class SetResponseHeaders(TableOfTemplates):
    """Sets header fields of the response, replacing the origin's; an empty value removes the field."""

    key: ClassVar[str] = "set_response_headers"
    doc: ClassVar[str] = "header fields of the response"
    why_not = staticmethod(names.why_no_response_field)
    function: ClassVar[str] = "set_response_header"
    sets_what: ClassVar[str | None] = "header field of the response"

    def give(self, turn: Turn, name: str, value: bytes) -> None:
        turn.set_response_header(name, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddResponseHeaders(TableOfTemplates):
    """Adds header fields to the response beside those of the same name; an empty value adds nothing."""

    key: ClassVar[str] = "add_response_headers"
    doc: ClassVar[str] = "further header fields of the response"
    why_not = staticmethod(names.why_no_response_value)
    function: ClassVar[str] = "add_response_header"

    def give(self, turn: Turn, name: str, value: bytes) -> None:
        turn.add_response_header(name, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveResponseHeaders(ArrayOfNames):
    """Removes header fields of the response, whoever made it."""

    key: ClassVar[str] = "remove_response_headers"
    doc: ClassVar[str] = "header fields that the client does not get"
    why_not = staticmethod(names.why_no_removal)

    def lower(self) -> Iterator[ir.Instruction]:
        for name in self.names:
            yield ir.Invoke("remove_response_header", (ir.Constant(to_bytes(name)),), ir.Outcome.GOES_ON)

    def play(self, turn: Turn) -> None:
        for name in self.names:
            turn.remove_response_header(name)
