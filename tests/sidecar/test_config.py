from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sidecar.config import (
    MAX_CONFIG_BYTES,
    DiscoveredKeys,
    Introspection,
    JwksUrl,
    PemKey,
    Settings,
    SharedSecret,
    load,
    parse,
)
from sidecar.config_reader import ConfigError
from sidecar.json_pointer import Pointer
from tests.sidecar import settings
from tests.sidecar.settings import document, introspecting, issuer
from tests.sidecar.tokens import private_key, public_jwk, public_pem


def parsed(value: Any) -> Settings:
    return parse(json.dumps(value).encode())


def mistakes(value: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        parsed(value)
    return caught.value.mistakes


def test_a_whole_document() -> None:
    result = parsed(document(issuer(keys={"from": "discovery"})))
    assert (result.release, result.deadline_s, result.identity_members) == (
        "r1",
        3,
        frozenset({"email", "role"}),
    )
    assert result.authorizer_socket == Path("/run/lightgate/a.sock")
    (corp,) = result.issuers
    assert corp.keys == DiscoveredKeys()
    assert (corp.audience, corp.roles, corp.credentials()) == (("shop",), ("realm_access", "roles"), ())


def test_key_sources() -> None:
    def keys(source: dict[str, Any], *algorithms: str) -> object:
        return parsed(document(issuer(keys=source, algorithms=list(algorithms)))).issuers[0].keys

    assert keys({"from": "jwks_url", "url": "https://x/jwks"}, "RS256") == JwksUrl("https://x/jwks")
    assert keys({"from": "jwks_url", "url": "http://127.0.0.1:8/k"}, "RS256") == JwksUrl(
        "http://127.0.0.1:8/k"
    )
    assert keys({"from": "secret", "credential": "partner-hs256"}, "HS256") == SharedSecret("partner-hs256")
    pem = public_pem(private_key("RSA"))
    assert keys({"from": "pem", "pem": pem}, "RS256") == PemKey(pem)


def test_introspection() -> None:
    (corp,) = parsed(document(issuer(**introspecting(None)))).issuers
    assert corp.introspection == Introspection(
        endpoint=None,
        client_id="gate",
        client_authentication="client_secret_basic",
        credential="corp-client",
        timeout_s=2,
        cache_s=60,
        negative_cache_s=10,
    )
    assert corp.credentials() == ("corp-client",)


def test_claims() -> None:
    found = parsed(document(claims=["/groups", "/org/my plan", "/a~1b/~01/"])).claims
    assert found == (
        Pointer("/groups", ("groups",)),
        Pointer("/org/my plan", ("org", "my plan")),
        Pointer("/a~1b/~01/", ("a/b", "~1", "")),
    )
    assert parsed(document()).claims == ()  # a release from before there were claims
    assert parsed(document(claims=[])).claims == ()
    most = [f"/{i}" for i in range(63)] + ["/" + "é" * 127 + "x"]
    assert len(parsed(document(claims=most)).claims) == 64


MISTAKES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "an array": ([], ("not a JSON object",)),
    "another format": (document(format=2, release=7), ("format: this sidecar reads format 1",)),
    "unknown member [OPS-11]": (document(dead_line=8), ("dead_line: unknown member",)),
    "missing member": (
        {name: value for name, value in document().items() if name != "epoch_file"},
        ("epoch_file: is missing",),
    ),
    "relative path": (
        document(epoch_file="epoch"),
        (r"epoch_file: must be a string that matches `/[^\0]+`",),
    ),
    "long socket path": (document(http_socket="/" + "x" * 105), ("http_socket: longer than 105 bytes",)),
    "release with a blank": (
        document(release="r 1"),
        ("release: must be a string that matches `[0-9A-Za-z_-]{1,64}`",),
    ),
    "deadline": (document(deadline_s=0), ("deadline_s: must be an integer from 1 to 60",)),
    "deadline true": (document(deadline_s=True), ("deadline_s: must be an integer from 1 to 60",)),
    "unknown identity member": (
        document(identity_members=["phone"]),
        ("identity_members: `phone` is none of `email`, `role`",),
    ),
    "claims that are none": (
        document(claims=["plan", "/a~", "/~2", "/a\nb", "/" + "é" * 128, "/fine"]),
        tuple(
            f"claims: `{pointer}` is no JSON Pointer of at most 256 bytes"
            for pointer in ("plan", "/a~", "/~2", "/a\nb", "/" + "é" * 128)
        ),
    ),
    "the whole token as a claim": (document(claims=[""]), ("claims: must be an array of strings",)),
    "claims of another type": (document(claims="/plan"), ("claims: must be an array of strings",)),
    "claims null": (document(claims=None), ("claims: must be an array of strings",)),
    "a claim twice": (document(claims=["/a", "/a"]), ("claims: names something twice",)),
    "65 claims": (document(claims=[f"/{i}" for i in range(65)]), ("claims: more than 64",)),
    "no audience [CLAIM-14]": (document(issuer(audience=[])), ("issuers[0].audience: must not be empty",)),
    "a day of leeway [CLAIM-07]": (
        document(issuer(leeway_s=86_400)),
        ("issuers[0].leeway_s: must be an integer from 0 to 300",),
    ),
    "algorithm none [ALG-01]": (
        document(issuer(algorithms=["none"])),
        (
            "issuers[0].algorithms: `none` is none of `ES256`, `ES384`, `ES512`, `EdDSA`, `HS256`, `HS384`, "
            "`HS512`, `PS256`, `PS384`, `PS512`, `RS256`, `RS384`, `RS512`",
        ),
    ),
    "algorithm for the other kind of key [ALG-04]": (
        document(issuer(algorithms=["RS256", "HS256"])),
        ("issuers[0].algorithms: `HS256` does not go with these keys",),
    ),
    "http [OPS-11]": (
        document(issuer(keys={"from": "jwks_url", "url": "http://login.example.org/jwks"})),
        ("issuers[0].keys.url: must be https, or http on this machine",),
    ),
    "http issuer to discover [OPS-11]": (
        document(issuer(issuer="http://login.example.org", keys={"from": "discovery"})),
        ("issuers[0].issuer: cannot be discovered: must be https, or http on this machine",),
    ),
    "issuer with a query to discover": (
        document(issuer(issuer="https://login.example.org/?a=b", keys={"from": "discovery"})),
        ("issuers[0].issuer: cannot be discovered: has a query",),
    ),
    "a broken key set": (
        document(issuer(keys={"from": "jwks", "jwks": {"keys": []}})),
        ("issuers[0].keys.jwks: no usable key",),
    ),
    "a private key in the document": (
        document(
            issuer(keys={"from": "jwks", "jwks": {"keys": [{**public_jwk(private_key("RSA")), "d": "AQAB"}]}})
        ),
        ("issuers[0].keys.jwks: no usable key (keys[0]: a private key in a key set)",),
    ),
    "a broken PEM": (
        document(issuer(keys={"from": "pem", "pem": "hello"})),
        ("issuers[0].keys.pem: not a public key or certificate in PEM",),
    ),
    "a path as credential": (
        document(issuer(algorithms=["HS256"], keys={"from": "secret", "credential": "../../etc/shadow"})),
        ("issuers[0].keys.credential: must be a string that matches `[A-Za-z0-9][A-Za-z0-9_-]{0,63}`",),
    ),
    "jwt without keys": (
        document(issuer(keys=None)),
        ("issuers[0].keys: must be set with tokens `jwt`",),
    ),
    "opaque with keys": (
        document(issuer(**{**introspecting(), "keys": {"from": "discovery"}})),
        ("issuers[0].keys: must be null with tokens `opaque`",),
    ),
    "both without introspection": (
        document(issuer(tokens="both")),
        ("issuers[0].introspection: must be set with tokens `both`",),
    ),
    "two that introspect": (
        document(issuer(**introspecting()), issuer(name="b", issuer="https://b", **introspecting())),
        ("issuers: more than one has introspection",),
    ),
    "the same issuer twice": (
        document(issuer(), issuer()),
        (
            "issuers[1].name: `corp` is given twice",
            "issuers[1].issuer: `https://login.example.org/realms/corp` is given twice",
        ),
    ),
    "many at once": (
        document(issuer(leeway_s=-1, tokens="jwts", rfc9068=0), deadline_s="8", x=1),
        (
            "deadline_s: must be an integer from 1 to 60",
            "issuers[0].tokens: must be one of `jwt`, `opaque`, `both`",
            "issuers[0].rfc9068: must be true or false",
            "issuers[0].leeway_s: must be an integer from 0 to 300",
            "x: unknown member",
        ),
    ),
}


@pytest.mark.parametrize(("value", "expected"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes(value: Any, expected: tuple[str, ...]) -> None:
    assert mistakes(value) == expected


@pytest.mark.parametrize("wrong", [None, 7, "text", [], {}, [7], True], ids=repr)
def test_every_member_is_checked(wrong: object) -> None:
    """Whatever stands in a member's place: accepted as it is meant, or a mistake; never another exception."""
    for name in document(claims=[]):
        try:
            parsed(document(**{name: wrong}))
        except ConfigError as error:
            assert all(line.startswith(name) for line in error.mistakes)
    for name in issuer():
        try:
            parsed(document(issuer(**{name: wrong})))
        except ConfigError as error:
            assert all(line.startswith("issuers") for line in error.mistakes)


def test_members_twice_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(b'{"format":1,"format":1}')
    assert caught.value.mistakes == ("member given twice",)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "sidecar.json")
    assert caught.value.mistakes == ("cannot be read: No such file or directory",)


def test_a_file_that_is_too_long(tmp_path: Path) -> None:
    (tmp_path / "sidecar.json").write_bytes(b" " * (MAX_CONFIG_BYTES + 1))
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "sidecar.json")
    assert caught.value.mistakes == ("longer than 4194304 bytes",)


def test_settings_of_the_same_text_are_equal() -> None:
    assert settings.settings() == settings.settings()
