from __future__ import annotations

import json
from pathlib import Path

import pytest

from sidecar.decision import Allow, BadRequest, Challenge, Decision, Forbidden, Healthy, Unavailable
from sidecar.reasons import Reason
from sidecar.respond import respond, status_of
from tests.sidecar.fastcgi_client import parse_cgi


def response(decision: Decision, accept: bytes = b"*/*", release: str = "r1", nonce: str = "1.2") -> bytes:
    return respond(decision, release=release, nonce=nonce, accept=accept)


def test_allow_is_exactly_these_lines__FCGI_04() -> None:
    assert response(Allow(identity="release=r1&provider=corp&sub=alice", expires=1_760_000_000)) == (
        b"Status: 200\r\n"
        b"Variable-LIGHTGATE_ANSWER: r1 1.2\r\n"
        b"Variable-LIGHTGATE_IDENTITY: release=r1&provider=corp&sub=alice\r\n"
        b"Variable-LIGHTGATE_EXPIRES: 1760000000\r\n"
        b"\r\n"
    )


def test_allow_with_what_the_release_in_force_says() -> None:
    allowed = Allow(identity="release=r1&sub=a", expires=17, current_identity="release=r2&sub=b")
    assert b"Variable-LIGHTGATE_CURRENT_IDENTITY: release=r2&sub=b\r\n" in response(allowed)


def test_health_is_no_allow() -> None:
    # 200 would let the request on; every other status is the client's response
    assert status_of(Healthy()) == 204
    assert response(Healthy()) == (
        b"Status: 204\r\nLightgate-Answer: r1 1.2\r\nLightgate-Release: r1\r\nCache-Control: no-store\r\n\r\n"
    )


def test_a_challenge_in_full__FCGI_05() -> None:
    assert response(Challenge(reason=Reason.EXPIRED, realm="corp")) == (
        b"Status: 401\r\n"
        b"Lightgate-Answer: r1 1.2\r\n"
        b'WWW-Authenticate: Bearer realm="corp", error="invalid_token", '
        b'error_description="the token has expired"\r\n'
        b"Cache-Control: no-store\r\n"
        b"Content-Type: application/json\r\n"
        b"\r\n"
        b'{"status":401,"error":"invalid_token","error_description":"the token has expired"}\n'
    )


INVALID = 'error="invalid_token", error_description="the token\'s signature is not valid"'
ANSWERS: dict[str, tuple[Decision, int, str | None]] = {
    "no credential [BEAR-05]": (
        Challenge(reason=Reason.NO_CREDENTIAL, realm="corp"),
        401,
        'Bearer realm="corp"',
    ),
    "another scheme [BEAR-05]": (
        Challenge(reason=Reason.NOT_BEARER, realm="corp"),
        401,
        'Bearer realm="corp"',
    ),
    "bad signature": (
        Challenge(reason=Reason.BAD_SIGNATURE, realm="corp"),
        401,
        f'Bearer realm="corp", {INVALID}',
    ),
    "unknown key": (
        Challenge(reason=Reason.UNKNOWN_KEY, realm="corp"),
        401,
        f'Bearer realm="corp", {INVALID}',
    ),
    "inactive": (
        Challenge(reason=Reason.INACTIVE, realm="corp"),
        401,
        'Bearer realm="corp", error="invalid_token", error_description="the token is not active"',
    ),
    "two credentials [BEAR-01]": (
        BadRequest(reason=Reason.TWO_CREDENTIALS, realm="corp"),
        400,
        'Bearer realm="corp", error="invalid_request", '
        'error_description="more than one credential was presented"',
    ),
    "malformed credential [BEAR-02]": (
        BadRequest(reason=Reason.MALFORMED_CREDENTIAL, realm="corp"),
        400,
        'Bearer realm="corp", error="invalid_request", error_description="the credential is malformed"',
    ),
    "not from Lua": (Forbidden(Reason.NOT_A_DEFERRAL), 403, None),
    "unavailable": (Unavailable(Reason.BUG), 503, None),
}


@pytest.mark.parametrize(("decision", "status", "challenge"), ANSWERS.values(), ids=ANSWERS.keys())
def test_answers(decision: Decision, status: int, challenge: str | None) -> None:
    answer = parse_cgi(response(decision))
    assert answer.status == status == status_of(decision)
    assert answer.fields.get("WWW-Authenticate") == challenge
    assert answer.fields.get("Retry-After") == ("2" if status == 503 else None)
    assert answer.fields["Lightgate-Answer"] == "r1 1.2"
    assert json.loads(answer.body)["status"] == status


@pytest.mark.parametrize("reason", [reason for reason in Reason if "-" in reason.value])
def test_reasons_are_not_for_the_client(reason: Reason) -> None:
    for decision in (Challenge(reason=reason, realm="corp"), Forbidden(reason), Unavailable(reason)):
        text = response(decision, b"text/html") + response(decision)
        assert reason.value.encode() not in text


def test_people_get_html__OPS_02() -> None:
    answer = parse_cgi(
        response(Challenge(reason=Reason.EXPIRED, realm="corp"), b"text/html,application/xhtml+xml,*/*;q=0.8")
    )
    assert answer.fields["Content-Type"] == "text/html; charset=utf-8"
    assert answer.body == (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">\n<title>401 Unauthorized</title>\n'
        "<style>body{font:1.1em/1.5 system-ui,sans-serif;max-width:36em;margin:15vh auto;padding:0 1em;"
        "color-scheme:light dark}</style>\n<h1>Unauthorized</h1><p>The token has expired.</p></html>\n"
    )


LUA = Path(__file__).parents[2] / "lighttpd" / "lua" / "lightgate"


def test_the_texts_are_those_of_lua() -> None:
    """A client cannot tell where its token was examined."""
    texts = "".join((LUA / name).read_text("utf-8") for name in ("tokens.lua", "claims.lua"))
    for reason in (
        Reason.MALFORMED_TOKEN,
        Reason.UNKNOWN_ISSUER,
        Reason.BAD_SIGNATURE,
        Reason.EXPIRED,
        Reason.WRONG_AUDIENCE,
    ):
        answer = parse_cgi(response(Challenge(reason=reason, realm="corp")))
        assert f'"{json.loads(answer.body)["error_description"]}"' in texts


def test_without_a_release_there_is_no_claim_to_be_an_answer() -> None:
    answer = parse_cgi(response(Forbidden(Reason.NOT_A_DEFERRAL), release="", nonce="1.2"))
    assert "Lightgate-Answer" not in answer.fields
