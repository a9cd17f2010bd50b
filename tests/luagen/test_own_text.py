"""What lightgate says for itself: the reference, the stand-ins and the scripts have the same words."""

from __future__ import annotations

from pathlib import Path

import pytest

from luagen import statuses
from luagen.check import check_text
from luagen.decide import Decider
from luagen.reference.decision import Decision
from luagen.reference.request import Caller, Request

HEAD = """
default = "deny"
[auth.corp]
issuer = "https://corp.example.org"
audience = "shop"
[auth.partner]
issuer = "https://partner.example.org"
audience = "shop"
"""


def decider(rules: str) -> Decider:
    checked, diagnostics = check_text(HEAD + rules, "policy.toml", Path())
    assert checked is not None, [one.message for one in diagnostics]
    return Decider(checked)


def test_every_status_has_its_text() -> None:
    """`Decider.decide` fails when the two sides have different ones."""
    rule = "[[rule]]\nname = '{0}'\nwhen = 'request.path == \"/{0}\"'\nrespond.status = {0}\n"
    asked = decider("".join(map(rule.format, range(200, 600))))
    for status in range(200, 600):
        decision = asked.decide(Request(path=b"/%d" % status)).decision
        assert decision.status == status
        without = status in statuses.WITHOUT_CONTENT
        assert decision.body == (None if without else statuses.line(status))
        assert decision.response_headers == (
            () if without else ((b"content-type", b"text/plain; charset=utf-8"),)
        )
    assert statuses.line(413) == b"413 Content Too Large\n"
    assert statuses.line(599) == b"599 Status 599\n"


RULES = """
[[rule]]
name = "corp"
when = 'request.path == "/corp"'
require = { auth = "corp", that = '"admin" in identity.roles', scope = "write" }
[[rule]]
name = "office"
when = 'request.path == "/office"'
require = { that = 'request.ip in "192.0.2.0/24"' }
[[rule]]
name = "few"
when = 'request.path == "/few"'
limit = { rate = "1/hour", burst = 1 }
[[rule]]
name = "control"
when = 'request.path == "/control"'
set_env = { A = '{request.args["a"]}' }
[[rule]]
name = "no host"
when = 'request.path == "/to"'
redirect = { to = "https://{request.host}/" }
[[rule]]
name = "all may see the rest"
when = 'request.path == "/few"'
require = { that = 'True' }
"""
BOB = Caller(provider=b"corp", sub=b"bob")
PARTNER = Caller(provider=b"partner", sub=b"p")


def said(decision: Decision) -> tuple[int, bytes | None, bytes | None]:
    fields = dict(decision.response_headers)
    assert (fields[b"cache-control"], fields[b"content-type"]) == (b"no-store", b"application/json")
    return decision.status, decision.body, fields.get(b"www-authenticate")


@pytest.mark.parametrize(
    ("request_", "status", "members", "challenge"),
    [
        (
            Request(path=b"/corp"),
            401,
            b'"error_description":"a bearer token is required"',
            b'Bearer realm="corp"',
        ),
        (
            Request(path=b"/corp", caller=PARTNER),
            401,
            b'"error":"invalid_token","error_description":"the token\'s issuer is not accepted here"',
            b'Bearer realm="corp", error="invalid_token", '
            b'error_description="the token\'s issuer is not accepted here"',
        ),
        (
            Request(path=b"/corp", caller=BOB),
            403,
            b'"error":"insufficient_scope","error_description":"the caller is not permitted to do this"',
            b'Bearer realm="corp", error="insufficient_scope", '
            b'error_description="the caller is not permitted to do this", scope="write"',
        ),
        (
            Request(path=b"/office", ip=b"10.0.0.1"),
            403,
            b'"error_description":"this is not permitted"',
            None,
        ),
        (Request(path=b"/"), 403, b'"error_description":"nothing permits this request"', None),
        (
            Request(path=b"/control", query=b"a=%0A"),
            400,
            b'"error_description":"the request holds control characters"',
            None,
        ),
        (
            Request(path=b"/to", authority=b"", http_version=b"1.0"),
            400,
            b'"error_description":"the request names no host"',
            None,
        ),
        (Request(path=b"/.lightgate/x"), 404, b'"error_description":"there is nothing here"', None),
    ],
)
def test_refusals(request_: Request, status: int, members: bytes, challenge: bytes | None) -> None:
    decision = decider(RULES).decide(request_).decision
    assert said(decision) == (status, b'{"status":%d,%s}\n' % (status, members), challenge)


def test_a_limit_says_when_to_come_again() -> None:
    asked = decider(RULES)
    assert asked.decide(Request(path=b"/few")).decision.passes
    decision = asked.decide(Request(path=b"/few")).decision
    assert said(decision) == (429, b'{"status":429,"error_description":"too many requests"}\n', None)
    assert dict(decision.response_headers)[b"retry-after"] == b"3600"


def test_people_get_a_page() -> None:
    decision = decider(RULES).decide(Request(path=b"/corp", headers=((b"Accept", b"text/html"),))).decision
    assert dict(decision.response_headers)[b"content-type"] == b"text/html; charset=utf-8"
    assert decision.body is not None
    assert b"<h1>Unauthorized</h1><p>A bearer token is required.</p>" in decision.body
