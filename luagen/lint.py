"""Warnings: what is valid and probably not meant. Reads the checked policy and its scope."""

from __future__ import annotations

from luagen import model
from luagen.diagnostics import Bag, Code, quoted
from luagen.model import (
    Affix,
    And,
    Compare,
    Comparison,
    Concatenation,
    Contains,
    Default,
    Expression,
    Literal,
    NetworkSet,
    Not,
    Or,
    Policy,
    Require,
    Respond,
    Rule,
    SetEnv,
    SetRequestHeaders,
    SetResponseHeaders,
    StringSet,
    Truth,
    Type,
)
from luagen.scope import Scope, identity_field


def lint(policy: Policy, scope: Scope, bag: Bag) -> None:
    """Reports into `bag`; the policy has no mistakes."""
    for rule in policy.rules:
        _constant_condition(rule, bag)
        if isinstance(rule.action, Require):
            if policy.default is Default.PASS:  # else longer names are denied
                _path_info(rule, bag)
            _that_without_auth(rule.action, bag)
    _unreachable(policy, bag)
    _unused(policy, scope, bag)


def constant(expression: Expression) -> str | int | bool | None:
    """The value of an expression that is the same for every request, or None when it can differ."""
    match expression:
        case Literal(value=value):
            return value
        case Truth(operand=operand):
            found = constant(operand)
            return None if found is None else bool(found)
        case Not(operand=operand):
            found = constant(operand)
            return None if found is None else not found
        case And(operands=operands) | Or(operands=operands):
            return _constant_and_or(expression, [constant(operand) for operand in operands])
        case Compare(left=left, right=right, operator=operator):
            one, other = constant(left), constant(right)
            return None if one is None or other is None else _compare(one, operator, other)
        case Contains(container=StringSet(values=()) | NetworkSet(values=())):
            return False
        case Contains(item=item, container=StringSet(values=values)):
            found = constant(item)
            return None if found is None else found in values
        case Contains(item=Literal(value=""), container=container) if container.type is Type.STRING:
            return True
        case Contains(item=item, container=container):
            one, other = constant(item), constant(container)
            return one in other if isinstance(one, str) and isinstance(other, str) else None
        case Affix(receiver=receiver, affixes=affixes, at_end=at_end):
            return _constant_affix(constant(receiver), [constant(affix) for affix in affixes], at_end)
        case Concatenation(parts=parts):
            texts = [constant(part) for part in parts]
            return None if None in texts else "".join(str(text) for text in texts)
        case _:
            return None


def _constant_and_or(node: And | Or, values: list[str | int | bool | None]) -> str | int | bool | None:
    deciding = isinstance(node, Or)
    if node.type is Type.BOOLEAN and any(value is deciding for value in values):
        return deciding
    if None in values:
        return None
    return next((value for value in values if bool(value) is deciding), values[-1])


def _compare(one: str | int | bool, operator: Comparison, other: str | int | bool) -> bool:
    match operator:
        case Comparison.EQ:
            return one == other
        case Comparison.NE:
            return one != other
    if isinstance(one, str) or isinstance(other, str):
        raise AssertionError("bug in luagen: strings have no order")
    match operator:
        case Comparison.LT:
            return one < other
        case Comparison.LE:
            return one <= other
        case Comparison.GT:
            return one > other
        case Comparison.GE:
            return one >= other


def _constant_affix(
    receiver: str | int | bool | None, affixes: list[str | int | bool | None], at_end: bool
) -> bool | None:
    if "" in affixes:
        return True
    if not isinstance(receiver, str) or None in affixes:
        return None
    texts = tuple(str(affix) for affix in affixes)
    return receiver.endswith(texts) if at_end else receiver.startswith(texts)


def _constant_condition(rule: Rule, bag: Bag) -> None:
    that = rule.action.that if isinstance(rule.action, Require) else None
    for key, condition in (("when", rule.when), ("that", that)):
        # Without `when` the condition is a constant that nobody wrote: it has the place of the whole rule.
        if condition is None or condition.span == rule.span:
            continue
        value = constant(condition)
        if value is not None:
            help_text = f"leave out `{key}`" if value else "remove the rule, or say when it is meant"
            if key == "that" and not value:
                help_text = "`respond = { status = 403 }` refuses everybody"
            message = f"`{key}` is {'true' if value else 'false'} for every request"
            bag.warning(Code.CONSTANT_CONDITION, message, condition.span, help=help_text)


def _path_info(rule: Rule, bag: Bag) -> None:
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
        case And(operands=operands) | Or(operands=operands):
            return next((found for part in operands if (found := _exact_path(part)) is not None), None)
        case Compare(operator=Comparison.EQ, left=left, right=right) if _is_path(left) or _is_path(right):
            return when
        case Contains(item=item, container=StringSet()) if _is_path(item):
            return when
        case Affix(receiver=receiver, at_end=True) if _is_path(receiver):
            return when
        case _:
            return None


def _is_path(expression: Expression) -> bool:
    return isinstance(expression, model.Field) and expression.name in ("request.path", "request.raw_path")


def _that_without_auth(action: Require, bag: Bag) -> None:
    if action.that is not None and not action.auth and identity_field(action.that) is not None:
        bag.warning(
            Code.ANONYMOUS_IDENTITY,
            "`that` reads the identity, and there is no `auth` to ask for one",
            action.that.span,
            help="with `auth`, anonymous callers are told to sign in (401) instead of being refused (403)",
        )


def _unreachable(policy: Policy, bag: Bag) -> None:
    for index, rule in enumerate(policy.rules[:-1]):
        ends = isinstance(rule.action, Respond | model.Redirect)
        if ends and constant(rule.when) is True:
            after = policy.rules[index + 1]
            count = len(policy.rules) - index - 1
            bag.warning(
                Code.UNREACHABLE_RULE,
                "this rule is never reached" if count == 1 else f"these {count} rules are never reached",
                after.span,
                help=f"{quoted(rule.name)} in line {rule.span.line} ends every request",
            )
            return


def _unused(policy: Policy, scope: Scope, bag: Bag) -> None:
    reading = [field for found in expressions(policy) if (field := identity_field(found)) is not None]
    required = {
        name for rule in policy.rules if isinstance(rule.action, Require) for name in rule.action.auth
    }
    for auth in policy.auths:
        if auth.name not in required and not reading:
            message = f"nothing uses `[auth.{auth.name}]`"
            bag.warning(
                Code.UNUSED_NAME, message, auth.span, help="name it in a `require`, or read `identity`"
            )
    if reading and not policy.auths:
        message = "the identity is always anonymous: there is no `[auth]` table"
        help_text = "declare who can vouch for callers"
        bag.warning(Code.ANONYMOUS_IDENTITY, message, reading[0].span, help=help_text)
    for declared in scope.lists.values():
        if declared is not None and declared.name not in scope.used:
            bag.warning(Code.UNUSED_NAME, f"nothing uses the list {quoted(declared.name)}", declared.span)
    for named in scope.names.values():
        if named.name not in scope.used:
            bag.warning(Code.UNUSED_NAME, f"nothing uses the name {quoted(named.name)}", named.span)


def expressions(policy: Policy) -> list[Expression]:
    """All expressions of the rules, in source order within each rule's keys."""
    found: list[Expression] = []
    for rule in policy.rules:
        found.append(rule.when)
        match rule.action:
            case Respond(body=body, headers=headers):
                found += [*([body] if body is not None else []), *(header.value for header in headers)]
            case model.Redirect(to=to):
                found.append(to)
            case Require(that=that):
                found += [that] if that is not None else []
            case SetRequestHeaders(headers=values) | SetResponseHeaders(headers=values):
                found += [value.value for value in values]
            case SetEnv(variables=values):
                found += [value.value for value in values]
    return found
