"""`[site]`, `[origin]`, `[country]` and `[[test]]` tables, value by value."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from luagen import model
from luagen.check import check_text
from luagen.check_sites import host_mistake
from luagen.check_tests import DEFAULT_NOW
from tests.luagen.policies import SPAN

AUTH = '[auth.corp]\nissuer = "https://login.example.org"\naudience = "shop"\n'


def policy_of(text: str) -> model.Policy:
    policy, diagnostics = check_text(f'default = "deny"\n{text}', "p.toml", Path())
    assert policy is not None, diagnostics
    return policy


def test_sites() -> None:
    policy = policy_of(
        """
[[rule]]
name = "shared"
respond = { status = 403 }

[site."shop.example.org"]
default = "pass"
hosts = ["www.shop.example.org", "*.shop.example.org", "[::1]"]

[[site."shop.example.org".rule]]
name = "own"
respond = { status = 404 }

[[site."*".rule]]
name = "anywhere"
respond = { status = 410 }
"""
    )
    found = [(s.name, s.hosts, s.default.value, [rule.name for rule in s.rules]) for s in policy.sites]
    assert found == [
        (
            "shop.example.org",
            ("shop.example.org", "www.shop.example.org", "*.shop.example.org", "[::1]"),
            "pass",
            ["own"],
        ),
        ("*", ("*",), "deny", ["anywhere"]),
    ]
    assert [rule.name for rule in policy.all_rules()] == ["shared", "own", "anywhere"]


@pytest.mark.parametrize(
    "host", ["localhost", "a.example", "*.a.example", "192.0.2.1", "[2001:db8::1]", "xn--a"]
)
def test_hosts(host: str) -> None:
    assert host_mistake(host) is None


@pytest.mark.parametrize(
    "host",
    [
        *("", "*.", "a..b", "-a.example", "a_b", "*a.example", "a" * 254, "a.example\n"),
        *("[2001:db8:0:0::2]", "[2001:DB8::2]", "[:::]", "[]", "[192.0.2.1]", "[::1%eth0]", "*.[::1]"),
    ],
)
def test_no_hosts(host: str) -> None:
    assert host_mistake(host) is not None


def test_origins() -> None:
    policy = policy_of(
        """
[origin.app]
url = "http://127.0.0.1:3000/"
[origin.six]
url = "http://[::1]"
[origin.php_2]
socket = "/run/app.sock"
"""
    )
    assert policy.origins == (
        model.Origin(name="app", host="127.0.0.1", port=3000, socket=None, span=SPAN),
        model.Origin(name="six", host="::1", port=80, socket=None, span=SPAN),
        model.Origin(name="php_2", host=None, port=None, socket="/run/app.sock", span=SPAN),
    )


@pytest.mark.parametrize(
    ("keys", "country"),
    [
        (
            'variable = "GEOIP_COUNTRY_CODE"',
            model.Country(variable="GEOIP_COUNTRY_CODE", header=None, trusted=()),
        ),
        (
            'header = "CF-IPCountry"\ntrusted = ["10.0.0.0/8", "::1"]',
            model.Country(
                variable=None,
                header="cf-ipcountry",
                trusted=(ip_network("10.0.0.0/8"), ip_network("::1/128")),
            ),
        ),
        (
            'header = "X-Country"\ntrusted = "fronts"\n[lists]\nfronts = ["192.0.2.1"]',
            model.Country(variable=None, header="x-country", trusted=(ip_network("192.0.2.1/32"),)),
        ),
    ],
)
def test_country(keys: str, country: model.Country) -> None:
    assert policy_of(f"[country]\n{keys}\n").country == country


def test_a_short_test() -> None:
    policy = policy_of('[[test]]\nname = "t"\nrequest = { url = "/a?b" }\nexpect = { passes = false }\n')
    assert policy.tests == (
        model.PolicyTest(
            name="t",
            request=model.SampleRequest(
                method="GET",
                url="https://localhost/a?b",
                http_version="1.1",
                headers=(),
                ip="192.0.2.1",
                country="",
                content_length=0,
                now=DEFAULT_NOW,
                variables=(),
                caller=None,
                origin_status=200,
            ),
            passes=False,
            status=None,
            rule=None,
            headers=(),
            body=None,
            path=None,
            query=None,
            origin=None,
            request_headers=(),
            env=(),
            span=SPAN,
        ),
    )


def test_a_long_test() -> None:
    policy = policy_of(
        AUTH
        + """
[origin.app]
url = "http://127.0.0.1:3000"

[[test]]
name = "t"
[test.request]
method = "PURGE"
url = "http://a.example:8080"
http_version = "2"
headers = { X-A = "1", X-B = "" }
ip = "::1"
country = "DE"
content_length = -1
now = "2026-06-01T02:00:00+02:00"
variables = { SSL_PROTOCOL = "TLSv1.3" }
origin_status = 502
[test.request.identity]
sub = "alice"
email = "alice@example.org"
roles = ["admin", "dev"]
claims = { org = { plan = 3 }, ok = true, list = ["a", 1] }
[test.expect]
status = 200
rule = "default"
headers = { X-R = "" }
body = "b"
path = "/p"
query = ""
origin = "app"
request_headers = { X-A = "1" }
env = { A = "b" }
"""
    )
    [test] = policy.tests
    assert test.request == model.SampleRequest(
        method="PURGE",
        url="http://a.example:8080/",
        http_version="2",
        headers=(("X-A", "1"), ("X-B", "")),
        ip="::1",
        country="DE",
        content_length=-1,
        now=1_780_272_000,
        variables=(("SSL_PROTOCOL", "TLSv1.3"),),
        caller=model.SampleCaller(
            provider="corp",
            sub="alice",
            email="alice@example.org",
            roles=("admin", "dev"),
            claims={"org": {"plan": 3}, "ok": True, "list": ["a", 1]},
        ),
        origin_status=502,
    )
    assert (test.passes, test.status, test.rule, test.origin) == (None, 200, "default", "app")
    assert (test.headers, test.body, test.path, test.query) == ((("X-R", ""),), "b", "/p", "")
    assert (test.request_headers, test.env) == ((("X-A", "1"),), (("A", "b"),))
