"""A `require` for paths that have a text anywhere, or that are compared as they were encoded."""

from __future__ import annotations

import re

from luagen.actions import Require
from luagen.diagnostics import Bag, Code, quoted
from luagen.lint.implication import conjuncts, only_paths
from luagen.lint.literals import How, compared
from luagen.lint.paths import PATHS
from luagen.model import Conditional, Contains, Expression, Field, Literal, Not, Policy
from luagen.walk import operands

# What people write for a directory below the root; `/.` and `/a/` are looked for anywhere on purpose.
_DIRECTORY = re.compile(r"/[A-Za-z0-9_][^.]*(?<!/)\Z")
# Where it lets requests in, `/a/` is no better.
_PATH = re.compile(r"/[A-Za-z0-9_]")


def lint(policy: Policy, bag: Bag) -> None:
    for rule in policy.all_rules():
        if not isinstance(rule.action, Require):
            continue
        says_where = any(map(only_paths, conjuncts(rule.when)))
        _anywhere(rule.when, bag, is_hole=False, says_where=says_where)
        _encoded(rule.when, bag)
        if rule.action.that is not None:
            _anywhere(rule.action.that, bag, is_hole=True, says_where=says_where)
            _encoded(rule.action.that, bag)


def _anywhere(condition: Expression, bag: Bag, *, is_hole: bool, says_where: bool) -> None:
    """`is_hole`: whether more requests get in the more often the condition holds; `says_where`: whether the
    rule is about a known part of the paths, in which a text may well stand anywhere."""
    match condition:
        case Not(operand=operand):
            _anywhere(operand, bag, is_hole=not is_hole, says_where=says_where)
        case Conditional():
            return
        case Contains(item=Literal(value=str(text)), container=Field(name=name)) if name in PATHS:
            if _PATH.match(text) if is_hole else not says_where and _DIRECTORY.match(text):
                what = "lets in every path that has" if is_hole else "is about every path with"
                bag.warning(
                    Code.TEXT_ANYWHERE,
                    f"this {what} {quoted(text)} anywhere, as in {quoted(f'/other{text}')}",
                    condition.span,
                    help=f'write `under(request.path, "{text.rstrip("/")[:60]}")` for the directory',
                )
        case _:
            for part in operands(condition):
                _anywhere(part, bag, is_hole=is_hole, says_where=says_where)


def _encoded(condition: Expression, bag: Bag) -> None:
    for found in compared(condition, "request.raw_path"):
        # Who writes an escape wants to see escapes.
        if found.how in (How.WHOLE, How.BEGINNING) and "%" not in found.text:
            path = found.text.rstrip("/")[:60]
            bag.warning(
                Code.RAW_PATH_GUARD,
                "this compares a path as it is encoded, and one path can be encoded in several ways",
                found.span,
                help=f'write `under(request.path, "{path}")`' if path else "compare `request.path`",
            )
