"""What names mean inside expressions: declared lists and named expressions, and which of them were used."""

from __future__ import annotations

import keyword
from dataclasses import dataclass, field

from luagen import model
from luagen.model import (
    Affix,
    And,
    Compare,
    Concatenation,
    Contains,
    Expression,
    Join,
    Literal,
    Network,
    NetworkSet,
    Not,
    Or,
    StringSet,
    Truth,
)
from luagen.source import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredList:
    """An entry of [lists]: strings or networks. An empty list has neither and counts as either."""

    name: str
    span: Span  # of the key
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

    def words(self) -> tuple[str, ...]:
        """Everything that an expression may begin with, for suggestions."""
        return (*self.lists, *self.names, "request", "identity", "True", "False")


def is_expression_name(name: str) -> bool:
    """Whether a list or named expression of this name could be written in an expression."""
    return (
        name.isascii()
        and name.isidentifier()
        and len(name) <= 64
        and not keyword.iskeyword(name)
        and name not in ("request", "identity")
    )


def operands(expression: Expression) -> tuple[Expression, ...]:
    """The direct parts of an expression."""
    match expression:
        case Literal() | StringSet() | NetworkSet() | model.Field():
            return ()
        case model.Item(map=map_field):
            return (map_field,)
        case Truth(operand=operand) | Not(operand=operand):
            return (operand,)
        case And(operands=found) | Or(operands=found):
            return found
        case Compare(left=left, right=right):
            return (left, right)
        case Contains(item=item, container=container):
            return (item, container)
        case Affix(receiver=receiver, affixes=affixes):
            return (receiver, *affixes)
        case Join(roles=roles):
            return (roles,)
        case Concatenation(parts=parts):
            return parts


def identity_field(expression: Expression) -> model.Field | None:
    """The first field of the identity that the value can depend on."""
    if isinstance(expression, model.Field):
        return expression if expression.name.partition(".")[0] == "identity" else None
    return next((found for part in operands(expression) if (found := identity_field(part)) is not None), None)


def measure(expression: Expression) -> tuple[int, int]:
    """How many nodes it has when everything shared is written out, and how deeply they are nested."""
    measured = [measure(part) for part in operands(expression)]
    return 1 + sum(nodes for nodes, _ in measured), 1 + max((depth for _, depth in measured), default=0)
