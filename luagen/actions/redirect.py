"""`redirect`: sends the client elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from luagen import ir, redirects
from luagen.actions import effect_values, named_values
from luagen.actions.action import Action
from luagen.actions.context import ActionContext
from luagen.diagnostics import Code
from luagen.document import Entry, Integer
from luagen.model import Expression
from luagen.schema import Key
from luagen.table_reader import TableReader

if TYPE_CHECKING:
    from luagen.reference.turn import Turn

STATUSES = (301, 302, 303, 307, 308)  # RFC 9110 section 15.4
STATUS_KEY = Key("status", "301, 302, 303, 307 or 308", "the status of the response", "302")
QUERY_KEY = Key("keep_query", "a boolean", "put the query of the request behind the target's own", "`false`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect(Action):
    """Ends the request with `Location: to`."""

    key: ClassVar[str] = "redirect"
    takes: ClassVar[str] = "a table"
    doc: ClassVar[str] = "send the client elsewhere"
    keys: ClassVar[tuple[Key, ...]] = (
        Key("to", "a template", "the target; see [Redirects](#redirects)", required=True),
        STATUS_KEY,
        QUERY_KEY,
    )
    ends: ClassVar[bool] = True
    decides: ClassVar[bool] = True

    to: Expression  # STRING
    status: int  # of STATUSES
    keep_query: bool = False

    @classmethod
    def check(cls, entry: Entry, context: ActionContext) -> Self | None:
        table = context.table(entry)
        if table is None:
            return None
        read = TableReader(table, cls.keys, "`redirect`", context.bag)
        status = read_status(read)
        keep_query = read.boolean("keep_query", False)
        text = read.text("to")
        if text is None:
            return None
        to = named_values.template(text, context)
        if to is None or not redirects.check(to, text.span, context.bag):
            return None
        return cls(to=to, status=status, keep_query=keep_query)

    def expressions(self) -> tuple[Expression, ...]:
        return (self.to,)

    def lower(self) -> Iterator[ir.Instruction]:
        [location], before = effect_values.evaluated((effect_values.location(self.to),))
        yield from before
        function = "redirect_with_query" if self.keep_query else "redirect"
        arguments = (ir.RULE, ir.Constant(self.status), location)
        yield ir.Invoke(function, arguments, ir.Outcome.ENDS)

    def play(self, turn: Turn) -> None:
        location = turn.location(self.to)
        query = turn.request.query if self.keep_query else b""
        turn.redirect(self.status, with_query(location, query))


def read_status(read: TableReader) -> int:
    """The status of a redirect under the key `status`, 302 by default."""
    entry = read.entry("status")
    if entry is None:
        return 302
    if not isinstance(entry.value, Integer):
        read.wrong_type("status", "an integer", entry.value)
    elif entry.value.value in STATUSES:
        return entry.value.value
    else:
        message = f"a redirect has status 301, 302, 303, 307 or 308, not {entry.value.value}"
        help_text = "308 and 301 are for good, 307 and 302 for now; 307 and 308 keep the method"
        read.error(Code.INVALID_VALUE, message, entry.value.span, help=help_text)
    return 302


def with_query(location: bytes, query: bytes) -> bytes:
    """A URL with a query behind its own, if it has one, and before its fragment."""
    if not query:
        return location
    before, hash_, fragment = location.partition(b"#")
    separator = b"&" if b"?" in before else b"?"
    return before + separator + query + hash_ + fragment
