from __future__ import annotations

import io
import json
from typing import Any

import pytest

from sidecar.logs import MAX_LINES_PER_EVENT_S, Event, Log, redact
from tests.sidecar.tokens import NOW, claims, private_key, public_pem, token


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_in_full() -> None:
    stream = io.StringIO()
    Log(stream, lambda: NOW + 0.25)(Event.REFUSED, status=401, reason="expired", issuer=None)
    assert stream.getvalue() == (
        '{"time": "2025-10-09T08:53:20.250+00:00", "level": "info", "event": "refused", '
        '"status": 401, "reason": "expired"}\n'
    )


def test_one_event_is_one_line_whatever_is_in_it__OPS_01() -> None:
    stream = io.StringIO()
    Log(stream, lambda: NOW)(Event.REFUSED, path="/a\r\n{\x1b[31m\u2028x")
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().isascii()
    assert lines(stream)[0]["path"] == "/a\r\n{\x1b[31m\u2028x"


SECRETS = {
    "a token": token(claims(), private_key("RSA")).decode(),
    "a bearer field": "Bearer 2YotnFZFEjr1zCsicMWpAA",
    "a basic field": "basic Z2F0ZTpodXNoLWh1c2g=",
    "PEM": public_pem(private_key("RSA")).replace("\n", " "),
    "a query": "access_token=hush-hush-hush",
    "a code": "code=hush-hush-hush",
    "a secret in a form": "client_secret=hush-hush",
    "a hint": "id_token_hint=hush-hush",
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
def test_what_looks_like_a_credential_is_replaced__OPS_01_PARSE_14(secret: str) -> None:
    text = str(redact(f"before {secret}"))
    assert text.startswith("before ")
    assert "[redacted]" in text
    assert secret[-8:] not in text


def test_ordinary_text_stays() -> None:
    for text in ("/members/index.html", "www.shop.example.org", "issuer corp", "192.0.2.7"):
        assert redact(text) == text


def test_long_text_is_cut() -> None:
    assert len(str(redact("x" * 10_000))) == 512


def test_an_exception_is_logged_without_its_message__PARSE_14() -> None:
    stream = io.StringIO()
    try:
        raise ValueError("secret-token")
    except ValueError as error:
        Log(stream, lambda: NOW).bug(error)
    (line,) = lines(stream)
    assert line["error"] == "ValueError"
    assert line["place"].startswith("test_logs.py:")
    assert "secret" not in stream.getvalue()


def test_a_flood_is_counted__FCGI_08() -> None:
    stream, now = io.StringIO(), [float(NOW)]
    log = Log(stream, lambda: now[0])
    for _ in range(MAX_LINES_PER_EVENT_S + 7):
        log(Event.REFUSED)
    log(Event.STARTED)
    assert len(lines(stream)) == MAX_LINES_PER_EVENT_S + 1
    now[0] += 1
    log(Event.REFUSED)
    log(Event.REFUSED)
    assert [line.get("suppressed") for line in lines(stream)[-2:]] == [7, None]


def test_a_broken_stream_does_not_raise() -> None:
    stream = io.StringIO()
    stream.close()
    Log(stream, lambda: NOW)(Event.STARTED)
