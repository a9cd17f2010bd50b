"""What an expression is made of: the one place that knows the parts of every node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from luagen import model
from luagen.model import Expression

# What most nodes of a policy are; asked before all other kinds, because large policies are walked often.
_LEAVES: frozenset[type] = frozenset((model.Literal, model.Field))


def operands(expression: Expression) -> tuple[Expression, ...]:
    """The direct parts of an expression, in the order in which they stand."""
    if type(expression) in _LEAVES:
        return ()
    match expression:
        case (
            model.Literal() | model.StringSet() | model.NetworkSet() | model.Field() | model.Claim()
            | model.Variable() | model.Group()
        ):  # fmt: skip
            return ()
        case model.Item(map=map_field) | model.Items(map=map_field):
            return (map_field,)
        case model.Truth(operand=operand) | model.Not(operand=operand):
            return (operand,)
        case model.And(operands=found) | model.Or(operands=found) | model.Call(arguments=found):
            return found
        case model.Compare(left=left, right=right):
            return (left, right)
        case model.Contains(item=item, container=container):
            return (item, container)
        case model.Affix(receiver=receiver, affixes=affixes):
            return (receiver, *affixes)
        case model.Join(roles=roles):
            return (roles,)
        case model.Concatenation(parts=parts):
            return parts
        case model.ParsedInteger(text=text) | model.Matches(text=text):
            return (text,)
        case model.Conditional(condition=condition, then=then, otherwise=otherwise):
            return (condition, then, otherwise)
        case model.Quantifier(sequence=sequence, body=body):
            return (sequence, body)
        case model.Comprehension(sequence=sequence, condition=None, element=element):
            return (sequence, element)
        case model.Comprehension(sequence=sequence, condition=condition, element=element):
            return (sequence, condition, element)  # type: ignore[return-value]
    assert_never(expression)


def nodes(expression: Expression) -> Iterator[Expression]:
    """An expression and all expressions in it, outermost first."""
    ahead = [expression]
    while ahead:
        node = ahead.pop()
        yield node
        ahead += reversed(operands(node))


def reads_identity(expression: Expression) -> bool:
    """Whether its value can depend on who calls."""
    return identity_read(expression) is not None


def identity_read(expression: Expression) -> model.Field | model.Claim | None:
    """The first part that reads the identity."""
    for node in nodes(expression):
        if isinstance(node, model.Claim):
            return node
        if isinstance(node, model.Field) and node.name.partition(".")[0] == "identity":
            return node
    return None


def measure(expression: Expression) -> tuple[int, int]:
    """How many nodes it has when everything shared is written out, and how deeply they are nested."""
    measured = [measure(part) for part in operands(expression)]
    return 1 + sum(nodes for nodes, _ in measured), 1 + max((depth for _, depth in measured), default=0)
