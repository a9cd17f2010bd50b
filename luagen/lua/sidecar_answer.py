"""The sidecar's part in a request, played: a credential that only it could judge, and its answer that allows.

The written form of an identity is that of docs/internals.md, "Deferral"; tests/vectors/identity.json holds
both sides to it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from urllib.parse import quote_from_bytes

from luagen.model import Type
from luagen.reference.reading import claim
from luagen.reference.request import Caller

_LETTERS = {Type.STRING: b"s", Type.INTEGER: b"i", Type.BOOLEAN: b"b", Type.STRINGS: b"l"}


def credential(caller: Caller, settings: Mapping[str, object]) -> bytes:
    """An Authorization field whose token Lua leaves to the sidecar; another caller has another one.

    `settings`: the release's sidecar.json. Raises KeyError when no issuer has the name of the provider.
    """
    fingerprint = hashlib.sha256(repr(caller).encode()).hexdigest()
    issuers = settings["issuers"]
    if not isinstance(issuers, list):
        raise TypeError("bug in luagen: sidecar.json has no list of issuers")
    issuer = {one["name"].encode(): one for one in issuers}[caller.provider]
    if issuer["tokens"] == "opaque":
        return b"Bearer " + fingerprint.encode()
    header = {"alg": issuer["algorithms"][0], "typ": "at+jwt"}
    segments = [_segment(header), _segment({"iss": issuer["issuer"], "jti": fingerprint}), b"c2lnbmF0dXJl"]
    return b"Bearer " + b".".join(segments)


def healthy(release: bytes, nonce: bytes) -> dict[bytes, bytes]:
    """The fields of the sidecar's 204 to a deferral that asks for `health`."""
    return {
        b"Lightgate-Answer": release + b" " + nonce,
        b"Lightgate-Release": release,
        b"Cache-Control": b"no-store",
    }


def _segment(content: object) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=")


def identity(caller: Caller, settings: Mapping[str, object]) -> bytes:
    """LIGHTGATE_IDENTITY for a caller: what the release asks for, of what the caller has."""
    return b"&".join(
        name + b"=" + quote_from_bytes(value, safe="").encode() for name, value in _pairs(caller, settings)
    )


def _pairs(caller: Caller, settings: Mapping[str, object]) -> Iterator[tuple[bytes, bytes]]:
    members, pointers = settings["identity_members"], settings.get("claims", [])
    if not isinstance(members, list) or not isinstance(pointers, list):
        raise TypeError("bug in luagen: sidecar.json has no lists of members and claims")
    yield b"release", str(settings["release"]).encode()
    yield b"provider", caller.provider
    yield b"sub", caller.sub
    if "email" in members and caller.email:
        yield b"email", caller.email
    if "role" in members:
        yield from ((b"role", role) for role in caller.roles)
    for pointer in pointers:
        yield from _claim(caller, pointer)


def _claim(caller: Caller, pointer: str) -> Iterator[tuple[bytes, bytes]]:
    for type_, letter in _LETTERS.items():
        value = claim(caller, pointer, type_)
        if value is None:
            continue
        name = pointer.encode().replace(b"%", b"%25").replace(b" ", b"%20") + b" " + letter
        match value:
            case tuple():
                yield b"claim", name
                yield from ((b"element", element) for element in value if isinstance(element, bytes))
            case bytes():
                yield b"claim", name + value
            case int():
                yield b"claim", name + b"%d" % value
        return
