from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from luagen.lua.host import Clock, Host

NOW = 1_760_000_000
SECRET = b"0123456789abcdef0123456789abcdef"
MODULES = ("json", "identity", "claims", "tokens")
EVERY_MEMBER = frozenset({b"email", b"role"})

CORP = {
    b"name": b"corp", b"issuer": b"https://corp", b"audience": {b"shop"}, b"tokens": b"jwt",
    b"algorithms": {b"RS256", b"ES256"}, b"rfc9068": False, b"roles": [b"realm_access", b"roles"],
    b"leeway_s": 30, b"max_lifetime_s": 86400, b"forward_token": False,
}  # fmt: skip
PARTNER = {
    **CORP, b"name": b"partner", b"issuer": b"https://partner", b"algorithms": {b"HS256"},
    b"secret": b"partner-hs256", b"roles": [b"roles"],
}  # fmt: skip
OPAQUE = {
    **CORP,
    b"name": b"opaque",
    b"issuer": b"https://opaque",
    b"tokens": b"opaque",
    b"algorithms": set(),
}

MALFORMED = b"the token is malformed"
EXPIRED = b"the token has expired"
UNTRUSTED = b"the token's issuer or algorithm is not accepted here"
BAD_SIGNATURE = b"the token's signature is not valid"
UNFIT = b"the token's claims are not acceptable here"
DEFER = None


def segment(value: Any) -> bytes:
    text = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=")


def token(header: Any, claims: Any, secret: bytes | None = None) -> bytes:
    signed = segment(header) + b"." + segment(claims)
    signature = hmac.new(secret, signed, hashlib.sha256).digest() if secret else b"s" * 64
    return signed + b"." + segment(signature)


def claims(**changes: Any) -> dict[str, Any]:
    base = {"iss": "https://partner", "aud": "shop", "exp": NOW + 300, "iat": NOW, "sub": "alice"}
    return {name: value for name, value in {**base, **changes}.items() if value is not ...}


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    (tmp_path / "partner-hs256").write_bytes(SECRET)
    return tmp_path


def examiner(
    host: Host, secrets: Path, *issuers: dict[bytes, Any], members: frozenset[bytes] = EVERY_MEMBER
) -> Any:
    tokens = host.load_runtime(*MODULES)["tokens"]
    settings = {
        b"release": b"r1",
        b"secrets_directory": str(secrets).encode(),
        b"issuers": list(issuers),
        b"identity_members": members,
    }
    return tokens[b"new"](host.fake[b"lighty"], host.table(settings))


def examine(host: Host, secrets: Path, text: bytes, *issuers: dict[bytes, Any]) -> bytes | None:
    """The written identity, or the reason for a refusal, or None for "the sidecar has to decide"."""
    found = examiner(host, secrets, *(issuers or (CORP, PARTNER)))[b"examine"](text, NOW)
    match found:
        case None:
            return None
        case (None, reason, *_):
            return bytes(reason)
        case (caller, None, expires):
            return bytes(caller[b"text"]) + b" until %d" % (expires - NOW)
    raise AssertionError(found)


BEARER = [
    (b"Bearer abc", (b"abc",)),
    (b"bearer abc", (b"abc",)),
    (b"BEARER a.b.c", (b"a.b.c",)),
    (b"Basic YWxpY2U6eA==", (None,)),
    (b"Digest username=\"a\", realm=\"b\"", (None,)),
    (b"Negotiate", (None,)),
    (b"Bearerabc", (None,)),
    (b"Bearer", (None, b"malformed")),
    (b"Bearer ", (None, b"malformed")),
    (b"Bearer  abc", (None, b"malformed")),
    (b"Bearer\tabc", (None,)),
    (b"Bearer abc extra", (None, b"malformed")),
    (b"Bearer abc\t", (None, b"malformed")),
    (b'Bearer "abc"', (None, b"malformed")),
    (b"Bearer good, Bearer evil", (None, b"several")),
    (b"Bearer good,Bearer evil", (None, b"several")),
    (b"Basic YWxpY2U6eA==, Bearer evil", (None, b"several")),
    (b"Basic YWxpY2U6eA==, bearer evil", (None, b"several")),
    (b"Bearer good, Basic YWxpY2U6eA==", (None, b"several")),
]  # fmt: skip


@pytest.mark.parametrize(("value", "expected"), BEARER)
def test_bearer_credentials(host: Host, value: bytes, expected: tuple[bytes | None, ...]) -> None:
    found = host.load_runtime(*MODULES)["tokens"][b"bearer"](value)
    assert (found if isinstance(found, tuple) else (found,)) == expected


RS = {"alg": "RS256", "kid": "k"}
HS = {"alg": "HS256"}

CHEAP = [
    ("no dots", b"opaque", MALFORMED),
    ("one dot", b"a.b", MALFORMED),
    ("JWE has five parts", b"a.b.c.d.e", MALFORMED),
    ("only dots", b"." * 8000, MALFORMED),
    ("over 8 KiB", b"a" * 8193, MALFORMED),
    ("RS256 is for the sidecar", token(RS, claims(iss="https://corp")), DEFER),
    ("none", token({"alg": "none"}, claims()), UNTRUSTED),
    ("None", token({"alg": "None"}, claims()), UNTRUSTED),
    ("alg of nobody", token({"alg": "PS256"}, claims()), UNTRUSTED),
    ("alg missing", token({"typ": "JWT"}, claims()), UNTRUSTED),
    ("alg null", token({"alg": None}, claims()), UNTRUSTED),
    ("crit", token({**RS, "crit": ["exp"]}, claims()), MALFORMED),
    ("b64", token({**RS, "b64": False}, claims()), MALFORMED),
    ("kid of 257 bytes", token({**RS, "kid": "k" * 257}, claims()), MALFORMED),
    ("kid is a number", token({**RS, "kid": 7}, claims()), MALFORMED),
    ("header over 1 KiB", token({**RS, "x": "y" * 1000}, claims()), MALFORMED),
    ("header is an array", token([1], claims()), MALFORMED),
    ("header is null", token(None, claims()), MALFORMED),
    ("header is text", token(b"not json", claims()), MALFORMED),
    ("header with a duplicate", token(b'{"alg":"RS256","alg":"none"}', claims()), MALFORMED),
    ("padding", segment(RS) + b"=." + segment(claims()) + b".AAAA", MALFORMED),
    ("blank in the header", b" " + token(RS, claims()), MALFORMED),
    ("plus in the payload", segment(RS) + b".ab+d.AAAA", MALFORMED),
    ("empty payload", segment(RS) + b"..AAAA", MALFORMED),
    ("empty signature", segment(RS) + b"." + segment(claims()) + b".", MALFORMED),
    ("expired", token(RS, claims(iss="https://corp", exp=NOW - 30)), EXPIRED),
    ("expired within the leeway", token(RS, claims(iss="https://corp", exp=NOW - 29)), DEFER),
    ("unclear: two exp", token(RS, b'{"x":{"exp":1},"exp":%d}' % (NOW + 9)), DEFER),
    ("unclear: a fraction", token(RS, b'{"exp":1.5}'), DEFER),
    ("unclear: an exponent", token(RS, b'{"exp":1e10}'), DEFER),
    ("exp inside a string", token(RS, claims(iss="https://corp", note='"exp":1')), DEFER),
]


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in CHEAP], ids=[row[0] for row in CHEAP])
def test_what_needs_no_signature(host: Host, secrets: Path, text: bytes, expected: bytes | None) -> None:
    assert examine(host, secrets, text) == expected


@pytest.mark.parametrize(
    "text", [b"opaque", b"a.b", b"a.b.c", b"a-._~+/==", token({"alg": "none"}, claims())]
)
def test_an_issuer_of_opaque_tokens_may_know_what_is_no_jwt(host: Host, secrets: Path, text: bytes) -> None:
    assert examine(host, secrets, text, CORP, OPAQUE) is DEFER


@pytest.mark.parametrize("text", [b"a b", b"a=b", b'a"b', b"\xc3\xa9", b"a" * 8193])
def test_an_opaque_token_has_a_shape_too(host: Host, secrets: Path, text: bytes) -> None:
    assert examine(host, secrets, text, OPAQUE) == MALFORMED


ALICE = b"release=r1&provider=partner&sub=alice"

SHARED = [
    ("accepted", HS, claims(), SECRET, ALICE + b" until 300"),
    ("remembered for an hour", HS, claims(exp=NOW + 7200), SECRET, ALICE + b" until 3600"),
    ("roles", HS, claims(roles=["a", "b", "a", "x,y", 1, ""]), SECRET, ALICE + b"&role=a&role=b until 300"),
    ("roles as text", HS, claims(roles="a b"), SECRET, ALICE + b"&role=a&role=b until 300"),
    ("email", HS, claims(email="a@b", email_verified=True), SECRET, ALICE + b"&email=a%40b until 300"),
    ("unverified email", HS, claims(email="a@b", email_verified="true"), SECRET, ALICE + b" until 300"),
    ("wrong secret", HS, claims(), b"x" * 32, BAD_SIGNATURE),
    ("audience of another", HS, claims(aud="Shop"), SECRET, UNFIT),
    ("audience in a list", HS, claims(aud=["x", "shop"]), SECRET, ALICE + b" until 300"),
    ("audience with a number", HS, claims(aud=["shop", 1]), SECRET, UNFIT),
    ("audience empty", HS, claims(aud=[]), SECRET, UNFIT),
    ("audience missing", HS, claims(aud=...), SECRET, UNFIT),
    ("no exp", HS, claims(exp=...), SECRET, UNFIT),
    ("exp as text", HS, claims(exp=str(NOW + 9)), SECRET, UNFIT),
    ("exp true", HS, claims(exp=True), SECRET, UNFIT),
    ("exp null", HS, claims(exp=None), SECRET, UNFIT),
    ("exp fractional", HS, claims(exp=NOW + 9.5), SECRET, ALICE + b" until 9"),
    ("exp fractional, over", HS, claims(exp=NOW - 30.0), SECRET, EXPIRED),
    ("nbf ahead", HS, claims(nbf=NOW + 31), SECRET, UNFIT),
    ("nbf within the leeway", HS, claims(nbf=NOW + 30), SECRET, ALICE + b" until 300"),
    ("nbf far back", HS, claims(nbf=-1e20), SECRET, UNFIT),
    ("iat ahead", HS, claims(iat=NOW + 31), SECRET, UNFIT),
    ("lives too long", HS, claims(exp=NOW + 86431), SECRET, UNFIT),
    ("lives too long, without iat", HS, claims(exp=NOW + 86431, iat=...), SECRET, UNFIT),
    ("no sub", HS, claims(sub=...), SECRET, UNFIT),
    ("sub with a line break", HS, claims(sub="a\r\nb"), SECRET, UNFIT),
    ("sub of 256 bytes", HS, claims(sub="a" * 256), SECRET, UNFIT),
    ("logout token", {**HS, "typ": "logout+jwt"}, claims(), SECRET, UNFIT),
    ("events", HS, claims(events={}), SECRET, UNFIT),
    ("bound to a key", HS, claims(cnf={"jkt": "x"}), SECRET, UNFIT),
    ("typ AT+JWT", {**HS, "typ": "AT+JWT"}, claims(), SECRET, ALICE + b" until 300"),
    ("issuer without a secret", HS, claims(iss="https://corp"), SECRET, UNTRUSTED),
    ("unknown issuer", HS, claims(iss="https://partner/"), SECRET, UNTRUSTED),
    ("issuer as a list", HS, claims(iss=["https://partner"]), SECRET, UNTRUSTED),
    ("claims are an array", HS, [1], SECRET, MALFORMED),
    ("claims with a duplicate", HS, b'{"iss":"https://partner","iss":"https://partner"}', SECRET, MALFORMED),
    ("too many roles", HS, claims(roles=[f"r{i}" for i in range(257)]), SECRET, UNFIT),
]


@pytest.mark.parametrize(
    ("header", "payload", "secret", "expected"), [row[1:] for row in SHARED], ids=[row[0] for row in SHARED]
)
def test_shared_secret_tokens(
    host: Host, secrets: Path, header: Any, payload: Any, secret: bytes, expected: bytes
) -> None:
    assert examine(host, secrets, token(header, payload, secret)) == expected


@pytest.mark.parametrize(
    ("members", "written"),
    [
        (frozenset(), ALICE),
        (frozenset({b"email"}), ALICE + b"&email=a%40b"),
        (frozenset({b"role"}), ALICE + b"&role=admin"),
        (EVERY_MEMBER, ALICE + b"&email=a%40b&role=admin"),
    ],
)
def test_an_identity_holds_what_the_policy_reads(
    host: Host, secrets: Path, members: frozenset[bytes], written: bytes
) -> None:
    text = token(HS, claims(email="a@b", email_verified=True, roles=["admin"]), SECRET)
    caller, _, _ = examiner(host, secrets, PARTNER, members=members)[b"examine"](text, NOW)
    assert caller[b"text"] == written
    assert caller[b"email"] == (b"a@b" if b"email" in members else b"")
    assert list(caller[b"role_list"].values()) == ([b"admin"] if b"role" in members else [])


def test_another_issuers_opaque_token_may_look_like_ours(host: Host, secrets: Path) -> None:
    text = token(HS, claims(iss="https://somebody"), SECRET)
    assert examine(host, secrets, text, PARTNER, OPAQUE) is DEFER


def test_a_signature_has_one_spelling(host: Host, secrets: Path) -> None:
    good = token(HS, claims(), SECRET)
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(good[-1:])
    for other in range(last - last % 4, last - last % 4 + 4):  # the two low bits carry nothing
        spelt = good[:-1] + alphabet[other : other + 1]
        assert examine(host, secrets, spelt) == (ALICE + b" until 300" if spelt == good else BAD_SIGNATURE)
    assert examine(host, secrets, good[:-1]) == BAD_SIGNATURE
    assert examine(host, secrets, good + b"A") == BAD_SIGNATURE


@pytest.mark.parametrize("content", [None, b"", b"short", b"x" * 31, b"x" * 5000])
def test_without_a_usable_secret_the_sidecar_decides(
    host: Host, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "partner-hs256").write_bytes(content)
    assert examine(host, tmp_path, token(HS, claims(), SECRET)) is DEFER


def test_without_cryptography_in_lighttpd_the_sidecar_decides(secrets: Path, clock: Clock) -> None:
    host = Host("lua54", clock, crypto=False)
    assert examine(host, secrets, token(HS, claims(), SECRET)) is DEFER


def test_known_headers_are_bounded(host: Host, secrets: Path) -> None:
    found = examiner(host, secrets, CORP)
    for i in range(1000):
        found[b"examine"](token({"alg": "RS256", "kid": str(i)}, claims(iss="https://corp")), NOW)
    assert found[b"examine"](token({"alg": "none"}, claims()), NOW) == (None, UNTRUSTED)


def test_secrets_are_read_again_when_told(host: Host, secrets: Path) -> None:
    found = examiner(host, secrets, PARTNER)
    assert found[b"examine"](token(HS, claims(), b"y" * 32), NOW) == (None, BAD_SIGNATURE)
    (secrets / "partner-hs256").write_bytes(b"y" * 32)
    assert found[b"examine"](token(HS, claims(), b"y" * 32), NOW) == (None, BAD_SIGNATURE)
    found[b"forget"]()
    assert found[b"examine"](token(HS, claims(), b"y" * 32), NOW)[0][b"sub"] == b"alice"
