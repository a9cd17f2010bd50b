"""`set_response_headers`, `add_response_headers`, `remove_response_headers`: fields of the response."""

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
class SetResponseHeaders(Action):
    """Sets header fields of the response, replacing the origin's; an empty value removes the field."""

    key: ClassVar[str] = "set_response_headers"
    takes: ClassVar[str] = "a table of templates"
    doc: ClassVar[str] = "header fields of the response"

    headers: tuple[NamedValue, ...]

    @classmethod
    def check(cls, entry: Entry, context: ActionContext) -> Self | None:
        table = context.table(entry)
        if table is None:
            return None
        return cls(headers=named_values.fields(table, cls.key, names.why_no_response_field, context))

    def expressions(self) -> tuple[Expression, ...]:
        return tuple(header.value for header in self.headers)

    def lower(self) -> Iterator[ir.Instruction]:
        return effect_values.invoke_each("set_response_header", self.headers)

    def play(self, turn: Turn) -> None:
        for name, value in [(header.name, turn.clean_text(header.value)) for header in self.headers]:
            turn.set_response_header(name, value)

    def sets(self) -> tuple[tuple[str, str], ...]:
        return tuple(("header field of the response", one.name) for one in self.headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddResponseHeaders(Action):
    """Adds header fields to the response beside those of the same name; an empty value adds nothing."""

    key: ClassVar[str] = "add_response_headers"
    takes: ClassVar[str] = "a table of templates"
    doc: ClassVar[str] = "further header fields of the response"

    headers: tuple[NamedValue, ...]

    @classmethod
    def check(cls, entry: Entry, context: ActionContext) -> Self | None:
        table = context.table(entry)
        if table is None:
            return None
        return cls(headers=named_values.fields(table, cls.key, names.why_no_response_value, context))

    def expressions(self) -> tuple[Expression, ...]:
        return tuple(header.value for header in self.headers)

    def lower(self) -> Iterator[ir.Instruction]:
        return effect_values.invoke_each("add_response_header", self.headers)

    def play(self, turn: Turn) -> None:
        for name, value in [(header.name, turn.clean_text(header.value)) for header in self.headers]:
            turn.add_response_header(name, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveResponseHeaders(Action):
    """Removes header fields of the response, whoever made it."""

    key: ClassVar[str] = "remove_response_headers"
    takes: ClassVar[str] = "an array of names"
    doc: ClassVar[str] = "header fields that the client does not get"

    names: tuple[str, ...]

    @classmethod
    def check(cls, entry: Entry, context: ActionContext) -> Self | None:
        found = named_values.field_names(entry, cls.key, names.why_no_removal, context)
        return None if found is None else cls(names=found)

    def expressions(self) -> tuple[Expression, ...]:
        return ()

    def lower(self) -> Iterator[ir.Instruction]:
        for name in self.names:
            yield ir.Invoke("remove_response_header", (ir.Constant(to_bytes(name)),), ir.Outcome.GOES_ON)

    def play(self, turn: Turn) -> None:
        for name in self.names:
            turn.remove_response_header(name)
