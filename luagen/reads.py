"""What a policy reads and what it claims for itself: answers that several artifacts need."""

from __future__ import annotations

import re
from collections.abc import Iterator

from luagen import model
from luagen.walk import nodes, reads_identity

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
    for rule in policy.all_rules():
        for header in rule.action.request_fields():
            name = normalised(header.name)
            tells_identity = reads_identity(rule.when) or reads_identity(header.value)
            if name not in _STANDARD_FIELDS or tells_identity:
                stripped.add(name)
    return frozenset(stripped - _NEVER_STRIPPED)


def identity_members(policy: model.Policy) -> tuple[str, ...]:
    """What the policy reads of an identity beyond what each has, by its names in LIGHTGATE_IDENTITY."""
    read = {node.name for node in _nodes(policy) if isinstance(node, model.Field)}
    members = {"identity.email": "email", "identity.roles": "role"}
    return tuple(member for name, member in members.items() if name in read)


def claims_read(policy: model.Policy) -> tuple[str, ...]:
    """The claims that the policy reads, as sorted JSON Pointers."""
    return tuple(sorted({node.pointer for node in _nodes(policy) if isinstance(node, model.Claim)}))


def needs_module_variables(policy: model.Policy) -> bool:
    """Whether rules read what other modules of lighttpd know: TLS, or the country from mod_maxminddb."""
    by_variable = policy.country is not None and policy.country.variable is not None
    return any(
        isinstance(node, model.Field)
        and (node.name.startswith("request.tls.") or (by_variable and node.name == "request.country"))
        for node in _nodes(policy)
    )


def _nodes(policy: model.Policy) -> Iterator[model.Expression]:
    for rule in policy.all_rules():
        for expression in rule_expressions(rule):
            yield from nodes(expression)


def rule_expressions(rule: model.Rule) -> tuple[model.Expression, ...]:
    """All expressions of a rule: its condition, then those of its action."""
    return (rule.when, *rule.action.expressions())
