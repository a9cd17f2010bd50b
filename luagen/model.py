"""The checked, typed policy: what `check` produces and every later stage reads.

Everything here is a frozen value; equality ignores spans. A policy that exists as a `Policy` has no
mistakes left in it: later stages may assume every invariant stated below and treat a violation as a bug.

Strings are byte strings: text of the policy is its UTF-8 encoding, text of a request is what the client
sent, and comparisons are byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

from luagen.source import Span

Network = IPv4Network | IPv6Network


class Type(StrEnum):
    """The type of an expression. Values are the words that diagnostics show to people."""

    STRING = "string"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    ADDRESS = "address"
    STRING_SET = "set of strings"  # a literal tuple/list/set of strings, or a declared list of strings
    NETWORK_SET = "set of networks"  # a literal tuple/list/set of networks, or a declared list of networks
    ROLES = "roles"  # identity.roles: the caller's roles, each once, in the order of the token
    STRING_MAP = "map of strings"  # request.headers, request.args, request.cookies
    IDENTITY = "identity"


# --- expressions -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What all expressions have: their place in the policy file and their type."""

    span: Span = field(compare=False)
    type: Type


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal(Node):
    """A string, integer or boolean written in the policy (or a name from `[names]` folded to one)."""

    value: str | int | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StringSet(Node):
    """A fixed set of strings; `values` in source order, each once. `name` when it is a declared list."""

    values: tuple[str, ...]
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSet(Node):
    """A fixed set of networks; `values` in source order, each once. `name` when it is a declared list."""

    values: tuple[Network, ...]
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Field(Node):
    """A field of the schema by its full name, such as `request.path` or `identity.roles`.

    `identity` itself is a Field of type IDENTITY.
    """

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item(Node):
    """`request.headers["x-api-key"]`: the first value under a fixed key, "" when absent.

    `key` of a header is lower case; keys of args and cookies are as written.
    """

    map: Field
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth(Node):
    """`operand` as a boolean, by Python's truth: "" , 0, no roles and an anonymous identity are false.

    `check` puts this wherever a non-boolean stands where a boolean is meant, so that every operand of
    Not, And, Or (of type BOOLEAN) and every condition is of type BOOLEAN.
    """

    operand: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Not(Node):
    operand: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class And(Node):
    """All operands have the node's own type; when that is not BOOLEAN it is Python's value semantics:
    the first false operand, or the last."""

    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Or(Node):
    """As And: the first true operand, or the last."""

    operands: tuple[Expression, ...]


class Comparison(StrEnum):
    EQ = "=="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare(Node):
    """One comparison (a chain `a < b < c` is an And of two). Both sides have the same type: STRING
    (EQ and NE only), INTEGER, BOOLEAN (EQ and NE only) or ADDRESS (EQ and NE; a literal side is a
    NetworkSet of one full-length network)."""

    operator: Comparison
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Contains(Node):
    """`item in container` (`not in` is Not of it). By type of the container:

    STRING: substring; STRING_SET and ROLES: membership of a STRING; NETWORK_SET: membership of an
    ADDRESS; STRING_MAP: a key is present (the item is then a Literal; header names in lower case).
    """

    item: Expression
    container: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Affix(Node):
    """`receiver.startswith(affixes)` or `.endswith(affixes)`: true when any affix fits.

    `affixes` are STRING expressions; a literal tuple in the policy becomes several.
    """

    receiver: Expression
    affixes: tuple[Expression, ...]
    at_end: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Join(Node):
    """`",".join(identity.roles)`: the roles in order, with a literal separator between them."""

    separator: str
    roles: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Concatenation(Node):
    """An f-string, or the body of a template: the parts' texts in order. Parts are of type STRING or
    INTEGER (an integer is written in decimal). Adjacent literals are merged; there are at least two parts."""

    parts: tuple[Expression, ...]


Expression = (
    Literal
    | StringSet
    | NetworkSet
    | Field
    | Item
    | Truth
    | Not
    | And
    | Or
    | Compare
    | Contains
    | Affix
    | Join
    | Concatenation
)


# --- rules -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedValue:
    """A header field or environment variable and the template that makes its value (type STRING)."""

    name: str
    value: Expression
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Respond:
    """Ends the request with a response made here."""

    status: int  # 200 to 599; never 204 or 304 with a body
    body: Expression | None  # STRING; None: a short text made from the status
    content_type: str
    headers: tuple[NamedValue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """Ends the request with `Location: to`."""

    to: Expression  # STRING
    status: int  # 301, 302, 303, 307 or 308


@dataclass(frozen=True, slots=True, kw_only=True)
class Require:
    """Lets the request go on (and marks it as permitted) only when the caller fits.

    `auth` are names of [auth] tables, empty when only `that` decides. A caller without an identity of one
    of them gets 401 with a challenge; a caller for whom `that` (type BOOLEAN) is false gets 403.
    """

    auth: tuple[str, ...]
    that: Expression | None
    scope: str | None  # named in the 403's `insufficient_scope` challenge (RFC 6750 section 3.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRequestHeaders:
    """Sets request header fields for the origin; an empty value removes the field."""

    headers: tuple[NamedValue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetEnv:
    """Sets request environment variables (CGI, FastCGI and SCGI parameters, access-log `%{NAME}e`)."""

    variables: tuple[NamedValue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetResponseHeaders:
    """Sets header fields of the response, replacing the origin's; an empty value removes the field."""

    headers: tuple[NamedValue, ...]


Action = Respond | Redirect | Require | SetRequestHeaders | SetEnv | SetResponseHeaders


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    name: str  # unique in the policy, one line, printable
    when: Expression  # type BOOLEAN; a Literal True when the policy has no `when`
    action: Action
    span: Span = field(compare=False)  # of the `[[rule]]` header


# --- who can vouch for a caller ---------------------------------------------------------------------


class Tokens(StrEnum):
    """Which bearer tokens an issuer's clients present."""

    JWT = "jwt"
    OPAQUE = "opaque"
    BOTH = "both"  # JWT first; what is not a JWT is introspected


class ClientAuthentication(StrEnum):
    """How the sidecar authenticates at the introspection endpoint (OIDC Core section 9)."""

    CLIENT_SECRET_BASIC = "client_secret_basic"
    CLIENT_SECRET_POST = "client_secret_post"
    PRIVATE_KEY_JWT = "private_key_jwt"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveredKeys:
    """Keys come from the issuer's discovery document (OIDC Discovery section 4, RFC 8414)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JwksUrl:
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JwksDocument:
    """A JWK set read from a file of the policy; `text` is its JSON, public keys only."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PemKey:
    """A public key or certificate in PEM, read from a file of the policy."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedSecret:
    """An HMAC secret: the name of a credential, never the secret itself."""

    credential: str


KeySource = DiscoveredKeys | JwksUrl | JwksDocument | PemKey | SharedSecret


@dataclass(frozen=True, slots=True, kw_only=True)
class Introspection:
    """RFC 7662. `endpoint` None: from discovery."""

    endpoint: str | None
    client_id: str
    client_authentication: ClientAuthentication
    credential: str  # client secret, or the PEM private key for private_key_jwt
    timeout_s: int
    cache_s: int
    negative_cache_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """One `[auth.NAME]` table: an issuer of tokens and what is required of them."""

    name: str
    issuer: str  # compared byte for byte with `iss`
    audience: tuple[str, ...]  # at least one; a token must name at least one of them
    tokens: Tokens
    algorithms: tuple[str, ...]  # empty when tokens is OPAQUE
    keys: KeySource | None  # None when tokens is OPAQUE
    refused_keys: tuple[str, ...]  # by `kid`; empty unless the keys have names
    introspection: Introspection | None  # set when tokens is OPAQUE or BOTH; one Auth of a policy at most
    rfc9068: bool  # require `typ: at+jwt` (RFC 9068 section 4)
    roles: tuple[str, ...]  # path to the roles in the claims, such as ("realm_access", "roles")
    leeway_s: int  # 0 to 300, for exp, nbf and iat
    max_lifetime_s: int  # greatest accepted exp - iat
    forward_token: bool  # False: the Authorization field is removed before the origin sees the request
    span: Span = field(compare=False)


class Default(StrEnum):
    PASS = "pass"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A whole policy, checked."""

    file: str  # base name of the policy file, for comments in generated files
    sha256: str  # of the policy file's bytes, lower-case hex
    default: Default
    auths: tuple[Auth, ...]  # in source order
    rules: tuple[Rule, ...]  # in source order
