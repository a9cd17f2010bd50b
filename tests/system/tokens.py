"""Tokens made here, for what an honest provider would not issue: forged, malformed, oversized, too old."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from jwt import PyJWS
from jwt.algorithms import RSAAlgorithm

ISSUER = "https://login.example.org"
AUDIENCE = "shop"


def segment(value: bytes | object) -> str:
    """Unpadded base64url of bytes, or of a value's compact JSON."""
    data = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def claims(*, ttl_s: int = 300, now: Callable[[], float] = time.time, **others: object) -> dict[str, Any]:
    """Claims that lightgate accepts from ISSUER for AUDIENCE. `ttl_s` may be negative; `others` replace."""
    issued = int(now())
    return {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "iat": min(issued, issued + ttl_s - 1),
        "exp": issued + ttl_s,
        **others,
    }


def _encode(payload: object, key: Any, algorithm: str, header: dict[str, Any]) -> str:
    # the layer below jwt.encode, which would refuse some of the claims that lightgate must refuse itself
    data = payload if isinstance(payload, bytes) else json.dumps(payload, separators=(",", ":")).encode()
    return PyJWS().encode(data, key, algorithm=algorithm, headers=header)


def hs256(secret: bytes, payload: object, **header: Any) -> str:
    return _encode(payload, secret, "HS256", header)


class Signer:
    """An RSA key of an issuer, and its public half as a JWK set for the policy's `jwks_file`."""

    def __init__(self, kid: str = "test") -> None:
        self._kid = kid
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def jwks(self) -> str:
        jwk = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return json.dumps({"keys": [{**jwk, "kid": self._kid, "alg": "RS256", "use": "sig"}]})

    def sign(self, payload: object, **header: Any) -> str:
        """An RS256 token; `header` members replace or extend the ordinary ones."""
        return _encode(payload, self._key, "RS256", {"kid": self._kid, **header})
