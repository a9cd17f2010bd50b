"""`limit` in a real lighttpd: its clock, what is counted, and what clients are told."""

from __future__ import annotations

import time

import pytest

from tests.conftest import Gates
from tests.system.gate import Gate
from tests.system.processes import poll
from tests.system.tokens import AUDIENCE, ISSUER, Signer, claims
from tests.system.wire import Protocol, bearer, curl, request

pytestmark = pytest.mark.system

POLICY = f"""
default = "pass"

[auth.corp]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
jwks_file = "keys.json"

[[rule]]
name = "by address"
when = 'request.path.startswith("/public/admin/")'
limit = {{ rate = "3/hour" }}

[[rule]]
name = "fast"
when = 'request.path == "/public/echo.php"'
limit = {{ rate = "10/second", burst = 1 }}

[[rule]]
name = "by caller"
when = 'request.path.startswith("/members/") and identity'
limit = {{ rate = "2/hour", key = "{{identity.sub}}", status = 503 }}

[[rule]]
name = "later"
when = 'request.path.startswith("/later/")'
limit = {{ rate = "2/hour", key = "all" }}

[[rule]]
name = "members"
when = 'request.path.startswith("/members/")'
require = {{ auth = "corp" }}
"""

# a request for a file that is not there passes the rules twice
OPTIONS = """
url.rewrite-if-not-file = ( "^/later/missing$" => "/later/page.txt" )
alias.url += ( "/later/" => "$directory/htdocs/public/" )
"""


@pytest.fixture
def signer() -> Signer:
    return Signer()


@pytest.fixture
def site(gate: Gates, signer: Signer) -> Gate:
    return gate(POLICY, files={"keys.json": signer.jwks()}, options=OPTIONS)


@pytest.mark.parametrize("protocol", ["http/1.1", "h2c", "h2"])
def test_refusal(site: Gate, protocol: Protocol) -> None:
    url = site.url("/public/admin/page.txt", tls=protocol == "h2")
    assert [curl(url, protocol=protocol).status for _ in range(4)] == [200, 200, 200, 429]
    refused = curl(url, protocol=protocol)
    wait = int(refused.field("Retry-After") or "")
    assert 1190 <= wait <= 1200
    assert refused.field("RateLimit-Policy") == '"by address";q=3;w=3600'
    assert refused.field("RateLimit") == f'"by address";r=0;t={wait}'
    assert refused.field("Cache-Control") == "no-store"
    assert refused.json() == {"status": 429, "error_description": "too many requests"}
    assert curl(site.url("/public/page.txt"), protocol="http/1.1").status == 200


def test_the_clock_is_finer_than_a_second(site: Gate) -> None:
    """10 a second: one after the other, where a clock of whole seconds would give one a second."""
    passed, started = 0, time.monotonic()

    def eleven() -> bool:
        nonlocal passed
        passed += site.get("/public/echo.php").status == 200
        return passed == 11

    poll("eleven requests pass", eleven, 5)
    assert time.monotonic() - started >= 1


def test_callers_are_counted_apart_and_once(site: Gate, signer: Signer) -> None:
    alice, bob = (bearer(signer.sign(claims(sub=sub))) for sub in ("alice", "bob"))
    statuses = [site.get("/members/page.txt", [alice]).status for _ in range(3)]
    assert (statuses, site.deferrals()) == ([200, 200, 503], 1)
    assert site.get("/members/page.txt", [bob]).status == 200
    assert site.get("/members/page.txt").status == 401


def test_a_request_of_several_passes_is_counted_once(site: Gate) -> None:
    statuses = [site.get("/later/missing").status for _ in range(3)]
    assert statuses == [200, 200, 429]


def test_a_release_starts_with_full_buckets(site: Gate) -> None:
    assert [site.get("/later/page.txt").status for _ in range(3)] == [200, 200, 429]
    site.deploy(POLICY + "\n# another release\n")
    poll("the new release lets requests through", lambda: site.get("/later/page.txt").status == 200, 5)


def test_methods_and_bodies(site: Gate) -> None:
    body = b"x" * 50_000
    statuses = [
        request(site.port, "/public/admin/page.txt", method="POST", body=body).status for _ in range(4)
    ]
    assert statuses[-1] == 429
