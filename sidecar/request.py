"""One deferral as a value, from FastCGI parameters."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

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


class Request(NamedTuple):
    """`release` and `nonce` are "" when missing or malformed. Texts other than these come from the client."""

    # A tuple, because one is made for every deferral and a frozen dataclass takes four times as long.
    release: str
    nonce: str
    ask: frozenset[str]
    authorization: bytes | None
    accept: bytes
    method: str
    host: str
    path: str
    remote_addr: str

    @property
    def is_deferral(self) -> bool:
        """Whether Lua can have made this request: release, nonce and something asked for."""
        return bool(self.release and self.nonce and self.ask)

    def __repr__(self) -> str:  # the credential must not get into an exception's text
        return f"Request(release={self.release!r}, nonce={self.nonce!r})"


def from_params(params: bytes) -> Request:
    """The request in a whole PARAMS stream. Raises records.ProtocolError when the stream is malformed."""
    found = select(params, _WANTED)
    get = found.get
    return Request(
        release=_word(get(b"LIGHTGATE_RELEASE", b"")),
        nonce=_word(get(b"LIGHTGATE_NONCE", b"")),
        ask=_asked_for(get(b"LIGHTGATE_ASK", b"")),
        authorization=get(b"HTTP_AUTHORIZATION"),
        accept=get(b"HTTP_ACCEPT", b""),
        method=get(b"REQUEST_METHOD", b"").decode("latin-1"),
        host=get(b"LIGHTGATE_HOST", b"").decode("latin-1"),
        path=get(b"LIGHTGATE_PATH", b"").decode("latin-1"),
        remote_addr=get(b"REMOTE_ADDR", b"").decode("latin-1"),
    )


@lru_cache(maxsize=16)
def _asked_for(value: bytes) -> frozenset[str]:
    return frozenset(value.decode("latin-1").split())


def _word(value: bytes) -> str:
    return value.decode("ascii") if _WORD.fullmatch(value) else ""
