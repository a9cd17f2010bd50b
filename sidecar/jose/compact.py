"""The compact form of a signed token, read strictly (RFC 7515 section 3.1). No I/O, no cryptography.

A token has exactly one spelling here: canonical base64url without padding, one JSON object without repeats
for the header and one for the payload. Lengths are checked before any other work.
"""

from __future__ import annotations

from binascii import a2b_base64
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from sidecar.reasons import Reason, Refused
from sidecar.strict_json import JsonError, JsonObject, parse_object

MAX_TOKEN_BYTES = 8_192  # lighttpd's own limit for one request's header fields
MAX_HEADER_SEGMENT_BYTES = 1_024
MAX_KID_BYTES = 256
HEADER_CACHE_ENTRIES = 256  # headers of one issuer are all alike; 256 KiB at most

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"  # RFC 4648 section 5
_TO_BASE64 = bytes.maketrans(b"-_", b"+/")
# By length modulo 4: the padding, and the last characters whose surplus bits are 0 (RFC 4648 section 3.5).
_ENDINGS = {
    0: (b"", frozenset(_ALPHABET)),
    2: (b"==", frozenset(_ALPHABET[::16])),
    3: (b"=", frozenset(_ALPHABET[::4])),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A JOSE header. Its `jwk`, `jku` and `x5*` members are never read: keys come from configuration only."""

    alg: str
    kid: str | None
    members: JsonObject = field(hash=False)


class CompactJws(NamedTuple):
    """A token split and decoded, nothing verified. `payload` is whatever bytes were signed."""

    header: Header
    payload: bytes
    signing_input: bytes  # RFC 7515 section 5.2 step 8
    signature: bytes


def parse(token: bytes) -> CompactJws:
    """The parts of `token`. Raises Refused: too long, malformed, `crit` or `b64` in the header."""
    if len(token) > MAX_TOKEN_BYTES:
        raise Refused(Reason.TOKEN_TOO_LONG)
    # Three segments: a JWE has five, a JSON serialisation none. Counting before splitting bounds the split.
    if token.count(b".") != 2:
        raise Refused(Reason.MALFORMED_TOKEN)
    signing_input, _, signature = token.rpartition(b".")
    header, _, payload = signing_input.partition(b".")
    if not signature:
        raise Refused(
            Reason.MALFORMED_TOKEN
        )  # an unsecured token (RFC 7515 appendix A.5), whatever its `alg`
    return CompactJws(
        header=parse_header(header),
        payload=base64url_decode(payload),
        signing_input=signing_input,
        signature=base64url_decode(signature),
    )


def claims_of(jws: CompactJws) -> JsonObject:
    """The payload as claims, unverified until `verify` says otherwise. Raises Refused."""
    try:
        return parse_object(jws.payload)
    except JsonError:
        raise Refused(Reason.MALFORMED_TOKEN) from None


@lru_cache(maxsize=HEADER_CACHE_ENTRIES)
def parse_header(segment: bytes) -> Header:
    """The header in a base64url segment. Raises Refused. Callers must not change the result: it is shared."""
    if len(segment) > MAX_HEADER_SEGMENT_BYTES:
        raise Refused(Reason.MALFORMED_TOKEN)
    try:
        members = parse_object(base64url_decode(segment))
    except JsonError:
        raise Refused(Reason.MALFORMED_TOKEN) from None
    # RFC 7515 section 4.1.11: an extension we do not know must not be ignored, and we know none.
    if "crit" in members or "b64" in members:
        raise Refused(Reason.CRITICAL_HEADER)
    alg, kid = members.get("alg"), members.get("kid")
    if not isinstance(alg, str):
        raise Refused(Reason.MALFORMED_TOKEN)
    if "kid" in members and not (isinstance(kid, str) and len(kid.encode()) <= MAX_KID_BYTES):
        raise Refused(Reason.MALFORMED_KID)
    return Header(alg=alg, kid=kid, members=members)


def base64url_decode(segment: bytes) -> bytes:
    """The bytes of canonical, unpadded base64url. Raises Refused for every other spelling of them."""
    if not segment:
        return b""
    # The decoder skips foreign characters and ignores surplus bits: both are looked for before it.
    ending = _ENDINGS.get(len(segment) % 4)
    if ending is None or segment[-1] not in ending[1] or segment.translate(None, _ALPHABET):
        raise Refused(Reason.MALFORMED_TOKEN)
    return a2b_base64(segment.translate(_TO_BASE64) + ending[0])
