"""What actions share that are a table of templates, or an array of names of header fields."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from luagen import ir
from luagen.actions import effect_values, named_values
from luagen.actions.action import Action
from luagen.actions.context import ActionContext
from luagen.document import Entry
from luagen.model import Expression, NamedValue

if TYPE_CHECKING:
    from luagen.reference.turn import Turn


class GivesValues(Action):
    """Gives some names their values, once all values are known."""

    __slots__ = ()

    function: ClassVar[str]  # of the runtime; takes a name and a value
    sets_what: ClassVar[str | None] = None  # in words, when a later rule can give it another value

    @property
    @abstractmethod
    def values(self) -> tuple[NamedValue, ...]:
        """The names and their templates, in the order of the policy."""

    @abstractmethod
    def give(self, turn: Turn, name: str, value: bytes) -> None:
        """What `function` means."""

    def expressions(self) -> tuple[Expression, ...]:
        return tuple(one.value for one in self.values)

    def lower(self) -> Iterator[ir.Instruction]:
        return effect_values.invoke_each(self.function, self.values)

    def play(self, turn: Turn) -> None:
        for name, value in [(one.name, turn.clean_text(one.value)) for one in self.values]:
            self.give(turn, name, value)

    def sets(self) -> tuple[tuple[str, str], ...]:
        return () if self.sets_what is None else tuple((self.sets_what, one.name) for one in self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOfTemplates(GivesValues):
    """The key takes a table of names and templates, and nothing else."""

    takes: ClassVar[str] = "a table of templates"

    values: tuple[NamedValue, ...]

    read = staticmethod(named_values.fields)

    @staticmethod
    @abstractmethod
    def why_not(name: str) -> str | None:
        """Why a policy may not have the name here, or None when it may."""

    @classmethod
    def check(cls, entry: Entry, context: ActionContext) -> Self | None:
        table = context.table(entry)
        return None if table is None else cls(values=cls.read(table, cls.key, cls.why_not, context))


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayOfNames(Action):
    """The key takes the names of header fields that are to go."""

    takes: ClassVar[str] = "an array of names"

    names: tuple[str, ...]

    @staticmethod
    @abstractmethod
    def why_not(name: str) -> str | None:
        """Why a policy may not have the name here, or None when it may."""

    @classmethod
    def check(cls, entry: Entry, context: ActionContext) -> Self | None:
        found = named_values.field_names(entry, cls.key, cls.why_not, context)
        return None if found is None else cls(names=found)

    def expressions(self) -> tuple[Expression, ...]:
        return ()
