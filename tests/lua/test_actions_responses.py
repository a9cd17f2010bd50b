"""Actions that answer, set fields or log, as a compiled policy does them under every Lua."""

from __future__ import annotations

import pytest

from luagen.check import check_text
from luagen.deployment import Deployment
from luagen.lua.host import LUA_VERSIONS, Clock, Host, Outcome, Request
from luagen.model import Policy
from luagen.reference import request as reference
from luagen.reference.decision import Outcome as Decided
from luagen.reference.play import Player
from luagen.release import build_release

POLICY = """
default = "pass"

[[rule]]
name = "moved"
[rule.redirects]
status = 301
keep_query = true
[rule.redirects.entries]
"/old" = "/new?x=1#f"
"/blog/*" = "/news/*"
"/blog/a*" = "/a"
"/x/*" = "/*"
"/far/*" = "https://example.org/*"
"/ä" = "/ü"

[[rule]]
name = "moved by file"
redirects = { file = "moved.csv" }

[[rule]]
name = "closed"
when = 'request.path == "/closed"'
maintenance = { file = "closed.html", retry_after = 60 }

[[rule]]
name = "short"
when = 'request.path == "/short"'
maintenance = {}

[[rule]]
name = "document"
when = 'request.path == "/document"'
respond = { status = 200, file = "data.bin", headers = { X-A = "{request.method}" } }

[[rule]]
name = "one"
when = 'request.path == "/one"'
redirect = { to = "/two", keep_query = true }

[[rule]]
name = "careful"
security_headers = { preset = "strict", X-Frame-Options = "", Referrer-Policy = "{request.method}" }

[[rule]]
name = "told"
when = '"x" in request.headers'
log = "{request.path} {request.headers['x']}"
"""


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    directory = tmp_path_factory.mktemp("policy")
    (directory / "moved.csv").write_text("".join(f"/n/{n},/m/{n}\n" for n in range(5000)) + "/n/*,/m/*,308\n")
    (directory / "closed.html").write_text("<p>closed</p>\n")
    (directory / "data.bin").write_bytes(bytes(range(256)))
    policy, diagnostics = check_text(POLICY, "p.toml", directory)
    assert policy is not None, diagnostics
    return policy


@pytest.fixture(scope="module")
def script(policy: Policy) -> bytes:
    return build_release(policy, Deployment()).files["request.lua"]


@pytest.fixture(scope="module", params=LUA_VERSIONS)
def host(request: pytest.FixtureRequest) -> Host:
    return Host(request.param)


def ask(host: Host, script: bytes, path: bytes, **more: object) -> Outcome:
    host.open(Request(path=path, **more))  # type: ignore[arg-type]
    return host.run(script)


@pytest.mark.parametrize(
    ("path", "query", "status", "location"),
    [
        (b"/old", b"", 301, b"/new?x=1#f"),
        (b"/old", b"q=1", 301, b"/new?x=1&q=1#f"),
        (b"/old/", b"", 0, None),
        (b"/blog", b"", 0, None),
        (b"/blog/", b"", 301, b"/news/"),
        (b"/blog/b c/d?e", b"", 301, b"/news/b%20c/d%3Fe"),
        (b"/blog/abc", b"q", 301, b"/a?q"),
        (b"/x/y", b"", 301, b"/y"),
        (b"/x/\\evil.example", b"", 301, b"/%5Cevil.example"),
        (b"/far/.evil.example", b"", 301, b"https://example.org/.evil.example"),
        (b"/far/a\r\nX: y", b"", 301, b"https://example.org/a%0D%0AX%3A%20y"),
        ("/ä".encode(), b"", 301, b"/%C3%BC"),
        (b"/n/4999", b"q", 302, b"/m/4999"),
        (b"/n/5000", b"q", 308, b"/m/5000"),
        (b"/one", b"", 302, b"/two"),
        (b"/one", b"a=b", 302, b"/two?a=b"),
    ],
)
def test_redirects(
    host: Host, script: bytes, path: bytes, query: bytes, status: int, location: bytes | None
) -> None:
    outcome = ask(host, script, path, query=query)
    assert outcome.status == status
    assert outcome.response_headers.get(b"Location") == location


@pytest.mark.parametrize(
    ("path", "query"),
    [
        *((b"/old", query) for query in (b"", b"q=1")),
        *((path, b"q") for path in (b"/blog/b c/d?e", b"/blog/abc", b"/x/y", b"/x/\\e", b"/far/a\r\nX: y")),
        *((path, b"") for path in ("/ä".encode(), b"/n/4999", b"/n/5000", b"/one", b"/closed", b"/document")),
        *((path, b"") for path in (b"/short", b"/other")),
    ],
)
def test_the_reference_agrees(host: Host, policy: Policy, script: bytes, path: bytes, query: bytes) -> None:
    outcome = ask(host, script, path, query=query, headers=((b"X", b"\n"),))
    decision = (
        Player(policy).play(reference.Request(path=path, query=query, headers=((b"x", b"\n"),))).decision
    )
    passes = decision.outcome is Decided.PASS
    assert (outcome.status == 0) == passes
    assert outcome.env.get(b"LIGHTGATE_LOG") == dict(decision.env).get(b"LIGHTGATE_LOG")
    if not passes:
        fields = {name.lower(): value for name, value in outcome.response_headers.items()}
        assert (outcome.status, fields) == (decision.status, dict(decision.response_headers))
        assert decision.body in (None, outcome.body)


def test_maintenance(host: Host, script: bytes) -> None:
    outcome = ask(host, script, b"/closed")
    assert (outcome.status, outcome.body) == (503, b"<p>closed</p>\n")
    assert outcome.response_headers == {
        b"Retry-After": b"60",
        b"Cache-Control": b"no-store",
        b"Content-Type": b"text/html; charset=utf-8",
    }
    outcome = ask(host, script, b"/short")
    assert (outcome.status, outcome.body) == (503, b"503 Service Unavailable\n")
    assert outcome.response_headers[b"Retry-After"] == b"600"


def test_file(host: Host, script: bytes) -> None:
    outcome = ask(host, script, b"/document")
    assert (outcome.status, outcome.body) == (200, bytes(range(256)))
    assert outcome.response_headers == {b"X-A": b"GET", b"Content-Type": b"application/octet-stream"}


@pytest.mark.parametrize("scheme", [b"http", b"https"])
def test_security_headers(host: Host, script: bytes, scheme: bytes) -> None:
    said = ask(host, script, b"/", scheme=scheme).env[b"LIGHTGATE_RESPONSE"].decode()
    fields = dict(line.removeprefix("=").split(": ", 1) for line in said.splitlines())
    assert fields.pop("Content-Security-Policy").startswith("default-src 'self'; ")
    assert fields.pop("Permissions-Policy").startswith("camera=(), ")
    assert fields == {
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Strict-Transport-Security": "max-age=31536000" if scheme == b"https" else "",
        "Referrer-Policy": "GET",
    }


def test_log(script: bytes, host: Host) -> None:
    outcome = ask(host, script, b"/a\n", headers=((b"X", b"b\0\x7f\xff"),))
    assert outcome.status == 0
    assert outcome.printed == (b"lightgate: log: told: /a\\x0a b\\x00\\x7f\xff",)
    assert outcome.env[b"LIGHTGATE_LOG"] == b"/a\\x0a b\\x00\\x7f\xff"


@pytest.mark.parametrize("version", LUA_VERSIONS)
def test_ten_lines_a_second(script: bytes, version: str) -> None:
    clock = Clock()
    host = Host(version, clock)
    printed = [ask(host, script, b"/", headers=((b"X", b"%d" % n),)).printed for n in range(13)]
    assert printed == [(b"lightgate: log: told: / %d" % n,) for n in range(10)] + [()] * 3
    clock.now += 1
    assert ask(host, script, b"/", headers=((b"X", b"13"),)).printed == (
        b"lightgate: log: 3 lines left out",
        b"lightgate: log: told: / 13",
    )
