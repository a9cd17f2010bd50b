"""Where a request goes: `rewrite` and `origin` before static files, PHP and proxied applications."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Gates
from tests.system.gate import MODULES, Gate
from tests.system.tokens import AUDIENCE, ISSUER, Signer, claims
from tests.system.wire import Protocol, Response, bearer, curl, request

pytestmark = pytest.mark.system

POLICY = """
default = "pass"

[origin.shop]
url = "http://127.0.0.1:{port}"

[origin.named]
url = "http://localhost:{port}"

[origin.socket]
socket = "{socket}"

[[rule]]
name = "public under another name"
when = 'request.path.startswith("/p/")'
rewrite = {{ path = "/public/{{request.path[3:]}}" }}

[[rule]]
name = "with a query"
when = '"add" in request.args'
rewrite = {{ query = "added={{request.method}}&{{request.query}}" }}

[[rule]]
name = "without a query"
when = '"drop" in request.args'
rewrite = {{ query = "" }}

[[rule]]
name = "front controller"
when = 'request.path.startswith("/blog/")'
rewrite = {{ path = "/public/echo.php{{request.path}}", query = "page={{request.path[6:]}}" }}

[[rule]]
name = "shop"
when = 'request.path.startswith("/shop/") or request.host == "shop.example"'
origin = "shop"

[[rule]]
name = "shop without its prefix"
when = 'request.path.startswith("/shop/v1/")'
rewrite = {{ path = "/{{request.path[9:]}}" }}

[[rule]]
name = "by name"
when = 'request.path.startswith("/named/")'
origin = "named"

[[rule]]
name = "nobody listens there"
when = 'request.path.startswith("/socket/")'
origin = "socket"

[[rule]]
name = "chosen by the client"
when = 'request.path == "/choose"'
rewrite = {{ path = '/{{request.args["to"]}}' }}

[[rule]]
name = "later rules see what was asked for"
when = 'request.path == "/p/refused.txt" or request.path.startswith("/public/admin/")'
respond = {{ status = 403 }}
"""

OPTIONS = """
url.rewrite-if-not-file = ( "^/p/later/(.*)" => "/p/$1", "^/public/later/(.*)" => "/p/$1" )
"""


@pytest.fixture(scope="module")
def site(module_gate: Gates, http_origin: int, tmp_path_factory: pytest.TempPathFactory) -> Gate:
    socket = tmp_path_factory.mktemp("origin") / "nobody.sock"
    return module_gate(POLICY.format(port=http_origin, socket=socket), options=OPTIONS)


def said(response: Response) -> dict[str, str]:
    assert response.status == 200, response
    found = response.json()
    names = ("SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "REQUEST_URI")
    return {"target": found["target"]} | {
        name: found["parameters"][name] for name in names if name in found.get("parameters", {})
    }


def test_rewrite_of_a_static_file(site: Gate) -> None:
    response = site.get("/p/page.txt?a=1")
    assert (response.status, response.text) == (200, "the public page\n")


@pytest.mark.parametrize("protocol", ["http/1.1", "h2c", "h2"])
def test_rewrite_over_each_protocol(site: Gate, protocol: Protocol) -> None:
    tls = protocol == "h2"
    assert curl(site.url("/p/page.txt", tls=tls), protocol=protocol).text == "the public page\n"
    body = b"x" * 10_000
    posted = curl(site.url("/shop/v1/a?b=1", tls=tls), protocol=protocol, body=body).json()
    assert (posted["target"], posted["body_bytes"]) == ("/a?b=1", len(body))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (
            "/p/echo.php/info?a=1",
            {"SCRIPT_NAME": "/public/echo.php", "PATH_INFO": "/info", "QUERY_STRING": "a=1"},
        ),
        ("/p/echo.php?add=1", {"SCRIPT_NAME": "/public/echo.php", "QUERY_STRING": "added=GET&add=1"}),
        ("/public/echo.php?drop", {"SCRIPT_NAME": "/public/echo.php", "QUERY_STRING": ""}),
        (
            "/blog/a%20b",
            {"SCRIPT_NAME": "/public/echo.php", "PATH_INFO": "/blog/a b", "QUERY_STRING": "page=a%20b"},
        ),
    ],
)
def test_rewrite_of_php(site: Gate, target: str, expected: dict[str, str]) -> None:
    # REQUEST_URI stays the client's, as with mod_rewrite: front controllers route on it
    assert said(site.get(target)) == {"target": target, "REQUEST_URI": target, **expected}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/p/app/x?a=%20", "/public/app/x?a=%20"),
        ("/p/app/a%20b%25%3F%23", "/public/app/a%20b%25%3F%23"),
        ("/p/app/%C3%A9?add", "/public/app/%C3%A9?added=GET&add"),
        ("/p/app/x?drop", "/public/app/x"),
        ("/public/app/a%20b?drop", "/public/app/a%20b"),
        ("/shop/x?a=1", "/shop/x?a=1"),
        ("/shop/a%20b/%3F", "/shop/a%20b/%3F"),
        ("/shop/v1/a//b/../c?d", "/a/c?d"),
        ("/named/x", "/named/x"),
    ],
)
def test_rewrite_and_origin_of_a_proxied_application(site: Gate, target: str, expected: str) -> None:
    assert said(site.get(target)) == {"target": expected}


def test_origin_by_host(site: Gate) -> None:
    response = request(site.port, "/anything", host="shop.example")
    assert said(response) == {"target": "/anything"}
    assert ["Host", "shop.example"] in response.json()["headers"]


def test_an_origin_that_is_down(site: Gate) -> None:
    assert site.get("/socket/x").status == 503


@pytest.mark.parametrize(
    "target",
    [
        "/.lightgate/origin/shop/x",
        "/.lightgate/origin/shop",
        "/%2elightgate/origin/shop/x",
        "//.lightgate/x/../origin/shop/x",
        "/choose?to=.lightgate/origin/shop/x",
        "/choose?to=/.lightgate/origin/shop/x",
        "/choose?to=x/../.lightgate/origin/shop/x",
        "/choose?to=.lightgate/authorize",
        "/choose?to=.lightgate",
    ],
)
def test_clients_cannot_choose_an_origin(site: Gate, target: str) -> None:
    response = site.get(target)
    assert (response.status, response.json()["error_description"]) == (404, "there is nothing here")


def test_a_rewritten_request_is_not_rewritten_again(site: Gate) -> None:
    """rewrite-if-not-file restarts a request whose file is not there: rules run anew, `rewrite` does not."""
    assert site.get("/p/later/page.txt").status == 404  # /public/later/ to /p/, and no further
    assert site.get("/p/later/echo.php").status == 404


def test_a_later_pass_is_judged_by_its_own_path(site: Gate) -> None:
    assert site.get("/p/refused.txt").status == 403
    assert site.get("/public/later/refused.txt").status == 403
    # where a rule sends a request is the policy's decision, not the client's
    assert site.get("/p/admin/page.txt").text == "the public admin page\n"


MEMBERS = f"""
default = "pass"

[auth.corp]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
jwks_file = "keys.json"

[origin.shop]
url = "http://127.0.0.1:@PORT@"

[[rule]]
name = "noted before the caller is known"
rewrite = {{ path = "/rewritten{{request.path}}", query = "q=1" }}

[[rule]]
name = "shop"
origin = "shop"

[[rule]]
name = "stands in"
when = 'request.path == "/members/gone"'
fallback = {{ on = [404], status = 410, body = "gone" }}

[[rule]]
name = "gone"
when = 'request.path == "/members/gone"'
rewrite = {{ query = "status=404" }}

[[rule]]
name = "slowly"
limit = {{ rate = "2/day" }}

[[rule]]
name = "members"
when = 'request.path.startswith("/members/")'
require = {{ auth = "corp" }}
"""


@pytest.mark.parametrize("protocol", ["http/1.1", "h2c"])
def test_what_is_noted_survives_a_deferral(gate: Gates, http_origin: int, protocol: Protocol) -> None:
    signer = Signer()
    site = gate(MEMBERS.replace("@PORT@", str(http_origin)), files={"keys.json": signer.jwks()})
    token = bearer(signer.sign(claims(sub="alice")))
    response = curl(site.url("/members/x?a=b"), protocol=protocol, fields=[token], body=b"content")
    assert said(response) == {"target": "/rewritten/members/x?q=1"}
    assert response.json()["body_bytes"] == len(b"content")
    assert site.deferrals() == 1
    other = bearer(signer.sign(claims(sub="bob")))
    gone = curl(site.url("/members/gone"), protocol=protocol, fields=[other])
    assert (gone.status, gone.text) == (410, "gone")
    assert site.deferrals() == 2
    # each of them was counted once, though rules ran twice
    assert site.get("/members/x", [token]).status == 429


HANDLED = """
default = "pass"

[[rule]]
name = "everything is below public"
when = 'not request.path.startswith("/members/")'
rewrite = { path = "/public{request.path}" }

[[rule]]
name = "nobody"
when = 'request.path.startswith("/members/admin/")'
respond = { status = 403, body = "no" }
"""


@pytest.mark.parametrize(
    ("handler", "status", "text"),
    [
        ("/public/page.txt", 200, "the public page\n"),  # not below /public/public/
        ("/members/page.txt", 200, "the members page\n"),
        ("/members/admin/page.txt", 403, "no"),
    ],
)
def test_error_handlers_of_rewritten_requests(gate: Gates, handler: str, status: int, text: str) -> None:
    site = gate(HANDLED, options=f'server.error-handler-404 = "{handler}"')
    site.get("/nothing")  # the first pass of a handler shows that there is one (docs/internals.md)
    response = site.get("/nothing")
    assert (response.status, response.text) == (status, text)


def test_a_catch_all_proxy_gets_nothing_of_an_origin(gate: Gates, http_origin: int, tmp_path: Path) -> None:
    """The entry of the origin wins over a shorter prefix of the site."""
    policy = POLICY.format(port=http_origin, socket=tmp_path / "nobody.sock")
    catch_all = 'proxy.server += ( "/" => ( "all" => ( "host" => "127.0.0.1", "port" => 1 ) ) )'
    site = gate(policy, options=catch_all, modules=MODULES)
    assert said(site.get("/shop/x")) == {"target": "/shop/x"}
    assert site.get("/elsewhere").status == 503
