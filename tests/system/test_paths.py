"""However a protected path is spelt, its content does not come without a token."""

from __future__ import annotations

import http.client

import pytest

from tests.conftest import Gates
from tests.system.gate import Gate
from tests.system.policies import local_policy
from tests.system.tokens import Signer, claims
from tests.system.wire import Response, bearer, request_bytes, send

pytestmark = pytest.mark.system

#: request targets, as sent; {} is page.txt, echo.php or app/x
SPELLINGS = [
    "/members/{}",
    "//members/{}",
    "///members//{}",
    "/members//{}",
    "/./members/{}",
    "/members/./{}",
    "/members/%2e/{}",
    "/public/../members/{}",
    "/public/%2e%2e/members/{}",
    "/public/%2E./members/{}",
    "/public/..%2fmembers/{}",
    "/public/..%2Fmembers/{}",
    "/public/app/../../members/{}",
    "/public/echo.php/../../members/{}",
    "/public/page.txt/../../members/{}",
    "/..%2fmembers/{}",
    "/../members/{}",
    "/%2e%2e/members/{}",
    "/members%2f{}",
    "/members%2F{}",
    "/%6dembers/{}",
    "/%6Dembers/{}",
    "/%6d%65%6d%62%65%72%73/{}",
    "/%256dembers/{}",
    "/MEMBERS/{}",
    "/Members/{}",
    "/members;/{}",
    "/members;v=1/{}",
    "/public/..;/members/{}",
    "/public/;/../members/{}",
    "/members\\{}",
    "/members%5c{}",
    "/public\\..\\members/{}",
    "/public/..%5cmembers/{}",
    "/members/{}?",
    "/members/{}?x=/public/",
    "/members/{}#/public/",
    "/members/{}/",
    "/members/{}/extra",
    "/members/{}%20",
    "/members/{}%00.txt",
    "/members/{}.",
    "/members/{};.txt",
    "/members%00/{}",
    "/members\t/{}",
    "/members%09/{}",
    "/members%0a/{}",
    "/members/\xff{}",
    "/members/%ff{}",
    "/%c0%afmembers/{}",
    "/public/%c0%ae%c0%ae/members/{}",
    "/.lightgate/../members/{}",
    "members/{}",
    "http://gate.example/members/{}",
    "http://gate.example/public/../members/{}",
    "http://other.example/members/{}",
    "https://gate.example/members/{}",
    "HTTP://GATE.EXAMPLE/members/{}",
    "http://gate.example:80/members/{}",
    "http://user@gate.example/members/{}",
    "*",
]


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


@pytest.fixture(scope="module")
def site(module_gate: Gates, signer: Signer) -> Gate:
    return module_gate(local_policy('jwks_file = "keys.json"'), files={"keys.json": signer.jwks()})


def ask(site: Gate, data: bytes) -> Response | None:
    """The response, or None when lighttpd closed the connection without one."""
    method = data.split(b" ", 1)[0].decode()
    try:
        return send(site.port, data, method)
    except (http.client.BadStatusLine, ConnectionError):
        return None


def reveals(response: Response | None) -> bool:
    """Whether this is the members page, or an origin saying that it served a protected path."""
    if response is None:
        return False
    if response.body.startswith(b'{"origin"'):
        said = response.json()
        served = said["parameters"]["SCRIPT_NAME"] if said["origin"] == "php" else said["target"]
        return not served.startswith("/public/")
    return "the members page" in response.text


@pytest.mark.parametrize("name", ["page.txt", "echo.php", "app/x"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_gets_in_without_a_token(site: Gate, spelling: str, name: str) -> None:
    target = spelling.replace("{}", name)
    for method in ("GET", "HEAD", "POST", "OPTIONS"):
        response = ask(site, request_bytes(method, target, host="gate.example", close=True))
        assert not reveals(response)
        if method != "GET" and response is not None and target.startswith("/members/"):
            assert response.status >= 400


HOSTS = [
    "gate.example",
    "GATE.EXAMPLE",
    "gate.example.",
    "gate.example:80",
    "gate.example:8080",
    "other.example",
    "localhost",
    "127.0.0.1",
    "[::1]",
    "",
    " ",
    "gate.example, other.example",
    "-",
]


@pytest.mark.parametrize("host", HOSTS)
def test_no_host_gets_in_without_a_token(site: Gate, host: str) -> None:
    response = ask(site, request_bytes("GET", "/members/page.txt", host=host, close=True))
    assert response is None or response.status in (400, 401)
    assert not reveals(response)


@pytest.mark.parametrize(
    "data",
    [
        b"GET /members/page.txt HTTP/1.0\r\n\r\n",
        b"GET /members/page.txt\r\n\r\n",
        b"GET /members/page.txt HTTP/0.9\r\n\r\n",
        b"GET  /members/page.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /members/page.txt HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /public/page.txt /members/page.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /members/page.txt HTTP/1.1\r\nHost: a\r\nX-Original-URL: /public/page.txt\r\n\r\n",
        b"GET /members/page.txt HTTP/1.1\r\nHost: a\r\nX-Rewrite-URL: /public/page.txt\r\n\r\n",
        b"GET /public/page.txt HTTP/1.1\r\nHost: a\r\nX-Original-URL: /members/page.txt\r\n\r\n",
        b"TRACE /members/page.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PROPFIND /members/page.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        b"GET /members/page.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-3\r\n\r\n",
        b"GET /members/page.txt HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        b"GET /members/page.txt HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n"
        b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    ],
    ids=lambda data: data.split(b"\r\n\r\n")[0].decode().replace("\r\n", " | "),
)
def test_no_request_line_gets_in_without_a_token(site: Gate, data: bytes) -> None:
    response = ask(site, data)
    assert not reveals(response)
    assert response is None or b"the m" not in response.body


@pytest.mark.parametrize(
    "spelling", ["/members/{}", "//members/{}", "/%6dembers/{}", "/public/../members/{}"]
)
@pytest.mark.parametrize("name", ["page.txt", "echo.php", "app/x"])
def test_the_same_spellings_work_with_a_token(site: Gate, signer: Signer, spelling: str, name: str) -> None:
    """What shows that the spellings above do name the protected content."""
    token = bearer(signer.sign(claims()))
    response = site.get(spelling.replace("{}", name), [token])
    assert response.status == 200
    assert reveals(response)


@pytest.mark.parametrize(
    ("target", "seen"),
    [
        ("/public/echo.php?x=/../y", "/public/echo.php?x=/../y"),
        ("/members/../public/echo.php?x=1", "/public/echo.php?x=1"),
        ("/members/%2e%2e/public/echo.php", "/public/echo.php"),
        ("/members/..%2fpublic/echo.php", "/public/echo.php"),
        ("/members%2f..%2fpublic/echo.php", "/public/echo.php"),
        ("//public//echo.php", "/public/echo.php"),
        ("/public/echo.php/a%20b", "/public/echo.php/a%20b"),
        ("/public/echo.php/./a%20b%c3%a9", "/public/echo.php/a%20b%C3%A9"),
    ],
)
def test_applications_that_route_by_themselves_see_the_path_that_rules_saw(
    site: Gate, target: str, seen: str
) -> None:
    """CGI gives them REQUEST_URI, which lighttpd by itself leaves as the client spelt it."""
    response = site.get(target)
    assert response.status == 200
    assert response.json()["target"] == seen
