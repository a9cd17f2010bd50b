"""The tables of a policy file and their keys, each with its documentation line (those of actions: `actions`).

The checker refuses what is not here, and `docs/policy.md` shows exactly what is.
"""

from __future__ import annotations

from dataclasses import dataclass


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
        Key("env", "a table", "constants: strings, integers and booleans, read as `env.NAME`"),
        Key("lists", "a table", "named lists of strings, or of addresses and networks"),
        Key("names", "a table", "named expressions"),
        Key("origin", "tables", "`[origin.NAME]`: applications that rules can choose"),
        Key("country", "a table", "where `request.country` comes from"),
        Key("rule", "tables", "`[[rule]]`: the rules, tried in order"),
        Key("site", "tables", '`[site."HOST"]`: rules of their own for some hosts'),
        Key("test", "tables", "`[[test]]`: requests, and what is expected of the policy"),
    ),
    "rule": (
        Key("name", "a string", "unique, at most 100 printable characters; shown in logs", required=True),
        Key("when", "an expression", "which requests the rule is for", "every request"),
    ),
    "list": (Key("file", "a path", "a file beside the policy, one entry a line, built in", required=True),),
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
    "origin": (
        Key("url", "a URL", "where the application listens: `http://HOST:PORT`"),
        Key("socket", "a path", "the Unix socket on which it listens"),
    ),
    "country": (
        Key("variable", "a string", "the variable of mod_maxminddb, such as `GEOIP_COUNTRY_CODE`"),
        Key("header", "a string", "the header field in which a front says it, such as `CF-IPCountry`"),
        Key("trusted", "an array of networks or a list's name", "the fronts whose `header` counts"),
    ),
    "site": (
        Key("hosts", "a string or an array of strings", "further hosts of the site", "none"),
        Key("default", '`"pass"` or `"deny"`', "what happens to a request that no rule ends", "the policy's"),
        Key("rule", "tables", "its rules, tried in order after the shared ones"),
    ),
    "test": (
        Key("name", "a string", "unique, shown when the test fails", required=True),
        Key("request", "a table", "the request", required=True),
        Key("expect", "a table", "what must come of it; what is left out can be anything", required=True),
    ),
    "test request": (
        Key(
            "url", "a URL or a path", "what is asked for; a path is one of `https://localhost`", required=True
        ),
        Key("method", "a string", "the method", '`"GET"`'),
        Key("headers", "a table of strings", "its header fields", "none"),
        Key("ip", "an address", "the client's address", '`"192.0.2.1"`'),
        Key("country", "a string", "the client's country, as `request.country` gives it", "unknown"),
        Key("http_version", '`"1.0"`, `"1.1"` or `"2"`', "the version of HTTP", '`"1.1"`'),
        Key("content_length", "an integer, -1 for chunked", "the length of its content", "0"),
        Key("now", "a string", "when it arrives", '`"2026-01-01T12:00:00Z"`'),
        Key(
            "variables",
            "a table of strings",
            "variables of lighttpd's modules, such as `SSL_PROTOCOL`",
            "none",
        ),
        Key("identity", "a table", "who calls", "nobody is known"),
        Key(
            "origin_status", "an integer, 200 to 599", "what the application answers when it is asked", "200"
        ),
    ),
    "test identity": (
        Key("provider", "a string", "the name of the `[auth]` table that vouches", "the only one"),
        Key("sub", "a string", "the subject", required=True),
        Key("email", "a string", "the verified e-mail address", "none"),
        Key("roles", "a string or an array of strings", "the roles", "none"),
        Key("claims", "a table", "the claims of the token", "none"),
    ),
    "test expect": (
        Key("passes", "a boolean", "whether the request reaches the application"),
        Key("status", "an integer, 200 to 599", "the status of the response"),
        Key("rule", "a string", "the rule that decides, `default`, or `lightgate` for a check of its own"),
        Key("headers", "a table of strings", "header fields of the response; an empty string: absent"),
        Key("body", "a string", "the content of the response"),
        Key("path", "a string", "the path that the application is asked for"),
        Key("query", "a string", "the query that the application is asked for"),
        Key("origin", "a string", "the origin that is chosen"),
        Key("request_headers", "a table of strings", "header fields as the application gets them"),
        Key("env", "a table of strings", "variables as the application gets them"),
    ),
}
