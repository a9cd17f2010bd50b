"""Requests worth trying against a policy, read off its rules. A pure function; a hint, not an analysis.

For each `require` whose condition starts from a literal path: a caller without a token, one who fits, and,
when a role is asked for, one without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from luagen.actions import Require
from luagen.diagnostics import quoted
from luagen.model import (
    Affix,
    And,
    Compare,
    Comparison,
    Contains,
    Expression,
    Field,
    Literal,
    Or,
    Policy,
    StringSet,
    Truth,
)

MAX_SUGGESTIONS = 6


@dataclass(frozen=True, slots=True)
class Suggestion:
    path: str
    expected: str  # what to expect, for people
    auth: str | None = None  # name of the [auth] whose token to bring; None: no token
    roles: tuple[str, ...] = ()


def suggestions(policy: Policy) -> tuple[Suggestion, ...]:
    """At most MAX_SUGGESTIONS, in the order of the rules; the first is a plain request for `/`."""
    found = [Suggestion("/", "no token")]
    held: dict[str, tuple[str, ...]] = {}  # roles that earlier, wider rules want for a path below them
    for rule in policy.rules:
        if not isinstance(rule.action, Require) or not rule.action.auth:
            continue
        paths = list(_paths(rule.when))
        if not paths:
            continue
        # Of `/a` and what is below it the latter: sites redirect the former.
        path = next((path for path in paths if path.endswith("/")), paths[0])
        auth = rule.action.auth[0]
        roles = tuple(_roles(rule.action.that)) if rule.action.that is not None else ()
        if path not in held and not any(path.startswith(wider) for wider in held):
            found.append(Suggestion(path, "401: no token"))
        inherited = tuple(role for wider, of in held.items() if path.startswith(wider) for role in of)
        if roles:
            found.append(Suggestion(path, f"403: not {quoted(roles[0])}", auth, inherited))
        found.append(Suggestion(path, "200: a caller who may", auth, (*inherited, *roles)))
        held[path] = roles
    return tuple(found[:MAX_SUGGESTIONS])


def _paths(when: Expression) -> Iterator[str]:
    """Literal paths of which the condition says that the request has them, or is below them."""
    match when:
        case Affix(receiver=Field(name="request.path"), affixes=affixes, at_end=False):
            yield from (str(affix.value) for affix in affixes if isinstance(affix, Literal))
        case Compare(operator=Comparison.EQ, left=Field(name="request.path"), right=Literal(value=value)):
            yield str(value)
        case Contains(item=Field(name="request.path"), container=StringSet(values=values)):
            yield from values
        case And(operands=operands) | Or(operands=operands):
            for operand in operands:
                yield from _paths(operand)
        case _:
            return


def _roles(that: Expression) -> Iterator[str]:
    """Literal roles that make the condition true, as far as one can see: all of an `and`, the first of an
    `or`."""
    match that:
        case Contains(item=Literal(value=value), container=Field(name="identity.roles")):
            yield str(value)
        case Truth(operand=operand):
            yield from _roles(operand)
        case And(operands=operands):
            for operand in operands:
                yield from _roles(operand)
        case Or(operands=operands):
            yield from next((roles for o in operands if (roles := tuple(_roles(o)))), ())
        case _:
            return
