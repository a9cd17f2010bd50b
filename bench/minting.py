"""Tokens for the load, made before it: signing is dearer than verifying.

Every token has a random `jti` at its start: the load generator's LuaJIT hashes few places of a long string.
"""

from __future__ import annotations

import json
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import HMACAlgorithm, RSAAlgorithm

KID = "bench"
RSA_ISSUER = "https://login.example.org"
HMAC_ISSUER = "https://partner.example.org"
AUDIENCE = "bench"
MINTERS = 2


def _segment(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _mint(header: object, issuer: str, sign: Callable[[bytes], bytes], count: int, expires: int) -> list[str]:
    """`count` tokens of the size that identity providers issue: about 800 bytes with an RSA signature."""
    first = _segment(json.dumps(header, separators=(",", ":")).encode())
    tokens = []
    for number in range(count):
        payload = {
            "jti": secrets.token_urlsafe(16),
            "iss": issuer,
            "aud": AUDIENCE,
            "sub": f"caller-{number:08}",
            "iat": expires - 3600,
            "exp": expires,
            "azp": "bench-client",
            "scope": "openid profile email",
            "realm_access": {"roles": ["reader", "editor", "offline_access"]},
            "email": f"caller-{number:08}@example.org",
            "email_verified": True,
        }
        message = f"{first}.{_segment(json.dumps(payload, separators=(',', ':')).encode())}"
        tokens.append(f"{message}.{_segment(sign(message.encode()))}")
    return tokens


def _mint_rsa(pem: bytes, expires: int, count: int) -> list[str]:
    key = load_pem_private_key(pem, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    algorithm = RSAAlgorithm(RSAAlgorithm.SHA256)
    header = {"alg": "RS256", "typ": "at+jwt", "kid": KID}
    return _mint(header, RSA_ISSUER, lambda message: algorithm.sign(message, key), count, expires)


class Mint:
    """An issuer with an RSA key and one with a shared secret."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.secret = secrets.token_urlsafe(48)

    def jwks(self) -> str:
        jwk = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return json.dumps({"keys": [{**jwk, "kid": KID, "alg": "RS256", "use": "sig"}]})

    def rs256(self, count: int, *, ttl_s: int = 3600) -> list[str]:
        """RS256 tokens that end `ttl_s` seconds from now (before now when negative)."""
        each = partial(_mint_rsa, self._pem, int(time.time()) + ttl_s)
        share, rest = divmod(count, MINTERS)
        with ProcessPoolExecutor(MINTERS) as pool:
            batches = pool.map(each, [share + (1 if number < rest else 0) for number in range(MINTERS)])
            return [token for batch in batches for token in batch]

    def hs256(self, count: int, *, ttl_s: int = 3600) -> list[str]:
        algorithm = HMACAlgorithm(HMACAlgorithm.SHA256)
        key = self.secret.encode()
        header = {"alg": "HS256", "typ": "JWT"}
        expires = int(time.time()) + ttl_s
        return _mint(header, HMAC_ISSUER, lambda message: algorithm.sign(message, key), count, expires)
