"""Smart constructors of IR values: each returns the simplest value with the same meaning.

Constants are computed here, by Python itself, so that generated code has no constant conditions and no
constant arguments. Values are pure, hence an operand that cannot matter is dropped even when evaluating
it would have asked who the caller is.
"""

from __future__ import annotations

import operator as operators
from collections.abc import Callable, Iterable

from luagen import ir
from luagen.ir import Constant, Value
from luagen.model import Comparison

TRUE = Constant(True)
FALSE = Constant(False)

_OPPOSITE = {
    Comparison.LT: Comparison.GE,
    Comparison.LE: Comparison.GT,
    Comparison.GT: Comparison.LE,
    Comparison.GE: Comparison.LT,
}

_COMPUTE: dict[Comparison, Callable[[int, int], bool]] = {
    Comparison.LT: operators.lt,
    Comparison.LE: operators.le,
    Comparison.GT: operators.gt,
    Comparison.GE: operators.ge,
}


def not_(operand: Value) -> Value:
    match operand:
        case Constant(value):
            return Constant(not value)
        case ir.Not(inner):
            return inner
        case ir.Equal(left, right, negated):
            return ir.Equal(left, right, not negated)
        case ir.Order(operator, left, right):
            return ir.Order(_OPPOSITE[operator], left, right)
        case _:
            return ir.Not(operand)


def all_(operands: Iterable[Value]) -> Value:
    flat: list[Value] = []
    for operand in operands:
        flat.extend(operand.operands if isinstance(operand, ir.All) else (operand,))
    rest = [operand for operand in flat if operand != TRUE]
    if FALSE in rest:
        return FALSE
    return ir.All(tuple(rest)) if len(rest) > 1 else rest[0] if rest else TRUE


def any_(operands: Iterable[Value]) -> Value:
    flat: list[Value] = []
    for operand in operands:
        flat.extend(operand.operands if isinstance(operand, ir.Any) else (operand,))
    rest = [operand for operand in flat if operand != FALSE]
    if TRUE in rest:
        return TRUE
    return ir.Any(tuple(rest)) if len(rest) > 1 else rest[0] if rest else FALSE


def last_if_all(operands: Iterable[Value], empty: bytes | int) -> Value:
    """Python's `and` on strings (`empty` is b"") or integers (`empty` is 0)."""
    *tests, last = operands
    kept: list[Value] = []
    for test in tests:
        match truth(test, empty):
            case Constant(True):
                continue
            case Constant(False):
                return Constant(empty)  # whatever stands before: the result is empty
            case _:
                kept.append(test)
    if last == Constant(empty):
        return last
    return ir.LastIfAll((*kept, last), empty) if kept else last


def first_non_empty(operands: Iterable[Value], empty: bytes | int) -> Value:
    """Python's `or` on strings (`empty` is b"") or integers (`empty` is 0)."""
    kept: list[Value] = []
    for operand in operands:
        match truth(operand, empty):
            case Constant(True):
                kept.append(operand)
                break
            case Constant(False):
                # The last operand needs no mention either: the one before it is empty when it is reached.
                continue
            case _:
                kept.append(operand)
    if not kept:
        return Constant(empty)
    return ir.FirstNonEmpty(tuple(kept)) if len(kept) > 1 else kept[0]


def truth(value: Value, empty: bytes | int) -> Value:
    """Whether a string (`empty` is b"") or an integer (`empty` is 0) counts as true."""
    match value:
        case ir.LastIfAll(operands, _):
            return all_(truth(operand, empty) for operand in operands)
        case ir.FirstNonEmpty(operands):
            return any_(truth(operand, empty) for operand in operands)
        case _:
            return equal(value, Constant(empty), negated=True)


def equal(left: Value, right: Value, *, negated: bool = False) -> Value:
    if isinstance(left, Constant) and isinstance(right, Constant):
        return Constant((left.value == right.value) != negated)
    if isinstance(left, Constant):
        left, right = right, left  # constants stand at the right, as people write them
    match right:
        case Constant(True):
            return not_(left) if negated else left
        case Constant(False):
            return left if negated else not_(left)
        case _:
            return ir.Equal(left, right, negated)


def order(operator: Comparison, left: Value, right: Value) -> Value:
    """`left operator right` on integers; raises KeyError for an operator that is no ordering."""
    match left, right:
        case Constant(int() as a), Constant(int() as b):
            return Constant(_COMPUTE[operator](a, b))
        case _:
            return ir.Order(operator, left, right)


def concat(parts: Iterable[Value]) -> Value:
    """The texts in order: nested concatenations flattened, adjacent constants merged, empty ones dropped."""
    merged: list[Value] = []
    for part in _flattened(parts):
        match part, merged[-1:]:
            case Constant(b""), _:
                continue
            case Constant(bytes() as text), [Constant(bytes() as before)]:
                merged[-1] = Constant(before + text)
            case _:
                merged.append(part)
    if not merged:
        return Constant(b"")
    return ir.Concat(tuple(merged)) if len(merged) > 1 else merged[0]


def _flattened(parts: Iterable[Value]) -> Iterable[Value]:
    for part in parts:
        if isinstance(part, ir.Concat):
            yield from part.parts
        else:
            yield part


def decimal(integer: Value) -> Value:
    match integer:
        case Constant(int() as value):
            return Constant(str(value).encode())
        case _:
            return ir.Decimal(integer)


def has_prefix(text: Value, prefix: Value) -> Value:
    match text, prefix:
        case Constant(bytes() as whole), Constant(bytes() as part):
            return Constant(whole.startswith(part))
        case _, Constant(b""):
            return TRUE
        case _:
            return ir.HasPrefix(text, prefix)


def has_suffix(text: Value, suffix: Value) -> Value:
    match text, suffix:
        case Constant(bytes() as whole), Constant(bytes() as part):
            return Constant(whole.endswith(part))
        case _, Constant(b""):
            return TRUE
        case _:
            return ir.HasSuffix(text, suffix)


def has_substring(text: Value, needle: Value) -> Value:
    match text, needle:
        case Constant(bytes() as whole), Constant(bytes() as part):
            return Constant(part in whole)
        case _, Constant(b""):
            return TRUE
        case _:
            return ir.HasSubstring(text, needle)


def in_strings(item: Value, members: tuple[bytes, ...]) -> Value:
    match item, members:
        case _, ():
            return FALSE
        case Constant(bytes() as text), _:
            return Constant(text in members)
        case _, (single,):
            return equal(item, Constant(single))
        case _:
            return ir.InStrings(item, members)


def in_networks(address: Value, networks: tuple[str, ...]) -> Value:
    return ir.InNetworks(address, networks) if networks else FALSE
