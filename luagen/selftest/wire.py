"""FastCGI records, as far as a broken authorizer needs them (FastCGI specification 1.0, section 3.3). Does no
I/O.

Not the sidecar's codec: that one cannot write what is tried here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

VERSION = 1
BEGIN_REQUEST, END_REQUEST, PARAMS, STDOUT, STDERR = 1, 3, 4, 6, 7
AUTHORIZER = 2
REQUEST_COMPLETE, CANT_MPX_CONN, OVERLOADED = 0, 1, 2  # protocolStatus
HEADER = struct.Struct(">BBHHBx")  # version, type, requestId, contentLength, paddingLength, reserved
MAX_CONTENT_BYTES = 65_535


def record(kind: int, content: bytes = b"") -> bytes:
    return HEADER.pack(VERSION, kind, 1, len(content), 0) + content


def stdout(content: bytes) -> bytes:
    """`content` in as many records as it takes, without the empty one that ends the stream."""
    return b"".join(
        record(STDOUT, content[start : start + MAX_CONTENT_BYTES])
        for start in range(0, len(content), MAX_CONTENT_BYTES)
    )


def end(app_status: int = 0, protocol_status: int = REQUEST_COMPLETE) -> bytes:
    return record(END_REQUEST, struct.pack(">IB3x", app_status, protocol_status))


def response(*lines: bytes, body: bytes = b"") -> bytes:
    """A complete answer: header block, body, end of stream, END_REQUEST."""
    return stdout(b"\r\n".join((*lines, b"", body))) + record(STDOUT) + end()


def parameters(content: bytes) -> Mapping[str, bytes]:
    """The name-value pairs of a complete PARAMS stream (section 3.4)."""
    return dict(_pairs(content))


def _pairs(content: bytes) -> Iterator[tuple[str, bytes]]:
    offset = 0
    while offset < len(content):
        name_length, offset = _length(content, offset)
        value_length, offset = _length(content, offset)
        name = content[offset : offset + name_length]
        offset += name_length
        yield name.decode("latin-1"), content[offset : offset + value_length]
        offset += value_length


def _length(content: bytes, offset: int) -> tuple[int, int]:
    if content[offset] < 0x80:
        return content[offset], offset + 1
    return int.from_bytes(content[offset : offset + 4]) & 0x7FFFFFFF, offset + 4
