"""What values are made of, and what evaluating them can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, get_args

from luagen.ir import values as ir
from luagen.ir.values import Value


def _none(_: Value) -> tuple[Value, ...]:
    return ()


# By the kind of a value: large programs are walked often, and patterns would try one kind after the other.
_OPERANDS: dict[type, Callable[[Any], tuple[Value, ...]]] = {
    ir.Constant: _none,
    ir.Strings: _none,
    ir.Read: _none,
    ir.Entry: _none,
    ir.HasEntry: _none,
    ir.Arguments: _none,
    ir.Caller: _none,
    ir.Claim: _none,
    ir.HasClaim: _none,
    ir.Slot: _none,
    ir.Variable: _none,
    ir.Group: _none,
    ir.HasRole: lambda value: (value.role,),
    ir.Not: lambda value: (value.operand,),
    ir.Decimal: lambda value: (value.integer,),
    ir.Clean: lambda value: (value.text,),
    ir.UrlEncoded: lambda value: (value.text,),
    ir.ParsedInteger: lambda value: (value.text,),
    ir.IsInteger: lambda value: (value.text,),
    ir.Matches: lambda value: (value.text,),
    ir.All: lambda value: value.operands,
    ir.Any: lambda value: value.operands,
    ir.FirstNonEmpty: lambda value: value.operands,
    ir.LastIfAll: lambda value: value.operands,
    ir.Apply: lambda value: value.operands,
    ir.Concat: lambda value: value.parts,
    ir.Choice: lambda value: (value.condition, value.then, value.otherwise),
    ir.Equal: lambda value: (value.left, value.right),
    ir.Order: lambda value: (value.left, value.right),
    ir.HasPrefix: lambda value: (value.text, value.prefix),
    ir.HasSuffix: lambda value: (value.text, value.suffix),
    ir.HasSubstring: lambda value: (value.text, value.needle),
    ir.HasAnyPrefix: lambda value: (value.text,),
    ir.HasAnySuffix: lambda value: (value.text,),
    ir.InStrings: lambda value: (value.item,),
    ir.InSequence: lambda value: (value.item, value.sequence),
    ir.InNetworks: lambda value: (value.address,),
    ir.Quantifier: lambda value: (value.sequence, value.body),
    ir.Collected: lambda value: (value.sequence, value.condition, value.element),
}
assert _OPERANDS.keys() == set(get_args(Value))  # noqa: S101 - when this module is loaded

_ASKERS = frozenset({ir.Caller, ir.HasRole, ir.Claim, ir.HasClaim})
_STOPPERS = _ASKERS | {ir.Clean}


def operands(value: Value) -> tuple[Value, ...]:
    """The values that a value is computed from, in order of evaluation."""
    return _OPERANDS[type(value)](value)


def walk(value: Value) -> Iterator[Value]:
    """A value and everything it is computed from, outermost first."""
    ahead = [value]
    while ahead:
        part = ahead.pop()
        yield part
        if parts := operands(part):
            ahead += parts[::-1]


def conjuncts(condition: Value) -> tuple[Value, ...]:
    """The conditions that must all hold for a boolean to be true."""
    return condition.operands if isinstance(condition, ir.All) else (condition,)


def may_suspend(value: Value) -> bool:
    """Whether evaluating a value can ask who the caller is."""
    return any(type(part) in _ASKERS for part in walk(value))


def may_stop(value: Value) -> bool:
    """Whether evaluating a value can end the request, so that a `CheckStop` must follow it."""
    return any(
        type(part) in _STOPPERS or (isinstance(part, ir.Read) and part.field is ir.RequestField.COUNTRY)
        for part in walk(value)
    )
