"""Large policies and sites inside a real lighttpd."""

from __future__ import annotations

import http.client
import time

import pytest

from bench.load import resident_mib
from tests.conftest import Gates
from tests.system.gate import Gate
from tests.system.policies import local_policy
from tests.system.tokens import Signer, claims
from tests.system.wire import Connection, bearer

pytestmark = pytest.mark.system

COUNT = 10_000


def rules_on(when: str) -> str:
    rules = (
        f"[[rule]]\nname = \"rule {n}\"\nwhen = '{when.format(n=n)}'\n"
        f'redirect = {{ to = "/new/{n}", status = 301 }}\n'
        for n in range(COUNT)
    )
    return 'default = "pass"\n\n' + "\n".join(rules)


@pytest.mark.parametrize(
    ("when", "path"),
    [
        ('request.path == "/old/{n}"', "/old/{n}"),
        ('request.path.startswith("/old/{n}/") and request.method == "GET"', "/old/{n}/x"),
        ('under(request.path, "/old/{n}")', "/old/{n}/x"),
    ],
)
def test_ten_thousand_rules(gate: Gates, when: str, path: str) -> None:
    site = gate(rules_on(when))
    assert site.lighttpd is not None
    before = resident_mib(site.lighttpd.pid)
    started = time.monotonic()
    assert site.get("/public/page.txt").text == "the public page\n"
    assert time.monotonic() - started < 1
    assert resident_mib(site.lighttpd.pid) - before < 100
    with Connection(site.port) as connection:
        for number in (0, 1, 499, 500, 5_000, COUNT - 1):
            response = connection.request("GET", path.format(n=number))
            assert (response.status, response.field("Location")) == (301, f"/new/{number}")
        assert connection.request("GET", path.format(n=COUNT)).status == 404


SITES = """
[[rule]]
name = "shared"
when = 'request.path == "/shared"'
respond = { status = 418 }

[site."shop.test"]
default = "deny"

[[site."shop.test".rule]]
name = "the shop's members"
when = 'request.path.startswith("/members/")'
require = { auth = "corp" }

[[site."shop.test".rule]]
name = "tell the shop who it is"
when = 'identity'
set_request_headers = { "X-User" = "shop:{identity.sub}" }

[site."*.shop.test"]
default = "pass"
hosts = ["also.test"]

[[site."*.shop.test".rule]]
name = "below the shop"
when = 'request.path == "/which"'
respond = { status = 200, body = "below the shop" }

[site."*.a.shop.test"]

[[site."*.a.shop.test".rule]]
name = "below a"
when = 'request.path == "/which"'
respond = { status = 200, body = "below a" }

[site."*"]

[[site."*".rule]]
name = "others"
when = 'request.path == "/which"'
respond = { status = 200, body = "others" }
"""


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


@pytest.fixture(scope="module")
def sites(module_gate: Gates, signer: Signer) -> Gate:
    policy = local_policy('jwks_file = "keys.json"')
    auth, _, _ = policy.partition("[[rule]]")
    return module_gate(auth + SITES, files={"keys.json": signer.jwks()})


def get(site: Gate, path: str, host: str, *fields: tuple[str, str]) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    connection.putrequest("GET", path, skip_host=True)
    for name, value in (("Host", host), *fields):
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    found = response.status, response.read().decode()
    connection.close()
    return found


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("shop.test", None),
        ("SHOP.test", None),
        ("shop.test:8080", None),
        ("shop.test.", None),
        ("www.shop.test", "below the shop"),
        ("WWW.Shop.Test.:80", "below the shop"),
        ("also.test", "below the shop"),
        ("x.also.test", "others"),
        ("a.shop.test", "below the shop"),
        ("b.a.shop.test", "below a"),
        ("c.b.a.shop.test", "below a"),
        ("xshop.test", "others"),
        ("test", "others"),
        ("127.0.0.1", "others"),
        ("[::1]:80", "others"),
    ],
)
def test_the_host_chooses_the_site(sites: Gate, host: str, answer: str | None) -> None:
    assert get(sites, "/shared", host)[0] == 418
    status, body = get(sites, "/which", host)
    if answer is None:
        assert status == 403
    else:
        assert (status, body) == (200, answer)


def test_each_site_has_its_own_default(sites: Gate) -> None:
    assert get(sites, "/public/page.txt", "shop.test")[0] == 403
    assert get(sites, "/public/page.txt", "www.shop.test") == (200, "the public page\n")


def test_a_deferred_request_is_taken_up_within_its_site(sites: Gate, signer: Signer) -> None:
    token = bearer(signer.sign(claims(sub="alice")))
    before = sites.deferrals()
    status, body = get(sites, "/members/echo.php", "shop.test", token)
    assert status == 200
    assert "shop:alice" in body
    assert sites.deferrals() == before + 1
    assert get(sites, "/members/page.txt", "shop.test")[0] == 401
    assert get(sites, "/members/page.txt", "other.test")[0] == 200
