"""Conditions that demand two different values of one thing, and so hold for no request. Pure; never says so
wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from luagen.lint.implication import alternatives, conjuncts, texts
from luagen.model import Compare, Comparison, Expression, Literal, StringSet, Type
from luagen.walk import nodes

_MAX_VALUES = 200  # of one demand; what demands with more of them contradict is left unsaid

_Value = tuple[str | int, bool]  # what is demanded, and whether it is only the beginning of it


@dataclass(frozen=True, slots=True)
class _Demand:
    """`subject` is one of the values, whole or by its beginning."""

    subject: Expression
    values: tuple[_Value, ...]


def contradiction(condition: Expression) -> Expression | None:
    """What the parts of the condition demand different values of, so that no request meets it; else None.

    Constants of `[env]` and declared lists count as unknown: they are there to be changed.
    """
    found: Expression | None = None
    for choice in alternatives(condition):
        found = _in_all_of(conjuncts(choice))
        if found is None:
            return None
    return found


def _in_all_of(parts: tuple[Expression, ...]) -> Expression | None:
    left: dict[Expression, _Demand] = {}
    for part in parts if len(parts) > 1 else ():
        demand = _demand(part)
        if demand is None:
            continue
        before = left.get(demand.subject)
        both = demand.values if before is None else tuple(_common(before.values, demand.values))
        if before is not None and not both:
            return demand.subject
        if len(both) <= _MAX_VALUES:
            left[demand.subject] = _Demand(demand.subject, both)
    return None


def _demand(part: Expression) -> _Demand | None:
    """What the part wants of one thing; None when it is about more, or not about constants alone."""
    subject: Expression | None = None
    values: list[_Value] = []
    for choice in alternatives(part):
        found = _smallest(choice)
        if found is None or (subject is not None and found.subject != subject):
            return None
        subject = found.subject
        values += found.values
        if len(values) > _MAX_VALUES:
            return None
    if subject is None or isinstance(subject, Literal) or not values:
        return None
    return _Demand(subject, tuple(values))


def _smallest(condition: Expression) -> _Demand | None:
    if any(isinstance(node, Literal | StringSet) and node.name is not None for node in nodes(condition)):
        return None
    match condition:
        case Compare(operator=Comparison.EQ, left=subject, right=Literal(type=Type.INTEGER, value=number)):
            return _Demand(subject, ((number, False),))
    match texts(condition):
        case subject, constants, are_prefixes:
            return _Demand(subject, tuple((constant, are_prefixes) for constant in constants))
    return None


def _common(some: tuple[_Value, ...], others: tuple[_Value, ...]) -> Iterator[_Value]:
    """What is a value of both."""
    for one, one_begins in some:
        for other, other_begins in others:
            if one == other:
                yield one, one_begins and other_begins
            elif other_begins and str(one).startswith(str(other)):
                yield one, one_begins
            elif one_begins and str(other).startswith(str(one)):
                yield other, other_begins
