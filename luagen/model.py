"""The checked, typed policy: what `check` produces and every later stage reads.

Everything here is a frozen value; equality ignores spans. A policy that exists as a `Policy` has no
mistakes left in it: later stages may assume every invariant stated below and treat a violation as a bug.

Strings are byte strings: text of the policy is its UTF-8 encoding, text of a request is what the client
sent, and comparisons are byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from luagen.regex import Split
from luagen.source import Span

if TYPE_CHECKING:  # actions are made of what is here
    from luagen.actions.action import Action

Network = IPv4Network | IPv6Network


class Type(StrEnum):
    """The type of an expression. Values are the words that diagnostics show to people."""

    STRING = "string"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    ADDRESS = "address"
    STRING_SET = "set of strings"  # a literal tuple/list/set of strings, or a declared list of strings
    NETWORK_SET = "set of networks"  # a literal tuple/list/set of networks, or a declared list of networks
    STRINGS = "sequence of strings"  # a fixed order, repeats possible: text.split("/"), args.getall("x")
    ROLES = "roles"  # identity.roles: STRINGS too, each once, in the order of the token
    CLAIM = "claim"  # identity.claims["x"] before its place has said what it must be; only while checking
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
    name: str | None = field(default=None, compare=False)  # `env.NAME` when it is a constant of `[env]`


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
class Items(Node):
    """`request.args.getall("x")`: all values under a fixed key in their order, of type STRINGS."""

    map: Field
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim(Node):
    """`identity.claims["org"]["plan"]`: a claim of the caller, of type STRING, INTEGER, BOOLEAN or STRINGS.

    A partial value: absent when the caller is anonymous or the claim is missing or of another type. A
    comparison (or other smallest condition) that reads an absent value does not hold, and neither does its
    `not`: `check` leaves that to later stages. Where no condition is meant (a template) it reads as "", 0,
    False or no strings.
    """

    pointer: str  # RFC 6901, such as "/org/plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedInteger(Node):
    """`int(text)`: a partial value (see Claim), absent unless the text is 1 to 15 ASCII digits, with `-` or
    not before them."""

    text: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Node):
    """A function of `builtins.BUILTINS` with its arguments, all of them given, in their types."""

    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditional(Node):
    """`then if condition else otherwise`; both sides have the node's own type (STRING, INTEGER, BOOLEAN or
    STRINGS). Where no condition is meant, a condition that is neither true nor false gives `otherwise`; in a
    condition `check` refuses partial values in all three parts."""

    condition: Expression  # BOOLEAN
    then: Expression
    otherwise: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable(Node):
    """What a generator's `for` names: a STRING, bound by the nearest Quantifier or Comprehension around
    it that has this number."""

    name: str
    number: int  # an entry of [names] brings its own, which can be those of the expression that uses it


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantifier(Node):
    """`any(body for variable in sequence if …)` or `all(…)`; BOOLEAN.

    `sequence` is of type STRINGS, ROLES or STRING_SET (a declared list or literal, in its order). A condition
    after `if` has become part of the body, `condition and body` for any, `not condition or body` for all: an
    element of which it is neither true nor false is not left out.
    """

    every: bool  # all
    variable: Variable
    sequence: Expression
    body: Expression  # BOOLEAN


@dataclass(frozen=True, slots=True, kw_only=True)
class Comprehension(Node):
    """`[element for variable in sequence if condition]`; STRINGS. `condition` None: there is no `if`.

    Partial values in `condition` and `element`: as in Conditional.
    """

    variable: Variable
    sequence: Expression  # as in Quantifier
    condition: Expression | None  # BOOLEAN
    element: Expression  # STRING


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches(Node):
    """`matches(regex, text)`, as `re.search` on bytes; also `glob(…)`, whose pattern is anchored.

    When the pattern has named groups it stands in the `when` of a rule, where it must hold for the rule to
    apply; a Group of the same rule then reads what it has captured.
    """

    pattern: str
    split: Split = field(compare=False)  # the pattern, whose rest `regex.compiled` accepts
    text: Expression

    @property
    def groups(self) -> tuple[str, ...]:
        return self.split.rest.groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Node):
    """`match["id"]`: a named group of the pattern in the rule's `when`; "" when it took no part."""

    name: str


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

    STRING: substring; STRING_SET, STRINGS and ROLES: membership of a STRING; NETWORK_SET: membership of an
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
    """`",".join(identity.roles)`: the roles in order, with a literal separator between them. Other sequences
    are joined by a Call."""

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
    | Items
    | Claim
    | ParsedInteger
    | Call
    | Conditional
    | Variable
    | Quantifier
    | Comprehension
    | Matches
    | Group
)


# --- rules -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedValue:
    """A header field or environment variable and the template that makes its value (type STRING)."""

    name: str
    value: Expression
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    name: str  # unique in the policy, one line, printable
    when: Expression  # type BOOLEAN; a Literal True when the policy has no `when`
    action: Action
    span: Span = field(compare=False)  # of the `[[rule]]` header

    def expressions(self) -> tuple[Expression, ...]:
        """Its condition, then those of its action."""
        return (self.when, *self.action.expressions())


# --- tests of a policy ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleCaller:
    """Who sends the request of a test; `claims` is JSON's data model."""

    provider: str
    sub: str
    email: str
    roles: tuple[str, ...]
    claims: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRequest:
    """The request of a `[[test]]`, and what the application would answer."""

    method: str
    url: str  # absolute, http or https; the host may have a port
    http_version: str  # "1.0", "1.1" or "2"
    headers: tuple[tuple[str, str], ...]
    ip: str
    country: str  # "" unknown
    content_length: int  # -1: chunked
    now: int  # seconds since the epoch; by default 2026-01-01T12:00:00Z, a Thursday
    variables: tuple[tuple[str, str], ...]  # of modules, such as SSL_PROTOCOL
    caller: SampleCaller | None
    origin_status: int  # 200, or what the application is to answer


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTest:
    """One `[[test]]` table. What is None is not looked at; a field or variable expected as "" is absent."""

    name: str
    request: SampleRequest
    passes: bool | None  # whether the request reaches the application
    status: int | None  # of the response to the client
    rule: str | None  # the name of the rule that decides; "default" when none does
    headers: tuple[tuple[str, str], ...]  # of the response
    body: str | None
    path: str | None  # what the application is asked for: path
    query: str | None  # and query
    origin: str | None  # name of the [origin] that is chosen
    request_headers: tuple[tuple[str, str], ...]  # as the application gets them
    env: tuple[tuple[str, str], ...]
    span: Span = field(compare=False)


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
class Site:
    """One `[site."HOST"]` table: rules of their own for some hosts, and what happens at their end."""

    name: str  # the table's name as written: a host, `*.` and a domain, or `*` for every host without a site
    hosts: tuple[str, ...]  # of the same three forms, lower case, the name first; each in one site only
    default: Default
    rules: tuple[Rule, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """One `[origin.NAME]` table: an application that lighttpd proxies to."""

    name: str
    host: str | None  # address or name and `port`; None: `socket`
    port: int | None
    socket: str | None  # path of a Unix socket
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Country:
    """Where `request.country` comes from: a variable of mod_maxminddb, or a field of trusted fronts."""

    variable: str | None  # such as GEOIP_COUNTRY_CODE
    header: str | None  # lower case
    trusted: tuple[Network, ...]  # peers whose header field counts; set with `header`


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A whole policy, checked.

    A request meets the shared rules first, then those of its host's site: the one that names the host, else
    the one with the longest fitting `*.` form, else `*`. Without a fitting site `default` ends it.
    """

    file: str  # base name of the policy file, for comments in generated files
    sha256: str  # of the policy file's bytes, lower-case hex
    default: Default
    auths: tuple[Auth, ...]  # in source order
    rules: tuple[Rule, ...]  # the shared ones, in source order
    sites: tuple[Site, ...] = ()  # in source order
    origins: tuple[Origin, ...] = ()
    country: Country | None = None
    tests: tuple[PolicyTest, ...] = ()

    def all_rules(self) -> tuple[Rule, ...]:
        """The shared rules and those of every site, in the order in which they are numbered."""
        return (*self.rules, *(rule for site in self.sites for rule in site.rules))

    def expressions(self) -> Iterator[Expression]:
        """Those of all rules, in their order."""
        for rule in self.all_rules():
            yield from rule.expressions()
