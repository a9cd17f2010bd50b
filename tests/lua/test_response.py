from __future__ import annotations

import pytest

from luagen.lua.host import Host, Outcome, Request
from tests.lua.scripts import response_script

STATE = b"r1 1.2.3 4 0 1 0"
ANSWER = b"r1 1.2.3"


def respond(
    host: Host,
    status: int,
    headers: dict[bytes, bytes],
    env: dict[bytes, bytes],
    body: bytes | None = b"secret",
) -> Outcome:
    host.open(Request())
    for name, value in env.items():
        host.fake[b"set_env"](name, value)
    host.respond(status, headers, body)
    return host.run(response_script(), b"@response.lua")


def test_a_decided_response_is_left_alone(host: Host) -> None:
    outcome = respond(host, 200, {b"ETag": b"x"}, {})
    assert (outcome.status, outcome.response_headers, outcome.body) == (0, {b"ETag": b"x"}, b"secret")


@pytest.mark.parametrize("status", [200, 204, 206, 301, 304, 401, 404, 600])
@pytest.mark.parametrize("answer", [None, b"r1 1.2.4", b"r2 1.2.3", b"r1", b"r1 1.2.3 4 0"])
def test_an_undecided_response_is_stopped(host: Host, status: int, answer: bytes | None) -> None:
    headers = {b"Set-Cookie": b"a=b", b"Location": b"/secret", b"ETag": b"x", b"Content-Encoding": b"gzip"}
    if answer:
        headers[b"Lightgate-Answer"] = answer
    outcome = respond(host, status, headers, {b"LIGHTGATE_STATE": STATE})
    assert outcome.status == 503
    assert outcome.body is not None
    assert b"secret" not in outcome.body
    assert outcome.response_headers == {
        b"Content-Type": b"application/json",
        b"Cache-Control": b"no-store",
        b"Retry-After": b"1",
    }
    assert outcome.printed == (b"lightgate: 503: a response without a decision was stopped",)


@pytest.mark.parametrize("state", [b"nonsense", b"r1", b"r2 1.2.3 4 0 1 0", b"r1 1.2.3 4 0 1"])
def test_so_is_one_with_a_damaged_state(host: Host, state: bytes) -> None:
    outcome = respond(host, 200, {b"Lightgate-Answer": ANSWER}, {b"LIGHTGATE_STATE": state})
    assert outcome.status == 503


@pytest.mark.parametrize("status", [302, 401, 403, 503])
def test_the_sidecars_own_answer_goes_out_without_its_mark(host: Host, status: int) -> None:
    headers = {b"Lightgate-Answer": ANSWER, b"WWW-Authenticate": b"Bearer"}
    outcome = respond(host, status, headers, {b"LIGHTGATE_STATE": STATE})
    assert (outcome.status, outcome.body) == (0, b"secret")
    assert outcome.response_headers == {b"WWW-Authenticate": b"Bearer"}


def test_so_does_that_to_a_request_of_another_release(host: Host) -> None:
    """lighttpd takes up the two scripts of a release at different moments."""
    headers = {b"Lightgate-Answer": b"r2 1.2.3", b"WWW-Authenticate": b"Bearer"}
    outcome = respond(host, 401, headers, {b"LIGHTGATE_STATE": b"r2 1.2.3 4 0 1 1"})
    assert (outcome.status, outcome.response_headers) == (0, {b"WWW-Authenticate": b"Bearer"})


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_lighttpds_own_failures_go_out(host: Host, status: int) -> None:
    assert respond(host, status, {}, {b"LIGHTGATE_STATE": STATE}).status == 0


@pytest.mark.parametrize(("status", "expected"), [(413, 0), (400, 0), (200, 503), (304, 503)])
def test_while_a_body_is_collected_only_refusals_go_out(host: Host, status: int, expected: int) -> None:
    assert respond(host, status, {}, {b"LIGHTGATE_STATE": b"r1 collect 1 0 1 0"}).status == expected


@pytest.mark.parametrize("state", [None, STATE])
def test_the_policys_fields_replace_the_origins(host: Host, state: bytes | None) -> None:
    env = {b"LIGHTGATE_RESPONSE": b"=X-One: 1\n=Server: \n=X-Two: a: b\n"}
    headers = {b"Server": b"x", b"X-One": b"0"}
    if state:
        env[b"LIGHTGATE_STATE"] = state
        headers[b"Lightgate-Answer"] = ANSWER
    for _ in range(2):  # the second time from memory
        assert respond(host, 200, headers, env).response_headers == {b"X-One": b"1", b"X-Two": b"a: b"}


def test_remembered_texts_are_bounded(host: Host) -> None:
    for i in range(500):
        outcome = respond(host, 200, {}, {b"LIGHTGATE_RESPONSE": b"=X-One: %d\n" % i})
        assert outcome.response_headers == {b"X-One": b"%d" % i}
