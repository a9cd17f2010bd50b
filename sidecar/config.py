"""`sidecar.json`: read, checked whole, carried as frozen values. The only file that knows its format.

All mistakes of a file are reported at once, each with its place in the document. Unknown members are
mistakes: a misspelt limit must not silently be the default.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, assert_never
from urllib.parse import urlsplit

from sidecar import json_pointer
from sidecar.config_reader import ConfigError, Mistakes, Table
from sidecar.jose.keys import HMAC_MIN_BYTES, KeyRefused, parse_jwks, parse_pem
from sidecar.jose.verify import SUPPORTED
from sidecar.json_pointer import MAX_POINTER_BYTES, Pointer
from sidecar.network import UrlRefused, check_url
from sidecar.strict_json import JsonError, parse_object

FORMAT = 1
MAX_CONFIG_BYTES = 4 * 1024 * 1024  # 64 issuers with an inline key set of 64 keys each fit
MAX_SOCKET_PATH_BYTES = 105  # lighttpd refuses longer ones; the kernel's limit is 107
MAX_LEEWAY_S = 300  # RFC 7519 section 4.1.4: "no more than a few minutes"
MAX_DEADLINE_S = 60
CREDENTIAL_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"  # a file name without surprises
MEMBERS = frozenset({"email", "role"})
MAX_CLAIMS = 64  # more than anybody decides on; bounds what one token costs

Tokens = Literal["jwt", "opaque", "both"]
ClientAuthentication = Literal["client_secret_basic", "client_secret_post", "private_key_jwt"]


@dataclass(frozen=True, slots=True)
class DiscoveredKeys:
    """Keys come from the issuer's discovery document (OpenID Connect Discovery section 4, RFC 8414)."""


@dataclass(frozen=True, slots=True)
class JwksUrl:
    url: str


@dataclass(frozen=True, slots=True)
class InlineJwks:
    text: str  # JSON of a JWK set


@dataclass(frozen=True, slots=True)
class PemKey:
    text: str


@dataclass(frozen=True, slots=True)
class SharedSecret:
    credential: str  # a credential's name, never the secret


KeySource = DiscoveredKeys | JwksUrl | InlineJwks | PemKey | SharedSecret


@dataclass(frozen=True, slots=True, kw_only=True)
class Introspection:
    """RFC 7662. `endpoint` None: from discovery."""

    endpoint: str | None
    client_id: str
    client_authentication: ClientAuthentication
    credential: str
    timeout_s: int
    cache_s: int
    negative_cache_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Who can vouch for a caller, and what is required of its tokens."""

    name: str
    issuer: str  # compared byte for byte with `iss`
    audience: tuple[str, ...]
    tokens: Tokens
    algorithms: tuple[str, ...]  # empty when tokens is opaque
    keys: KeySource | None  # None when tokens is opaque
    introspection: Introspection | None  # set when tokens is opaque or both
    refused_keys: frozenset[str]  # by `kid`
    rfc9068: bool
    roles: tuple[str, ...]
    leeway_s: int
    max_lifetime_s: int

    def credentials(self) -> tuple[str, ...]:
        """The names of the credentials that this issuer needs."""
        names = [self.keys.credential] if isinstance(self.keys, SharedSecret) else []
        if self.introspection is not None:
            names.append(self.introspection.credential)
        return tuple(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One release's `sidecar.json`."""

    release: str
    authorizer_socket: Path
    http_socket: Path
    epoch_file: Path
    secrets_directory: Path
    keys_directory: Path
    deadline_s: int
    identity_members: frozenset[str]
    claims: tuple[Pointer, ...]  # in this order they are handed over
    issuers: tuple[Issuer, ...]


def load(path: Path) -> Settings:
    """The settings in a file. Raises ConfigError with every mistake, or why the file cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise ConfigError((f"cannot be read: {error.strerror}",)) from None
    if len(data) > MAX_CONFIG_BYTES:
        raise ConfigError((f"longer than {MAX_CONFIG_BYTES} bytes",))
    return parse(data)


def parse(data: bytes) -> Settings:
    """The settings in the text of a `sidecar.json`. Raises ConfigError with every mistake."""
    try:
        document = parse_object(data)
    except JsonError as error:
        raise ConfigError((str(error),)) from None
    mistakes = Mistakes()
    root = Table(document, "", mistakes)
    if root.integer("format", 1, 2**31) != FORMAT:
        # Another format may name anything differently; further mistakes would only confuse.
        raise ConfigError((f"format: this sidecar reads format {FORMAT}",))
    settings = Settings(
        release=root.text("release", pattern=r"[0-9A-Za-z_-]{1,64}"),
        authorizer_socket=_socket_path(root, "authorizer_socket"),
        http_socket=_socket_path(root, "http_socket"),
        epoch_file=_path(root, "epoch_file"),
        secrets_directory=_path(root, "secrets_directory"),
        keys_directory=_path(root, "keys_directory"),
        deadline_s=root.integer("deadline_s", 1, MAX_DEADLINE_S),
        identity_members=frozenset(root.texts("identity_members", one_of=MEMBERS)),
        # Releases from before there were claims have no such member.
        claims=_claims(root) if "claims" in document else (),
        issuers=tuple(_issuer(table) for table in root.tables("issuers")),
    )
    root.close()
    _check_unique(settings, mistakes)
    mistakes.raise_if_any()
    return settings


def _claims(root: Table) -> tuple[Pointer, ...]:
    texts = root.texts("claims")
    if len(texts) > MAX_CLAIMS:
        root.mistake("claims", f"more than {MAX_CLAIMS}")
    pointers = []
    for text in texts:
        pointer = json_pointer.parse(text)
        if pointer is None:
            root.mistake("claims", f"`{text}` is no JSON Pointer of at most {MAX_POINTER_BYTES} bytes")
        else:
            pointers.append(pointer)
    return tuple(pointers)


def _issuer(table: Table) -> Issuer:
    tokens: Tokens = table.choice("tokens", ("jwt", "opaque", "both"))
    keys = table.optional_table("keys")
    introspection = table.optional_table("introspection")
    issuer = Issuer(
        name=table.text("name", pattern=r"[A-Za-z_][0-9A-Za-z_-]{0,63}"),
        issuer=table.text("issuer"),
        audience=table.texts("audience", at_least=1),
        tokens=tokens,
        algorithms=table.texts("algorithms", one_of=SUPPORTED),
        keys=None if keys is None else _keys(keys),
        introspection=None if introspection is None else _introspection(introspection),
        refused_keys=frozenset(table.texts("refused_keys")),
        rfc9068=table.boolean("rfc9068"),
        roles=table.texts("roles"),
        leeway_s=table.integer("leeway_s", 0, MAX_LEEWAY_S),
        max_lifetime_s=table.integer("max_lifetime_s", 1, 10 * 366 * 86_400),
    )
    table.close()
    _check_tokens(issuer, table)
    _check_discovery(issuer, table)
    return issuer


def _keys(table: Table) -> KeySource:
    source: Literal["discovery", "jwks_url", "jwks", "pem", "secret"] = table.choice(
        "from", ("discovery", "jwks_url", "jwks", "pem", "secret")
    )
    keys: KeySource
    match source:
        case "discovery":
            keys = DiscoveredKeys()
        case "jwks_url":
            keys = JwksUrl(_url(table, "url"))
        case "jwks":
            document = table.object("jwks")
            keys = InlineJwks(json.dumps(document, sort_keys=True))
            try:
                parse_jwks(document)
            except KeyRefused as error:
                table.mistake("jwks", str(error))
        case "pem":
            keys = PemKey(table.text("pem", pattern=r"[^\0]+"))
            try:
                parse_pem(keys.text)
            except KeyRefused as error:
                table.mistake("pem", str(error))
        case "secret":
            keys = SharedSecret(_credential(table))
        case _:
            assert_never(source)
    table.close()
    return keys


def _introspection(table: Table) -> Introspection:
    methods: tuple[ClientAuthentication, ...] = (
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
    )
    introspection = Introspection(
        endpoint=None if table.is_null("endpoint") else _url(table, "endpoint"),
        client_id=table.text("client_id"),
        client_authentication=table.choice("client_authentication", methods),
        credential=_credential(table),
        timeout_s=table.integer("timeout_s", 1, MAX_DEADLINE_S),
        cache_s=table.integer("cache_s", 0, 3_600),
        negative_cache_s=table.integer("negative_cache_s", 0, 3_600),
    )
    table.close()
    return introspection


def _check_tokens(issuer: Issuer, table: Table) -> None:
    """What `tokens` promises must be there, and nothing that it would leave unused."""
    local, remote = issuer.tokens in ("jwt", "both"), issuer.tokens in ("opaque", "both")
    if local != (issuer.keys is not None):
        table.mistake("keys", f"must be {'set' if local else 'null'} with tokens `{issuer.tokens}`")
    if local != bool(issuer.algorithms):
        table.mistake("algorithms", f"must {'not ' if local else ''}be empty with tokens `{issuer.tokens}`")
    if remote != (issuer.introspection is not None):
        table.mistake("introspection", f"must be {'set' if remote else 'null'} with tokens `{issuer.tokens}`")
    # One list for both kinds would let a public key be used as a secret (RFC 8725 section 2.1).
    secret = isinstance(issuer.keys, SharedSecret)
    for algorithm in issuer.algorithms:
        if (algorithm in HMAC_MIN_BYTES) != secret:
            table.mistake("algorithms", f"`{algorithm}` does not go with these keys")


def _check_discovery(issuer: Issuer, table: Table) -> None:
    discovers = isinstance(issuer.keys, DiscoveredKeys) or (
        issuer.introspection is not None and issuer.introspection.endpoint is None
    )
    if not discovers:
        return
    try:
        check_url(issuer.issuer)
        if urlsplit(issuer.issuer).query:
            raise UrlRefused("has a query")  # RFC 8414 section 2
    except UrlRefused as error:
        table.mistake("issuer", f"cannot be discovered: {error}")


def _check_unique(settings: Settings, mistakes: Mistakes) -> None:
    for what in ("name", "issuer"):
        seen: set[str] = set()
        for index, issuer in enumerate(settings.issuers):
            value = issuer.name if what == "name" else issuer.issuer
            if value in seen:
                mistakes.add(f"issuers[{index}].{what}", f"`{value}` is given twice")
            seen.add(value)
    if sum(issuer.introspection is not None for issuer in settings.issuers) > 1:
        # An opaque token does not say who issued it, and asking everyone would leak it to all of them.
        mistakes.add("issuers", "more than one has introspection")


def _path(table: Table, name: str) -> Path:
    return Path(table.text(name, pattern=r"/[^\0]+"))


def _socket_path(table: Table, name: str) -> Path:
    path = _path(table, name)
    if len(str(path).encode()) > MAX_SOCKET_PATH_BYTES:
        table.mistake(name, f"longer than {MAX_SOCKET_PATH_BYTES} bytes")
    return path


def _url(table: Table, name: str) -> str:
    url = table.text(name)
    try:
        check_url(url)
    except UrlRefused as error:
        table.mistake(name, str(error))
    return url


def _credential(table: Table) -> str:
    return table.text("credential", pattern=CREDENTIAL_NAME)
