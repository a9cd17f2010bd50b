"""`log`: a line in the error log, and a variable for the access log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from luagen import expression, ir
from luagen.actions import effect_values
from luagen.actions.action import Action
from luagen.actions.context import ActionContext
from luagen.diagnostics import Code
from luagen.document import Entry, Text, kind
from luagen.model import Expression

if TYPE_CHECKING:
    from luagen.reference.turn import Turn

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Log(Action):
    """Writes a text to the error log, at most ten lines a second, and puts it into `LIGHTGATE_LOG`."""

    key: ClassVar[str] = "log"
    takes: ClassVar[str] = "a template"
    doc: ClassVar[str] = "a line for the error log"

    text: Expression  # STRING

    @classmethod
    def check(cls, entry: Entry, context: ActionContext) -> Self | None:
        if not isinstance(entry.value, Text):
            message = f"`{cls.key}` takes a template, not {kind(entry.value)}"
            context.bag.error(Code.WRONG_TYPE, message, entry.value.span)
            return None
        text = expression.value_of_template(entry.value, context.scope, context.bag)
        return None if text is None else cls(text=text)

    def expressions(self) -> tuple[Expression, ...]:
        return (self.text,)

    def lower(self) -> Iterator[ir.Instruction]:
        [text], before = effect_values.evaluated((effect_values.content(self.text),))
        yield from before
        yield ir.Invoke("log", (ir.RULE, text), ir.Outcome.GOES_ON)

    def play(self, turn: Turn) -> None:
        text = escaped(turn.text(self.text))
        turn.log(text)
        turn.set_env("LIGHTGATE_LOG", text)


def escaped(text: bytes) -> bytes:
    """The text on one line: control characters as `\\x0a`."""
    return _CONTROL.sub(lambda found: b"\\x%02x" % found[0][0], text)
