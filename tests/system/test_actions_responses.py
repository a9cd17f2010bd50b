"""Actions that answer, set fields or log, on the real server."""

from __future__ import annotations

import pytest

from tests.conftest import Gates
from tests.system.gate import Gate
from tests.system.processes import poll
from tests.system.wire import Protocol, Response, curl

pytestmark = pytest.mark.system

POLICY = """
default = "pass"

[[rule]]
name = "moved"
redirects = { status = 301, keep_query = true, entries = { "/old" = "/new#f", "/blog/*" = "/news/*" } }

[[rule]]
name = "moved by file"
redirects = { file = "moved.csv" }

[[rule]]
name = "closed"
when = 'request.path == "/closed"'
maintenance = { file = "closed.html", retry_after = 60 }

[[rule]]
name = "style"
when = 'request.path == "/style"'
respond = { status = 200, file = "style.css" }

[[rule]]
name = "careful"
security_headers = "strict"

[[rule]]
name = "told"
when = '"x-told" in request.headers'
log = "{request.path} {request.headers['x-told']}"
"""
FILES = {
    "moved.csv": "path,target\n/far/*,https://example.org/*,308\n"
    + "".join(f"/n/{n},/m/{n}\n" for n in range(3000)),
    "closed.html": "<p>closed</p>\n",
    "style.css": "p { color: red }\n",
}
PROTOCOLS: list[Protocol] = ["http/1.1", "h2"]


@pytest.fixture(scope="module")
def site(module_gate: Gates) -> Gate:
    return module_gate(POLICY, files=FILES)


def ask(site: Gate, target: str, protocol: Protocol) -> Response:
    return curl(site.url(target, tls=protocol == "h2"), protocol=protocol)


@pytest.mark.parametrize(
    ("target", "status", "location"),
    [
        ("/old?q=1", 301, "/new?q=1#f"),
        ("/old/x", 404, None),
        ("/blog//a%20b/./c?", 301, "/news/a%20b/c"),
        ("/blog/%5c%5cevil.example", 301, "/news/%5C%5Cevil.example"),
        ("/far/%20X:1", 308, "https://example.org/%20X%3A1"),
        ("/n/2999?q", 302, "/m/2999"),
    ],
)
def test_redirects(site: Gate, target: str, status: int, location: str | None) -> None:
    answer = site.get(target)
    assert (answer.status, answer.field("Location")) == (status, location)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_files(site: Gate, protocol: Protocol) -> None:
    answer = ask(site, "/closed", protocol)
    assert (answer.status, answer.text) == (503, "<p>closed</p>\n")
    assert answer.field("Content-Type") == "text/html; charset=utf-8"
    assert answer.field("Retry-After") == "60"
    answer = ask(site, "/style", protocol)
    assert (answer.status, answer.text) == (200, "p { color: red }\n")
    assert answer.field("Content-Type") == "text/css; charset=utf-8"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("path", ["/public/page.txt", "/public/echo.php", "/public/app/x"])
def test_security_headers(site: Gate, path: str, protocol: Protocol) -> None:
    answer = ask(site, path, protocol)
    assert answer.status == 200
    assert answer.field("X-Frame-Options") == "DENY"
    assert answer.field("Strict-Transport-Security") == ("max-age=31536000" if protocol == "h2" else None)


def test_log(site: Gate) -> None:
    assert site.get("/public/page.txt", [("X-Told", "now")]).status == 200
    poll("the line", lambda: "lightgate: log: told: /public/page.txt now" in site.lighttpd_log())
