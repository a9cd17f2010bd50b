"""What names mean inside expressions: what the policy declares, and which of it was used."""

from __future__ import annotations

import keyword
from dataclasses import dataclass, field

from luagen.model import Expression, Network
from luagen.source import Span
from luagen.vocabulary import FUNCTIONS, ROOTS

_TAKEN = frozenset({*ROOTS, *(name for name in FUNCTIONS if "." not in name)})


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredList:
    """An entry of [lists]: strings or networks. An empty list has neither and counts as either."""

    name: str
    span: Span  # of the key
    file: str | None = None  # that has the entries
    strings: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedExpression:
    """An entry of [names]. `expression` is None when it has mistakes; its uses are then not reported."""

    name: str
    span: Span  # of the key
    expression: Expression | None
    is_condition: bool  # its operands have several types, so it means something only where a boolean is meant
    nodes: int = 0  # how large it is when written out


@dataclass(slots=True)
class Scope:
    lists: dict[str, DeclaredList | None] = field(default_factory=dict)  # None: has mistakes
    names: dict[str, NamedExpression] = field(default_factory=dict)
    later: set[str] = field(default_factory=set)  # names that are defined further down
    used: set[str] = field(default_factory=set)
    env: dict[str, str | int | bool | None] = field(default_factory=dict)  # None: has mistakes
    has_country: bool = False  # there is a [country] table
    # What `match[…]` can read. None: no `when` has been checked, so that this expression is one; for the
    # other expressions of a rule, set it to `captures.readable(when)`.
    groups: tuple[str, ...] | None = None
    claims: set[str] = field(default_factory=set)  # pointers of the claims that were read
    variables: int = 0  # that generators in [names] bind: those of other expressions have higher numbers

    def words(self) -> tuple[str, ...]:
        """Everything that an expression may begin with, for suggestions."""
        return (*self.lists, *self.names, *ROOTS, *(n for n in FUNCTIONS if "." not in n), "True", "False")


def is_expression_name(name: str) -> bool:
    """Whether a list, named expression or variable of this name could be written in an expression."""
    return (
        name.isascii()
        and name.isidentifier()
        and len(name) <= 64
        and not keyword.iskeyword(name)
        and name not in _TAKEN
    )
