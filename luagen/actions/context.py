"""What surrounds an action while it is checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from luagen.diagnostics import Bag, Code, quoted
from luagen.document import Entry, Table, kind
from luagen.scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionContext:
    """The same for all actions of a policy."""

    scope: Scope
    bag: Bag
    auth_names: tuple[str, ...]
    origin_names: tuple[str, ...]
    directory: Path  # of the policy file: the paths of files begin here
    # By kind and normal form of a header field's or variable's name: how the policy first spelt it.
    spellings: dict[tuple[str, str], str] = field(default_factory=dict)

    def table(self, entry: Entry) -> Table | None:
        """The table that an action takes, or None when it is something else, which is reported."""
        if isinstance(entry.value, Table):
            return entry.value
        message = f"{quoted(entry.key)} takes a table, not {kind(entry.value)}"
        self.bag.error(Code.WRONG_TYPE, message, entry.value.span)
        return None
