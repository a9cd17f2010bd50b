"""`lightgate selftest`: how a response is judged, the wire, and the whole against the installed lighttpd."""

from __future__ import annotations

import asyncio
import time

import pytest

from luagen.lighttpd_host import find
from luagen.selftest import wire
from luagen.selftest.modes import HONEST_ALLOW, MODES, Listening, Mode, Question, Reply
from luagen.selftest.run import Result, judge, run
from luagen.selftest.stand import CONTENT, PATH

BY_NAME = {mode.name: mode for mode in MODES}
ALLOW, REFUSE, BROKEN = BY_NAME[HONEST_ALLOW], BY_NAME["honest 401"], BY_NAME["END_REQUEST only"]

PAGE = b"HTTP/1.1 200 OK\r\n\r\n" + CONTENT


@pytest.mark.parametrize(
    ("mode", "status", "received", "got", "passed"),
    [
        (ALLOW, 200, PAGE, "200", True),
        (ALLOW, 200, b"HTTP/1.1 200 OK\r\n\r\nsomething else", "200", False),
        (ALLOW, 503, b"", "503", False),
        (REFUSE, 401, b"no", "401", True),
        (REFUSE, 403, b"no", "403", False),
        (REFUSE, 401, CONTENT, "401, the protected file", False),
        (BROKEN, 500, b"", "500", True),
        (BROKEN, 503, b"", "503", True),
        (BROKEN, 504, b"", "504", True),
        (BROKEN, 401, b"", "401", False),
        (BROKEN, 200, b"", "200", False),
        (BROKEN, 200, PAGE, "200, the protected file", False),
        (BROKEN, 503, CONTENT, "503, the protected file", False),
        (BROKEN, 5000, b"", "5000", False),
        (BROKEN, None, b"", "connection closed", False),
    ],
)
def test_the_verdict(mode: Mode, status: int | None, received: bytes, got: str, passed: bool) -> None:
    assert judge(mode, status, received) == Result(mode.name, mode.expected, got, passed)


def test_names_of_modes_are_unique() -> None:
    assert len(BY_NAME) == len(MODES) == 42


def test_only_the_honest_modes_may_be_anything_but_5xx() -> None:
    assert {mode.name: mode.expected for mode in MODES if mode.expected != "5xx"} == {
        "honest allow": "200",
        "honest 401": "401",
    }


def test_parameters_of_both_length_forms() -> None:
    content = b"\x01\x02aXY" + b"\x01\x80\x00\x00\xc8b" + b"z" * 200 + b"\x01\x00c"
    assert wire.parameters(content) == {"a": b"XY", "b": b"z" * 200, "c": b""}


def test_a_response_on_the_wire() -> None:
    assert wire.response(b"Status: 200", body=b"ok") == (
        b"\x01\x06\x00\x01\x00\x11\x00\x00Status: 200\r\n\r\nok"
        b"\x01\x06\x00\x01\x00\x00\x00\x00"
        b"\x01\x03\x00\x01\x00\x08\x00\x00" + bytes(8)
    )


def test_a_long_stream_is_split_into_records() -> None:
    records = wire.stdout(b"x" * 70_000)
    assert records[:8] == b"\x01\x06\x00\x01\xff\xff\x00\x00"
    assert records[8 + 65_535 :][:8] == b"\x01\x06\x00\x01" + (4465).to_bytes(2) + b"\x00\x00"
    assert len(records) == 70_000 + 16


@pytest.mark.system
def test_the_installed_lighttpd_lets_nobody_in() -> None:
    began = time.monotonic()
    results = asyncio.run(run(find()))
    assert [result for result in results if not result.passed] == []
    assert [result.mode for result in results] == [mode.name for mode in MODES]
    assert time.monotonic() - began < 60


def _bearer(question: Question, _: Question) -> Reply:
    """An allow that is right in everything, under a mode that must not allow."""
    return ALLOW.reply(question, question)


@pytest.mark.system
@pytest.mark.timeout(60)
def test_a_lighttpd_that_lets_somebody_in_is_seen() -> None:
    [result] = asyncio.run(run(find(), [Mode("allows", _bearer)]))
    assert result == Result("allows", "5xx", "200, the protected file", False)


def test_the_protected_file_is_behind_the_policy() -> None:
    assert PATH.startswith("/protected/")
    assert Listening.ANSWERING is ALLOW.listening
