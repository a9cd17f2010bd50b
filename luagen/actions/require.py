"""`require`: lets only certain callers go on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from luagen import expression, fold, ir
from luagen.actions import effect_values
from luagen.actions.action import Action
from luagen.actions.context import ActionContext
from luagen.diagnostics import Code, did_you_mean, quoted
from luagen.document import Entry
from luagen.lower_values import to_bytes
from luagen.model import Expression
from luagen.schema import Key
from luagen.table_reader import TableReader

if TYPE_CHECKING:
    from luagen.reference.turn import Turn

_SCOPE = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*")  # RFC 6749 section 3.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Require(Action):
    """Lets the request go on (and marks it as permitted) only when the caller fits.

    `auth` are names of [auth] tables, empty when only `that` decides. A caller without an identity of one
    of them gets 401 with a challenge; a caller for whom `that` (type BOOLEAN) is false gets 403.
    """

    key: ClassVar[str] = "require"
    takes: ClassVar[str] = "a table"
    doc: ClassVar[str] = "let only certain callers go on"
    keys: ClassVar[tuple[Key, ...]] = (
        Key(
            "auth",
            "a string or an array of strings",
            "whose callers may go on, by name of their `[auth]` table",
        ),
        Key("that", "an expression", "what must be true of the request"),
        Key("scope", "a string", "named in the refusal when `that` is false (RFC 6750 section 3.1)", "none"),
    )
    decides: ClassVar[bool] = True

    auth: tuple[str, ...]
    that: Expression | None
    scope: str | None  # named in the 403's `insufficient_scope` challenge (RFC 6750 section 3.1)

    @classmethod
    def check(cls, entry: Entry, context: ActionContext) -> Self | None:
        table = context.table(entry)
        if table is None:
            return None
        read = TableReader(table, cls.keys, "`require`", context.bag)
        auth = _auth(read, context)
        text = read.text("that")
        that = None if text is None else expression.condition(text, context.scope, context.bag)
        if read.entry("auth") is None and read.entry("that") is None:
            message = "`require` needs `auth`, `that` or both"
            help_text = "`auth` says who may go on, `that` what must be true"
            context.bag.error(Code.MISSING_KEY, message, table.span, help=help_text)
        return cls(auth=auth, that=that, scope=_scope(read))

    def expressions(self) -> tuple[Expression, ...]:
        return () if self.that is None else (self.that,)

    def lower(self) -> Iterator[ir.Instruction]:
        # A caller who may be vouched for by several issuers is challenged in the name of the first.
        realm: ir.Argument = ir.Constant(to_bytes(self.auth[0])) if self.auth else ir.NIL
        if self.auth:
            accepted = ir.Kept(ir.NameSet(tuple(map(to_bytes, self.auth))))
            yield ir.Invoke("require_identity", (ir.RULE, accepted, realm), ir.Outcome.MAY_END)
        if self.that is not None:
            condition = effect_values.condition(self.that)
            if condition.value != fold.TRUE:
                [holds], before = effect_values.evaluated((condition,))
                yield from before
                scope = ir.NIL if self.scope is None else ir.Constant(to_bytes(self.scope))
                yield ir.Invoke("forbid", (ir.RULE, realm, scope), ir.Outcome.ENDS, unless=holds)
        yield ir.Invoke("permit", (ir.RULE,), ir.Outcome.GOES_ON)

    def play(self, turn: Turn) -> None:
        if self.auth and (turn.caller is None or turn.caller.provider.decode() not in self.auth):
            turn.challenge(401, self.auth[0])
        if self.that is not None and not turn.condition(self.that):
            if self.auth:
                turn.challenge(403, self.auth[0], self.scope)
            turn.forbid()
        turn.permit()


def _auth(read: TableReader, context: ActionContext) -> tuple[str, ...]:
    found = read.strings("auth") or ()
    for text in found:
        if text.value not in context.auth_names:
            message = f"there is no table `[auth.{text.value[:40]}]`"
            help_text = did_you_mean(text.value, context.auth_names)
            context.bag.error(Code.UNKNOWN_NAME, message, text.span, help=help_text)
    return tuple(text.value for text in found)


def _scope(read: TableReader) -> str | None:
    entry = read.entry("scope")
    text = read.text("scope")
    if entry is None or text is None:
        return None
    for needed in ("auth", "that"):
        if read.entry(needed) is None:
            message = f"`scope` has no meaning without `{needed}`"
            help_text = "it is named in the challenge to a known caller for whom `that` is false"
            read.error(Code.CONFLICTING_KEYS, message, entry.span, help=help_text)
            return None
    if _SCOPE.fullmatch(text.value) is None:
        message = f"{quoted(text.value)} is not a scope"
        help_text = "words of printable ASCII with one blank between them (RFC 6749 section 3.3)"
        read.error(Code.INVALID_VALUE, message, text.span, help=help_text)
    return text.value
