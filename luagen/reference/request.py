"""A request as lighttpd hands it to the policy, and who sends it: one value for each fact, as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A caller as a verified token describes them. Claims are JSON's data model, text in them `str`."""

    provider: bytes  # name of the [auth] table that vouches
    sub: bytes
    email: bytes = b""
    roles: tuple[bytes, ...] = ()
    claims: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`path` is decoded and normalised, `raw_path` normalised only; field names in any case."""

    method: bytes = b"GET"
    scheme: bytes = b"https"
    authority: bytes = b"www.example.org"  # host in lower case, perhaps with a port; b"": none
    path: bytes = b"/"
    raw_path: bytes = b"/"
    query: bytes = b""
    port: int = 443  # of this server
    ip: bytes = b"192.0.2.7"  # as text
    http_version: bytes = b"1.1"  # "1.0", "1.1" or "2"
    content_length: int = 0  # -1: chunked
    headers: tuple[tuple[bytes, bytes], ...] = ()
    variables: tuple[tuple[bytes, bytes], ...] = ()  # of lighttpd's modules, such as SSL_PROTOCOL
    now: int = 1_767_268_800  # seconds since the epoch
    caller: Caller | None = None
    origin_status: int = 200  # what the application answers when it is asked
    origin_headers: tuple[tuple[bytes, bytes], ...] = ()  # of that answer
