"""`respond` and `maintenance`: responses made here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Self

from luagen import ir, names, statuses
from luagen.actions import content, effect_values, named_values
from luagen.actions.action import Action
from luagen.actions.content import Content
from luagen.actions.context import ActionContext
from luagen.diagnostics import Code
from luagen.document import Entry
from luagen.lower_values import to_bytes
from luagen.model import Expression, NamedValue
from luagen.schema import Key
from luagen.table_reader import TableReader

if TYPE_CHECKING:
    from luagen.reference.turn import Turn

_DEFAULT_RETRY_S = 600
_MAX_RETRY_S = 31_622_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Respond(Action):
    """Ends the request with a response made here."""

    key: ClassVar[str] = "respond"
    takes: ClassVar[str] = "a table"
    doc: ClassVar[str] = "answer the request here"
    keys: ClassVar[tuple[Key, ...]] = (
        Key("status", "an integer, 200 to 599", "the status of the response", required=True),
        *content.KEYS,
        Key("headers", "a table of templates", "further header fields", "none"),
    )
    ends: ClassVar[bool] = True
    decides: ClassVar[bool] = True

    status: int  # 200 to 599; never 204 or 304 with content
    content: Content = field(default_factory=Content)
    headers: tuple[NamedValue, ...] = ()

    @classmethod
    def check(cls, entry: Entry, context: ActionContext) -> Self | None:
        table = context.table(entry)
        if table is None:
            return None
        read = TableReader(table, cls.keys, "`respond`", context.bag)
        status = read.integer("status", 200, 599, 0)
        found = content.read(read, context)
        for key in ("body", "file"):
            given = read.entry(key)
            if given is not None and status in statuses.WITHOUT_CONTENT:
                message = f"a response with status {status} has no content"
                read.error(Code.CONFLICTING_KEYS, message, given.value.span, help=f"leave out `{key}`")
        headers = read.inner("headers")
        fields = (
            ()
            if headers is None
            else named_values.fields(headers, "headers", names.why_no_respond_field, context)
        )
        return cls(status=status, content=found, headers=fields)

    def expressions(self) -> tuple[Expression, ...]:
        return (*self.content.expressions(), *(header.value for header in self.headers))

    def lower(self) -> Iterator[ir.Instruction]:
        values = [effect_values.field_value(header.value) for header in self.headers]
        fields = [(header.name, value) for header, value in zip(self.headers, values, strict=True)]
        return _respond(self.status, self.content, fields)

    def play(self, turn: Turn) -> None:
        headers = [(header.name, turn.clean_text(header.value)) for header in self.headers]
        _end(turn, self.status, self.content, headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance(Action):
    """Ends the request with 503 and `Retry-After`."""

    key: ClassVar[str] = "maintenance"
    takes: ClassVar[str] = "a table"
    doc: ClassVar[str] = "answer that the site is closed for a while"
    keys: ClassVar[tuple[Key, ...]] = (
        *content.KEYS,
        Key(
            "retry_after",
            f"seconds, 1 to {_MAX_RETRY_S}",
            "when clients may come again",
            str(_DEFAULT_RETRY_S),
        ),
    )
    ends: ClassVar[bool] = True
    decides: ClassVar[bool] = True

    content: Content = field(default_factory=Content)
    retry_after_s: int = _DEFAULT_RETRY_S

    @classmethod
    def check(cls, entry: Entry, context: ActionContext) -> Self | None:
        table = context.table(entry)
        if table is None:
            return None
        read = TableReader(table, cls.keys, "`maintenance`", context.bag)
        retry_after_s = read.integer("retry_after", 1, _MAX_RETRY_S, _DEFAULT_RETRY_S)
        return cls(content=content.read(read, context), retry_after_s=retry_after_s)

    def expressions(self) -> tuple[Expression, ...]:
        return self.content.expressions()

    def lower(self) -> Iterator[ir.Instruction]:
        fields = [(name, effect_values.constant(value)) for name, value in self._fields()]
        return _respond(503, self.content, fields)

    def play(self, turn: Turn) -> None:
        _end(turn, 503, self.content, [(name, value.encode()) for name, value in self._fields()])

    def _fields(self) -> tuple[tuple[str, str], ...]:
        return (("Retry-After", str(self.retry_after_s)), ("Cache-Control", "no-store"))


def _respond(
    status: int, found: Content, fields: Sequence[tuple[str, effect_values.Checked]]
) -> Iterator[ir.Instruction]:
    values = [value for _, value in fields]
    if found.body is not None:
        values.append(effect_values.content(found.body))
    evaluated, before = effect_values.evaluated(values)
    yield from before
    body: ir.Argument = ir.NIL
    if found.body is not None:
        body = evaluated[-1]  # after the header fields
    elif found.file is not None:
        body = ir.Kept(found.file)
    named = zip(fields, evaluated, strict=False)
    pairs = [part for (name, _), value in named for part in (_text(name), value)]
    headers = ir.Row(tuple(pairs)) if pairs else ir.NIL
    arguments = (ir.RULE, ir.Constant(status), body, _text(found.content_type), headers)
    yield ir.Invoke("respond", arguments, ir.Outcome.ENDS)


def _end(turn: Turn, status: int, found: Content, headers: list[tuple[str, bytes]]) -> None:
    body = found.file if found.body is None else turn.text(found.body)
    turn.end(status, headers=headers, body=body, content_type=found.content_type)


def _text(text: str) -> ir.Constant:
    return ir.Constant(to_bytes(text))
