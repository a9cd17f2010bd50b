"""What values are made of, and what evaluating them can do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from luagen.ir import values as ir
from luagen.ir.values import Value

# What most values of a program are; asked before all other kinds, because large programs are walked often.
_LEAVES = frozenset({ir.Constant, ir.Read})


def operands(value: Value) -> tuple[Value, ...]:
    """The values that a value is computed from, in order of evaluation."""
    if type(value) in _LEAVES:
        return ()
    match value:
        case (
            ir.Constant() | ir.Strings() | ir.Read() | ir.Entry() | ir.HasEntry() | ir.Arguments()
            | ir.Caller() | ir.Claim() | ir.HasClaim() | ir.Slot() | ir.Variable() | ir.Group()
        ):  # fmt: skip
            return ()
        case (
            ir.Not(operand) | ir.Decimal(operand) | ir.Clean(operand) | ir.UrlEncoded(operand)
            | ir.HasRole(operand) | ir.ParsedInteger(operand) | ir.IsInteger(operand)
        ):  # fmt: skip
            return (operand,)
        case ir.All(many) | ir.Any(many) | ir.FirstNonEmpty(many) | ir.Concat(many) | ir.LastIfAll(many, _):
            return many
        case ir.Apply(_, many):
            return many
        case ir.Choice(condition, then, otherwise):
            return (condition, then, otherwise)
        case ir.Equal(left, right, _) | ir.Order(_, left, right) | ir.InSequence(left, right):
            return (left, right)
        case ir.HasPrefix(left, right) | ir.HasSuffix(left, right) | ir.HasSubstring(left, right):
            return (left, right)
        case (
            ir.InStrings(operand, _) | ir.InNetworks(operand, _)
            | ir.HasAnyPrefix(operand, _) | ir.HasAnySuffix(operand, _)
        ):  # fmt: skip
            return (operand,)
        case ir.Matches(_, _, text):
            return (text,)
        case ir.Quantifier(_, _, sequence, body):
            return (sequence, body)
        case ir.Collected(_, sequence, condition, element):
            return (sequence, condition, element)
    assert_never(value)


def walk(value: Value) -> Iterator[Value]:
    """A value and everything it is computed from, outermost first."""
    ahead = [value]
    while ahead:
        part = ahead.pop()
        yield part
        ahead += reversed(operands(part))


def conjuncts(condition: Value) -> tuple[Value, ...]:
    """The conditions that must all hold for a boolean to be true."""
    return condition.operands if isinstance(condition, ir.All) else (condition,)


def may_suspend(value: Value) -> bool:
    """Whether evaluating a value can ask who the caller is."""
    return any(isinstance(part, ir.Caller | ir.HasRole | ir.Claim | ir.HasClaim) for part in walk(value))


def may_stop(value: Value) -> bool:
    """Whether evaluating a value can end the request, so that a `CheckStop` must follow it."""
    return any(
        isinstance(part, ir.Caller | ir.HasRole | ir.Claim | ir.HasClaim | ir.Clean)
        or part == ir.Read(ir.RequestField.COUNTRY)
        for part in walk(value)
    )
