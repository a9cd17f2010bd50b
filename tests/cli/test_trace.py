"""The lines of `lightgate dev`: what lighttpd and the sidecar write, and what is shown of it."""

from __future__ import annotations

import json

import pytest

from luagen.dev import trace

ENTRY = {
    "method": "GET",
    "path": "/members/",
    "status": "200",
    "duration_us": "1834",
    "identity": "alice",
    "decision": "pass",
    "rule": "members sign in",
    "where": "sidecar",
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "GET /members/ → 200  pass  members sign in  alice  sidecar  1834 µs"),
        (
            {"identity": "-", "rule": "default", "where": "lua", "path": "/"},
            "GET / → 200  pass  default  -  lua  1834 µs",
        ),
        # the request went to the sidecar and did not come back: the client got the sidecar's answer
        (
            {"status": "401", "decision": "defer", "identity": "-"},
            "GET /members/ → 401  refuse  members sign in  -  sidecar  1834 µs",
        ),
        # lighttpd refused before any Lua ran
        (
            {"status": "400", "decision": "-", "rule": "-", "identity": "-", "where": "-"},
            "GET /members/ → 400  -  -  -  -  1834 µs",
        ),
        ({"method": "PRI", "path": "*", "status": "100", "decision": "-"}, None),
        ({"identity": "a\x1b[31mb"}, "GET /members/ → 200  pass  members sign in  a�[31mb  sidecar  1834 µs"),
    ],
)
def test_a_request_is_one_line(changes: dict[str, str], expected: str | None) -> None:
    assert trace.describe(json.dumps(ENTRY | changes)) == expected


@pytest.mark.parametrize("line", ["", "not json", '{"method": "GET"}', "[1]"])
def test_a_line_in_another_form_is_shown_as_it_is(line: str) -> None:
    assert trace.describe(line) == line


def test_the_format_logs_no_field_that_can_hold_a_credential() -> None:
    assert "}i" not in trace.FORMAT and "}C" not in trace.FORMAT  # header fields, cookies
    assert not any(token in trace.FORMAT for token in ("%r", "%q"))  # request line, query


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2026-01-01 00:00:00: (server.c.1704) server started (lighttpd/1.4.69)", None),
        (
            "2026-01-01 00:00:00: (mod_magnet.c.3218) lua script failed",
            "2026-01-01 00:00:00: (mod_magnet.c.3218) lua script failed",
        ),
        ('{"time": "t", "level": "info", "event": "started"}', None),
        (
            '{"time": "t", "level": "info", "event": "refused", "reason": "expired"}',
            "refused  reason=expired",
        ),
        (
            '{"time": "t", "level": "warning", "event": "keys-fetch-failed", "issuer": "corp"}',
            "keys-fetch-failed  issuer=corp",
        ),
        ('"text"', '"text"'),
    ],
)
def test_what_a_process_says_is_shown_unless_routine(line: str, expected: str | None) -> None:
    assert trace.describe_event(line) == expected
