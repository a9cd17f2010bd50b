"""`[auth.NAME]` tables to `model.Auth`."""

from __future__ import annotations

import re
from pathlib import Path

from luagen import key_files, urls
from luagen.diagnostics import Bag, Code, did_you_mean, quoted
from luagen.document import Array, Entry, Table, Text
from luagen.model import (
    Auth,
    ClientAuthentication,
    DiscoveredKeys,
    Introspection,
    JwksUrl,
    KeySource,
    PemKey,
    SharedSecret,
    Tokens,
)
from luagen.schema import TABLES
from luagen.table_reader import TableReader

# RFC 7518 section 3.1 and RFC 8037 section 3.1, in the order in which the documentation lists them.
ASYMMETRIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
SYMMETRIC = ("HS256", "HS384", "HS512")

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
CREDENTIAL_NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")
_KEY_SOURCES = ("jwks_url", "jwks_file", "pem_file", "secret")
_MAX_KID_BYTES = 256  # the sidecar refuses tokens with a longer one
_MAX_ROLE_PATH = 10  # parts: claims are nested at most ten deep


def check(table: Table, directory: Path, bag: Bag) -> tuple[Auth, ...]:
    """The issuers without mistakes, in source order."""
    auths: list[Auth] = []
    for entry in table.entries.values():
        if _NAME.fullmatch(entry.key) is None:
            bag.error(
                Code.INVALID_NAME,
                f"{quoted(entry.key)} cannot be the name of an `[auth]` table",
                entry.span,
                help="it has small letters, digits, `-` and `_`, begins with a letter and has at most 32",
            )
        if not isinstance(entry.value, Table):
            bag.error(
                Code.WRONG_TYPE,
                f"{quoted(entry.key)} takes a table",
                entry.value.span,
                help="an issuer is declared in `[auth.NAME]`",
            )
            continue
        auth = _Checker(entry, entry.value, directory, bag).check()
        if auth is not None:
            auths.append(auth)
    _check_across(table, bag)
    return tuple(auths)


def _check_across(table: Table, bag: Bag) -> None:
    """What concerns several tables: an `iss` leads to one of them, an opaque token to one endpoint."""
    issuers: dict[str, str] = {}
    introspecting: str | None = None
    for entry in table.entries.values():
        if not isinstance(entry.value, Table):
            continue
        issuer = entry.value.entries.get("issuer")
        if issuer is not None and isinstance(issuer.value, Text):
            other = issuers.setdefault(issuer.value.value, entry.key)
            if other != entry.key:
                message = f"{quoted(other)} has the same issuer"
                help_text = "an issuer has one table; its `audience` can be an array"
                bag.error(Code.DUPLICATE_NAME, message, issuer.value.span, help=help_text)
        introspection = entry.value.entries.get("introspection")
        if introspection is not None:
            if introspecting is not None:
                # An opaque token does not say who issued it.
                message = f"{quoted(introspecting)} has an introspection already, and only one table can"
                bag.error(Code.CONFLICTING_KEYS, message, introspection.span)
            introspecting = introspecting or entry.key


class _Checker:
    """Checks one table."""

    def __init__(self, entry: Entry, table: Table, directory: Path, bag: Bag) -> None:
        self._entry = entry
        self._directory = directory
        self._bag = bag
        self._read = TableReader(table, TABLES["auth"], f"`[auth.{entry.key}]`", bag)

    def check(self) -> Auth | None:
        errors = self._bag.error_count
        read = self._read
        issuer = read.text("issuer")
        issuer_url = None if issuer is None else urls.check(issuer, self._bag, query_allowed=False)
        audience = read.strings("audience")
        tokens = Tokens.JWT if read.entry("tokens") is None else read.word("tokens", Tokens)
        keys = self._keys(tokens)
        algorithms = self._algorithms(keys, tokens)
        refused_keys = self._refused_keys(keys)
        introspection = self._introspection(tokens)
        roles = self._roles()
        auth = Auth(
            name=self._entry.key,
            issuer=issuer_url or "",
            audience=tuple(text.value for text in audience or ()),
            tokens=tokens or Tokens.JWT,
            algorithms=algorithms,
            keys=keys,
            refused_keys=refused_keys,
            introspection=introspection,
            rfc9068=read.boolean("rfc9068", False),
            roles=roles,
            leeway_s=read.integer("leeway", 0, 300, 30),
            max_lifetime_s=read.integer("max_lifetime", 60, 31_622_400, 86_400),
            forward_token=read.boolean("forward_token", False),
            span=read.table.span,
        )
        complete = issuer_url is not None and audience is not None and tokens is not None
        return auth if complete and self._bag.error_count == errors else None

    def _keys(self, tokens: Tokens | None) -> KeySource | None:
        given = [entry for key in _KEY_SOURCES if (entry := self._read.entry(key)) is not None]
        if tokens is Tokens.OPAQUE:
            for key in (*_KEY_SOURCES, "algorithms", "refused_keys", "rfc9068"):
                entry = self._read.entry(key)
                if entry is not None:
                    message = f"`{key}` has no meaning for opaque tokens"
                    help_text = (
                        'opaque tokens are verified by `introspection`; for JWTs too, `tokens = "both"`'
                    )
                    self._bag.error(Code.CONFLICTING_KEYS, message, entry.span, help=help_text)
            return None
        for entry in sorted(given, key=lambda found: found.span.start)[1:]:
            message = f"`{entry.key}` is a second source of keys"
            self._bag.error(Code.CONFLICTING_KEYS, message, entry.span, help="keep one of them")
        if not given:
            return DiscoveredKeys()
        text = self._read.text(given[0].key)
        if text is None:
            return None
        match given[0].key:
            case "jwks_url":
                url = urls.check(text, self._bag, query_allowed=True)
                return None if url is None else JwksUrl(url=url)
            case "jwks_file":
                return key_files.jwks(text, self._directory, self._bag)
            case "pem_file":
                return key_files.pem(text, self._directory, self._bag)
            case _:
                name = _credential(text, self._bag)
                return None if name is None else SharedSecret(credential=name)

    def _algorithms(self, keys: KeySource | None, tokens: Tokens | None) -> tuple[str, ...]:
        if tokens is Tokens.OPAQUE:
            return ()
        is_shared = self._read.entry("secret") is not None
        possible = SYMMETRIC if is_shared else ASYMMETRIC
        entry = self._read.entry("algorithms")
        if entry is None:
            return ("HS256",) if is_shared else ASYMMETRIC
        if not isinstance(entry.value, Array):
            self._read.wrong_type("algorithms", "an array of strings", entry.value)
            return ()
        found = self._read.strings("algorithms") or ()
        for text in found:
            name = text.value
            if name in possible:
                continue
            if name.lower() == "none":
                message, help_text = "`none` would accept tokens without a signature", "leave it out"
                self._bag.error(Code.INVALID_VALUE, message, text.span, help=help_text)
            elif name in SYMMETRIC:
                message = f"{quoted(name)} needs a shared secret"
                help_text = "name its credential with `secret`; public keys go with RS, PS, ES and EdDSA"
                self._bag.error(Code.CONFLICTING_KEYS, message, text.span, help=help_text)
            elif name in ASYMMETRIC:
                message = f"{quoted(name)} needs a public key, and this table has a shared secret"
                help_text = "an issuer has one or the other, so that no public key is taken for a secret"
                self._bag.error(Code.CONFLICTING_KEYS, message, text.span, help=help_text)
            else:
                message = f"there is no signature algorithm {quoted(name)}"
                help_text = did_you_mean(name, possible) or f"there are {', '.join(possible)}"
                self._bag.error(Code.INVALID_VALUE, message, text.span, help=help_text)
        return tuple(text.value for text in found)

    def _refused_keys(self, keys: KeySource | None) -> tuple[str, ...]:
        found = self._read.strings("refused_keys") or ()
        entry = self._read.entry("refused_keys")
        if entry is not None and isinstance(keys, SharedSecret | PemKey):
            self._bag.error(
                Code.CONFLICTING_KEYS,
                "`refused_keys` has no meaning for a key that has no name",
                entry.span,
                help="keys with a `kid` come from discovery, `jwks_url` or `jwks_file`",
            )
        for text in found:
            if len(text.value.encode()) > _MAX_KID_BYTES:
                message = f"a `kid` has at most {_MAX_KID_BYTES} bytes"
                self._bag.error(Code.INVALID_VALUE, message, text.span)
        return tuple(text.value for text in found)

    def _roles(self) -> tuple[str, ...]:
        text = self._read.text("roles")
        if text is None or self._read.string("roles") is None:
            return ("roles",)
        path = tuple(text.value.split("."))
        if not all(path) or len(path) > _MAX_ROLE_PATH:
            message = f"{quoted(text.value)} is not a path into the claims"
            help_text = f"1 to {_MAX_ROLE_PATH} names with dots between them, such as `realm_access.roles`"
            self._bag.error(Code.INVALID_VALUE, message, text.span, help=help_text)
        return path

    def _introspection(self, tokens: Tokens | None) -> Introspection | None:
        entry = self._read.entry("introspection")
        table = self._read.inner("introspection")
        if tokens is Tokens.JWT and entry is not None:
            message = "`introspection` has no meaning for JWTs alone"
            help_text = 'write `tokens = "opaque"` or `tokens = "both"`'
            self._bag.error(Code.CONFLICTING_KEYS, message, entry.span, help=help_text)
        if tokens in (Tokens.OPAQUE, Tokens.BOTH) and entry is None:
            message = f'`tokens = "{tokens}"` needs the table `[auth.{self._entry.key}.introspection]`'
            span = self._read.table.span
            tokens_entry = self._read.entry("tokens")
            place = tokens_entry.value.span if tokens_entry is not None else span
            self._bag.error(
                Code.MISSING_KEY, message, place, help="with at least `client_id` and `credential`"
            )
        if table is None:
            return None
        read = TableReader(table, TABLES["introspection"], "`introspection`", self._bag)
        endpoint = read.text("endpoint")
        url = None if endpoint is None else urls.check(endpoint, self._bag, query_allowed=True)
        client_id = read.string("client_id")
        method = read.word("client_authentication", ClientAuthentication)
        credential = read.text("credential")
        name = None if credential is None else _credential(credential, self._bag)
        timeout = read.integer("timeout", 1, 7, 3)
        cache = read.integer("cache", 0, 3600, 60)
        negative_cache = read.integer("negative_cache", 0, 300, 10)
        if client_id is None or name is None:
            return None
        return Introspection(
            endpoint=url,
            client_id=client_id,
            client_authentication=method or ClientAuthentication.CLIENT_SECRET_BASIC,
            credential=name,
            timeout_s=timeout,
            cache_s=cache,
            negative_cache_s=negative_cache,
        )


def _credential(text: Text, bag: Bag) -> str | None:
    if CREDENTIAL_NAME.fullmatch(text.value):
        return text.value
    # Whoever wrote the secret itself here should not see it repeated in a terminal or a log.
    bag.error(
        Code.INVALID_NAME,
        "this cannot be the name of a credential",
        text.span,
        help="the policy names the credential and never holds it; a name has small letters, digits and `-`",
    )
    return None
