"""HTTP from the client's side: raw HTTP/1.1 bytes over a socket, and curl for TLS and HTTP/2.

Raw requests are sent exactly as given: what lightgate must withstand is what no HTTP library would send.
"""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

TIMEOUT_S = 30.0

STREAM_RESET = 92  # curl's exit code: an HTTP/2 stream was not closed cleanly

Protocol = Literal["http/1.1", "h2c", "h2"]
Fields = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        """The values of every field line with this name, in order."""
        return [value for field, value in self.fields if field.lower() == name.lower()]

    def field(self, name: str) -> str | None:
        """The value of the only field line with this name; None when there is none."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} is there {len(values)} times: {values}"
        return values[0] if values else None

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


def bearer(token: str) -> tuple[str, str]:
    return ("Authorization", f"Bearer {token}")


class Connection:
    """One client connection; several requests on it show what leaks from one to the next."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def receive(self, method: str = "GET") -> Response:
        """The next response. Raises http.client.HTTPException or OSError when there is none."""
        response = http.client.HTTPResponse(self._socket, method=method)
        response.begin()
        body = response.read()
        return Response(response.status, tuple(response.getheaders()), body)

    def request(self, method: str, target: str, fields: Fields = (), body: bytes = b"") -> Response:
        self.send(request_bytes(method, target, fields, body, host="gate.example", close=False))
        return self.receive(method)


def request_bytes(
    method: str, target: str, fields: Fields = (), body: bytes = b"", *, host: str | None, close: bool
) -> bytes:
    """An HTTP/1.1 request. Strings are sent as Latin-1: any byte can be written. `host` None: no Host."""
    lines = [f"{method} {target} HTTP/1.1"]
    if host is not None:
        lines.append(f"Host: {host}")
    if close:
        lines.append("Connection: close")
    names = {name.lower() for name, _ in fields}
    if (body or method == "POST") and not names & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in fields]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def send(port: int, data: bytes, method: str = "GET") -> Response:
    """Sends bytes on a connection of their own and reads one response."""
    with Connection(port) as connection:
        connection.send(data)
        return connection.receive(method)


def request(
    port: int,
    target: str,
    fields: Fields = (),
    *,
    method: str = "GET",
    body: bytes = b"",
    host: str | None = "gate.example",
) -> Response:
    """One HTTP/1.1 request on a connection of its own."""
    return send(port, request_bytes(method, target, fields, body, host=host, close=True), method)


def chunked(body: bytes, chunk_bytes: int = 16_384) -> bytes:
    """`body` in the chunked coding (RFC 9112 section 7.1)."""
    chunks = (body[start : start + chunk_bytes] for start in range(0, len(body), chunk_bytes))
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


def curl(
    url: str,
    *,
    protocol: Protocol,
    fields: Fields = (),
    body: bytes | None = None,
    may_reset: bool = False,
) -> Response:
    """One request by curl; `h2c` is HTTP/2 with prior knowledge, `h2` over TLS. A `body` makes it a POST.

    `may_reset`: the server may end an HTTP/2 stream by a reset once it has answered. Raises AssertionError
    when curl fails or another protocol was used.
    """
    flags = {"http/1.1": ["--http1.1"], "h2c": ["--http2-prior-knowledge"], "h2": ["--http2", "--insecure"]}
    with TemporaryDirectory(prefix="lightgate-curl-") as directory:
        head, content, upload = (Path(directory, name) for name in ("head", "content", "upload"))
        content.touch()
        argv = ["curl", "--silent", "--show-error", "--path-as-is", *flags[protocol]]
        for name, value in fields:
            argv += ["--header", f"{name}: {value}"]
        if body is not None:
            upload.write_bytes(body)
            argv += ["--data-binary", f"@{upload}", "--header", "Content-Type: application/octet-stream"]
        argv += ["--dump-header", str(head), "--output", str(content), "--max-time", str(TIMEOUT_S)]
        argv += ["--write-out", "%{http_version} %{http_code}", url]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT_S + 5, check=False)
        fine = (0, STREAM_RESET) if may_reset else (0,)
        assert done.returncode in fine, f"curl ended with {done.returncode}: {done.stderr}"
        version, status = done.stdout.split()
        assert version == ("1.1" if protocol == "http/1.1" else "2"), f"curl used HTTP/{version}"
        # interim responses come first, each ended by an empty line
        block = head.read_text("latin-1").strip().replace("\r\n", "\n").split("\n\n")[-1]
        pairs = (line.partition(":") for line in block.split("\n")[1:])
        return Response(int(status), tuple((n, v.strip()) for n, _, v in pairs), content.read_bytes())
