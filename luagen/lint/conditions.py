"""Conditions that are the same for every request, empty lists, and identities that nobody is asked for."""

from __future__ import annotations

from luagen import ir
from luagen.actions import Require
from luagen.diagnostics import Bag, Code, quoted
from luagen.lint.contradiction import contradiction
from luagen.lower_values import lower_expression
from luagen.model import (
    Affix,
    And,
    Compare,
    Contains,
    Expression,
    Field,
    Item,
    Literal,
    Matches,
    NetworkSet,
    Not,
    Or,
    Policy,
    Rule,
    StringSet,
    Truth,
    Type,
)
from luagen.scope import DeclaredList, Scope
from luagen.walk import identity_read, nodes


def lint(policy: Policy, scope: Scope, bag: Bag) -> None:
    for declared in scope.lists.values():
        if declared is not None and declared.name in scope.used and not declared.strings + declared.networks:
            _empty_list(declared, bag)
    for rule in policy.all_rules():
        _constant_condition(rule, bag)
        if isinstance(rule.action, Require):
            _that_without_auth(rule.action, bag)


def constant(condition: Expression) -> bool | None:
    """Whether a condition holds, when that is the same for every request; else None."""
    if _varies(condition):
        return None
    match lower_expression(condition):
        case ir.Constant(value=bool(value)):
            return value
        case _:
            return None


def _varies(condition: Expression) -> bool:
    """Whether a look at the form is enough: lowering the conditions of thousands of rules takes its time."""
    match condition:
        case And(type=Type.BOOLEAN, operands=operands) | Or(type=Type.BOOLEAN, operands=operands):
            return all(map(_varies, operands))
        case Not(operand=operand):
            return _varies(operand)
        case Compare(left=Field(type=Type.STRING) | Item(), right=Literal()):
            return True
        case Truth(operand=Field() | Item()) | Matches(text=Field()):
            return True
        case Contains(item=Literal(value=text), container=Field()):
            return bool(text)
        case Contains(item=Field(), container=NetworkSet(values=(_, *_))):
            return True
        case Contains(item=Field(type=Type.STRING), container=StringSet(values=(_, *_))):
            return True
        case Affix(receiver=Field(), affixes=affixes):
            return all(isinstance(affix, Literal) and affix.value for affix in affixes)
        case _:
            return False


def _constant_condition(rule: Rule, bag: Bag) -> None:
    that = rule.action.that if isinstance(rule.action, Require) else None
    for key, condition in (("when", rule.when), ("that", that)):
        # Without `when` the condition is a constant that nobody wrote: it has the place of the whole rule.
        if condition is None or condition.span == rule.span:
            continue
        value = constant(condition)
        if value is None and (subject := contradiction(condition)) is not None:
            demanded = quoted(subject.span.source.text[subject.span.start : subject.span.end])
            message = f"`{key}` is false for every request: {demanded} cannot be all that it demands"
            help_text = "join what it demands by `or`, or remove one of the parts"
            bag.warning(Code.CONSTANT_CONDITION, message, condition.span, help=help_text)
        elif value is not None and not _reads_a_switch(condition) and not _reads_an_empty_list(condition):
            help_text = f"leave out `{key}`" if value else "remove the rule, or say when it is meant"
            if key == "that" and not value:
                help_text = "`respond = { status = 403 }` refuses everybody"
            message = f"`{key}` is {'true' if value else 'false'} for every request"
            bag.warning(Code.CONSTANT_CONDITION, message, condition.span, help=help_text)


def _reads_a_switch(condition: Expression) -> bool:
    """Whether it is constant because of `[env]`, where people change it."""
    return any(isinstance(node, Literal) and node.name is not None for node in nodes(condition))


def _empty_list(declared: DeclaredList, bag: Bag) -> None:
    where = "" if declared.file is None else f": {quoted(declared.file)} has no entries"
    bag.warning(
        Code.EMPTY_LIST,
        f"the list {quoted(declared.name)} is empty{where}",
        declared.span,
        help=f"nothing is ever `in {declared.name}`: add entries, or remove what uses it",
    )


def _reads_an_empty_list(condition: Expression) -> bool:
    """Whether it may be constant because of a declared list, which has a warning of its own."""
    return any(
        isinstance(node, StringSet | NetworkSet) and node.name is not None and not node.values
        for node in nodes(condition)
    )


def _that_without_auth(action: Require, bag: Bag) -> None:
    if action.that is not None and not action.auth and identity_read(action.that) is not None:
        bag.warning(
            Code.ANONYMOUS_IDENTITY,
            "`that` reads the identity, and there is no `auth` to ask for one",
            action.that.span,
            help="with `auth`, anonymous callers are told to sign in (401) instead of being refused (403)",
        )
