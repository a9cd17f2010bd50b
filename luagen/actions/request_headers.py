"""`set_request_headers`, `add_request_headers`, `remove_request_headers`: fields for the application."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from luagen import ir, names
from luagen.actions.value_actions import ArrayOfNames, TableOfTemplates
from luagen.lower_values import to_bytes
from luagen.model import NamedValue

if TYPE_CHECKING:
    from luagen.reference.turn import Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRequestHeaders(TableOfTemplates):
    """Sets request header fields for the origin; an empty value removes the field."""

    key: ClassVar[str] = "set_request_headers"
    doc: ClassVar[str] = "header fields for the application"
    why_not = staticmethod(names.why_no_request_field)
    function: ClassVar[str] = "set_request_header"
    sets_what: ClassVar[str | None] = "header field of the request"

    def give(self, turn: Turn, name: str, value: bytes) -> None:
        turn.set_request_header(name, value)

    def request_fields(self) -> tuple[NamedValue, ...]:
        return self.values


@dataclass(frozen=True, slots=True, kw_only=True)
class AddRequestHeaders(TableOfTemplates):
    """Adds values to request header fields that are lists; an empty value adds nothing."""

    key: ClassVar[str] = "add_request_headers"
    doc: ClassVar[str] = "further values of header fields for the application"
    why_not = staticmethod(names.why_no_request_value)
    function: ClassVar[str] = "add_request_header"

    def give(self, turn: Turn, name: str, value: bytes) -> None:
        turn.add_request_header(name, value)

    def request_fields(self) -> tuple[NamedValue, ...]:
        return self.values


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveRequestHeaders(ArrayOfNames):
    """Removes request header fields, in every spelling that an application could take for them."""

    key: ClassVar[str] = "remove_request_headers"
    doc: ClassVar[str] = "header fields that the application does not get"
    why_not = staticmethod(names.why_no_request_field)

    def lower(self) -> Iterator[ir.Instruction]:
        normal = ir.NameSet(tuple(to_bytes(names.normal_form(name)) for name in self.names))
        remove = ir.Kept(normal, "field_remover")
        yield ir.Invoke("remove_request_headers", (remove,), ir.Outcome.GOES_ON)

    def play(self, turn: Turn) -> None:
        for name in self.names:
            turn.remove_request_header(name)
