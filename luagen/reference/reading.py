"""What a request and a token say, read as the standards say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import unquote_to_bytes

from luagen import claims
from luagen.model import Type
from luagen.reference.request import Caller

Address = IPv4Address | IPv6Address
Texts = tuple[bytes, ...]

_PORT = re.compile(rb":[0-9]+\Z")
_MAX_CLAIM = 10**15


def host_name(authority: bytes) -> bytes:
    return _PORT.sub(b"", authority)


def parse_address(text: bytes) -> Address | None:
    """IPv4 also when it came as IPv4-mapped IPv6; None for what is no address."""
    try:
        address = ip_address(text.decode("ascii"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def arguments(query: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """The parameters of a query in their order, as the URL standard reads a form (section 5.1)."""
    pairs = (pair.partition(b"=")[::2] for pair in query.split(b"&") if pair)
    return tuple((_unquoted(name), _unquoted(value)) for name, value in pairs)


def _unquoted(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))


def cookies(field: bytes) -> Iterable[tuple[bytes, bytes]]:
    """RFC 6265 section 5.4: pairs between `;`, values as sent."""
    for pair in field.split(b";"):
        name, equals, value = pair.partition(b"=")
        if equals and name.strip(b" \t"):
            yield name.strip(b" \t"), value.strip(b" \t")


def claim(caller: Caller | None, pointer: str, type_: Type) -> bytes | int | Texts | None:
    """A claim (RFC 6901 names it) when the caller has it in this type and within the limits of
    docs/internals.md, else None."""
    found: object = caller.claims if caller else None
    for name in claims.reference_tokens(pointer):
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    match type_, found:
        case Type.STRING, str():
            return _claim_text(found)
        case Type.BOOLEAN, bool():
            return found
        case Type.INTEGER, int() | float() if not isinstance(found, bool):
            return int(found) if found == found // 1 and abs(found) < _MAX_CLAIM else None
        case (Type.STRINGS, list() | tuple()) if len(found) <= 256:
            texts = [_claim_text(text) for text in found if isinstance(text, str)]
            sound = tuple(text for text in texts if text is not None)
            return sound if len(sound) == len(found) else None
        case _:
            return None


def _claim_text(text: str) -> bytes | None:
    data = text.encode()
    return None if len(data) > 1024 or re.search(rb"[\x00-\x1f\x7f]", data) else data
