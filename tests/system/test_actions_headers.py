"""`cors`, `add_…` and `remove_…` before applications that have header fields of their own."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.conftest import Gates
from tests.system.gate import Gate
from tests.system.wire import Connection, Fields, Protocol, Response, curl, request

pytestmark = pytest.mark.system

POLICY = """
default = "pass"

[[rule]]
name = "tags"
add_request_headers = { X-Tag = "one", Accept-Language = "en" }

[[rule]]
name = "more tags"
add_request_headers = { x-tag = "two" }

[[rule]]
name = "no debugging"
remove_request_headers = ["X-Debug"]

[[rule]]
name = "cookies and links"
add_response_headers = { Set-Cookie = "mine=1; Secure", Link = "</a>; rel=preload" }

[[rule]]
name = "second cookie"
add_response_headers = { set-cookie = "more=2" }

[[rule]]
name = "what is built with what"
remove_response_headers = ["Server", "X-Powered-By", "X-Multiple"]

[[rule]]
name = "api"
[rule.cors]
origins = ["https://app.example.org", "https://*.partner.example"]
methods = ["GET", "PUT"]
headers = ["x-key"]
expose = ["X-Total"]
credentials = true

[[rule]]
name = "nobody"
when = 'request.path.startswith("/members/")'
respond = { status = 403 }
"""
APP = "https://app.example.org"


@pytest.fixture(scope="module")
def site(module_gate: Gates) -> Gate:
    return module_gate(POLICY)


def application(*fields: str) -> str:
    return "/public/app/?" + "&".join(f"field={quote(field)}" for field in fields)


def ask(site: Gate, target: str, protocol: Protocol, fields: Fields = ()) -> Response:
    return curl(site.url(target, tls=protocol == "h2"), protocol=protocol, fields=fields)


PROTOCOLS = pytest.mark.parametrize("protocol", ["http/1.1", "h2c", "h2"])


@PROTOCOLS
def test_added_response_fields_stand_beside_the_applications(site: Gate, protocol: Protocol) -> None:
    target = application(
        "Set-Cookie: a=1",
        "Set-Cookie: b=2",
        "Link: </b>",
        "X-Multiple: 1",
        "X-Multiple: 2",
        "X-Powered-By: x",
    )
    response = ask(site, target, protocol)
    assert response.all("Set-Cookie") == ["a=1", "b=2", "mine=1; Secure", "more=2"]
    assert response.all("Link") == ["</b>", "</a>; rel=preload"]
    assert response.all("X-Multiple") == response.all("X-Powered-By") == []
    assert "aiohttp" not in str(response.fields)


@PROTOCOLS
def test_they_stand_alone_where_nothing_was(site: Gate, protocol: Protocol) -> None:
    for target in ("/public/page.txt", "/members/page.txt", "/public/echo.php"):
        response = ask(site, target, protocol)
        assert response.all("Set-Cookie") == ["mine=1; Secure", "more=2"]
        assert response.all("Link") == ["</a>; rel=preload"]


@pytest.mark.parametrize("target", ["/public/app/x", "/public/echo.php"])
def test_request_fields(site: Gate, target: str) -> None:
    fields = [("X-Tag", "forged"), ("Accept-Language", "de"), ("X-Debug", "1"), ("X-Other", "kept")]
    said = site.get(target, fields).json()
    got = {name.upper().replace("-", "_"): value for name, value in said.get("headers", ())}
    got |= {name.removeprefix("HTTP_"): value for name, value in said.get("parameters", {}).items()}
    assert (got["X_TAG"], got["ACCEPT_LANGUAGE"], got["X_OTHER"]) == ("one, two", "de, en", "kept")
    assert "X_DEBUG" not in got


@pytest.mark.parametrize("spelling", ["X-Debug", "x_debug", "X.DEBUG"])
@pytest.mark.parametrize("target", ["/public/app/x", "/public/echo.php"])
def test_removed_in_every_spelling(site: Gate, target: str, spelling: str) -> None:
    assert "mallory" not in site.get(target, [(spelling, "mallory")]).text


# --- cors ---------------------------------------------------------------------------------------------


def preflight(site: Gate, target: str, origin: str) -> Response:
    fields = [
        ("Origin", origin),
        ("Access-Control-Request-Method", "PUT"),
        ("Access-Control-Request-Headers", "x-key"),
    ]
    return request(site.port, target, fields, method="OPTIONS")


@pytest.mark.parametrize("target", ["/public/page.txt", "/public/app/x", "/public/echo.php", "/members/x"])
def test_preflight(site: Gate, target: str) -> None:
    response = preflight(site, target, APP)
    assert (response.status, response.body) == (204, b"")
    assert {name: value for name, value in response.fields if name.startswith("Access-")} == {
        "Access-Control-Allow-Origin": APP,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Methods": "GET, PUT",
        "Access-Control-Allow-Headers": "x-key",
        "Access-Control-Max-Age": "600",
    }
    assert response.field("Vary") == "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


def test_a_foreign_preflight_gets_nothing(site: Gate) -> None:
    response = preflight(site, "/public/app/x", "https://evil.example")
    assert response.status == 204
    assert "Access-Control-Allow" not in str(response.fields)


def test_preflights_leave_the_connection_usable(site: Gate) -> None:
    with Connection(site.port) as connection:
        fields = [("Origin", APP), ("Access-Control-Request-Method", "PUT")]
        for _ in range(2):
            assert connection.request("OPTIONS", "/public/page.txt", fields).status == 204
            assert connection.request("GET", "/public/page.txt").text == "the public page\n"


@PROTOCOLS
@pytest.mark.parametrize("origin", [APP, "https://a.partner.example"])
def test_an_allowed_origin(site: Gate, protocol: Protocol, origin: str) -> None:
    theirs = (
        "Access-Control-Allow-Origin: *",
        "Access-Control-Allow-Methods: TRACE",
        "Vary: Accept",
        "Vary: Cookie",
    )
    response = ask(site, application(*theirs), protocol, [("Origin", origin)])
    assert response.status == 200
    assert response.all("Access-Control-Allow-Origin") == [origin]
    assert response.all("Access-Control-Allow-Credentials") == ["true"]
    assert response.all("Access-Control-Expose-Headers") == ["X-Total"]
    assert response.all("Access-Control-Allow-Methods") == []
    assert response.all("Vary") == ["Accept, Cookie, Origin"]


@PROTOCOLS
@pytest.mark.parametrize("fields", [[], [("Origin", "https://evil.example")], [("Origin", "null")]])
def test_other_origins_and_none(site: Gate, protocol: Protocol, fields: Fields) -> None:
    response = ask(site, application("Access-Control-Allow-Origin: *"), protocol, fields)
    assert "Access-Control" not in str(response.fields).title()
    assert response.all("Vary") == ["Origin"]


def test_refusals_can_be_read_by_scripts_of_an_allowed_origin(site: Gate) -> None:
    response = site.get("/members/page.txt", [("Origin", APP)])
    assert (response.status, response.field("Access-Control-Allow-Origin")) == (403, APP)
