"""Hand-made HTTP/2 frames: a POST whose HEADERS and DATA arrive in one read.

lighttpd up to 1.4.76 gives the body of such a request to the authorizer. Browsers and load generators send it
so; curl mostly does not. Frames after RFC 9113 section 4, fields as literals without indexing or Huffman
coding (RFC 7541 section 6.2.2).
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator

from tests.system.wire import TIMEOUT_S, Fields

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
STREAM = 1
MAX_FRAME_BYTES = 16_384
INITIAL_WINDOW_BYTES = 65_535


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _text(value: str) -> bytes:
    """A string literal of HPACK: length as a 7-bit prefixed integer (RFC 7541 section 5.1), then bytes."""
    data = value.encode("latin-1")
    length = len(data)
    if length < 127:
        return bytes([length]) + data
    rest, encoded = length - 127, [127]
    while rest >= 128:
        encoded.append(rest % 128 + 128)
        rest //= 128
    return bytes([*encoded, rest]) + data


def field_block(fields: Fields) -> bytes:
    return b"".join(b"\x00" + _text(name) + _text(value) for name, value in fields)


def coalesced_post(port: int, target: str, fields: Fields, body: bytes, *, tls: bool) -> bytes:
    """POSTs a body of at most 65,535 bytes in one write with its headers; returns the response's body.

    Content-Length is sent: lighttpd 1.4.69 answers 411 to HTTP/2 requests with a body of unknown length.
    Raises AssertionError when the stream or the connection is reset.
    """
    assert len(body) <= INITIAL_WINDOW_BYTES
    pseudo = [(":method", "POST"), (":path", target), (":scheme", "https" if tls else "http")]
    pseudo.append((":authority", f"127.0.0.1:{port}"))
    lower = [(name.lower(), value) for name, value in fields]
    block = field_block([*pseudo, ("content-length", str(len(body))), *lower])
    starts = range(0, max(len(body), 1), MAX_FRAME_BYTES)
    chunks = [body[start : start + MAX_FRAME_BYTES] for start in starts]
    message = PREFACE + frame(SETTINGS, 0, 0, b"") + frame(HEADERS, END_HEADERS, STREAM, block)
    for number, chunk in enumerate(chunks, 1):
        message += frame(DATA, END_STREAM if number == len(chunks) else 0, STREAM, chunk)
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as plain:
        connection = _tls(plain) if tls else plain
        connection.sendall(message)
        return _response_body(connection)


def _tls(plain: socket.socket) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the certificate is the test's own
    context.set_alpn_protocols(["h2"])
    wrapped = context.wrap_socket(plain)
    assert wrapped.selected_alpn_protocol() == "h2"
    return wrapped


def _frames(connection: socket.socket) -> Iterator[tuple[int, int, int, bytes]]:
    buffer = b""
    while True:
        while len(buffer) < 9 or len(buffer) < 9 + int.from_bytes(buffer[:3], "big"):
            data = connection.recv(65_536)
            assert data, "the connection was closed before the response ended"
            buffer += data
        end = 9 + int.from_bytes(buffer[:3], "big")
        yield buffer[3], buffer[4], int.from_bytes(buffer[5:9], "big") & 0x7FFFFFFF, buffer[9:end]
        buffer = buffer[end:]


def _response_body(connection: socket.socket) -> bytes:
    body = b""
    for kind, flags, stream, payload in _frames(connection):
        if kind in (SETTINGS, PING) and not flags & ACK:
            connection.sendall(frame(kind, ACK, 0, payload if kind == PING else b""))
        assert kind not in (RST_STREAM, GOAWAY), f"frame of type {kind}: {payload!r}"
        if stream == STREAM:
            if kind == DATA:
                body += payload
            if flags & END_STREAM:
                return body
    raise AssertionError("unreachable: frames end only with an error")
