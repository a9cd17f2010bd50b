"""Policy to IR: what every construct of the policy language means, as values and instructions.

Pure. A rule whose condition can never hold vanishes; the others are numbered anew from 1. A `ValueError`
from here is a bug in luagen: a checked policy always lowers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from luagen import fold, ir, model
from luagen.ir import Constant, Value
from luagen.model import Comparison, Expression, Type

_REQUEST_FIELDS = {
    "request.method": ir.RequestField.METHOD,
    "request.host": ir.RequestField.HOST,
    "request.path": ir.RequestField.PATH,
    "request.raw_path": ir.RequestField.RAW_PATH,
    "request.query": ir.RequestField.QUERY,
    "request.scheme": ir.RequestField.SCHEME,
    "request.port": ir.RequestField.PORT,
    "request.ip": ir.RequestField.ADDRESS,
}

_IDENTITY_FIELDS = {
    "identity.sub": ir.Member.SUB,
    "identity.email": ir.Member.EMAIL,
    "identity.provider": ir.Member.PROVIDER,
}

_MAPS = {
    "request.headers": ir.Source.HEADER,
    "request.args": ir.Source.ARG,
    "request.cookies": ir.Source.COOKIE,
}

# Parts of a URL as the client sent them: encoded already, so that encoding again would change them.
_URL_FIELDS = frozenset({"request.raw_path", "request.query", "request.host", "request.scheme"})


def lower(policy: model.Policy) -> ir.Program:
    """The program of a policy, its rules in order."""
    rules: list[ir.Rule] = []
    for rule in policy.rules:
        condition = lower_expression(rule.when)
        if condition == fold.FALSE:
            continue
        rules.append(
            ir.Rule(
                number=len(rules) + 1,
                name=rule.name,
                place=f"{policy.file}:{rule.span.line}",
                code=(*_when(condition), *_action(rule.action)),
            )
        )
    return ir.Program(tuple(rules))


# --- rules -----------------------------------------------------------------------------------------


def _when(condition: Value) -> Iterator[ir.Instruction]:
    if condition == fold.TRUE:
        return
    if ir.may_stop(condition):
        slot = ir.Slot(0)
        yield ir.Let(slot, condition)
        yield ir.CheckStop()
        condition = slot
    yield ir.LeaveUnless(condition)


def _action(action: model.Action) -> Iterator[ir.Instruction]:
    match action:
        case model.Respond():
            yield from _respond(action)
        case model.Redirect(to=to, status=status):
            [location], before = _evaluated((_location(to),))
            yield from before
            yield ir.Redirect(status, location)
        case model.Require():
            yield from _require(action)
        case model.SetRequestHeaders(headers=named):
            yield from _set(ir.Target.REQUEST_HEADER, named)
        case model.SetEnv(variables=named):
            yield from _set(ir.Target.ENVIRONMENT, named)
        case model.SetResponseHeaders(headers=named):
            yield from _set(ir.Target.RESPONSE_HEADER, named)
        case _:
            assert_never(action)


def _respond(action: model.Respond) -> Iterator[ir.Instruction]:
    values = [_field_value(header.value) for header in action.headers]
    if action.body is not None:
        values.append(_Checked(lower_expression(action.body), is_clean=True))
    evaluated, before = _evaluated(values)
    fields = zip(action.headers, evaluated, strict=False)  # the body, if any, comes after them
    yield from before
    yield ir.Respond(
        status=action.status,
        body=None if action.body is None else evaluated[-1],
        content_type=_bytes(action.content_type),
        headers=tuple((_bytes(header.name), value) for header, value in fields),
    )


def _require(action: model.Require) -> Iterator[ir.Instruction]:
    # A caller who may be vouched for by several issuers is challenged in the name of the first.
    realm = _bytes(action.auth[0]) if action.auth else None
    if realm is not None:
        yield ir.RequireIdentity(tuple(_bytes(name) for name in action.auth), realm)
    condition = fold.TRUE if action.that is None else lower_expression(action.that)
    if condition != fold.TRUE:
        [condition], before = _evaluated((_Checked(condition, is_clean=True),))
        yield from before
        yield ir.ForbidUnless(condition, realm, None if action.scope is None else _bytes(action.scope))
    yield ir.Permit()


def _set(target: ir.Target, named: tuple[model.NamedValue, ...]) -> Iterator[ir.Instruction]:
    values, before = _evaluated([_field_value(one.value) for one in named])
    yield from before
    for one, value in zip(named, values, strict=True):
        yield ir.Set(target, _bytes(one.name), value)


@dataclass(frozen=True, slots=True)
class _Checked:
    """A value for an effect, and whether it is known to hold no control characters or may hold any."""

    value: Value
    is_clean: bool


def _evaluated(values: Sequence[_Checked]) -> tuple[tuple[Value, ...], tuple[ir.Instruction, ...]]:
    """The values ready for use in effects, and the instructions that must come before.

    When one of them may end the request all are evaluated first, so that a rule acts whole or not at all.
    Nothing is checked for control characters before it is known that the request need not be suspended:
    it ends once, and in one way.
    """
    suspends = any(ir.may_suspend(one.value) for one in values)
    if not suspends and all(one.is_clean for one in values):
        return tuple(one.value for one in values), ()
    ready: list[Value] = []
    first: list[ir.Instruction] = []
    second: list[ir.Instruction] = []
    for number, one in enumerate(values, 1):
        slot = ir.Slot(number)
        match one:
            case _Checked(Constant(), is_clean=True):
                ready.append(one.value)
                continue
            case _Checked(value, is_clean=True):
                first.append(ir.Let(slot, value))
            case _Checked(value) if suspends:
                first.append(ir.Let(slot, value))
                second.append(ir.Let(slot, ir.Clean(slot)))
            case _Checked(value):
                first.append(ir.Let(slot, ir.Clean(value)))
        ready.append(slot)
    checked = (*second, ir.CheckStop()) if second else ()
    return tuple(ready), (*first, ir.CheckStop(), *checked)


# --- values of header fields, variables and locations ----------------------------------------------


def _field_value(template: Expression) -> _Checked:
    """A template as the value of a field or variable."""
    parts = _parts(template)
    return _Checked(fold.concat(map(_text, parts)), is_clean=all(map(_is_clean, parts)))


def _location(template: Expression) -> _Checked:
    """A template as a URL: interpolated values are encoded, parts of the request's own URL only checked."""
    parts = _parts(template)
    return _Checked(
        fold.concat(_text(part) if _is_url_part(part) else ir.UrlEncoded(_text(part)) for part in parts),
        is_clean=all(_is_clean(part) or not _is_url_part(part) for part in parts),
    )


def _parts(template: Expression) -> tuple[Expression, ...]:
    return template.parts if isinstance(template, model.Concatenation) else (template,)


def _is_url_part(part: Expression) -> bool:
    match part:
        case model.Literal():
            return True
        case model.Field(name=name):
            return name in _URL_FIELDS or part.type is Type.INTEGER
        case _:
            return part.type is Type.INTEGER


def _is_clean(part: Expression) -> bool:
    """Whether a text cannot hold control characters: members of an identity never do, nor do integers."""
    match part:
        case model.Literal(value=str() as text):
            return not has_controls(text)
        case model.Field(name=name) if name in _IDENTITY_FIELDS:
            return True
        case model.Join(separator=separator):
            return not has_controls(separator)
        case model.And(operands=parts) | model.Or(operands=parts) | model.Concatenation(parts=parts):
            return all(map(_is_clean, parts))
        case _:
            return part.type is Type.INTEGER


def has_controls(text: str) -> bool:
    """Whether a text has an ASCII control character: no header field carries one (RFC 9110 section 5.5)."""
    return any(char < " " or char == "\x7f" for char in text)


# --- expressions -----------------------------------------------------------------------------------


def lower_expression(node: Expression) -> Value:
    """The value of an expression of type STRING, INTEGER, BOOLEAN or ADDRESS."""
    match node:
        case model.Literal(value=value):
            return Constant(_bytes(value) if isinstance(value, str) else value)
        case model.Field(name=name) if name in _REQUEST_FIELDS:
            return ir.Read(_REQUEST_FIELDS[name])
        case model.Field(name=name) if name in _IDENTITY_FIELDS:
            return ir.Caller(_IDENTITY_FIELDS[name])
        case model.Item(map=map_, key=key):
            return ir.Entry(_MAPS[map_.name], _bytes(key))
        case model.Truth(operand=operand):
            return _truth(operand)
        case model.Not(operand=operand):
            return fold.not_(lower_expression(operand))
        case model.And() | model.Or():
            return _chain(node)
        case model.Compare(operator=operator, left=left, right=right):
            return _compare(operator, left, right)
        case model.Contains(item=item, container=container):
            return _contains(item, _chosen(container))
        case model.Affix(receiver=receiver, affixes=affixes, at_end=at_end):
            test = fold.has_suffix if at_end else fold.has_prefix
            subject = lower_expression(receiver)
            return fold.any_(test(subject, lower_expression(affix)) for affix in affixes)
        case model.Join(separator=separator):
            return ir.JoinedRoles(_bytes(separator))
        case model.Concatenation(parts=parts):
            return fold.concat(_text(part) for part in parts)
        case model.StringSet() | model.NetworkSet() | model.Field():
            raise _bug(node)
    assert_never(node)


def _text(part: Expression) -> Value:
    value = lower_expression(part)
    return fold.decimal(value) if part.type is Type.INTEGER else value


def _chain(node: model.And | model.Or) -> Value:
    is_and = isinstance(node, model.And)
    match node.type:
        case Type.BOOLEAN:
            operands = map(lower_expression, node.operands)
            return fold.all_(operands) if is_and else fold.any_(operands)
        case Type.STRING | Type.INTEGER:
            empty: bytes | int = b"" if node.type is Type.STRING else 0
            values = map(lower_expression, node.operands)
            return fold.last_if_all(values, empty) if is_and else fold.first_non_empty(values, empty)
        case _:
            chosen = _chosen(node)
            if isinstance(chosen, model.And | model.Or):
                raise _bug(node)
            return lower_expression(chosen)


def _chosen(node: Expression) -> Expression:
    """The operand that `and` or `or` yields when its operands' truth is known without a request.

    Sets have a fixed truth, an address is always true, and the caller's roles are only ever themselves.
    """
    if not isinstance(node, model.And | model.Or) or node.type in (Type.STRING, Type.INTEGER, Type.BOOLEAN):
        return node
    *tests, last = map(_chosen, node.operands)
    for test in tests:
        if test == last:
            continue
        truth = _truth(test)
        if not isinstance(truth, Constant):
            raise _bug(node)
        if bool(truth.value) != isinstance(node, model.And):
            return test
    return last


def _truth(operand: Expression) -> Value:
    match _chosen(operand), operand.type:
        case _, Type.BOOLEAN:
            return lower_expression(operand)
        case _, Type.STRING:
            return fold.truth(lower_expression(operand), b"")
        case _, Type.INTEGER:
            return fold.truth(lower_expression(operand), 0)
        case _, Type.ADDRESS:
            return fold.TRUE  # as Python's address objects
        case _, Type.ROLES:
            return ir.Caller(ir.Member.ANY_ROLE)
        case _, Type.IDENTITY:
            return ir.Caller(ir.Member.PRESENT)
        case model.StringSet(values=values), _:
            return Constant(bool(values))
        case model.NetworkSet(values=networks), _:
            return Constant(bool(networks))
        case _:
            raise _bug(operand)


def _compare(operator: Comparison, left: Expression, right: Expression) -> Value:
    match operator:
        case Comparison.EQ | Comparison.NE:
            negated = operator is Comparison.NE
            if Type.NETWORK_SET in (left.type, right.type) or Type.ADDRESS in (left.type, right.type):
                same = _same_address(_chosen(left), _chosen(right))
                return fold.not_(same) if negated else same
            return fold.equal(lower_expression(left), lower_expression(right), negated=negated)
        case Comparison.LT | Comparison.LE | Comparison.GT | Comparison.GE:
            return fold.order(operator, lower_expression(left), lower_expression(right))
    assert_never(operator)


def _same_address(left: Expression, right: Expression) -> Value:
    match left, right:
        case model.NetworkSet(values=a), model.NetworkSet(values=b):
            return Constant(a == b)
        case model.NetworkSet(values=networks), address:
            return fold.in_networks(lower_expression(address), tuple(map(str, networks)))
        case address, model.NetworkSet(values=networks):
            return fold.in_networks(lower_expression(address), tuple(map(str, networks)))
        case _:
            return fold.equal(lower_expression(left), lower_expression(right))


def _contains(item: Expression, container: Expression) -> Value:
    match container, item:
        case model.StringSet(values=values), _:
            return fold.in_strings(lower_expression(item), tuple(map(_bytes, values)))
        case model.NetworkSet(values=networks), _:
            return fold.in_networks(lower_expression(_chosen(item)), tuple(map(str, networks)))
        case model.Field(name=name, type=Type.STRING_MAP), model.Literal(value=str() as key):
            return ir.HasEntry(_MAPS[name], _bytes(key))
        case model.Field(type=Type.ROLES), _:
            return ir.HasRole(lower_expression(item))
        case _ if container.type is Type.STRING:
            return fold.has_substring(lower_expression(container), lower_expression(item))
        case _:
            raise _bug(container)


def _bytes(text: str) -> bytes:
    # A TOML string has no lone surrogates, so every text of a policy has a UTF-8 form.
    return text.encode()


def _bug(node: Expression) -> ValueError:
    kind = type(node).__name__
    return ValueError(f"bug in luagen: no meaning for {kind} of type `{node.type}` at {node.span}")
