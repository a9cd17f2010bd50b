"""Files of a policy that hold an issuer's public keys. Their content becomes part of the release.

No secret is ever in an artifact, so files with private or symmetric keys are refused.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from luagen import policy_files
from luagen.diagnostics import Bag, Code, quoted
from luagen.document import Text
from luagen.model import JwksDocument, PemKey

MAX_BYTES = 256 * 1024  # of a key file
MAX_KEYS = 64  # of a JWK set

# RFC 7518 sections 6.2.2, 6.3.2 and 6.4: members that only private and symmetric keys have.
_SECRET_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
_PEM_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_NO_SECRET = "a release holds no secrets; name a credential with `secret`, or use the public key"


class _Refused(Exception):
    """The file cannot be used."""

    def __init__(self, message: str, help: str | None = None, *, code: Code = Code.INVALID_VALUE) -> None:
        super().__init__(message)
        self.message = message
        self.help = help
        self.code = code


def jwks(path: Text, directory: Path, bag: Bag) -> JwksDocument | None:
    """The JWK set in the file (RFC 7517 section 5), or None when mistakes were reported."""
    try:
        return _jwks(_read(path.value, directory))
    except _Refused as refused:
        bag.error(refused.code, refused.message, path.span, help=refused.help)
        return None


def pem(path: Text, directory: Path, bag: Bag) -> PemKey | None:
    """The one public key or certificate in the file, or None when mistakes were reported."""
    try:
        return _pem(_read(path.value, directory))
    except _Refused as refused:
        bag.error(refused.code, refused.message, path.span, help=refused.help)
        return None


def _jwks(text: str) -> JwksDocument:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise _Refused("the file is not JSON") from None
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise _Refused("the file is not a JWK set", "it is an object with an array `keys`")
    if not 1 <= len(keys) <= MAX_KEYS:
        raise _Refused(f"the JWK set has {len(keys)} keys, and 1 to {MAX_KEYS} are possible")
    for number, key in enumerate(keys, 1):
        if not isinstance(key, dict) or not isinstance(key.get("kty"), str):
            raise _Refused(f"key {number} of the JWK set is not an object with a string `kty`")
        if key["kty"] == "oct" or not _SECRET_MEMBERS.isdisjoint(key):
            kind = "symmetric" if key["kty"] == "oct" else "private"
            message = f"key {number} of the JWK set is {kind}"
            raise _Refused(message, _NO_SECRET, code=Code.SECRET_IN_POLICY)
    return JwksDocument(text=text)


def _pem(text: str) -> PemKey:
    blocks = list(_PEM_BLOCK.finditer(text))
    if any("PRIVATE" in block[1] for block in blocks) or "PRIVATE KEY" in text:
        raise _Refused("the file holds a private key", _NO_SECRET, code=Code.SECRET_IN_POLICY)
    if len(blocks) != 1:
        raise _Refused(f"the file has {len(blocks)} PEM blocks, and one is needed")
    block = blocks[0][0]
    try:
        key = _public_key(block, is_certificate=blocks[0][1] == "CERTIFICATE")
    except (ValueError, UnsupportedAlgorithm):
        raise _Refused("the file is neither a public key nor a certificate") from None
    if not isinstance(
        key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
    ):
        raise _Refused("keys are RSA, elliptic-curve or EdDSA keys")
    return PemKey(text=f"{block}\n")


def _public_key(block: str, *, is_certificate: bool) -> object:
    if is_certificate:
        return x509.load_pem_x509_certificate(block.encode()).public_key()
    return load_pem_public_key(block.encode())


def _read(name: str, directory: Path) -> str:
    try:
        return policy_files.read(name, directory, MAX_BYTES).decode("utf-8")
    except policy_files.FileRefused as refused:
        raise _Refused(refused.message, code=refused.code) from None
    except UnicodeDecodeError:
        raise _Refused(f"{quoted(name)} is not UTF-8", code=Code.INVALID_ENCODING) from None
