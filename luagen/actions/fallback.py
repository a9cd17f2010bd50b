"""`fallback`: what clients get when the application fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from luagen import ir, statuses
from luagen.actions import content
from luagen.actions.action import Action
from luagen.actions.content import Content
from luagen.actions.context import ActionContext
from luagen.actions.stand_in import StandIn
from luagen.diagnostics import Code
from luagen.document import Array, Entry, Integer, Value
from luagen.lower_values import to_bytes
from luagen.model import Expression, Literal
from luagen.schema import Key
from luagen.table_reader import TableReader

if TYPE_CHECKING:
    from luagen.reference.turn import Turn

DEFAULT_ON = (502, 503, 504)  # the application is down, or does not answer
_MAX_RETRY_S = 31_622_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback(Action):
    """Answers in place of the application when it fails; never in place of a refusal made by lightgate."""

    key: ClassVar[str] = "fallback"
    takes: ClassVar[str] = "a table"
    doc: ClassVar[str] = "answer for an application that fails"
    keys: ClassVar[tuple[Key, ...]] = (
        Key(
            "on",
            "an array of integers, 400 to 599",
            "the statuses of the application's answers",
            "`[502, 503, 504]`",
        ),
        Key("status", "an integer, 200 to 599", "the status of the response", "503"),
        *content.KEYS,
        Key("retry_after", f"seconds, 1 to {_MAX_RETRY_S}", "when clients may come again", "not said"),
    )

    answer: StandIn

    @classmethod
    def check(cls, entry: Entry, context: ActionContext) -> Self | None:
        table = context.table(entry)
        if table is None:
            return None
        read = TableReader(table, cls.keys, "`fallback`", context.bag)
        on = _statuses(read)
        status = read.integer("status", 200, 599, 503)
        status_entry = read.entry("status")
        if status in statuses.WITHOUT_CONTENT and status_entry is not None:
            message = f"a response with status {status} has no content"
            read.error(Code.INVALID_VALUE, message, status_entry.value.span)
        elif status < 400 and status_entry is not None:
            message = f"with status {status}, clients and caches take the failure for a success"
            help_text = "503 tells them that it is for a while; caches can keep what has status 200"
            context.bag.warning(Code.FALLBACK_SUCCESS, message, status_entry.value.span, help=help_text)
        retry_after = read.integer("retry_after", 1, _MAX_RETRY_S, 0)
        found = content.read(read, context)
        body = _body(read, found, status)
        if body is None:
            return None
        return cls(
            answer=StandIn(
                on=on,
                status=status,
                body=body,
                content_type=found.content_type,
                retry_after_s=retry_after or None,
            )
        )

    def expressions(self) -> tuple[Expression, ...]:
        return ()

    def lower(self) -> Iterator[ir.Instruction]:
        yield ir.Invoke("fall_back", (ir.Constant(to_bytes(self.answer.key)),), ir.Outcome.GOES_ON)

    def play(self, turn: Turn) -> None:
        answer = self.answer
        headers = [("Cache-Control", b"no-store")]
        if answer.retry_after_s is not None:
            headers.append(("Retry-After", str(answer.retry_after_s).encode()))
        turn.fall_back(answer.on, answer.status, answer.body, answer.content_type, headers)

    def stand_in(self) -> StandIn:
        return self.answer


def _statuses(read: TableReader) -> tuple[int, ...]:
    entry = read.entry("on")
    if entry is None:
        return DEFAULT_ON
    values: list[Value] = entry.value.values if isinstance(entry.value, Array) else [entry.value]
    found: set[int] = set()
    for value in values:
        if not isinstance(value, Integer):
            read.wrong_type("on", "an array of integers", value)
        elif not 400 <= value.value <= 599:
            message = f"`on` has statuses from 400 to 599, not {value.value}"
            read.error(Code.INVALID_VALUE, message, value.span, help="what is no failure needs no fallback")
        else:
            found.add(value.value)
    if not values:
        read.error(Code.INVALID_VALUE, "`on` names no status", entry.value.span)
    return tuple(sorted(found))


def _body(read: TableReader, found: Content, status: int) -> bytes | None:
    """The content, which is the same for every request; None when that was reported."""
    if found.file:  # lighttpd puts its own page in place of an empty one
        return found.file
    match found.body:
        case None:
            return statuses.line(status)
        case Literal(value=str() as text) if text:
            return to_bytes(text)
        case _:
            entry = read.entry("body")
            span = read.table.span if entry is None else entry.value.span
            message = "the `body` of a fallback is a constant text"
            help_text = "the release holds it ready, the same for every request; braces are doubled"
            read.error(Code.INVALID_VALUE, message, span, help=help_text)
            return None
