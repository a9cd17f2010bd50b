"""One deferral as a value, from FastCGI parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sidecar.fastcgi.records import select

_WANTED = frozenset(
    {
        b"LIGHTGATE_RELEASE",
        b"LIGHTGATE_NONCE",
        b"LIGHTGATE_ASK",
        b"LIGHTGATE_HOST",
        b"LIGHTGATE_PATH",
        b"HTTP_AUTHORIZATION",
        b"HTTP_ACCEPT",
        b"REMOTE_ADDR",
        b"REQUEST_METHOD",
    }
)
# Both stand in header fields of the answer, so they must be one word of visible ASCII.
_WORD = re.compile(rb"[!-~]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`release` and `nonce` are "" when missing or malformed. Texts other than these come from the client."""

    release: str
    nonce: str
    ask: frozenset[str]
    authorization: bytes | None = field(repr=False)
    accept: bytes
    method: str
    host: str
    path: str
    remote_addr: str

    @property
    def is_deferral(self) -> bool:
        """Whether Lua can have made this request: release, nonce and something asked for."""
        return bool(self.release and self.nonce and self.ask)


def from_params(params: bytes) -> Request:
    """The request in a whole PARAMS stream. Raises records.ProtocolError when the stream is malformed."""
    found = select(params, _WANTED)
    get = found.get
    return Request(
        release=_word(get(b"LIGHTGATE_RELEASE", b"")),
        nonce=_word(get(b"LIGHTGATE_NONCE", b"")),
        ask=frozenset(get(b"LIGHTGATE_ASK", b"").decode("latin-1").split()),
        authorization=get(b"HTTP_AUTHORIZATION"),
        accept=get(b"HTTP_ACCEPT", b""),
        method=get(b"REQUEST_METHOD", b"").decode("latin-1"),
        host=get(b"LIGHTGATE_HOST", b"").decode("latin-1"),
        path=get(b"LIGHTGATE_PATH", b"").decode("latin-1"),
        remote_addr=get(b"REMOTE_ADDR", b"").decode("latin-1"),
    )


def _word(value: bytes) -> str:
    return value.decode("ascii") if _WORD.fullmatch(value) else ""
