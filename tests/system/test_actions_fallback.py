"""What clients get when the application fails, and what must never be replaced."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Gates
from tests.system.gate import Gate
from tests.system.processes import poll
from tests.system.wire import Connection, Protocol, curl, request

pytestmark = pytest.mark.system

POLICY = """
default = "pass"

[origin.application]
url = "http://127.0.0.1:{port}"

[origin.slow]
url = "http://127.0.0.1:{slow}"

[origin.down]
url = "http://127.0.0.1:1"

[[rule]]
name = "application"
when = 'request.path.startswith("/application/")'
origin = "application"

[[rule]]
name = "slow"
when = 'request.path.startswith("/slow/")'
origin = "slow"

[[rule]]
name = "down"
when = 'request.path.startswith("/down/")'
origin = "down"

[[rule]]
name = "sorry"
fallback = {{ file = "sorry.html", retry_after = 30 }}

[[rule]]
name = "missing"
when = 'request.path.startswith("/public/")'
fallback = {{ on = [404, 500], status = 404, body = "nothing here\\n" }}

[[rule]]
name = "closed"
when = 'request.path == "/down/closed"'
respond = {{ status = 503, body = "closed" }}

[[rule]]
name = "forbidden"
when = 'request.path == "/down/forbidden"'
require = {{ that = 'False' }}

[[rule]]
name = "fields"
set_response_headers = {{ X-Site = "shop" }}
"""
SORRY = "<h1>sorry ä</h1>\n"


class SlowFailure:
    """An application that begins a 503, and ends it when lighttpd has had the first half."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with closing(connection):
            asked = connection.recv(65536)
            chunked = b"/chunked" in asked
            framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 4000"
            parts = (b"7d0\r\n" + b"x" * 2000 + b"\r\n" if chunked else b"x" * 2000,) * 2
            connection.sendall(
                b"HTTP/1.1 503 Broken\r\n" + framing + b"\r\nSet-Cookie: a=b\r\n\r\n" + parts[0]
            )
            poll("lighttpd reads the first half", lambda: _is_read(connection))
            connection.sendall(parts[1] + (b"0\r\n\r\n" if chunked else b""))

    def stop(self) -> None:
        self._listener.close()


def _is_read(connection: socket.socket) -> bool:
    """Whether the other process has read all that it was sent: its queue is empty (proc_net_tcp.txt)."""
    here, there = connection.getsockname(), connection.getpeername()
    ends = [f"0100007F:{port:04X}" for _, port in (there, here)]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        if [local, remote] == ends:
            return queues.endswith(":00000000")
    return True  # it has closed the connection


@pytest.fixture(scope="module")
def slow() -> Iterator[int]:
    application = SlowFailure()
    yield application.port
    application.stop()


@pytest.fixture(scope="module", params=[0, 1, 2], ids=lambda mode: f"stream-{mode}")
def site(request: pytest.FixtureRequest, module_gate: Gates, http_origin: int, slow: int) -> Gate:
    return module_gate(
        POLICY.format(port=http_origin, slow=slow),
        files={"sorry.html": SORRY},
        options=f"server.stream-response-body = {request.param}",
    )


@pytest.mark.parametrize("protocol", ["http/1.1", "h2c", "h2"])
@pytest.mark.parametrize(
    "target",
    [
        "/down/x",
        "/application/?status=503&field=Set-Cookie:%20a=b&field=ETag:%20x&field=Vary:%20Cookie",
        "/slow/x",
        "/slow/chunked",
    ],
)
def test_fallback(site: Gate, target: str, protocol: Protocol) -> None:
    response = curl(site.url(target, tls=protocol == "h2"), protocol=protocol)
    assert (response.status, response.text) == (503, SORRY)
    assert response.field("Content-Type") == "text/html; charset=utf-8"
    assert (response.field("Cache-Control"), response.field("Retry-After")) == ("no-store", "30")
    assert response.field("X-Site") == "shop"
    assert response.all("Set-Cookie") == response.all("ETag") == response.all("Vary") == []
    assert response.field("Content-Length") == str(len(SORRY.encode()))


CORS = """
[[rule]]
name = "scripts"
cors = {{ origins = "https://app.example.org" }}
"""


def test_what_rules_note_for_the_response_outlives_the_answer(
    gate: Gates, http_origin: int, slow: int
) -> None:
    site = gate(POLICY.format(port=http_origin, slow=slow) + CORS.format(), files={"sorry.html": SORRY})
    target, sent = "/application/?status=503&field=Vary:%20Cookie", [("Origin", "https://app.example.org")]
    response = request(site.port, target, fields=sent)
    assert (response.status, response.text) == (503, SORRY)
    assert response.all("Vary") == ["Origin"]
    assert response.field("Access-Control-Allow-Origin") == "https://app.example.org"


def test_connections_stay_usable(site: Gate) -> None:
    with Connection(site.port) as connection:
        for target in ("/down/x", "/slow/x", "/slow/chunked", "/public/nothing"):
            assert connection.request("GET", target).status in (503, 404)
            assert connection.request("GET", "/public/page.txt").text == "the public page\n"


def test_head_has_no_content(site: Gate) -> None:
    with Connection(site.port) as connection:
        response = connection.request("HEAD", "/down/x")
        assert (response.status, response.body) == (503, b"")
        assert connection.request("GET", "/public/page.txt").text == "the public page\n"


def test_static_files_and_php_have_fallbacks_too(site: Gate) -> None:
    for target in ("/public/nothing", "/public/nothing.php"):
        response = site.get(target)
        assert (response.status, response.text) == (404, "nothing here\n")


def test_what_is_no_failure_is_left_alone(site: Gate) -> None:
    assert site.get("/application/?status=500").json()["origin"] == "application"
    assert site.get("/application/?status=404").json()["origin"] == "application"
    assert site.get("/public/page.txt").text == "the public page\n"


@pytest.mark.parametrize(
    ("target", "status"), [("/down/closed", 503), ("/down/forbidden", 403), ("/.lightgate/authorize", 404)]
)
def test_refusals_are_never_replaced(site: Gate, target: str, status: int) -> None:
    response = site.get(target)
    assert response.status == status
    assert "sorry" not in response.text and "nothing here\n" not in response.text


def test_a_body_of_the_request_is_no_obstacle(site: Gate) -> None:
    response = request(site.port, "/down/x", method="POST", body=b"x" * 100_000)
    assert (response.status, response.text) == (503, SORRY)


def test_an_error_handler_answers_first(gate: Gates, http_origin: int, slow: int) -> None:
    """lighttpd's own error handler runs before a response starts, and what it answers is no failure."""
    site = gate(
        POLICY.format(port=http_origin, slow=slow),
        files={"sorry.html": SORRY},
        options='server.error-handler-404 = "/members/page.txt"',
    )
    site.get("/members/nothing")  # the first pass of a handler shows that there is one (docs/internals.md)
    assert site.get("/members/nothing").text == "the members page\n"
