"""`set_request_headers`, `add_request_headers`, `remove_request_headers`: fields for the application."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from luagen import ir, names
from luagen.actions import effect_values, named_values
from luagen.actions.action import Action
from luagen.actions.context import ActionContext
from luagen.document import Entry
from luagen.lower_values import to_bytes
from luagen.model import Expression, NamedValue

if TYPE_CHECKING:
    from luagen.reference.turn import Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRequestHeaders(Action):
    """Sets request header fields for the origin; an empty value removes the field."""

    key: ClassVar[str] = "set_request_headers"
    takes: ClassVar[str] = "a table of templates"
    doc: ClassVar[str] = "header fields for the application"

    headers: tuple[NamedValue, ...]

    @classmethod
    def check(cls, entry: Entry, context: ActionContext) -> Self | None:
        table = context.table(entry)
        if table is None:
            return None
        return cls(headers=named_values.fields(table, cls.key, names.why_no_request_field, context))

    def expressions(self) -> tuple[Expression, ...]:
        return tuple(header.value for header in self.headers)

    def lower(self) -> Iterator[ir.Instruction]:
        return effect_values.invoke_each("set_request_header", self.headers)

    def play(self, turn: Turn) -> None:
        for name, value in [(header.name, turn.clean_text(header.value)) for header in self.headers]:
            turn.set_request_header(name, value)

    def request_fields(self) -> tuple[NamedValue, ...]:
        return self.headers

    def sets(self) -> tuple[tuple[str, str], ...]:
        return tuple(("header field of the request", one.name) for one in self.headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddRequestHeaders(Action):
    """Adds values to request header fields that are lists; an empty value adds nothing."""

    key: ClassVar[str] = "add_request_headers"
    takes: ClassVar[str] = "a table of templates"
    doc: ClassVar[str] = "further values of header fields for the application"

    headers: tuple[NamedValue, ...]

    @classmethod
    def check(cls, entry: Entry, context: ActionContext) -> Self | None:
        table = context.table(entry)
        if table is None:
            return None
        return cls(headers=named_values.fields(table, cls.key, names.why_no_request_value, context))

    def expressions(self) -> tuple[Expression, ...]:
        return tuple(header.value for header in self.headers)

    def lower(self) -> Iterator[ir.Instruction]:
        return effect_values.invoke_each("add_request_header", self.headers)

    def play(self, turn: Turn) -> None:
        for name, value in [(header.name, turn.clean_text(header.value)) for header in self.headers]:
            turn.add_request_header(name, value)

    def request_fields(self) -> tuple[NamedValue, ...]:
        return self.headers


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveRequestHeaders(Action):
    """Removes request header fields, in every spelling that an application could take for them."""

    key: ClassVar[str] = "remove_request_headers"
    takes: ClassVar[str] = "an array of names"
    doc: ClassVar[str] = "header fields that the application does not get"

    names: tuple[str, ...]

    @classmethod
    def check(cls, entry: Entry, context: ActionContext) -> Self | None:
        found = named_values.field_names(entry, cls.key, names.why_no_request_field, context)
        return None if found is None else cls(names=found)

    def expressions(self) -> tuple[Expression, ...]:
        return ()

    def lower(self) -> Iterator[ir.Instruction]:
        normal = ir.NameSet(tuple(to_bytes(names.normal_form(name)) for name in self.names))
        remove = ir.Kept(normal, "field_remover")
        yield ir.Invoke("remove_request_headers", (remove,), ir.Outcome.GOES_ON)

    def play(self, turn: Turn) -> None:
        for name in self.names:
            turn.remove_request_header(name)
