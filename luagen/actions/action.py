"""What every action of a rule is: one class for its whole life, from the policy file to Lua.

Whatever the compiler has to know of an action it asks here; nothing outside this package lists actions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Self

from luagen import ir
from luagen.actions.context import ActionContext
from luagen.actions.stand_in import StandIn
from luagen.document import Entry
from luagen.model import Expression, NamedValue
from luagen.schema import Key

if TYPE_CHECKING:
    from luagen.reference.turn import Turn


class Action(ABC):
    """An action, checked; subclasses are frozen dataclasses, and equal when they mean the same."""

    __slots__ = ()

    key: ClassVar[str]  # of the rule's table
    takes: ClassVar[str]  # what the key takes, in words for people
    doc: ClassVar[str]
    keys: ClassVar[tuple[Key, ...]] = ()  # of the table that it takes, when its keys are a closed list
    ends: ClassVar[bool] = False  # it ends every request that it fits
    decides: ClassVar[bool] = False  # every request that it fits is answered, refused or permitted by it

    @classmethod
    @abstractmethod
    def check(cls, entry: Entry, context: ActionContext) -> Self | None:
        """The action that stands under its key, or None when mistakes were reported."""

    @abstractmethod
    def expressions(self) -> tuple[Expression, ...]:
        """All expressions in it, in the order in which they are evaluated."""

    @abstractmethod
    def lower(self) -> Iterator[ir.Instruction]:
        """What is to be done once the rule's condition is known to hold."""

    @abstractmethod
    def play(self, turn: Turn) -> None:
        """What `lower` means, on the model: done to `turn`, once the rule's condition holds."""

    def request_fields(self) -> tuple[NamedValue, ...]:
        """Request header fields that it gives a value to, which clients must not be able to imitate."""
        return ()

    def sets(self) -> tuple[tuple[str, str], ...]:
        """What it gives a value to that a later rule can give another: kind, in words, and name."""
        return ()

    def stand_in(self) -> StandIn | None:
        """What the response script puts in place of some answers of the application."""
        return None
