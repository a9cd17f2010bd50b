"""What an expression is made of: the one place that knows the parts of every node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, get_args

from luagen import model
from luagen.model import Expression


def _comprehension(node: model.Comprehension) -> tuple[Expression, ...]:
    if node.condition is None:
        return (node.sequence, node.element)
    return (node.sequence, node.condition, node.element)


def _none(_: Expression) -> tuple[Expression, ...]:
    return ()


# By the kind of a node: large policies are walked often, and patterns would try one kind after the other.
_PARTS: dict[type, Callable[[Any], tuple[Expression, ...]]] = {
    model.Literal: _none,
    model.StringSet: _none,
    model.NetworkSet: _none,
    model.Field: _none,
    model.Claim: _none,
    model.Variable: _none,
    model.Group: _none,
    model.Item: lambda node: (node.map,),
    model.Items: lambda node: (node.map,),
    model.Truth: lambda node: (node.operand,),
    model.Not: lambda node: (node.operand,),
    model.And: lambda node: node.operands,
    model.Or: lambda node: node.operands,
    model.Call: lambda node: node.arguments,
    model.Compare: lambda node: (node.left, node.right),
    model.Contains: lambda node: (node.item, node.container),
    model.Affix: lambda node: (node.receiver, *node.affixes),
    model.Join: lambda node: (node.roles,),
    model.Concatenation: lambda node: node.parts,
    model.ParsedInteger: lambda node: (node.text,),
    model.Matches: lambda node: (node.text,),
    model.Conditional: lambda node: (node.condition, node.then, node.otherwise),
    model.Quantifier: lambda node: (node.sequence, node.body),
    model.Comprehension: _comprehension,
}
assert _PARTS.keys() == set(get_args(Expression))  # noqa: S101 - when this module is loaded


def operands(expression: Expression) -> tuple[Expression, ...]:
    """The direct parts of an expression, in the order in which they stand."""
    return _PARTS[type(expression)](expression)


def nodes(expression: Expression) -> Iterator[Expression]:
    """An expression and all expressions in it, outermost first."""
    ahead = [expression]
    while ahead:
        node = ahead.pop()
        yield node
        if parts := operands(node):
            ahead += parts[::-1]


def reads_identity(expression: Expression) -> bool:
    """Whether its value can depend on who calls."""
    return identity_read(expression) is not None


def identity_read(expression: Expression) -> model.Field | model.Claim | None:
    """The first part that reads the identity."""
    for node in nodes(expression):
        if isinstance(node, model.Claim):
            return node
        if isinstance(node, model.Field) and (node.name == "identity" or node.name.startswith("identity.")):
            return node
    return None


@dataclass(frozen=True, slots=True)
class Measure:
    """Of an expression when everything shared is written out."""

    nodes: int
    depth: int  # of nesting; 1: no parts
    kinds: frozenset[type[Expression]]


def measure(expression: Expression) -> Measure:
    count, depth = 0, 0
    kinds: set[type[Expression]] = set()
    level = [expression]
    while level:
        count += len(level)
        depth += 1
        kinds.update(map(type, level))
        level = [part for node in level for part in operands(node)]
    return Measure(count, depth, frozenset(kinds))
