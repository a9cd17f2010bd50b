"""Named groups of patterns: which of them a rule's other expressions can read, and reading them.

A group can be read where its pattern must have matched: when it is an operand that the rule's whole `when`
needs to be true. Elsewhere a group would capture only sometimes, so there it is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from luagen.checker import Checker, Place
from luagen.diagnostics import Bag, Code, did_you_mean, quoted
from luagen.model import And, Expression, Group, Literal, Matches, Type
from luagen.walk import nodes

_NOT_CAPTURING = "without a name it only groups: `(?:…)`"


UNKNOWN = ("?",)  # in place of the groups of a condition with mistakes: nothing is said about them


def readable(when: Expression | None) -> tuple[str, ...]:
    """What `Scope.groups` is for the other expressions of a rule; None: its condition has mistakes."""
    return UNKNOWN if when is None else groups_of(when)


def groups_of(when: Expression) -> tuple[str, ...]:
    """The named groups that hold in a rule with this condition, in the order in which they stand."""
    return tuple(dict.fromkeys(group for pattern in _needed(when) for group in pattern.groups))


def check(condition: Expression, place: Place, bag: Bag) -> bool:
    """Whether all named groups in a finished expression can be read; what is wrong is reported."""
    # An entry of [names] that stands in several places is one pattern.
    needed = list({id(p): p for p in _needed(condition)}.values()) if place is Place.WHEN else []
    fits = True
    seen: set[str] = set()
    for pattern in needed:
        twice = next((group for group in pattern.groups if group in seen), None)
        if twice is not None:
            message = f"the group {quoted(twice)} stands in another pattern of this `when` too"
            bag.error(Code.DUPLICATE_NAME, message, pattern.span, help="give one of them another name")
            fits = False
        seen.update(pattern.groups)
    held = {id(pattern) for pattern in needed}
    for node in nodes(condition):
        if isinstance(node, Matches) and node.groups and id(node) not in held:
            fits = False
            bag.error(
                Code.UNSUPPORTED_EXPRESSION,
                f"nothing can read the group {quoted(node.groups[0])}",
                node.span,
                help=f"only a pattern that `when` needs captures, joined by `and`; {_NOT_CAPTURING}",
            )
    return fits


def group(node: ast.Subscript, checker: Checker) -> Expression | None:
    """`match["id"]`."""
    if checker.place is not Place.ACTION:
        an_entry = checker.place is Place.NAME
        checker.error(
            Code.UNSUPPORTED_EXPRESSION,
            f"{'an entry of `[names]`' if an_entry else '`when`'} cannot read `match`",
            node,
            help="the actions of a rule can"
            + ("" if an_entry else ", such as `require = { that = 'match[\"id\"] == identity.sub' }`"),
        )
        return None
    key = None if isinstance(node.slice, ast.Slice) else checker.value(node.slice)
    if isinstance(node.slice, ast.Slice) or (key is not None and not _is_text(key)):
        help_text = 'write it in quotes: `match["id"]`'
        checker.error(
            Code.UNSUPPORTED_EXPRESSION, "the name of a group is a constant string", node, help=help_text
        )
        return None
    if not isinstance(key, Literal):
        return None
    name, groups = str(key.value), checker.scope.groups or ()
    if groups == UNKNOWN:
        return None
    if name not in groups:
        if not groups:
            message = "this rule's `when` has no pattern with a named group that it needs"
            help_text = 'such as `matches(r"^/u/(?P<id>[0-9]+)$", request.path)`, alone or joined by `and`'
        else:
            message = f"the pattern in this rule's `when` has no group {quoted(name)}"
            listed = ", ".join(quoted(one) for one in groups)
            help_text = did_you_mean(name, groups) or f"there is {listed}"
        checker.error(Code.UNKNOWN_NAME, message, node, help=help_text)
        return None
    return Group(span=checker.span(node), type=Type.STRING, name=name)


def _is_text(key: Expression) -> bool:
    return isinstance(key, Literal) and isinstance(key.value, str)


def _needed(condition: Expression) -> Iterator[Matches]:
    """The patterns that must match for the condition to be true."""
    match condition:
        case And(type=Type.BOOLEAN, operands=operands):
            for operand in operands:
                yield from _needed(operand)
        case Matches():
            yield condition
