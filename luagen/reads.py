"""What a policy reads and what it claims for itself: answers that several artifacts need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import assert_never

from luagen import model

# Request fields that every client sends and applications expect. A rule that sets one of them for its own
# requests must not take it from all others, so they are only stripped when they carry who the caller is.
_STANDARD_FIELDS = frozenset(
    {
        # what the client can take (RFC 9110 section 12.5)
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
        # conditions and ranges (RFC 9110 sections 13.1 and 14.2)
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "range",
        # caching (RFC 9111 section 5)
        "cache-control",
        "pragma",
        # about the content (RFC 9110 section 8)
        "content-encoding",
        "content-language",
        "content-type",
        # about the client and where it comes from (RFC 9110 section 10.1, RFC 6454, Fetch, client hints)
        "dnt",
        "from",
        "origin",
        "priority",
        "referer",
        "upgrade-insecure-requests",
        "user-agent",
        # state of the application (RFC 6265)
        "cookie",
    }
)

# Holds the credential that identities are made from: stripping it would make every caller anonymous. The
# gate itself keeps it from the origin.
_NEVER_STRIPPED = frozenset({"authorization"})


def normalised(field_name: str) -> str:
    """A field name as CGI variables collide: ASCII lower case, every byte outside a-z and 0-9 as `-`."""
    return re.sub(rb"[^a-z0-9]", b"-", field_name.encode().lower()).decode()


def stripped_fields(policy: model.Policy) -> frozenset[str]:
    """Normalised names of the request fields that only the policy may set."""
    stripped = set()
    for rule in policy.rules:
        if isinstance(rule.action, model.SetRequestHeaders):
            for header in rule.action.headers:
                name = normalised(header.name)
                tells_identity = _reads_identity(rule.when) or _reads_identity(header.value)
                if name not in _STANDARD_FIELDS or tells_identity:
                    stripped.add(name)
    return frozenset(stripped - _NEVER_STRIPPED)


def _reads_identity(expression: model.Expression) -> bool:
    return any(
        isinstance(node, model.Field) and node.name.partition(".")[0] == "identity"
        for node in nodes(expression)
    )


def identity_members(policy: model.Policy) -> tuple[str, ...]:
    """What the policy reads of an identity beyond what each has, by its names in LIGHTGATE_IDENTITY."""
    read = {
        node.name
        for rule in policy.rules
        for expression in rule_expressions(rule)
        for node in nodes(expression)
        if isinstance(node, model.Field)
    }
    members = {"identity.email": "email", "identity.roles": "role"}
    return tuple(member for name, member in members.items() if name in read)


def nodes(expression: model.Expression) -> Iterator[model.Expression]:
    """An expression and all expressions in it, outermost first."""
    yield expression
    inner: tuple[model.Expression, ...]
    match expression:
        case model.Literal() | model.StringSet() | model.NetworkSet() | model.Field():
            inner = ()
        case model.Item(map=map_):
            inner = (map_,)
        case model.Truth(operand=operand) | model.Not(operand=operand):
            inner = (operand,)
        case model.And(operands=operands) | model.Or(operands=operands):
            inner = operands
        case model.Compare(left=left, right=right):
            inner = (left, right)
        case model.Contains(item=item, container=container):
            inner = (item, container)
        case model.Affix(receiver=receiver, affixes=affixes):
            inner = (receiver, *affixes)
        case model.Join(roles=roles):
            inner = (roles,)
        case model.Concatenation(parts=parts):
            inner = parts
        case _:
            assert_never(expression)
    for node in inner:
        yield from nodes(node)


def rule_expressions(rule: model.Rule) -> tuple[model.Expression, ...]:
    """All expressions of a rule: its condition, then those of its action."""
    match rule.action:
        case model.Respond(body=body, headers=named):
            texts = () if body is None else (body,)
            return (rule.when, *texts, *(one.value for one in named))
        case model.Redirect(to=to):
            return (rule.when, to)
        case model.Require(that=that):
            return (rule.when,) if that is None else (rule.when, that)
        case model.SetEnv(variables=named):
            return (rule.when, *(one.value for one in named))
        case model.SetRequestHeaders(headers=named) | model.SetResponseHeaders(headers=named):
            return (rule.when, *(one.value for one in named))
    assert_never(rule.action)
