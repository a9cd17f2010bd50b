"""What a policy reads and what it claims for itself: answers that several artifacts need."""

from __future__ import annotations

from dataclasses import dataclass

from luagen import model, names
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

_MEMBERS = {"identity.email": "email", "identity.roles": "role"}


def stripped_fields(policy: model.Policy) -> frozenset[str]:
    """Normal forms of the names of request fields that only the policy may set."""
    stripped = set()
    for rule in policy.all_rules():
        for header in rule.action.request_fields():
            name = names.normal_form(header.name)
            tells_identity = reads_identity(rule.when) or reads_identity(header.value)
            if name not in _STANDARD_FIELDS or tells_identity:
                stripped.add(name)
    return frozenset(stripped - _NEVER_STRIPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """What the rules of a policy read beyond what every request has."""

    identity_members: tuple[str, ...]  # beyond what each identity has, by their names in LIGHTGATE_IDENTITY
    claims: tuple[str, ...]  # sorted JSON Pointers
    module_variables: bool  # what other modules of lighttpd know: TLS, or the country from mod_maxminddb


def reads_of(policy: model.Policy) -> Reads:
    """In one pass: the expressions of a large policy have many nodes."""
    fields: set[str] = set()
    claims: set[str] = set()
    for expression in policy.expressions():
        for node in nodes(expression):
            match node:
                case model.Field(name=name):
                    fields.add(name)
                case model.Claim(pointer=pointer):
                    claims.add(pointer)
    country_of_module = policy.country is not None and policy.country.variable is not None
    return Reads(
        identity_members=tuple(member for name, member in _MEMBERS.items() if name in fields),
        claims=tuple(sorted(claims)),
        module_variables=any(name.startswith("request.tls.") for name in fields)
        or (country_of_module and "request.country" in fields),
    )
