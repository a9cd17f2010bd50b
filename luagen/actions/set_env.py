"""`set_env`: variables for applications and logs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from luagen import ir, names
from luagen.actions import effect_values, named_values
from luagen.actions.action import Action
from luagen.actions.context import ActionContext
from luagen.document import Entry
from luagen.model import Expression, NamedValue

if TYPE_CHECKING:
    from luagen.reference.turn import Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class SetEnv(Action):
    """Sets request environment variables (CGI, FastCGI and SCGI parameters, access-log `%{NAME}e`)."""

    key: ClassVar[str] = "set_env"
    takes: ClassVar[str] = "a table of templates"
    doc: ClassVar[str] = "variables for CGI, FastCGI and SCGI applications and for logs"

    variables: tuple[NamedValue, ...]

    @classmethod
    def check(cls, entry: Entry, context: ActionContext) -> Self | None:
        table = context.table(entry)
        if table is None:
            return None
        return cls(variables=named_values.variables(table, cls.key, names.why_no_variable, context))

    def expressions(self) -> tuple[Expression, ...]:
        return tuple(variable.value for variable in self.variables)

    def lower(self) -> Iterator[ir.Instruction]:
        return effect_values.invoke_each("set_env", self.variables)

    def play(self, turn: Turn) -> None:
        for name, value in [(one.name, turn.clean_text(one.value)) for one in self.variables]:
            turn.set_env(name, value)

    def sets(self) -> tuple[tuple[str, str], ...]:
        return tuple(("variable", one.name) for one in self.variables)
