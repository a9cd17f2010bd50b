"""Policies built by hand from the model, for tests of the compiler's back."""

from __future__ import annotations

from ipaddress import ip_network

from luagen import model
from luagen.actions import Action, Require, Respond
from luagen.actions.content import Content
from luagen.model import Comparison, Expression, Type
from luagen.source import Source, Span

SPAN = Span(Source("test.toml", "\n" * 6 + "[[rule]]\n"), 6, 14)

_TYPES = {
    "request.port": Type.INTEGER,
    "request.ip": Type.ADDRESS,
    "request.headers": Type.STRING_MAP,
    "request.args": Type.STRING_MAP,
    "request.cookies": Type.STRING_MAP,
    "identity": Type.IDENTITY,
    "identity.roles": Type.ROLES,
}


def text(value: str) -> model.Literal:
    return model.Literal(span=SPAN, type=Type.STRING, value=value)


def number(value: int) -> model.Literal:
    return model.Literal(span=SPAN, type=Type.INTEGER, value=value)


def boolean(value: bool) -> model.Literal:
    return model.Literal(span=SPAN, type=Type.BOOLEAN, value=value)


TRUE = boolean(True)
FALSE = boolean(False)


def field(name: str) -> model.Field:
    return model.Field(span=SPAN, type=_TYPES.get(name, Type.STRING), name=name)


PATH = field("request.path")
HOST = field("request.host")
PORT = field("request.port")
IP = field("request.ip")
IDENTITY = field("identity")
SUB = field("identity.sub")
ROLES = field("identity.roles")


def item(map_name: str, key: str) -> model.Item:
    return model.Item(span=SPAN, type=Type.STRING, map=field(map_name), key=key)


def header(key: str) -> model.Item:
    return item("request.headers", key)


def strings(*values: str) -> model.StringSet:
    return model.StringSet(span=SPAN, type=Type.STRING_SET, values=values)


def networks(*values: str) -> model.NetworkSet:
    return model.NetworkSet(span=SPAN, type=Type.NETWORK_SET, values=tuple(map(ip_network, values)))


def truth(operand: Expression) -> model.Truth:
    return model.Truth(span=SPAN, type=Type.BOOLEAN, operand=operand)


def not_(operand: Expression) -> model.Not:
    return model.Not(span=SPAN, type=Type.BOOLEAN, operand=operand)


def and_(*operands: Expression) -> model.And:
    return model.And(span=SPAN, type=operands[0].type, operands=operands)


def or_(*operands: Expression) -> model.Or:
    return model.Or(span=SPAN, type=operands[0].type, operands=operands)


def compare(left: Expression, operator: str, right: Expression) -> model.Compare:
    return model.Compare(span=SPAN, type=Type.BOOLEAN, operator=Comparison(operator), left=left, right=right)


def contains(one: Expression, container: Expression) -> model.Contains:
    return model.Contains(span=SPAN, type=Type.BOOLEAN, item=one, container=container)


def starts(receiver: Expression, *affixes: Expression) -> model.Affix:
    return model.Affix(span=SPAN, type=Type.BOOLEAN, receiver=receiver, affixes=affixes, at_end=False)


def ends(receiver: Expression, *affixes: Expression) -> model.Affix:
    return model.Affix(span=SPAN, type=Type.BOOLEAN, receiver=receiver, affixes=affixes, at_end=True)


def join(separator: str) -> model.Join:
    return model.Join(span=SPAN, type=Type.STRING, separator=separator, roles=ROLES)


def template(*parts: Expression) -> model.Concatenation:
    return model.Concatenation(span=SPAN, type=Type.STRING, parts=parts)


def named(**values: Expression) -> tuple[model.NamedValue, ...]:
    return tuple(
        model.NamedValue(name=name.replace("_", "-"), value=value, span=SPAN)
        for name, value in values.items()
    )


def respond(
    status: int = 404, body: Expression | None = None, headers: tuple[model.NamedValue, ...] = ()
) -> Respond:
    return Respond(status=status, content=Content(body=body), headers=headers)


def require(*auth: str, that: Expression | None = None, scope: str | None = None) -> Require:
    return Require(auth=auth, that=that, scope=scope)


def rule(action: Action, when: Expression = TRUE, name: str = "a rule") -> model.Rule:
    return model.Rule(name=name, when=when, action=action, span=SPAN)


AUTH = model.Auth(
    name="corp",
    issuer="https://login.example.org/realms/corp",
    audience=("shop", "app"),
    tokens=model.Tokens.JWT,
    algorithms=("RS256", "ES256"),
    keys=model.DiscoveredKeys(),
    introspection=None,
    refused_keys=(),
    rfc9068=False,
    roles=("realm_access", "roles"),
    leeway_s=30,
    max_lifetime_s=86400,
    forward_token=False,
    span=SPAN,
)


def policy(*rules: model.Rule, auths: tuple[model.Auth, ...] = (AUTH,)) -> model.Policy:
    return model.Policy(
        file="test.toml",
        sha256="ab" * 32,
        default=model.Default.PASS,
        auths=auths,
        rules=rules,
    )
