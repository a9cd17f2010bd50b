"""The vocabulary: every table, key, field and method that a policy may use, with its documentation line.

The checker refuses what is not here, and `docs/policy.md` shows exactly what is.
"""

from __future__ import annotations

from dataclasses import dataclass

from luagen.model import Type


@dataclass(frozen=True, slots=True)
class Field:
    """Something that can be read in an expression; `name` is written out in full."""

    name: str
    type: Type
    doc: str


_FIELDS = (
    Field("request.method", Type.STRING, "the method as the client sent it, such as `GET`"),
    Field(
        "request.host", Type.STRING, "the host in lower case, without port; empty when the client named none"
    ),
    Field("request.port", Type.INTEGER, "the port of this server that the request came in on"),
    Field("request.scheme", Type.STRING, "`http` or `https`"),
    Field(
        "request.path", Type.STRING, "the path, percent-decoded and normalised: what lighttpd maps to a file"
    ),
    Field("request.raw_path", Type.STRING, "the path, normalised and still percent-encoded"),
    Field(
        "request.query", Type.STRING, "what follows the `?`, still percent-encoded; empty when there is none"
    ),
    Field("request.ip", Type.ADDRESS, "the client's address; IPv4 also when it came as IPv4-mapped IPv6"),
    Field(
        "request.headers",
        Type.STRING_MAP,
        "header fields by name, in any case; repeated fields joined by `, `",
    ),
    Field(
        "request.args",
        Type.STRING_MAP,
        "parameters of the query by name, decoded; of repeated ones the first",
    ),
    Field("request.cookies", Type.STRING_MAP, "cookies by name; of repeated ones the first"),
    Field("identity", Type.IDENTITY, "the caller; true when a token was presented and verified"),
    Field("identity.sub", Type.STRING, "the subject, unique within its issuer; empty when anonymous"),
    Field("identity.email", Type.STRING, "the verified e-mail address; empty when there is none"),
    Field(
        "identity.provider", Type.STRING, "the name of the `[auth]` table that vouches; empty when anonymous"
    ),
    Field("identity.roles", Type.ROLES, "the roles, each once, in the token's order; none when anonymous"),
)
FIELDS: dict[str, Field] = {field.name: field for field in _FIELDS}
ROOTS = ("request", "identity")


@dataclass(frozen=True, slots=True)
class Method:
    """A method of values of type `receiver`. `form` shows its call."""

    receiver: Type
    name: str
    form: str
    result: Type
    doc: str


METHODS = (
    Method(
        Type.STRING,
        "startswith",
        'text.startswith("/a/")',
        Type.BOOLEAN,
        "whether the text begins with the argument; a tuple or a declared list means any of them",
    ),
    Method(
        Type.STRING,
        "endswith",
        'text.endswith((".js", ".css"))',
        Type.BOOLEAN,
        "whether the text ends with the argument; a tuple or a declared list means any of them",
    ),
    Method(
        Type.STRING,
        "join",
        '",".join(identity.roles)',
        Type.STRING,
        "the roles in order, with the text before the dot between them; that text is a constant",
    ),
    Method(
        Type.STRING_MAP,
        "get",
        'request.headers.get("x")',
        Type.STRING,
        'the same as `request.headers["x"]`: the value, or an empty string',
    ),
)


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a table. `takes` and `default` are words for people; without a default it is in `doc`."""

    name: str
    takes: str
    doc: str
    default: str | None = None
    required: bool = False


TABLES: dict[str, tuple[Key, ...]] = {
    "the policy": (
        Key("default", '`"pass"` or `"deny"`', "what happens to a request that no rule ends", required=True),
        Key("auth", "tables", "`[auth.NAME]`: who can vouch for a caller"),
        Key("lists", "a table", "named lists of strings, or of addresses and networks"),
        Key("names", "a table", "named expressions"),
        Key("rule", "tables", "`[[rule]]`: the rules, tried in order"),
    ),
    "rule": (
        Key("name", "a string", "unique, at most 100 printable characters; shown in logs", required=True),
        Key("when", "an expression", "which requests the rule is for", "every request"),
        Key("respond", "a table", "answer the request here"),
        Key("redirect", "a table", "send the client elsewhere"),
        Key("require", "a table", "let only certain callers go on"),
        Key("set_request_headers", "a table of templates", "header fields for the application"),
        Key(
            "set_env", "a table of templates", "variables for CGI, FastCGI and SCGI applications and for logs"
        ),
        Key("set_response_headers", "a table of templates", "header fields of the response"),
    ),
    "respond": (
        Key("status", "an integer, 200 to 599", "the status of the response", required=True),
        Key("body", "a template", "the content", "a short text made from the status"),
        Key("content_type", "a string", "the media type of `body`", '`"text/plain; charset=utf-8"`'),
        Key("headers", "a table of templates", "further header fields", "none"),
    ),
    "redirect": (
        Key("to", "a template", "the target; see [Redirects](#redirects)", required=True),
        Key("status", "301, 302, 303, 307 or 308", "the status of the response", "302"),
    ),
    "require": (
        Key(
            "auth",
            "a string or an array of strings",
            "whose callers may go on, by name of their `[auth]` table",
        ),
        Key("that", "an expression", "what must be true of the request"),
        Key("scope", "a string", "named in the refusal when `that` is false (RFC 6750 section 3.1)", "none"),
    ),
    "auth": (
        Key("issuer", "a URL", "compared byte for byte with the token's `iss`", required=True),
        Key(
            "audience",
            "a string or an array of strings",
            "a token must name one of them in `aud`",
            required=True,
        ),
        Key("tokens", '`"jwt"`, `"opaque"` or `"both"`', "what callers present", '`"jwt"`'),
        Key("jwks_url", "a URL", "where the issuer's keys are", "discovery"),
        Key("jwks_file", "a path", "a JWK set beside the policy, built into the release", "discovery"),
        Key("pem_file", "a path", "a public key or certificate beside the policy, built in", "discovery"),
        Key("secret", "a credential's name", "the shared secret of HS256, HS384 and HS512", "discovery"),
        Key(
            "algorithms",
            "an array of strings",
            "the signature algorithms that are accepted",
            'all asymmetric ones; `["HS256"]` with `secret`',
        ),
        Key(
            "refused_keys",
            "an array of strings",
            "`kid`s not to trust, whatever the issuer publishes",
            "none",
        ),
        Key("rfc9068", "a boolean", "require `typ: at+jwt` (RFC 9068 section 4)", "`false`"),
        Key("roles", "a dotted path", "where in the claims the roles are", '`"roles"`'),
        Key("leeway", "seconds, 0 to 300", "for clocks that differ", "30"),
        Key("max_lifetime", "seconds, 60 to 31622400", "longest accepted life of a token", "86400"),
        Key(
            "forward_token",
            "a boolean",
            "leave `Authorization` for the application; else it goes once a rule has asked who calls",
            "`false`",
        ),
        Key("introspection", "a table", "required when `tokens` is `opaque` or `both` (RFC 7662)"),
    ),
    "introspection": (
        Key("endpoint", "a URL", "the introspection endpoint", "discovery"),
        Key("client_id", "a string", "the name under which lightgate asks", required=True),
        Key(
            "client_authentication",
            '`"client_secret_basic"`, `"client_secret_post"` or `"private_key_jwt"`',
            "how lightgate proves that name (OIDC Core section 9)",
            '`"client_secret_basic"`',
        ),
        Key(
            "credential", "a credential's name", "the client secret, or the private key in PEM", required=True
        ),
        Key("timeout", "seconds, 1 to 7", "for one answer", "3"),
        Key("cache", "seconds, 0 to 3600", "how long a positive answer is used", "60"),
        Key("negative_cache", "seconds, 0 to 300", "how long a negative answer is used", "10"),
    ),
}
ACTIONS = ("respond", "redirect", "require", "set_request_headers", "set_env", "set_response_headers")


def with_article(type: Type) -> str:
    """The type in words, for messages."""
    match type:
        case Type.ROLES:
            return "the roles"
        case Type.INTEGER | Type.ADDRESS | Type.IDENTITY:
            return f"an {type}"
        case _:
            return f"a {type}"
