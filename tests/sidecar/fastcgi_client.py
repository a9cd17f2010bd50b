"""The web server's side of the authorizer protocol, as lighttpd speaks it, written from the specification."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from sidecar.fastcgi.records import Role, Type, begin_request, pair, record


class Response(NamedTuple):
    status: int
    fields: dict[str, str]
    body: str


def params(values: Mapping[str, str | bytes]) -> bytes:
    return b"".join(
        pair(name.encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in values.items()
    )


def request(values: Mapping[str, str | bytes], *, request_id: int = 1, role: int = Role.AUTHORIZER) -> bytes:
    """What lighttpd sends in one write."""
    stream = params(values)
    chunks = [stream[start : start + 65_535] for start in range(0, len(stream), 65_535)]
    return (
        begin_request(request_id, role)
        + b"".join(record(Type.PARAMS, request_id, chunk) for chunk in chunks)
        + record(Type.PARAMS, request_id, b"")
        + record(Type.STDIN, request_id, b"")
    )


def deferral(authorization: bytes | str | None, **changes: str) -> dict[str, str | bytes]:
    """The parameters of a deferral of release r1."""
    values: dict[str, str | bytes] = {
        "QUERY_STRING": "",
        "REQUEST_URI": "/members/",
        "REQUEST_METHOD": "GET",
        "REMOTE_ADDR": "192.0.2.7",
        "HTTP_HOST": "shop.example",
        "HTTP_USER_AGENT": "test " * 60,
        "LIGHTGATE_RELEASE": "r1",
        "LIGHTGATE_NONCE": "12.34.56",
        "LIGHTGATE_ASK": "identity",
        "LIGHTGATE_PATH": "/members/",
        "LIGHTGATE_HOST": "shop.example",
        **changes,
    }
    if authorization is not None:
        values["HTTP_AUTHORIZATION"] = authorization
    return values


def records(data: bytes) -> list[tuple[int, int, bytes]]:
    """The whole records of `data` as (type, request id, content)."""
    found, position = [], 0
    while position < len(data):
        version, kind, request_id, length, padding = struct.unpack_from("!BBHHBx", data, position)
        assert version == 1
        found.append((kind, request_id, data[position + 8 : position + 8 + length]))
        position += 8 + length + padding
    assert position == len(data)
    return found


def parse(data: bytes, *, request_id: int = 1) -> Response:
    """The CGI response in a complete answer: STDOUT, empty STDOUT, END_REQUEST."""
    (kind, stdout_id, content), *rest = records(data)
    assert (kind, stdout_id) == (Type.STDOUT, request_id)
    assert rest == [(Type.STDOUT, request_id, b""), (Type.END_REQUEST, request_id, bytes(8))]
    return parse_cgi(content)


def parse_cgi(content: bytes) -> Response:
    """A CGI response. `Status` must be its first line."""
    head, _, body = content.decode().partition("\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.split("\r\n"))
    assert next(iter(fields)) == "Status"
    return Response(int(fields.pop("Status")), fields, body)


def exchange(path: Path, data: bytes, *, timeout_s: float = 10.0) -> bytes:
    """Sends `data` to the authorizer socket at `path`; everything that comes back until it closes."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(timeout_s)
        client.connect(str(path))
        client.sendall(data)
        received = bytearray()
        while chunk := client.recv(65_536):
            received += chunk
        return bytes(received)


def ask(path: Path, authorization: bytes | str | None, **changes: str) -> Response:
    return parse(exchange(path, request(deferral(authorization, **changes))))
