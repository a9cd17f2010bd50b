"""The pages under the reserved prefix: there for clients on this machine, for nobody else."""

from __future__ import annotations

import json

import pytest

from luagen.lua.host import Clock, Host, Request
from tests.lua.passes import BEARER, MEMBERS, SHOW_CALLER, allow, deferred, run, second_pass

HEALTH = b"/.lightgate/health"
STATUS = b"/.lightgate/status"
LOCAL = [b"127.0.0.1", b"127.8.9.1", b"::1", b"::ffff:127.0.0.1"]
REMOTE = [b"192.0.2.7", b"::2", b"", b"1.127.0.1", b"12.7.0.1", b"::ffff:10.127.0.1", b"2001:db8::127.0.0.1"]
NOTHING = b"function(q) return nil end"


@pytest.mark.parametrize("remote", LOCAL)
def test_health_is_handed_to_the_sidecar(host: Host, remote: bytes) -> None:
    outcome = deferred(host, Request(path=HEALTH, remote=remote), NOTHING)
    assert outcome.env[b"LIGHTGATE_ASK"] == b"health"
    assert outcome.env[b"LIGHTGATE_RELEASE"] == b"r1"
    assert outcome.env[b"LIGHTGATE_STATE"] == b"r1 " + outcome.env[b"LIGHTGATE_NONCE"] + b" 0 0 0 0"


@pytest.mark.parametrize("path", [HEALTH, STATUS])
@pytest.mark.parametrize("remote", REMOTE)
def test_for_others_they_do_not_exist(host: Host, path: bytes, remote: bytes) -> None:
    outcome = run(host, Request(path=path, remote=remote), NOTHING)
    assert outcome.status == 404
    assert not outcome.deferred


@pytest.mark.parametrize(
    "request_",
    [
        Request(path=HEALTH, method=b"POST"),
        Request(path=HEALTH, body=b"x"),
        Request(path=HEALTH + b"/"),
        Request(path=STATUS + b"x"),
    ],
)
def test_what_is_no_plain_question_is_not_answered(host: Host, request_: Request) -> None:
    local = Request(**{**vars(request_), "remote": b"127.0.0.1"})
    assert run(host, local, NOTHING).status == 404


def test_an_allow_for_a_health_question_opens_nothing(host: Host) -> None:
    request = Request(path=HEALTH, remote=b"127.0.0.1")
    outcome = deferred(host, request, NOTHING)
    again = second_pass(host, request, NOTHING, allow(outcome))
    assert again.status == 404
    assert b"LIGHTGATE_STATE" in again.env  # so that response.lua stops whatever comes of it


def test_status(host: Host) -> None:
    request = Request(path=STATUS, remote=b"127.0.0.1")
    outcome = run(host, request, NOTHING)
    assert outcome.status == 200
    assert outcome.response_headers[b"Content-Type"] == b"application/json"
    assert outcome.response_headers[b"Cache-Control"] == b"no-store"
    document = json.loads(outcome.body or b"")
    assert document["lua"].startswith("Lua 5.")
    assert document | {"lua": ""} == {
        "release": "r1",
        "lighttpd": "1.4.69",
        "lua": "",
        "verdicts": {"entries": 0, "hits": 0, "misses": 0, "flushes": 0},
    }


def test_status_counts_what_the_cache_did(host: Host, clock: Clock) -> None:
    caller = Request(headers=(BEARER,))
    outcome = deferred(host, caller, SHOW_CALLER)
    second_pass(host, caller, SHOW_CALLER, allow(outcome))
    for _ in range(3):
        assert run(host, caller, SHOW_CALLER).status == 0

    def verdicts() -> dict[str, int]:
        found = json.loads(run(host, Request(path=STATUS, remote=b"::1"), MEMBERS).body or b"")["verdicts"]
        assert isinstance(found, dict)
        return found

    # the page itself looks at nothing: figures are those of the requests before
    assert verdicts() == {"entries": 1, "hits": 3, "misses": 1, "flushes": 1}
    clock.now += 2
    clock.epoch = 2
    deferred(host, caller, SHOW_CALLER)
    assert verdicts() == {"entries": 0, "hits": 3, "misses": 2, "flushes": 2}
