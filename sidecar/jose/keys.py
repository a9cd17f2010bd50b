"""Verification keys from JWKs, PEM and shared secrets, checked once and prepared. Does no I/O.

A key names the algorithms that it may serve; `verify` never lets a token choose beyond that (RFC 8725 section
3.1).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509 import load_pem_x509_certificate
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError

from sidecar.jose.compact import MAX_KID_BYTES, base64url_decode
from sidecar.reasons import Refused

RSA_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
EC_ALGORITHMS = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}  # RFC 7518 section 3.4
HMAC_MIN_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}  # RFC 7518 section 3.2: at least the hash's size
PUBLIC_KEY_ALGORITHMS = RSA_ALGORITHMS | frozenset(EC_ALGORITHMS.values()) | {"EdDSA"}

MIN_RSA_BITS = 2_048  # RFC 7518 section 3.3
MAX_RSA_BITS = 16_384  # bounds the work of one verification
MAX_RSA_EXPONENT_BITS = 64  # what OpenSSL accepts for large moduli; keeps verification cheap
MAX_KEYS = 64  # of one set

_CURVES: dict[str, tuple[ec.EllipticCurve, int]] = {
    "P-256": (ec.SECP256R1(), 32),
    "P-384": (ec.SECP384R1(), 48),
    "P-521": (ec.SECP521R1(), 66),
}

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


class KeyRefused(Exception):
    """A key is not usable. The message says why, without any of the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationKey:
    """`fingerprint` tells keys apart, their `kid` included; two equal keys have equal fingerprints."""

    kid: str | None
    algorithms: frozenset[str]
    fingerprint: bytes
    key: PublicKey | bytes = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of one issuer, in the order of their document. Never empty."""

    keys: tuple[VerificationKey, ...]
    _by_algorithm: dict[str, dict[str | None, tuple[VerificationKey, ...]]] = field(
        init=False, repr=False, compare=False
    )  # and by `kid`, None for those without a name

    def __post_init__(self) -> None:
        found: dict[str, dict[str | None, tuple[VerificationKey, ...]]] = {}
        for key in self.keys:
            for algorithm in key.algorithms:
                by_kid = found.setdefault(algorithm, {})
                by_kid[key.kid] = (*by_kid.get(key.kid, ()), key)
        object.__setattr__(self, "_by_algorithm", found)

    def candidates(self, kid: str | None, alg: str) -> tuple[VerificationKey, ...]:
        """The keys that may have made a signature: those of this `kid`, else those without a name.

        Without `kid`, all that fit `alg`. Secrets and keys in PEM have no name, whatever their tokens say.
        """
        if kid is None:
            return tuple(key for key in self.keys if alg in key.algorithms)
        by_kid = self._by_algorithm.get(alg, {})
        return by_kid.get(kid) or by_kid.get(None, ())

    def fingerprints(self) -> frozenset[bytes]:
        return frozenset(key.fingerprint for key in self.keys)


def parse_jwks(document: Mapping[str, Any]) -> tuple[KeySet, tuple[str, ...]]:
    """A JWK set (RFC 7517 section 5) and, for each key that was left out, why.

    Raises KeyRefused when the document is no JWK set, has more than 64 keys, or no usable one.
    """
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise KeyRefused("`keys` is not an array")
    if len(entries) > MAX_KEYS:
        raise KeyRefused(f"more than {MAX_KEYS} keys")
    keys, refused = [], []
    for index, entry in enumerate(entries):
        try:
            if not isinstance(entry, dict):
                raise KeyRefused("not an object")
            keys.append(parse_jwk(entry))
        except KeyRefused as error:
            refused.append(f"keys[{index}]: {error}")
    if not keys:
        raise KeyRefused("no usable key" + (f" ({refused[0]})" if refused else ""))
    return KeySet(tuple(keys)), tuple(refused)


def parse_jwk(jwk: Mapping[str, Any]) -> VerificationKey:
    """One public JWK (RFC 7517 section 4). Raises KeyRefused."""
    kid = jwk.get("kid")
    if "kid" in jwk and not (isinstance(kid, str) and len(kid.encode()) <= MAX_KID_BYTES):
        raise KeyRefused("`kid` is not a string of at most 256 bytes")
    if "use" in jwk and jwk["use"] != "sig":
        raise KeyRefused("`use` is not `sig`")
    operations = jwk.get("key_ops")
    if "key_ops" in jwk and not (isinstance(operations, list) and "verify" in operations):
        raise KeyRefused("`key_ops` does not contain `verify`")
    if jwk.get("kty") == "oct":
        raise KeyRefused("a shared secret in a key set")  # a public document cannot hold one
    if "d" in jwk:
        raise KeyRefused("a private key in a key set")  # whoever reads the set can sign
    public = _public_key(jwk)
    algorithms = algorithms_of(public)
    if "alg" in jwk:
        algorithms &= {jwk["alg"]} if isinstance(jwk["alg"], str) else frozenset()
        if not algorithms:
            raise KeyRefused("`alg` does not fit the key")
    return _key(kid, algorithms, public)


def parse_pem(text: str) -> KeySet:
    """The one public key or certificate in PEM text. Raises KeyRefused."""
    data = text.encode()
    try:
        public = (
            load_pem_x509_certificate(data).public_key()
            if "-----BEGIN CERTIFICATE-----" in text
            else serialization.load_pem_public_key(data)
        )
    except (ValueError, UnsupportedAlgorithm):
        raise KeyRefused("not a public key or certificate in PEM") from None
    return KeySet((_key(None, algorithms_of(public), public),))


def shared_secret(secret: bytes, algorithms: Iterable[str]) -> KeySet:
    """An HMAC secret for `algorithms`. Raises KeyRefused: too short, or it looks like a public key.

    A public key taken for a secret would let everyone sign (RFC 8725 section 2.1), so everything that
    parses as PEM, DER, SSH or JWK is refused, wherever in the text it begins.
    """
    needed = max(HMAC_MIN_BYTES[algorithm] for algorithm in algorithms)
    if len(secret) < needed:
        raise KeyRefused(f"shorter than {needed} bytes")
    if re.search(rb"-----BEGIN|ssh-(rsa|ed25519|dss) |ecdsa-sha2-", secret):
        raise KeyRefused("looks like a public key, not like a secret")
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except InvalidKeyError:
        raise KeyRefused("looks like a public key, not like a secret") from None
    fingerprint = hashlib.sha256(b"secret\0" + secret).digest()
    return KeySet(
        (VerificationKey(kid=None, algorithms=frozenset(algorithms), fingerprint=fingerprint, key=secret),)
    )


def algorithms_of(public: object) -> frozenset[str]:
    """The algorithms that a public key can serve. Raises KeyRefused: wrong kind, size, exponent or curve."""
    match public:
        case rsa.RSAPublicKey():
            numbers = public.public_numbers()
            _check_rsa(numbers.n, numbers.e)
            return RSA_ALGORITHMS
        case ec.EllipticCurvePublicKey():
            for name, (curve, _) in _CURVES.items():
                if public.curve.name == curve.name:
                    return frozenset({EC_ALGORITHMS[name]})
            raise KeyRefused("the curve is none of P-256, P-384, P-521")
        case ed25519.Ed25519PublicKey():
            return frozenset({"EdDSA"})
        case _:
            raise KeyRefused("not an RSA, EC or Ed25519 key")


def _public_key(jwk: Mapping[str, Any]) -> PublicKey:
    try:
        match jwk.get("kty"), jwk.get("crv"):
            case "RSA", _:
                n, e = (int.from_bytes(_octets(jwk, name)) for name in ("n", "e"))
                _check_rsa(n, e)
                return rsa.RSAPublicNumbers(e, n).public_key()
            case "EC", ("P-256" | "P-384" | "P-521") as name:
                curve, size = _CURVES[name]
                x, y = _octets(jwk, "x"), _octets(jwk, "y")
                if (
                    len(x) != size or len(y) != size
                ):  # RFC 7518 section 6.2.1.2: the full size of a coordinate
                    raise KeyRefused(f"the coordinates are not of {size} bytes")
                # Checks that the point is on the curve; the point at infinity has no affine coordinates.
                numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), curve)
                return numbers.public_key()
            case "OKP", "Ed25519":
                return ed25519.Ed25519PublicKey.from_public_bytes(_octets(jwk, "x"))
            case _:
                raise KeyRefused("not an RSA, EC (P-256, P-384, P-521) or Ed25519 key")
    except (ValueError, UnsupportedAlgorithm):  # cryptography's messages may quote the numbers
        raise KeyRefused("not a valid key") from None


def _octets(jwk: Mapping[str, Any], name: str) -> bytes:
    value = jwk.get(name)
    if not isinstance(value, str) or not value.isascii():
        raise KeyRefused(f"`{name}` is not a string")
    if len(value) > MAX_RSA_BITS // 4:
        raise KeyRefused(f"`{name}` is too long")
    try:
        return base64url_decode(value.encode())
    except Refused:
        raise KeyRefused(f"`{name}` is not base64url") from None


def _check_rsa(n: int, e: int) -> None:
    if not MIN_RSA_BITS <= n.bit_length() <= MAX_RSA_BITS:
        raise KeyRefused(f"the modulus is not of {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")
    if e < 3 or e % 2 == 0 or e.bit_length() > MAX_RSA_EXPONENT_BITS:
        raise KeyRefused("the exponent is not odd, at least 3 and at most 64 bits long")
    if _made_by_roca(n):
        raise KeyRefused("the modulus has the ROCA weakness")


# CVE-2017-15361: moduli of the broken generator are powers of 65537 modulo every one of these primes. A sound
# modulus passes all of them with a chance of about 2^-27.
_ROCA_PRIMES = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
_ROCA_RESIDUES = {prime: frozenset(pow(65_537, k, prime) for k in range(prime)) for prime in _ROCA_PRIMES}


def _made_by_roca(n: int) -> bool:
    return all(n % prime in residues for prime, residues in _ROCA_RESIDUES.items())


def _key(kid: str | None, algorithms: frozenset[str], public: object) -> VerificationKey:
    assert isinstance(public, PublicKey)  # noqa: S101 - algorithms_of has refused every other kind
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    label = f"{kid}\0{' '.join(sorted(algorithms))}\0".encode()
    return VerificationKey(
        kid=kid, algorithms=algorithms, fingerprint=hashlib.sha256(label + der).digest(), key=public
    )
