"""Real keys and real tokens for the sidecar's tests; made once a process, because RSA keys take a while."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, get_default_algorithms

NOW = 1_760_000_000
ISSUER = "https://login.example.org/realms/corp"
SECRET = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def private_key(kind: str, number: int = 0) -> PrivateKey:
    """A key of `kind` (RSA, P-256, P-384, P-521, Ed25519); different numbers, different keys."""
    return _private_key(kind, number)


@cache
def _private_key(kind: str, _number: int) -> PrivateKey:
    match kind:
        case "RSA":
            return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        case "P-256":
            return ec.generate_private_key(ec.SECP256R1())
        case "P-384":
            return ec.generate_private_key(ec.SECP384R1())
        case "P-521":
            return ec.generate_private_key(ec.SECP521R1())
        case "Ed25519":
            return ed25519.Ed25519PrivateKey.generate()
    raise AssertionError(kind)


def kind_for(alg: str) -> str:
    return {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519"}.get(alg, "RSA")


def public_jwk(key: PrivateKey, **members: Any) -> dict[str, Any]:
    """The public JWK of `key`; `members` are added."""
    public = key.public_key()
    match public:
        case rsa.RSAPublicKey():
            jwk = RSAAlgorithm.to_jwk(public, as_dict=True)
        case ec.EllipticCurvePublicKey():
            jwk = ECAlgorithm.to_jwk(public, as_dict=True)
        case _:
            jwk = OKPAlgorithm.to_jwk(public, as_dict=True)
    return {**{name: value for name, value in jwk.items() if name != "key_ops"}, **members}


def public_pem(key: PrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def private_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def segment(value: bytes | object) -> bytes:
    """Unpadded base64url of bytes, or of a value's compact JSON."""
    data = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return urlsafe_b64encode(data).rstrip(b"=")


def claims(**changes: Any) -> dict[str, Any]:
    """Claims that are accepted at NOW; `...` leaves a member out."""
    members = {"iss": ISSUER, "aud": "shop", "sub": "alice", "iat": NOW - 10, "exp": NOW + 300, **changes}
    return {name: value for name, value in members.items() if value is not ...}


def token(
    payload: bytes | object,
    key: PrivateKey | bytes,
    *,
    alg: str = "RS256",
    kid: str | None = "one",
    header: bytes | dict[str, Any] | None = None,
) -> bytes:
    """A compact JWS. `header` bytes replace the header, members are added to it."""
    members = {"alg": alg, "typ": "JWT"} | ({} if kid is None else {"kid": kid})
    head = header if isinstance(header, bytes) else members | (header or {})
    signing_input = segment(head) + b"." + segment(payload)
    signature = get_default_algorithms()[alg].sign(signing_input, key)
    return signing_input + b"." + segment(signature)
