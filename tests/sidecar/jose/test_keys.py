from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sidecar.jose.keys import KeyRefused, parse_jwk, parse_jwks, parse_pem, shared_secret
from tests.sidecar.tokens import SECRET, private_key, private_pem, public_jwk, public_pem, segment

RSA = public_jwk(private_key("RSA"))
P256 = public_jwk(private_key("P-256"))
ED25519 = public_jwk(private_key("Ed25519"))
RSA_ALGORITHMS = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}


def number(value: int, size: int | None = None) -> str:
    return segment(value.to_bytes(size or (value.bit_length() + 7) // 8)).decode()


ACCEPTED: dict[str, tuple[dict[str, Any], set[str]]] = {
    "RSA": (RSA, RSA_ALGORITHMS),
    "RSA for one algorithm": ({**RSA, "alg": "PS384"}, {"PS384"}),
    "RSA, use and key_ops": ({**RSA, "use": "sig", "key_ops": ["verify"]}, RSA_ALGORITHMS),
    "RSA, leading zero": (
        {**RSA, "n": number(private_key("RSA").public_key().public_numbers().n, 257)},
        RSA_ALGORITHMS,
    ),
    "P-256": (P256, {"ES256"}),
    "P-384": (public_jwk(private_key("P-384")), {"ES384"}),
    "P-521": (public_jwk(private_key("P-521")), {"ES512"}),
    "Ed25519": (ED25519, {"EdDSA"}),
    "certificates beside the key are not read": (
        {**RSA, "x5c": ["AAAA"], "x5u": "https://x"},
        RSA_ALGORITHMS,
    ),
}


@pytest.mark.parametrize(("jwk", "algorithms"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepts(jwk: dict[str, Any], algorithms: set[str]) -> None:
    key = parse_jwk({**jwk, "kid": "one"})
    assert (key.kid, key.algorithms) == ("one", algorithms)


def roca() -> int:
    """A modulus of the form that the broken generator makes: a power of 65537 modulo many small primes."""
    primes = [prime for prime in range(3, 700) if all(prime % d for d in range(2, int(prime**0.5) + 1))]
    product = 2
    for prime in primes:
        product *= prime
    residue = pow(65_537, 123_457, product)
    return residue + product * ((1 << 2_047) // product + 1)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "512 bits [ALG-11]": ({**RSA, "n": number((1 << 511) + 1)}, "the modulus is not of 2048 to 16384 bits"),
    "1024 bits [ALG-11]": (
        {**RSA, "n": number((1 << 1_023) + 1)},
        "the modulus is not of 2048 to 16384 bits",
    ),
    "16385 bits [ALG-11]": (
        {**RSA, "n": number((1 << 16_384) + 1)},
        "the modulus is not of 2048 to 16384 bits",
    ),
    "65536 bits [ALG-11]": ({**RSA, "n": number((1 << 65_535) + 1)}, "`n` is too long"),
    "e = 1 [ALG-11]": ({**RSA, "e": "AQ"}, "the exponent is not odd, at least 3 and at most 64 bits long"),
    "even e [ALG-11]": ({**RSA, "e": "AQAA"}, "the exponent is not odd, at least 3 and at most 64 bits long"),
    "huge e [ALG-11]": (
        {**RSA, "e": number((1 << 64) + 1)},
        "the exponent is not odd, at least 3 and at most 64 bits long",
    ),
    "ROCA": ({**RSA, "n": number(roca())}, "the modulus has the ROCA weakness"),
    "no modulus": ({**RSA, "n": None}, "`n` is not a string"),
    "padded modulus": ({**RSA, "n": RSA["n"] + "="}, "`n` is not base64url"),
    "point off the curve [ALG-10]": ({**P256, "y": P256["x"]}, "not a valid key"),
    "point at infinity [ALG-10]": ({**P256, "x": "A" * 43, "y": "A" * 43}, "not a valid key"),
    "short coordinate [ALG-10]": (
        {**P256, "x": segment(b"x" * 31).decode()},
        "the coordinates are not of 32 bytes",
    ),
    "long coordinate [ALG-10]": (
        {**P256, "x": segment(b"x" * 33).decode()},
        "the coordinates are not of 32 bytes",
    ),
    "coordinates of another curve": ({**P256, "crv": "P-384"}, "the coordinates are not of 48 bytes"),
    "secp256k1 [ALG-05]": (
        {**P256, "crv": "secp256k1"},
        "not an RSA, EC (P-256, P-384, P-521) or Ed25519 key",
    ),
    "Ed448": ({**ED25519, "crv": "Ed448"}, "not an RSA, EC (P-256, P-384, P-521) or Ed25519 key"),
    "short Ed25519": ({**ED25519, "x": "AAAA"}, "not a valid key"),
    "oct": ({"kty": "oct", "k": segment(SECRET).decode()}, "a shared secret in a key set"),
    "private": ({**RSA, "d": "AQAB"}, "a private key in a key set"),
    "for encryption [ALG-07]": ({**RSA, "use": "enc"}, "`use` is not `sig`"),
    "key_ops [ALG-07]": ({**RSA, "key_ops": ["encrypt"]}, "`key_ops` does not contain `verify`"),
    "key_ops a string": ({**RSA, "key_ops": "verify"}, "`key_ops` does not contain `verify`"),
    "alg of another kind [ALG-07]": ({**RSA, "alg": "ES256"}, "`alg` does not fit the key"),
    "alg for encryption [ALG-07]": ({**RSA, "alg": "RSA-OAEP"}, "`alg` does not fit the key"),
    "alg a list": ({**RSA, "alg": ["RS256"]}, "`alg` does not fit the key"),
    "kid a number [KEY-01]": ({**RSA, "kid": 1}, "`kid` is not a string of at most 256 bytes"),
    "kid of 257 bytes [KEY-01]": ({**RSA, "kid": "k" * 257}, "`kid` is not a string of at most 256 bytes"),
    "kty missing": ({"n": RSA["n"], "e": RSA["e"]}, "not an RSA, EC (P-256, P-384, P-521) or Ed25519 key"),
    "kty a list": ({**RSA, "kty": ["RSA"]}, "not an RSA, EC (P-256, P-384, P-521) or Ed25519 key"),
}


@pytest.mark.parametrize(("jwk", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses(jwk: dict[str, Any], why: str) -> None:
    with pytest.raises(KeyRefused) as caught:
        parse_jwk({"kid": "one", **jwk})
    assert str(caught.value) == why
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_sound_moduli_do_not_look_like_roca() -> None:
    for index in range(3):
        parse_jwk(public_jwk(private_key("RSA", index)))


def test_bad_keys_are_left_out_and_the_others_work__ALG_10() -> None:
    keys, refused = parse_jwks(
        {"keys": [{**P256, "kid": "bad", "y": P256["x"]}, {**RSA, "kid": "good"}, "nonsense", {"kty": "oct"}]}
    )
    assert [key.kid for key in keys.keys] == ["good"]
    assert refused == (
        "keys[0]: not a valid key",
        "keys[2]: not an object",
        "keys[3]: a shared secret in a key set",
    )


NO_SETS: dict[str, tuple[dict[str, Any], str]] = {
    "no keys member": ({}, "`keys` is not an array"),
    "an object of keys": ({"keys": {"one": RSA}}, "`keys` is not an array"),
    "empty": ({"keys": []}, "no usable key"),
    "none usable": ({"keys": [{**RSA, "use": "enc"}]}, "no usable key (keys[0]: `use` is not `sig`)"),
    "65 keys [KEY-11]": ({"keys": [RSA] * 65}, "more than 64 keys"),
}


@pytest.mark.parametrize(("document", "why"), NO_SETS.values(), ids=NO_SETS.keys())
def test_refuses_sets(document: dict[str, Any], why: str) -> None:
    with pytest.raises(KeyRefused) as caught:
        parse_jwks(document)
    assert str(caught.value) == why


def test_candidates_fit_kid_and_algorithm__KEY_05() -> None:
    keys, _ = parse_jwks({"keys": [{**RSA, "kid": "x"}, {**P256, "kid": "x"}, ED25519]})
    assert [key.algorithms for key in keys.candidates("x", "ES256")] == [{"ES256"}]
    assert keys.candidates("../../dev/null", "RS256") == ()
    assert [key.kid for key in keys.candidates(None, "EdDSA")] == [None]
    assert [key.kid for key in keys.candidates("x", "EdDSA")] == [None]
    assert keys.candidates("y", "ES256") == ()


def test_fingerprints_tell_keys_apart() -> None:
    one = parse_jwk({**RSA, "kid": "one"})
    assert one.fingerprint == parse_jwk({**RSA, "kid": "one"}).fingerprint
    others = [
        {**RSA, "kid": "two"},
        {**RSA, "kid": "one", "alg": "RS256"},
        public_jwk(private_key("RSA", 1), kid="one"),
    ]
    assert one.fingerprint not in {parse_jwk(other).fingerprint for other in others}


def test_pem() -> None:
    for kind, alg in (("RSA", "RS256"), ("P-256", "ES256"), ("Ed25519", "EdDSA")):
        (key,) = parse_pem("a comment\n" + public_pem(private_key(kind))).keys
        assert key.kid is None
        assert alg in key.algorithms


BAD_PEMS = {
    "nothing": "",
    "text": "hello",
    "private": private_pem(private_key("RSA")).decode(),
    "broken": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    "broken certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
}


@pytest.mark.parametrize("text", BAD_PEMS.values(), ids=BAD_PEMS.keys())
def test_refuses_pem(text: str) -> None:
    with pytest.raises(KeyRefused) as caught:
        parse_pem(text)
    assert str(caught.value) == "not a public key or certificate in PEM"


def test_pem_keys_have_the_same_limits__ALG_11() -> None:
    weak = rsa.generate_private_key(public_exponent=65_537, key_size=1_024)
    with pytest.raises(KeyRefused) as caught:
        parse_pem(public_pem(weak))
    assert str(caught.value) == "the modulus is not of 2048 to 16384 bits"
    with pytest.raises(KeyRefused) as caught:
        parse_pem(public_pem(ec.generate_private_key(ec.SECP256K1())))
    assert str(caught.value) == "the curve is none of P-256, P-384, P-521"


PEM = public_pem(private_key("RSA")).encode()
LOOKALIKES = {
    "PEM": PEM,
    "PEM after white space": b" \n\t" + PEM,
    "PEM with CRLF": PEM.replace(b"\n", b"\r\n"),
    "PEM after a comment": b"# my key\n" + PEM,
    "private PEM": private_pem(private_key("P-256")),
    "SSH": b"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7 user@host",
    "SSH with options": b"no-pty ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKq user@host",
    "JWK": b'{"kty":"RSA","n":"' + RSA["n"].encode() + b'","e":"AQAB"}',
    "JWK set": b'  {"keys":[{"kty":"oct","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}]}',
}


@pytest.mark.parametrize("secret", LOOKALIKES.values(), ids=LOOKALIKES.keys())
def test_a_public_key_is_no_secret__ALG_04(secret: bytes) -> None:
    with pytest.raises(KeyRefused) as caught:
        shared_secret(secret, ["HS256"])
    assert str(caught.value) == "looks like a public key, not like a secret"


@pytest.mark.parametrize(
    ("length", "algorithms", "why"),
    [
        (31, ["HS256"], "shorter than 32 bytes"),
        (47, ["HS384"], "shorter than 48 bytes"),
        (63, ["HS256", "HS512"], "shorter than 64 bytes"),
        (0, ["HS256"], "shorter than 32 bytes"),
    ],
)
def test_a_secret_is_as_long_as_the_hash(length: int, algorithms: list[str], why: str) -> None:
    with pytest.raises(KeyRefused) as caught:
        shared_secret(b"x" * length, algorithms)
    assert str(caught.value) == why


def test_keys_do_not_show_themselves() -> None:
    assert "0123456789abcdef" not in repr(shared_secret(SECRET, ["HS256"]))
