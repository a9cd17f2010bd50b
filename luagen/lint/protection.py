"""Rules that protect paths, and the other names under which lighttpd serves what they protect."""

from __future__ import annotations

import re

from luagen.actions import Require, Respond
from luagen.diagnostics import Bag, Code, quoted
from luagen.lint.literals import compared
from luagen.lint.paths import PATHS
from luagen.model import (
    Affix,
    And,
    Compare,
    Comparison,
    Conditional,
    Contains,
    Default,
    Expression,
    Field,
    Literal,
    Matches,
    Not,
    Or,
    Policy,
    Rule,
    StringSet,
)
from luagen.regex import tree
from luagen.walk import operands

_NAMES = (*PATHS, "request.host")
_REFUSALS = (401, 403, 404)  # 410 and 451 say that there is nothing to protect
_CAPITAL = re.compile("[A-Z]")
_ENDS = (tree.Assertion.TEXT_END, tree.Assertion.LAST_LINE_END)
_STARTS = (tree.Assertion.TEXT_START,)


def lint(policy: Policy, bag: Bag) -> None:
    for rules, default in ((policy.rules, policy.default), *((s.rules, s.default) for s in policy.sites)):
        for rule in rules:
            if not protects(rule):
                continue
            _unanchored(rule.when, bag, is_hole=False)
            if isinstance(rule.action, Require) and rule.action.that is not None:
                _unanchored(rule.action.that, bag, is_hole=True)
            if default is Default.PASS:  # else what no rule permits is denied
                _other_names(rule, bag)
                _capitals(rule, bag)


def protects(rule: Rule) -> bool:
    """Whether the rule keeps requests away from something."""
    match rule.action:
        case Require():
            return True
        case Respond(status=status):
            return status in _REFUSALS
        case _:
            return False


# --- longer names -------------------------------------------------------------------------------------


def _other_names(rule: Rule, bag: Bag) -> None:
    place = _exact_path(rule.when)
    if place is not None:
        bag.warning(
            Code.PATH_INFO_BYPASS,
            "the protected path is also served under longer names",
            place.span,
            help="lighttpd before 1.4.80 serves `/x` for `/x/y` too: use `request.path.startswith(…)`",
        )


def _exact_path(when: Expression) -> Expression | None:
    """A part of the condition that must hold and that a path with something appended does not meet."""
    match when:
        case Or(operands=(itself, Affix(affixes=affixes, at_end=False))) if _is_under(itself, affixes):
            return None
        case And(operands=parts) | Or(operands=parts):
            return next((found for part in parts if (found := _exact_path(part)) is not None), None)
        case Compare(operator=Comparison.EQ, left=left, right=right) if _is_path(left) or _is_path(right):
            return when
        case Contains(item=item, container=StringSet()) if _is_path(item):
            return when
        case Affix(receiver=receiver, at_end=True) if _is_path(receiver):
            return when
        case Matches(text=text, split=split) if _is_path(text) and _stops(split.rest.expression):
            return when
        case _:
            return None


def _is_under(itself: Expression, affixes: tuple[Expression, ...]) -> bool:
    """Whether a path that equals a constant also fits with `/` and more appended: what `under(…)` means."""
    match itself:
        case Compare(operator=Comparison.EQ, right=Literal(value=str(path))):
            paths: tuple[str, ...] = (path,)
        case Contains(container=StringSet(values=paths)):
            pass
        case _:
            return False
    below = {affix.value for affix in affixes if isinstance(affix, Literal)}
    return all(f"{path}/" in below for path in paths)


def _is_path(expression: Expression) -> bool:
    return isinstance(expression, Field) and expression.name in PATHS


# --- patterns -----------------------------------------------------------------------------------------


def _unanchored(condition: Expression, bag: Bag, *, is_hole: bool) -> None:
    """`is_hole`: whether more requests get in the more often the condition holds."""
    match condition:
        case Not(operand=operand):
            _unanchored(operand, bag, is_hole=not is_hole)
        case Conditional():
            return
        case Matches(text=Field(name=name), split=split) if is_hole and name in _NAMES:
            if not _begins(split.rest.expression):
                bag.warning(
                    Code.UNANCHORED_PATTERN,
                    f"the pattern lets in every `{name}` that has such a text anywhere",
                    condition.span,
                    help="let it begin with `^`, and end with `$` where nothing may follow",
                )
        case _:
            for part in operands(condition):
                _unanchored(part, bag, is_hole=is_hole)


def _begins(expression: tree.Expression) -> bool:
    """Whether every match begins where the text does."""
    match expression:
        case tree.Place(assertion):
            return assertion in _STARTS
        case tree.Sequence(parts):
            return any(_begins(part) for part in _leading(parts))
        case tree.Alternatives(choices):
            return all(map(_begins, choices))
        case tree.NamedGroup(_, body):
            return _begins(body)
        case tree.Repeat(body, least):
            return least > 0 and _begins(body)
        case tree.OneByte():
            return False


def _leading(parts: tuple[tree.Expression, ...]) -> tuple[tree.Expression, ...]:
    """The parts up to the first that takes a byte."""
    for index, part in enumerate(parts):
        if not tree.may_be_empty(part):
            return parts[: index + 1]
    return parts


def _stops(expression: tree.Expression) -> bool:
    """Whether every match ends where the text does, after something that is not just anything."""
    match expression:
        case tree.Sequence(parts) if parts:
            *before, last = parts
            if isinstance(last, tree.Place) and last.assertion in _ENDS:
                return not before or not _is_anything(before[-1])
            return _stops(last)
        case tree.Alternatives(choices):
            return all(map(_stops, choices))
        case tree.NamedGroup(_, body):
            return _stops(body)
        case _:
            return False


def _is_anything(expression: tree.Expression) -> bool:
    match expression:
        case tree.Repeat(tree.OneByte(accepts), _, None):
            return len(accepts) >= 255  # with or without the newline
        case tree.Sequence(parts) if parts:
            return _is_anything(parts[-1])
        case tree.NamedGroup(_, body):
            return _is_anything(body)
        case tree.Alternatives(choices):
            return any(map(_is_anything, choices))
        case _:
            return False


# --- capitals -----------------------------------------------------------------------------------------


def _capitals(rule: Rule, bag: Bag) -> None:
    for found in compared(rule.when, *PATHS):
        if _CAPITAL.search(re.sub("%[0-9A-Fa-f]{2}", "", found.text)):
            bag.warning(
                Code.CAPITAL_IN_PATH,
                f"{quoted(found.text)} is protected in this spelling only",
                found.span,
                help="with `server.force-lowercase-filenames`, compare `request.path.lower()`",
            )
