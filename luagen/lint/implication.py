"""Whether one condition implies another, as far as their form shows it. Pure; never says yes wrongly."""

from __future__ import annotations

from collections.abc import Iterator

from luagen.model import (
    Affix,
    And,
    Compare,
    Comparison,
    Contains,
    Expression,
    Field,
    Literal,
    NetworkSet,
    Not,
    Or,
    StringSet,
    Type,
)
from luagen.walk import nodes

_MAX_SIZE = 200  # nodes of a condition; larger ones are only compared as a whole


def implies(condition: Expression, other: Expression) -> bool:
    """Whether `other` holds whenever `condition` does."""
    if condition == other or _is_true(other):
        return True
    if _is_large(condition) or _is_large(other):
        return False
    return _implies(condition, other)


def conjuncts(condition: Expression) -> tuple[Expression, ...]:
    """The conditions that must all hold."""
    match condition:
        case And(type=Type.BOOLEAN, operands=operands):
            return tuple(part for operand in operands for part in conjuncts(operand))
        case _:
            return (condition,)


def texts(condition: Expression) -> tuple[Expression, tuple[str, ...], bool] | None:
    """A smallest condition that is a list of constants: what is compared, the constants, and whether they are
    only its beginnings."""
    match condition:
        case Compare(operator=Comparison.EQ, left=subject, right=Literal(value=str(text))):
            return subject, (text,), False
        case Compare(operator=Comparison.EQ, left=Literal(value=str(text)), right=subject):
            return subject, (text,), False
        case Contains(item=subject, container=StringSet(values=values)):
            return subject, values, False
        case Affix(receiver=subject, affixes=affixes, at_end=False):
            found = tuple(one.value for one in affixes if isinstance(one, Literal))
            constants = tuple(one for one in found if isinstance(one, str))
            return (subject, constants, True) if len(constants) == len(affixes) else None
        case _:
            return None


def only_paths(condition: Expression) -> tuple[tuple[str, bool], ...]:
    """The paths that a condition is about, and whether they are beginnings; none when it is about more."""
    found: list[tuple[str, bool]] = []
    for choice in alternatives(condition):
        match texts(choice):
            case Field(name="request.path"), values, are_prefixes:
                found += [(value, are_prefixes) for value in values]
            case _:
                return ()
    return tuple(found)


def alternatives(condition: Expression) -> Iterator[Expression]:
    """The conditions of which one must hold."""
    match condition:
        case Or(type=Type.BOOLEAN, operands=operands):
            for operand in operands:
                yield from alternatives(operand)
        case _:
            yield condition


def _is_true(condition: Expression) -> bool:
    return isinstance(condition, Literal) and condition.value is True


def _is_large(condition: Expression) -> bool:
    return sum(1 for _, _ in zip(nodes(condition), range(_MAX_SIZE + 1), strict=False)) > _MAX_SIZE


def _implies(condition: Expression, other: Expression) -> bool:
    if condition == other or _is_true(other):
        return True
    match other:
        case And(type=Type.BOOLEAN, operands=operands):
            return all(_implies(condition, operand) for operand in operands)
    match condition:
        case Or(type=Type.BOOLEAN, operands=operands):
            return all(_implies(operand, other) for operand in operands)
        case And(type=Type.BOOLEAN, operands=operands):
            if any(_implies(operand, other) for operand in operands):
                return True
    match other:
        case Or(type=Type.BOOLEAN, operands=operands):
            return any(_implies(condition, operand) for operand in operands) or _each_in(condition, other)
    return _implies_smallest(condition, other)


def _each_in(condition: Expression, other: Or) -> bool:
    """Whether each constant of a list meets one side of a choice, as those of `under(…)` do."""
    match texts(condition):
        case subject, values, are_prefixes:
            sides = [found for found in map(texts, alternatives(other)) if found and found[0] == subject]
            begins = tuple(value for _, some, begin in sides if begin for value in some)
            whole = {value for _, some, begin in sides if not begin for value in some}
            return all(value.startswith(begins) or (not are_prefixes and value in whole) for value in values)
        case _:
            return False


def _implies_smallest(condition: Expression, other: Expression) -> bool:
    match condition, other:
        case Contains(item=item, container=NetworkSet(values=networks)), Contains(
            container=NetworkSet(values=wider)
        ):
            return item == other.item and all(
                any(one.version == many.version and one.subnet_of(many) for many in wider)  # type: ignore[arg-type]
                for one in networks
            )
        case Affix(receiver=receiver, affixes=affixes, at_end=True), Affix(affixes=shorter, at_end=True):
            return receiver == other.receiver and all(
                any(_ends_with(one, end) for end in shorter) for one in affixes
            )
        # Neither true nor false (an absent claim) is the same for both: `not` keeps it so.
        case Not(operand=operand), Not(operand=wider_operand):
            return _implies(wider_operand, operand)
    one, many = texts(condition), texts(other)
    if one is None or many is None or one[0] != many[0]:
        return False
    _, values, are_prefixes = one
    _, wider_values, are_wider_prefixes = many
    if are_prefixes and not are_wider_prefixes:
        return False
    if are_wider_prefixes:
        return all(value.startswith(wider_values) for value in values)
    return set(values) <= set(wider_values)


def _ends_with(text: Expression, end: Expression) -> bool:
    return isinstance(text, Literal) and isinstance(end, Literal) and str(text.value).endswith(str(end.value))
