"""`origin`: which application the request is for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from luagen import ir
from luagen.actions.action import Action
from luagen.actions.context import ActionContext
from luagen.diagnostics import Code, did_you_mean
from luagen.document import Entry, Text, kind
from luagen.lower_values import to_bytes
from luagen.model import Expression

if TYPE_CHECKING:
    from luagen.reference.turn import Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class ChooseOrigin(Action):
    """Sends a request that is let through to an application of the policy's."""

    key: ClassVar[str] = "origin"
    takes: ClassVar[str] = "the name of an `[origin]` table"
    doc: ClassVar[str] = "choose the application"

    name: str

    @classmethod
    def check(cls, entry: Entry, context: ActionContext) -> Self | None:
        if not isinstance(entry.value, Text):
            message = f"`{cls.key}` takes {cls.takes}, not {kind(entry.value)}"
            context.bag.error(Code.WRONG_TYPE, message, entry.value.span)
            return None
        name = entry.value.value
        if name in context.origin_names:
            return cls(name=name)
        message = f"there is no table `[origin.{name[:40]}]`"
        help_text = (
            did_you_mean(name, context.origin_names) or 'it says where the application is: `url = "…"`'
        )
        context.bag.error(Code.UNKNOWN_NAME, message, entry.value.span, help=help_text)
        return None

    def expressions(self) -> tuple[Expression, ...]:
        return ()

    def lower(self) -> Iterator[ir.Instruction]:
        yield ir.Invoke("choose_origin", (ir.Constant(to_bytes(self.name)),), ir.Outcome.GOES_ON)

    def play(self, turn: Turn) -> None:
        turn.choose_origin(self.name)
