"""`rewrite`: another path or query for the application."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from luagen import ir
from luagen.actions import effect_values, named_values
from luagen.actions.action import Action
from luagen.actions.context import ActionContext
from luagen.diagnostics import Code, quoted
from luagen.document import Entry, Text
from luagen.model import Concatenation, Expression, Field, Literal
from luagen.paths import simplified
from luagen.schema import Key
from luagen.table_reader import TableReader

if TYPE_CHECKING:
    from luagen.reference.turn import Turn

_RESERVED = "/.lightgate"  # what lies there is lightgate's own
# RFC 3986 section 3.4; no `#`, which would end the query.
_QUERY = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite(Action):
    """Changes path and query of a request that is let through. At least one of them is there."""

    key: ClassVar[str] = "rewrite"
    takes: ClassVar[str] = "a table"
    doc: ClassVar[str] = "ask the application for something else"
    keys: ClassVar[tuple[Key, ...]] = (
        Key("path", "a template", "the path, decoded, as in `request.path`", "the request's"),
        Key("query", "a template", "the query, encoded; an empty one: none", "the request's"),
    )

    path: Expression | None  # STRING
    query: Expression | None  # STRING

    @classmethod
    def check(cls, entry: Entry, context: ActionContext) -> Self | None:
        table = context.table(entry)
        if table is None:
            return None
        read = TableReader(table, cls.keys, "`rewrite`", context.bag)
        path, query = read.text("path"), read.text("query")
        if not table.entries:
            message = "`rewrite` needs `path`, `query` or both"
            context.bag.error(Code.MISSING_KEY, message, table.span)
        return cls(
            path=None if path is None else _path(path, context),
            query=None if query is None else _query(query, context),
        )

    def expressions(self) -> tuple[Expression, ...]:
        return tuple(template for template in (self.path, self.query) if template is not None)

    def lower(self) -> Iterator[ir.Instruction]:
        values = [] if self.path is None else [effect_values.field_value(self.path)]
        values += [] if self.query is None else [effect_values.location(self.query)]
        ready, before = effect_values.evaluated(values)
        yield from before
        path: ir.Argument = ir.NIL if self.path is None else ready[0]
        query: ir.Argument = ir.NIL if self.query is None else ready[-1]
        yield ir.Invoke("rewrite", (path, query), ir.Outcome.MAY_END)

    def play(self, turn: Turn) -> None:
        path = None if self.path is None else turn.clean_text(self.path)
        query = None if self.query is None else turn.location(self.query)
        if path is not None:
            path = simplified(path)
            if _is_reserved(path.decode("latin-1")):
                turn.refuse(404, "there is nothing here")
        turn.rewrite(path, query)


def _path(text: Text, context: ActionContext) -> Expression | None:
    path = named_values.template(text, context)
    if path is None:
        return None
    parts = path.parts if isinstance(path, Concatenation) else (path,)
    first = parts[0]
    begins = first.value if isinstance(first, Literal) else None
    if not (isinstance(begins, str) and begins.startswith("/")) and not (
        isinstance(first, Field) and first.name == "request.path"
    ):
        message = "the path does not begin with `/` or `{request.path}`"
        if isinstance(first, Field) and first.name == "request.raw_path":
            help_text = "`{request.path}`: lightgate encodes the path itself"
        else:
            help_text = "such as `/index.php` or `/app{request.path}`"
        context.bag.error(Code.INVALID_VALUE, message, text.span, help=help_text)
        return None
    if isinstance(begins, str) and _is_reserved(begins):
        message = f"{quoted(_RESERVED)} is lightgate's own"
        context.bag.error(Code.RESERVED_NAME, message, text.span, help="choose another path")
    for part in parts:
        if isinstance(part, Literal) and isinstance(part.value, str) and re.search("[?#]", part.value):
            message = "a path has no `?` and no `#`"
            help_text = 'what follows a `?` stands under `query`, such as `query = "page=1"`'
            context.bag.error(Code.INVALID_VALUE, message, text.span, help=help_text)
            break
    return path


def _query(text: Text, context: ActionContext) -> Expression | None:
    query = named_values.template(text, context)
    if query is None:
        return None
    for part in query.parts if isinstance(query, Concatenation) else (query,):
        if not isinstance(part, Literal) or not isinstance(part.value, str):
            continue
        wrong = part.value[_QUERY.match(part.value).end() :]  # type: ignore[union-attr]
        if wrong:
            message = f"{quoted(wrong[0])} cannot stand in a query"
            help_text = "the query is percent-encoded already: `%20` for a blank (RFC 3986 section 3.4)"
            context.bag.error(Code.INVALID_VALUE, message, text.span, help=help_text)
    return query


def _is_reserved(path: str) -> bool:
    return path == _RESERVED or path.startswith(_RESERVED + "/")
