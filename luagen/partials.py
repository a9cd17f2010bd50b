"""Values that can be absent, claims and `int(…)`, inside conditions.

A smallest condition (a comparison, a test with `in`, …) that reads an absent value is neither true nor
false, whatever stands around the value in it. Where people would rightly expect something else of Python, as
of the fallback in `(identity.claims["plan"] or "free") == "free"`, such a value is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from luagen.diagnostics import Bag, Code
from luagen.model import (
    And,
    Claim,
    Comprehension,
    Conditional,
    Expression,
    Not,
    Or,
    ParsedInteger,
    Quantifier,
    Truth,
    Type,
)
from luagen.walk import operands

_TEST = (
    "what `… if … else …` depends on",
    "an absent value never matches: write `c and a or not c and b` for `a if c else b`",
)
_BRANCH = "one side of `… if … else …`", "write two rules, or two conditions joined by `or`"
_FALLBACK = (
    "an operand of an `{}` that gives back a value",
    "an absent value never matches: join whole conditions by `or` and `and`",
)
_LIMIT = (
    "what the `if` of a comprehension depends on",
    "test it in `any(… for … if …)` or `all(… for … if …)`",
)
_ELEMENT = "an element of a comprehension", "test it in `any(…)` or `all(…)`"
_INNER = "part of a condition that is compared itself", "join conditions by `and`, `or` and `not`"


def check(expression: Expression, bag: Bag) -> bool:
    """Whether every partial value in the conditions of a finished expression stands where its absence has
    an obvious meaning; what is wrong is reported."""
    refused: set[int] = set()  # by identity: a value can stand in conditions within each other
    for condition in _conditions(expression):
        for value, (where, instead) in _hidden(condition, None):
            if id(value) in refused:
                continue
            refused.add(id(value))
            what = "a claim" if isinstance(value, Claim) else "`int(…)`"
            bag.error(
                Code.UNSUPPORTED_EXPRESSION,
                f"in a condition, {what} cannot be {where}",
                value.span,
                help=instead,
            )
    return not refused


def _conditions(expression: Expression) -> Iterator[Expression]:
    """All smallest conditions, also those within others, and what quantifiers go through."""
    if isinstance(expression, Quantifier):
        yield expression.sequence  # absent, the quantifier is neither true nor false
    if expression.type is Type.BOOLEAN and not _has_conditions(expression):
        yield expression
    for part in operands(expression):
        yield from _conditions(part)


def _has_conditions(node: Expression) -> bool:
    """Whether a boolean is made of conditions, each of which decides by itself."""
    return isinstance(node, And | Or | Not | Quantifier) or (
        isinstance(node, Truth) and node.operand.type is Type.BOOLEAN
    )


_Refusal = tuple[str, str]


def _hidden(node: Expression, refusal: _Refusal | None) -> Iterator[tuple[Expression, _Refusal]]:
    """The partial values in a smallest condition that stand behind something, and behind what."""
    match node:
        case Claim() if refusal is not None:
            yield node, refusal
        case ParsedInteger(text=text):
            if refusal is not None:
                yield node, refusal
            else:
                yield from _hidden(text, None)
        case Conditional(condition=condition, then=then, otherwise=otherwise):
            yield from _hidden(condition, refusal or _TEST)
            yield from _hidden(then, _BRANCH)
            yield from _hidden(otherwise, _BRANCH)
        case Comprehension(sequence=sequence, condition=condition, element=element):
            yield from _hidden(sequence, refusal)
            if condition is not None:
                yield from _hidden(condition, refusal or _LIMIT)
            yield from _hidden(element, refusal or _ELEMENT)
        case And(type=type) | Or(type=type) if type is not Type.BOOLEAN:
            word = "and" if isinstance(node, And) else "or"
            where, instead = _FALLBACK
            for part in node.operands:
                yield from _hidden(part, refusal or (where.format(word), instead))
        case _:
            for part in operands(node):
                is_condition = part.type is Type.BOOLEAN and not isinstance(part, Claim)
                yield from _hidden(part, refusal or (_INNER if is_condition else None))
