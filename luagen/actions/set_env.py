"""`set_env`: variables for applications and logs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from luagen import names
from luagen.actions import named_values
from luagen.actions.value_actions import TableOfTemplates

if TYPE_CHECKING:
    from luagen.reference.turn import Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class SetEnv(TableOfTemplates):
    """Sets request environment variables (CGI, FastCGI and SCGI parameters, access-log `%{NAME}e`)."""

    key: ClassVar[str] = "set_env"
    doc: ClassVar[str] = "variables for CGI, FastCGI and SCGI applications and for logs"
    why_not = staticmethod(names.why_no_variable)
    read = staticmethod(named_values.variables)
    function: ClassVar[str] = "set_env"
    sets_what: ClassVar[str | None] = "variable"

    def give(self, turn: Turn, name: str, value: bytes) -> None:
        turn.set_env(name, value)
