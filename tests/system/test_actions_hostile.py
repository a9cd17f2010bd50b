"""What actions note must stay with its request, its release and its pass, and must never undo a refusal.

Together with what lighttpd makes of a request by itself: deferrals, releases that come meanwhile,
mod_rewrite, error handlers, local redirects and X-Sendfile of CGI programs, mod_auth, and applications that
break off.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.conftest import Gates
from tests.system.gate import MODULES, Gate, lighttpd_version
from tests.system.http2 import coalesced_post
from tests.system.processes import poll
from tests.system.tokens import AUDIENCE, ISSUER, Signer, claims
from tests.system.wire import Connection, Fields, Protocol, Response, bearer, curl, request

pytestmark = pytest.mark.system

SERIAL = count()
APP = "https://app.example.org"


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


def fresh(signer: Signer, sub: str = "alice") -> tuple[str, str]:
    """The field of a token that nobody has seen, so that the request is deferred."""
    return bearer(signer.sign(claims(sub=sub, jti=str(next(SERIAL)))))


class PlayedSidecar:
    """Answers deferrals in the sidecar's place as a test wants: `answer` makes STDOUT from the parameters.

    `asked` counts the requests that have arrived; none is answered before `open` is set.
    """

    def __init__(self, site: Gate, answer: Callable[[dict[str, str]], bytes]) -> None:
        assert site.sidecar is not None
        site.sidecar.stop()
        path = Path(site.deployment.authorizer_socket)
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._answer = answer
        self.asked = 0
        self.open = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with closing(connection), suppress(OSError):
            parameters = self._parameters(connection.makefile("rb"))
            self.asked += 1
            self.open.wait(30)
            connection.sendall(self._answer(parameters))

    @staticmethod
    def _parameters(stream: BinaryIO) -> dict[str, str]:
        data, length = b"", 1
        while True:  # records of FastCGI until the empty one of PARAMS
            _, kind, _, length, padding, _ = struct.unpack(">BBHHBB", stream.read(8))
            content = stream.read(length + padding)[:length]
            if kind == 4 and not length:
                break
            data += content if kind == 4 else b""
        found, at = {}, 0
        while at < len(data):
            sizes = []
            for _ in range(2):
                size, width = (
                    (data[at], 1) if data[at] < 128 else (int.from_bytes(data[at : at + 4]) & 0x7FFFFFFF, 4)
                )
                sizes.append(size)
                at += width
            name, value = data[at : at + sizes[0]], data[at + sizes[0] : at + sum(sizes)]
            found[name.decode("latin-1")] = value.decode("latin-1")
            at += sum(sizes)
        return found

    def close(self) -> None:
        self.open.set()
        self._listener.close()


def record(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content


def whole(text: str) -> bytes:
    """STDOUT with this text, and the end of the request."""
    return record(6, text.encode("latin-1")) + record(6, b"") + record(3, bytes(8))


def allowed(parameters: dict[str, str], *more: str) -> bytes:
    release, nonce = parameters["LIGHTGATE_RELEASE"], parameters["LIGHTGATE_NONCE"]
    fields = [
        "Status: 200",
        f"Variable-LIGHTGATE_ANSWER: {release} {nonce}",
        f"Variable-LIGHTGATE_IDENTITY: release={release}&provider=corp&sub=alice",
        f"Variable-LIGHTGATE_EXPIRES: {int(time.time()) + 60}",
        *more,
    ]
    return whole("\r\n".join([*fields, "", ""]))


AUTH = f"""
[auth.corp]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
jwks_file = "keys.json"
"""

# --- a deferral between noting and doing -----------------------------------------------------------------

EVERYTHING = (
    """
default = "deny"
"""
    + AUTH
    + """
[origin.shop]
url = "http://127.0.0.1:{port}"

[[rule]]
name = "scripts"
cors = {{ origins = "https://app.example.org" }}

[[rule]]
name = "marked"
set_response_headers = {{ X-Marked = "{mark}" }}

[[rule]]
name = "noted"
when = 'request.path.startswith("/members/")'
rewrite = {{ path = "/{mark}{{request.path}}", query = "mark={mark}&{{request.query}}" }}

[[rule]]
name = "shop"
when = 'request.path.startswith("/members/")'
origin = "shop"

[[rule]]
name = "stands in"
fallback = {{ on = [401, 403, 404, 500, 502, 503, 504], status = 410, body = "stand-in of {mark}" }}

[[rule]]
name = "twice"
when = 'request.headers["x-count"]'
limit = {{ rate = "2/day", key = '{{request.headers["x-count"]}}' }}

[[rule]]
name = "members"
when = 'request.path.startswith("/members/")'
require = {{ auth = "corp", that = 'identity.sub != "mallory"' }}

[[rule]]
name = "public"
when = 'request.path.startswith("/public/")'
require = {{ that = 'True' }}
"""
)


def everything(port: int, mark: str) -> str:
    return EVERYTHING.format(port=port, mark=mark)


@pytest.fixture(scope="module")
def site(module_gate: Gates, signer: Signer, http_origin: int) -> Gate:
    return module_gate(everything(http_origin, "one"), files={"keys.json": signer.jwks()})


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("size", [1, 60_000])
def test_a_body_over_http2_follows_what_was_noted(site: Gate, signer: Signer, tls: bool, size: int) -> None:
    """HEADERS and DATA in one read: the body is collected and kept aside, which takes two more passes."""
    body = os.urandom(size)
    for target in ("/members/x?a=b", "/members/y?a=b"):
        fields = [fresh(signer), ("X-Count", f"h2 {tls} {size} {target}")]
        port = site.tls_port if tls else site.port
        said = json.loads(coalesced_post(port, target, fields, body, tls=tls))
        assert said["target"] == "/one" + target.replace("?", "?mark=one&")
        assert said["body_sha256"] == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("tls", [False, True])
def test_passes_of_a_deferred_request_count_once(site: Gate, signer: Signer, tls: bool) -> None:
    port = site.tls_port if tls else site.port
    answers = [
        json.loads(coalesced_post(port, "/members/x", [fresh(signer), ("X-Count", f"{tls}")], b"x", tls=tls))
        for _ in range(3)
    ]
    assert [answer.get("status", 200) for answer in answers] == [200, 200, 429]


@pytest.mark.parametrize("protocol", ["http/1.1", "h2c", "h2"])
def test_refusals_after_a_deferral_are_nobodys_failure(
    site: Gate, signer: Signer, protocol: Protocol
) -> None:
    url = site.url("/members/x?status=200", tls=protocol == "h2")
    forged = Signer().sign(claims())
    for field, status in ((bearer(forged), 401), (fresh(signer, "mallory"), 403), (bearer("x.y"), 401)):
        response = curl(url, protocol=protocol, fields=[field, ("Origin", APP)])
        assert (response.status, "stand-in" in response.text) == (status, False)
        assert response.all("WWW-Authenticate") != []
        # fields for the response are for refusals, too
        assert (response.field("X-Marked"), response.field("Access-Control-Allow-Origin")) == ("one", APP)
    failed = curl(url.replace("200", "404"), protocol=protocol, fields=[fresh(signer)])
    assert (failed.status, failed.text) == (410, "stand-in of one")


def test_requests_of_one_connection_share_nothing(site: Gate, signer: Signer) -> None:
    token = fresh(signer)
    with Connection(site.port) as connection:
        for number in range(3):
            said = connection.request("GET", f"/members/{number}", [token]).json()
            assert said["target"] == f"/one/members/{number}?mark=one&"
            response = connection.request("GET", "/public/page.txt")
            assert (response.status, response.text) == (200, "the public page\n")
            assert connection.request("GET", "/members/x").status == 401
            assert connection.request("GET", "/elsewhere/").status == 403


@pytest.mark.parametrize("over", ["http/1.1", "h2 with body"])
def test_a_release_that_comes_meanwhile_notes_for_itself(
    gate: Gates, signer: Signer, http_origin: int, over: str
) -> None:
    """What the old release noted is gone, what it counted counts for nothing, and its caller is known.

    A body that Lua holds for an old lighttpd goes with the old release.
    """
    site = gate(everything(http_origin, "one"), files={"keys.json": signer.jwks()})
    assert site.get("/public/page.txt").field("X-Marked") == "one"
    fields, body = [fresh(signer), ("X-Count", "both")], b"x" * 5000

    def ask() -> bytes:
        if over == "http/1.1":
            return request(site.port, "/members/x", fields, method="POST", body=body).body
        return coalesced_post(site.port, "/members/x", fields, body, tls=False)

    with closing(PlayedSidecar(site, allowed)) as sidecar, ThreadPoolExecutor() as pool:
        answer = pool.submit(ask)
        poll("the request waits", lambda: sidecar.asked == 1)
        site.deploy(everything(http_origin, "two"))
        poll("the new release", lambda: site.get("/public/page.txt").field("X-Marked") == "two", 3)
        sidecar.open.set()
        said = json.loads(answer.result())
    if over != "http/1.1" and lighttpd_version() <= (1, 4, 76):
        assert said["status"] == 503
        return
    assert (said["target"], said["body_bytes"]) == ("/two/members/x?mark=two&", len(body))


def test_a_release_that_notes_nothing_forgets_what_was_noted(
    gate: Gates, signer: Signer, http_origin: int
) -> None:
    policy = everything(http_origin, "one")
    site = gate(policy, files={"keys.json": signer.jwks()})
    assert site.get("/public/page.txt").field("X-Marked") == "one"
    rules = policy.replace('"one"', '"two"').split("[[rule]]")
    fewer = "[[rule]]".join(rule for rule in rules if "rewrite" not in rule and "origin = " not in rule)
    with closing(PlayedSidecar(site, allowed)) as sidecar, ThreadPoolExecutor() as pool:
        answer = pool.submit(site.get, "/members/page.txt", [fresh(signer)])
        poll("the request waits", lambda: sidecar.asked == 1)
        site.deploy(fewer)
        poll("the new release", lambda: site.get("/public/page.txt").field("X-Marked") == "two", 3)
        sidecar.open.set()
        response = answer.result()
    assert (response.status, response.text) == (200, "the members page\n")


# --- restarts of lighttpd's own ---------------------------------------------------------------------------

RESTARTED = (
    """
default = "pass"
"""
    + AUTH
    + """
[origin.shop]
url = "http://127.0.0.1:@PORT@"

[[rule]]
name = "noted in every pass"
rewrite = { query = "path={request.path}" }

[[rule]]
name = "aside"
when = 'request.path.startswith("/public/aside/")'
rewrite = { path = "/public/nowhere" }

[[rule]]
name = "shop"
when = 'request.path.startswith("/members/shop/")'
origin = "shop"

[[rule]]
name = "once"
limit = { rate = "2/day", key = '{request.args["count"] or request.headers["x-count"]}' }

[[rule]]
name = "members"
when = 'request.path.startswith("/members/")'
require = { auth = "corp" }
"""
)


@pytest.fixture(scope="module")
def restarted(module_gate: Gates, signer: Signer, http_origin: int) -> Gate:
    options = """
url.rewrite-once = ( "^/once/(.*)" => "/members/shop/$1?x=y" )
url.rewrite-if-not-file = ( "^/public/(?:later|nowhere)" => "/members/shop/later?z" )
server.error-handler-404 = "/members/shop/handler"
"""
    policy = RESTARTED.replace("@PORT@", str(http_origin))
    site = module_gate(policy, files={"keys.json": signer.jwks()}, options=options)
    site.get("/missing", [("X-Count", "first")])  # shows that there is a handler (docs/internals.md)
    return site


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/once/a%20b", "/members/shop/a%20b?path=/members/shop/a%20b"),
        # rewritten in the first pass, so not in the one that mod_rewrite or the handler begins
        ("/public/later/x", "/members/shop/later?z"),
        ("/public/aside/x", "/members/shop/later?z"),
        ("/missing", "/members/shop/handler"),
    ],
)
@pytest.mark.parametrize("tls", [False, True])
def test_each_pass_is_judged_and_none_is_counted_twice(
    restarted: Gate, signer: Signer, target: str, expected: str, tls: bool
) -> None:
    """The request is deferred in the pass that leads to the members' area."""
    port = restarted.tls_port if tls else restarted.port
    refused(restarted.get(target, [("X-Count", f"nobody {target} {tls}")]), 401)
    for status in (200, 200, 429):
        before = restarted.deferrals()
        fields = [fresh(signer), ("X-Count", f"{target} {tls}")]
        if target == "/missing":  # a handler's pass is a GET without the body
            said = restarted.get(target, fields).json()
        else:
            said = json.loads(coalesced_post(port, target, fields, b"content", tls=tls))
            assert said.get("body_bytes", 7) == 7
        assert said.get("status", 200) == status
        if status == 200:
            assert (said["target"], restarted.deferrals() - before) == (expected, 1)


@pytest.mark.parametrize("protocol", ["http/1.1", "h2c", "h2"])
def test_cookies_of_an_application_are_left_alone(site: Gate, signer: Signer, protocol: Protocol) -> None:
    """By `cors`, fields of the response and a fallback that is not taken, after a deferral."""
    fields = ["Set-Cookie:%20a=1", "Set-Cookie:%20b=2", "Vary:%20Cookie", "Vary:%20origin"]
    url = site.url("/members/x?" + "&".join(f"field={field}" for field in fields), tls=protocol == "h2")
    response = curl(url, protocol=protocol, fields=[fresh(signer), ("Origin", APP)])
    assert response.all("Set-Cookie") == ["a=1", "b=2"]
    assert response.all("Vary") == ["Cookie, origin"]
    assert response.field("Content-Type") == "application/json; charset=utf-8"


# --- what must never be replaced -------------------------------------------------------------------------

GARBAGE = {
    "nothing": b"",
    "no FastCGI": b"HTTP/1.1 200 OK\r\n\r\n",
    "an end without an answer": record(3, bytes(8)),
    "an empty answer": whole("\r\n"),
    "a success": whole("Status: 200\r\n\r\n"),
    "a page": whole("Status: 200\r\nContent-Type: text/html\r\n\r\n<h1>secret</h1>"),
    "a redirect": whole("Location: /public/page.txt\r\n\r\n"),
    "a local file": whole("Status: 200\r\nX-Sendfile: /etc/hostname\r\n\r\n"),
    "not found": whole("Status: 404\r\n\r\nsecret"),
    "half an answer": record(6, b"Status: 403\r\nContent-Length: 100\r\n\r\nhalf"),
    "variables alone": whole(
        "Status: 200\r\nVariable-LIGHTGATE_FALLBACK: x\r\nVariable-LIGHTGATE_PASSED: 1\r\n\r\n"
    ),
}
UNTRUE: dict[str, Callable[[dict[str, str]], bytes]] = {
    "to another request": lambda asked: allowed(asked | {"LIGHTGATE_NONCE": "1.2.3"}),
    "of another release": lambda asked: allowed(asked | {"LIGHTGATE_RELEASE": "0" * 20}),
    "of a stranger": lambda asked: allowed(asked).replace(b"provider=corp", b"provider=cork"),
    "without an end": lambda asked: allowed(asked).replace(b"_EXPIRES", b"_EXPIRED"),
}
SUCCESS = (
    """
default = "pass"
"""
    + AUTH
    + """
[[rule]]
name = "whatever happens, say that all is well"
fallback = { on = [400, 401, 403, 404, 429, 500, 501, 502, 503, 504], status = 200, body = "all is well" }

[[rule]]
name = "slow"
when = 'request.path.startswith("/public/slow/")'
limit = { rate = "1/day" }

[[rule]]
name = "closed"
when = 'request.path.startswith("/public/closed/")'
respond = { status = 503, body = "closed" }

[[rule]]
name = "control characters"
when = '"x" in request.args'
rewrite = { path = '/public/{request.args["x"]}' }

[[rule]]
name = "members"
when = 'request.path.startswith("/members/")'
require = { auth = "corp" }

[[rule]]
name = "forbidden"
when = 'request.path.startswith("/public/admin/")'
require = { that = 'request.host == "nobody"' }
"""
)
HANDLERS = {
    "none": "",
    "of 404": 'server.error-handler-404 = "/public/echo.php"',
    "of all": 'server.error-handler = "/public/echo.php"',
}


@pytest.fixture(scope="module", params=HANDLERS)
def well(request: pytest.FixtureRequest, module_gate: Gates, signer: Signer) -> Gate:
    options = (
        HANDLERS[request.param]
        + '\nurl.rewrite-if-not-file = ( "^/public/later/(.*)" => "/public/admin/$1" )'
    )
    site = module_gate(SUCCESS, files={"keys.json": signer.jwks()}, options=options)
    site.get("/public/missing")  # the first pass of a handler shows that there is one (docs/internals.md)
    return site


def refused(response: Response, *statuses: int) -> None:
    assert response.status in statuses, response
    assert "all is well" not in response.text and "php" not in response.text and "secret" not in response.text


@pytest.mark.parametrize("protocol", ["http/1.1", "h2c"])
def test_no_refusal_becomes_a_success(well: Gate, protocol: Protocol) -> None:
    def ask(target: str, fields: Fields = ()) -> Response:
        return curl(well.url(target), protocol=protocol, fields=fields)

    refused(ask("/members/page.txt"), 401)
    refused(ask("/members/page.txt", [bearer("x y")]), 400)
    refused(ask("/members/page.txt", [bearer(Signer().sign(claims()))]), 401)
    refused(ask("/public/admin/page.txt"), 403)
    refused(ask("/public/closed/"), 503)
    refused(ask("/public/?x=%0a"), 400)
    refused(ask("/public/?x=../.lightgate/origin/x"), 404)
    refused(ask("/.lightgate/status/x"), 404)
    ask("/public/slow/x")
    refused(ask("/public/slow/x"), 429)


def test_nor_does_one_of_a_later_pass(well: Gate) -> None:
    """The first pass was let through; mod_rewrite then leads to a path that a rule refuses."""
    refused(well.get("/public/later/page.txt"), 403)


@pytest.mark.parametrize("handler", HANDLERS)
def test_no_garbage_of_a_sidecar_becomes_a_success(gate: Gates, signer: Signer, handler: str) -> None:
    site = gate(SUCCESS, files={"keys.json": signer.jwks()}, options=HANDLERS[handler])
    site.get("/public/missing")
    said: list[str] = []

    def answer(asked: dict[str, str]) -> bytes:
        return UNTRUE[said[-1]](asked) if said[-1] in UNTRUE else GARBAGE[said[-1]]

    with closing(PlayedSidecar(site, answer)) as sidecar:
        sidecar.open.set()
        for name in (*GARBAGE, *UNTRUE):
            said.append(name)
            for method, body in (("GET", b""), ("POST", b"x" * 20_000)):
                response = request(site.port, "/members/page.txt", [fresh(signer)], method=method, body=body)
                refused(response, 403, 500, 502, 503, 504)
                assert "the members page" not in response.text, name
        assert sidecar.asked >= 2 * len(said)


def test_neither_does_a_sidecar_that_is_down_or_hangs(gate: Gates, signer: Signer) -> None:
    site = gate(SUCCESS, files={"keys.json": signer.jwks()})
    assert site.sidecar is not None
    site.sidecar.freeze()
    refused(site.get("/members/page.txt", [fresh(signer)]), 503, 504)
    site.sidecar.stop()
    refused(site.get("/members/page.txt", [fresh(signer)]), 503)
    refused(curl(site.url("/members/page.txt"), protocol="h2c", fields=[fresh(signer)], body=b"x"), 503)


def test_a_login_of_mod_auth_is_asked_for_after_the_rules(gate: Gates, signer: Signer) -> None:
    """Its 401 is the application's to lightgate: replaced where `on` has 401, and kept whole elsewhere."""
    modules = MODULES + 'server.modules += ( "mod_auth", "mod_authn_file" )\n'
    options = """
auth.backend = "htdigest"
auth.backend.htdigest.userfile = "$directory/nobody"
auth.require = ( "/public/admin/" => ( "method" => "digest", "realm" => "r", "require" => "valid-user" ) )
"""
    policy = SUCCESS.replace("[400, 401, 403, ", "[400, 403, ").replace(
        'request.path.startswith("/public/admin/")', "False or request.port == 1"
    )
    site = gate(policy, modules=modules, options=options, files={"keys.json": signer.jwks()})
    (site.directory / "nobody").write_text("")
    asked = site.get("/public/admin/page.txt")
    assert (asked.status, "all is well" in asked.text) == (401, False)
    assert (asked.field("WWW-Authenticate") or "").startswith("Digest ")
    site.deploy(policy.replace("on = [", "on = [401, "))

    def replaced() -> bool:
        response = site.get("/public/admin/page.txt")
        return response.text == "all is well" and response.all("WWW-Authenticate") == []

    poll("the 401 is replaced", replaced, 5)


# --- applications that break off -------------------------------------------------------------------------


class BrokenApplication:
    """Says what the query's `say` has in hexadecimal, and closes the connection."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with closing(connection):
                    target = connection.recv(65536).split(b" ")[1].decode()
                    connection.sendall(bytes.fromhex(target.partition("say=")[2]))

    def close(self) -> None:
        self._listener.close()


@pytest.fixture(scope="module")
def broken() -> Iterator[int]:
    with closing(BrokenApplication()) as application:
        yield application.port


BROKEN = """
default = "pass"

[origin.broken]
url = "http://127.0.0.1:{port}"

[[rule]]
name = "broken"
when = 'request.path == "/broken"'
origin = "broken"

[[rule]]
name = "sorry"
fallback = {{ on = [500, 502, 503, 504], body = "sorry" }}
"""


@pytest.fixture(scope="module", params=[0, 1, 2], ids=lambda mode: f"stream-{mode}")
def broken_site(request: pytest.FixtureRequest, module_gate: Gates, broken: int) -> Gate:
    return module_gate(BROKEN.format(port=broken), options=f"server.stream-response-body = {request.param}")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 20",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nSet-Cookie: a=b\r\n\r\nhalf",
        b"HTTP/1.1 503 Broken\r\nContent-Length: 100\r\nSet-Cookie: a=b\r\n\r\nhalf",
        b"HTTP/1.1 503 Broken\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a=b\r\n\r\n20\r\nhalf",
    ],
)
def test_half_an_answer_is_never_mixed_with_another(broken_site: Gate, said: bytes) -> None:
    with Connection(broken_site.port) as connection:
        try:
            response = connection.request("GET", f"/broken?say={said.hex()}")
        except (OSError, http.client.HTTPException):
            return  # the client sees that it was broken off
    if response.status == 200:
        assert b" 200 " in said and response.body in (b"half",)
    else:
        assert (response.status, response.text) == (503, "sorry")
        assert response.all("Set-Cookie") == []
        assert response.field("Content-Length") == str(len("sorry"))


# --- programs that answer with a path --------------------------------------------------------------------

CGI = """#!/bin/sh
if [ "$QUERY_STRING" = env ]; then
  printf 'Content-Type: text/plain\\r\\n\\r\\n'
  env | grep LIGHTGATE
  exit
fi
case "$QUERY_STRING" in Location:*) printf '%s\\r\\n\\r\\n' "$QUERY_STRING"; exit;; esac
printf 'LIGHTGATE_FALLBACK: x\\r\\nVariable-LIGHTGATE_FALLBACK: \\r\\nVariable-LIGHTGATE_STATE: x\\r\\n'
printf 'Lightgate-Answer: x y\\r\\nSet-Cookie: a=b\\r\\nStatus: %s\\r\\n' "${QUERY_STRING%%:*}"
case "$QUERY_STRING" in
  *:*) printf 'X-Sendfile: %s\\r\\n\\r\\n' "${QUERY_STRING#*:}";;
  *) printf '\\r\\ntheirs';;
esac
"""
CGI_POLICY = (
    """
default = "pass"
"""
    + AUTH
    + """
[[rule]]
name = "aside"
when = 'request.path.startswith("/aside/")'
rewrite = { path = "/public/{request.path[7:]}" }

[[rule]]
name = "sorry"
fallback = { on = [401, 403, 404, 500], status = 200, body = "all is well" }

[[rule]]
name = "members"
when = 'request.path.startswith("/members/")'
require = { auth = "corp" }
"""
)


@pytest.fixture(scope="module")
def cgi(module_gate: Gates, signer: Signer) -> Gate:
    modules = MODULES.replace('"mod_fastcgi"', '"mod_fastcgi", "mod_cgi"')
    options = """
cgi.assign = ( ".cgi" => "/bin/sh" )
cgi.local-redir = "enable"
cgi.x-sendfile = "enable"
cgi.x-sendfile-docroot = ( "$directory/htdocs/" )
"""
    site = module_gate(CGI_POLICY, modules=modules, options=options, files={"keys.json": signer.jwks()})
    for area in ("public", "members"):
        (site.htdocs / area / "say.cgi").write_text(CGI)
    return site


def program(said: str) -> str:
    return "/public/say.cgi?" + said


def test_a_local_redirect_is_a_pass_like_others(cgi: Gate, signer: Signer) -> None:
    assert cgi.get(program("Location:/public/page.txt")).text == "the public page\n"
    refused(cgi.get(program("Location:/members/page.txt")), 401)
    refused(cgi.get("/aside/say.cgi?Location:/members/page.txt"), 401)
    assert cgi.get(program("Location:/members/page.txt"), [fresh(signer)]).text == "the members page\n"
    refused(cgi.get(program("Location:/.lightgate/origin/x")), 404)


def test_programs_plant_nothing_for_the_next_request(cgi: Gate) -> None:
    with Connection(cgi.port) as connection:
        for _ in range(2):
            assert connection.request("GET", program("Location:/aside/page.txt")).text == "the public page\n"
            assert connection.request("GET", "/aside/page.txt").text == "the public page\n"
            refused(connection.request("GET", "/members/page.txt"), 401)


def test_what_a_program_says_is_its_answer(cgi: Gate) -> None:
    """Variables and keys of lightgate in it mean nothing, and of a failure nothing is left, file or not."""
    path = cgi.htdocs / "members" / "page.txt"
    assert cgi.get(program(f"200:{path}")).text == "the members page\n"
    assert cgi.get(program("200")).text == "theirs"
    for said in (f"500:{path}", "500"):
        failed = cgi.get(program(said))
        assert (failed.status, failed.text, failed.all("Set-Cookie")) == (200, "all is well", [])


def test_what_programs_see_of_lightgate(cgi: Gate, signer: Signer) -> None:
    """Nothing by which requests are taken up again, after a deferral either."""
    response = cgi.get("/members/say.cgi?env", [fresh(signer)])
    names = {line.partition("=")[0] for line in response.text.split()}
    decisions = {f"LIGHTGATE_{name}" for name in ("RULE", "DECISION", "WHERE", "PASSED", "FALLBACK")}
    assert {"LIGHTGATE_IDENTITY"} <= names <= decisions | {"LIGHTGATE_IDENTITY"}
