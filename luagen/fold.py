"""Smart constructors of IR values: each returns the simplest value with the same meaning.

Constants are computed here, by Python itself, so that generated code has no constant conditions and no
constant arguments. Values are pure, hence an operand that cannot matter is dropped even when evaluating
it would have asked who the caller is, and what asks who the caller is comes last in every conjunction and
disjunction: a rule for one path asks nobody on other paths, wherever in a conjunction the path stands.
"""

from __future__ import annotations

import operator as operators
from collections.abc import Callable, Iterable

from luagen import ir, regex
from luagen.builtins import BUILTINS
from luagen.ir import Constant, Value
from luagen.model import Comparison, Network

TRUE = Constant(True)
FALSE = Constant(False)

_MAX_DIGITS = 15  # of an integer in a text: every Lua holds it exactly

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
    return ir.All(_askers_last(rest)) if len(rest) > 1 else rest[0] if rest else TRUE


def any_(operands: Iterable[Value]) -> Value:
    flat: list[Value] = []
    for operand in operands:
        flat.extend(operand.operands if isinstance(operand, ir.Any) else (operand,))
    rest = [operand for operand in flat if operand != FALSE]
    if TRUE in rest:
        return TRUE
    return ir.Any(_askers_last(rest)) if len(rest) > 1 else rest[0] if rest else FALSE


def _askers_last(operands: list[Value]) -> tuple[Value, ...]:
    """The operands that can ask who the caller is after those that cannot; else in their order."""
    asks = [ir.may_suspend(operand) for operand in operands]
    if all(asks) or not any(asks) or _reads_what_an_asker_captures(operands):
        return tuple(operands)
    return tuple(operands[place] for place in sorted(range(len(operands)), key=asks.__getitem__))


def _reads_what_an_asker_captures(operands: list[Value]) -> bool:
    # A group is there only after its pattern has matched.
    parts = [part for operand in operands for part in ir.walk(operand)]
    return any(isinstance(part, ir.Group) for part in parts) and any(
        isinstance(part, ir.Matches) and part.pattern.rest.groups and ir.may_suspend(part) for part in parts
    )


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
        case ir.Choice(condition, then, otherwise):
            return choose(condition, truth(then, empty), truth(otherwise, empty))
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


def has_any_prefix(text: Value, prefixes: Iterable[bytes]) -> Value:
    needed = _shortest(prefixes, lambda prefix, length: prefix[:length])
    match text, needed:
        case Constant(bytes() as whole), _:
            return Constant(whole.startswith(needed))
        case _, (single,):
            return has_prefix(text, Constant(single))
        case _, ():
            return FALSE
        case _:
            return ir.HasAnyPrefix(text, needed)


def has_any_suffix(text: Value, suffixes: Iterable[bytes]) -> Value:
    needed = _shortest(suffixes, lambda suffix, length: suffix[len(suffix) - length :])
    match text, needed:
        case Constant(bytes() as whole), _:
            return Constant(whole.endswith(needed))
        case _, (single,):
            return has_suffix(text, Constant(single))
        case _, ():
            return FALSE
        case _:
            return ir.HasAnySuffix(text, needed)


def _shortest(affixes: Iterable[bytes], part: Callable[[bytes, int], bytes]) -> tuple[bytes, ...]:
    """The affixes without those that a shorter one (`part` of them) covers, each once, in their order."""
    wanted = tuple(dict.fromkeys(affixes))
    kept: set[bytes] = set()
    lengths: set[int] = set()
    for affix in sorted(wanted, key=len):
        if not any(part(affix, length) in kept for length in lengths):
            kept.add(affix)
            lengths.add(len(affix))
    return tuple(affix for affix in wanted if affix in kept)


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


def in_networks(address: Value, networks: tuple[Network, ...]) -> Value:
    return ir.InNetworks(address, networks) if networks else FALSE


def in_sequence(item: Value, sequence: Value) -> Value:
    match sequence:
        case ir.Strings(values):
            return in_strings(item, tuple(dict.fromkeys(values)))
        case ir.Caller(ir.Member.ROLE_LIST):
            return ir.HasRole(item)
        case _:
            return ir.InSequence(item, sequence)


def any_of_sequence(sequence: Value) -> Value:
    """Whether a sequence has elements."""
    if sequence == ir.Caller(ir.Member.ROLE_LIST):
        return ir.Caller(ir.Member.ANY_ROLE)
    return order(Comparison.GT, apply("len_texts", (sequence,)), Constant(0))


def choose(condition: Value, then: Value, otherwise: Value) -> Value:
    """`then` when the condition holds, else `otherwise`, where both are booleans."""
    if isinstance(then, Constant):
        return any_((condition, otherwise)) if then == TRUE else all_((not_(condition), otherwise))
    if isinstance(otherwise, Constant):
        return any_((not_(condition), then)) if otherwise == TRUE else all_((condition, then))
    if isinstance(condition, Constant):
        return then if condition == TRUE else otherwise
    # Lua has no conditional that could yield false, and the condition is to stand there once.
    yes, no = Constant(1), Constant(0)
    return equal(ir.Choice(condition, ir.Choice(then, yes, no), ir.Choice(otherwise, yes, no)), yes)


def choice(condition: Value, then: Value, otherwise: Value) -> Value:
    """`then` when the condition holds, else `otherwise`: strings, integers or sequences."""
    if then == otherwise:
        return then
    if isinstance(condition, Constant):
        return then if condition == TRUE else otherwise
    return ir.Choice(condition, then, otherwise)


def apply(function: str, operands: tuple[Value, ...]) -> Value:
    """A function of `builtins.BUILTINS`."""
    match function, operands:
        case "format_integer", (integer, Constant(b"")):
            return decimal(integer)
    arguments = [_known(operand) for operand in operands]
    if None in arguments:
        return ir.Apply(function, operands)
    computed = BUILTINS[function].compute(*arguments)
    return ir.Strings(computed) if isinstance(computed, tuple) else Constant(computed)


def _known(value: Value) -> bytes | int | tuple[bytes, ...] | None:
    match value:
        case Constant(known):
            return known
        case ir.Strings(values):
            return values
        case _:
            return None


def parsed_integer(text: Value) -> Value:
    match text:
        case Constant(bytes() as known):
            return Constant(int(known) if _is_integer(known) else 0)
        case _:
            return ir.ParsedInteger(text)


def is_integer(text: Value) -> Value:
    match text:
        case Constant(bytes() as known):
            return Constant(_is_integer(known))
        case _:
            return ir.IsInteger(text)


def _is_integer(text: bytes) -> bool:
    digits = text.removeprefix(b"-")
    return digits.isdigit() and len(digits) <= _MAX_DIGITS


def quantifier(every: bool, variable: ir.Variable, sequence: Value, body: Value) -> Value:
    if sequence == ir.Strings(()):
        return Constant(every)
    match body:
        case Constant(bool() as known) if known == every:
            return Constant(every)
        case Constant():
            some = any_of_sequence(sequence)
            return not_(some) if every else some
        case _:
            return ir.Quantifier(every, variable, sequence, body)


def collected(variable: ir.Variable, sequence: Value, condition: Value, element: Value) -> Value:
    if sequence == ir.Strings(()) or condition == FALSE:
        return ir.Strings(())
    if condition == TRUE and element == variable:
        return sequence
    return ir.Collected(variable, sequence, condition, element)


def matches(pattern: regex.Split, text: Value) -> Value:
    match text:
        case Constant(bytes() as known) if not pattern.rest.groups:
            behind = known.removeprefix(pattern.leading)
            begins = known.startswith(pattern.leading)
            return Constant(begins and regex.compiled(pattern.rest).search(behind) is not None)
        case _:
            return ir.Matches(pattern, text)
