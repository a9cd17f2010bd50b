"""What rules note for later, under every Lua: rewrites, origins, fallbacks and fields of the response."""

from __future__ import annotations

import pytest

from luagen.lua.host import Host, Outcome, Request
from tests.lua.passes import BEARER, allow, deferred, run, second_pass
from tests.lua.scripts import RELEASE, SETTINGS, request_script, response_script

NOTES = b"""
function(q)
  local refusal = gate.rewrite(q, "/new//./path%", "b=2")
  if refusal then return refusal end
  gate.choose_origin(q, "app")
  gate.fall_back(q, "k1")
  gate.fall_back(q, "k2")
  gate.set_response_header(q, "X-One", "1")
  return nil
end"""
ASK = b"function(q) gate.identity(q, 2) if q.stop then return q.stop end return nil end"


def target(host: Host) -> bytes | None:
    found = host.fake[b"attribute"](b"request.uri")
    assert found is None or isinstance(found, bytes)
    return found


def test_they_are_done_when_the_request_is_let_through(host: Host) -> None:
    outcome = run(host, Request(path=b"/old", query=b"a=1"), NOTES)
    assert (outcome.status, outcome.path, outcome.query) == (0, b"/.lightgate/origin/app/new/path%", b"b=2")
    assert target(host) == b"/new/path%25?b=2"
    assert outcome.env[b"LIGHTGATE_FALLBACK"] == b"k2 k1 "
    assert outcome.env[b"LIGHTGATE_REWRITTEN"] == b"1"


def test_and_not_when_it_is_refused(host: Host) -> None:
    rules = NOTES + b", function(q) return gate.forbid(q, 2, nil, nil) end"
    outcome = run(host, Request(path=b"/old", query=b"a=1"), rules)
    assert (outcome.status, outcome.path, outcome.query) == (403, b"/old", b"a=1")
    assert target(host) is None
    assert not {b"LIGHTGATE_FALLBACK", b"LIGHTGATE_REWRITTEN", b"LIGHTGATE_NOTED"} & set(outcome.env)


def test_they_survive_a_deferral(host: Host) -> None:
    request = Request(path=b"/old", query=b"a=1", headers=(BEARER,))
    rules = NOTES + b", " + ASK
    outcome = deferred(host, request, rules)
    assert b"LIGHTGATE_FALLBACK" not in outcome.env  # what the sidecar refuses is not replaced
    assert target(host) is None
    again = second_pass(host, request, rules, allow(outcome))
    assert (again.status, again.path, again.query) == (0, b"/.lightgate/origin/app/new/path%", b"b=2")
    assert target(host) == b"/new/path%25?b=2"
    assert again.env[b"LIGHTGATE_FALLBACK"] == b"k2 k1 "
    assert b"LIGHTGATE_NOTED" not in again.env


def test_a_release_that_came_meanwhile_notes_anew(host: Host) -> None:
    request = Request(path=b"/old", headers=(BEARER,))
    outcome = deferred(host, request, NOTES + b", " + ASK)
    host.answer(request, allow(outcome))
    rules = b"function(q) return gate.rewrite(q, '/newer', nil) end"
    script = request_script(rules, (b"one",), SETTINGS.replace(b'"r1"', b'"r2"')).replace(
        b'gate.release == "r1"', b'gate.release == "r2"'
    )
    again = host.run(script, b"@2")
    assert (again.status, again.path) == (0, b"/newer")
    assert not {b"LIGHTGATE_FALLBACK", b"LIGHTGATE_NOTED"} & set(again.env)


def test_a_later_pass_is_not_rewritten(host: Host) -> None:
    """mod_rewrite or an error handler restarts the request: the path that it has then is lighttpd's."""
    assert run(host, Request(path=b"/old"), NOTES).status == 0
    host.answer(Request(path=b"/handler", query=b"h=1"), {})
    again = host.run(request_script(NOTES, (b"one", b"two")))
    assert (again.status, again.path, again.query) == (0, b"/.lightgate/origin/app/handler", b"h=1")


def test_nor_is_one_under_another_release(host: Host) -> None:
    """A request is rewritten once, by whichever release let it through first."""
    assert run(host, Request(path=b"/old"), NOTES).status == 0
    host.answer(Request(path=b"/handler"), {})
    script = request_script(NOTES, (b"one", b"two"), SETTINGS.replace(b'"r1"', b'"r2"')).replace(
        b'gate.release == "r1"', b'gate.release == "r2"'
    )
    assert host.run(script, b"@2").path == b"/.lightgate/origin/app/handler"


def test_a_bug_in_a_later_pass_is_not_replaced(host: Host) -> None:
    rules = b"function(q) gate.fall_back(q, 'k1') return q.path == '/handler' and 'nonsense' or nil end"
    assert b"LIGHTGATE_FALLBACK" in run(host, Request(path=b"/old"), rules).env
    host.answer(Request(path=b"/handler"), {})
    again = host.run(request_script(rules, (b"one", b"two")))
    assert again.status == 500
    assert b"LIGHTGATE_FALLBACK" not in again.env


def test_a_later_pass_has_only_its_own_fallbacks(host: Host) -> None:
    rules = b"function(q) if q.path == '/old' then gate.fall_back(q, 'k1') end return nil end"
    assert b"LIGHTGATE_FALLBACK" in run(host, Request(path=b"/old"), rules).env
    host.answer(Request(path=b"/handler"), {})
    assert b"LIGHTGATE_FALLBACK" not in host.run(request_script(rules, (b"one", b"two"))).env


def test_a_later_pass_under_another_release_keeps_no_fallback(host: Host) -> None:
    """A refusal must not become the answer that the release before had in store."""
    rules = b"function(q) gate.fall_back(q, 'k1') gate.change_response(q, '=X-A: 1\\n') return nil end"
    granted = run(host, Request(path=b"/old"), rules)
    assert {b"LIGHTGATE_FALLBACK", b"LIGHTGATE_RESPONSE"} <= set(granted.env)
    host.answer(Request(path=b"/handler"), {})
    refuse = b"function(q) return gate.forbid(q, 1) end"
    script = request_script(refuse, (b"one",), SETTINGS.replace(b'"r1"', b'"r2"')).replace(
        b'gate.release == "r1"', b'gate.release == "r2"'
    )
    again = host.run(script, b"@2")
    assert again.status == 403
    assert not {b"LIGHTGATE_FALLBACK", b"LIGHTGATE_RESPONSE"} & set(again.env)


@pytest.mark.parametrize(
    "path",
    [
        "/.lightgate",
        "/.lightgate/",
        "/x/../.lightgate/origin/app/",
        "//.lightgate/authorize",
        "/./.lightgate",
    ],
)
def test_no_rewrite_goes_to_what_is_lightgates_own(host: Host, path: str) -> None:
    outcome = run(host, Request(), b"function(q) return gate.rewrite(q, '%s', nil) end" % path.encode())
    assert outcome.status == 404


@pytest.mark.parametrize(
    ("arguments", "path", "query", "uri"),
    [
        (b'"/a b", nil', b"/a b", b"q=1", b"/a%20b?q=1"),
        (b'nil, ""', b"/old path", None, b"/old%20path"),
        (b'nil, "x"', b"/old path", b"x", b"/old%20path?x"),
        (b'"/\\195\\164?#%", ""', "/ä?#%".encode(), None, b"/%C3%A4%3F%23%25"),
    ],
)
def test_target(host: Host, arguments: bytes, path: bytes, query: bytes | None, uri: bytes) -> None:
    request = Request(path=b"/old path", raw_path=b"/old%20path", query=b"q=1")
    outcome = run(host, request, b"function(q) return gate.rewrite(q, " + arguments + b") end")
    assert (outcome.status, outcome.path, outcome.query or None, target(host)) == (0, path, query, uri)


def test_clients_cannot_note_anything(host: Host) -> None:
    forged = tuple(
        (name, b"oapp\n") for name in (b"LIGHTGATE_NOTED", b"Lightgate-Noted", b"LIGHTGATE_FALLBACK")
    )
    outcome = run(host, Request(path=b"/a", headers=forged), b"function(q) return nil end")
    assert (outcome.status, outcome.path) == (0, b"/a")


# --- the response ---------------------------------------------------------------------------------------

FALLBACKS = b"""{
  { key = "k1", on = { ["502"] = true, ["503"] = true }, status = 503, body = "sorry",
    content_type = "text/x", retry_after = "9" },
  { key = "k2", on = { ["503"] = true }, status = 200, body = "fine", content_type = "text/y" },
}"""


def respond(host: Host, status: int, headers: dict[bytes, bytes], env: dict[bytes, bytes]) -> Outcome:
    host.open(Request())
    for name, value in env.items():
        host.set_variable(name, value)
    host.respond(status, headers, b"theirs")
    return host.run(response_script(FALLBACKS), b"@response.lua")


@pytest.mark.parametrize(
    ("keys", "status", "expected"),
    [
        (b"k1 ", 502, (503, b"sorry")),
        (b"k1 ", 504, (0, b"theirs")),
        (b"k2 k1 ", 503, (200, b"fine")),
        (b"k2 k1 ", 502, (503, b"sorry")),
        (b"of another release ", 503, (0, b"theirs")),
        (b"of-another-release k1 ", 503, (503, b"sorry")),
    ],
)
def test_fallback(host: Host, keys: bytes, status: int, expected: tuple[int, bytes]) -> None:
    outcome = respond(host, status, {}, {b"LIGHTGATE_FALLBACK": keys})
    assert (outcome.status, outcome.body) == expected


def test_a_fallback_keeps_no_field_of_what_it_replaces(host: Host) -> None:
    headers = {
        b"Content-Encoding": b"gzip",
        b"Set-Cookie": b"a=b",
        b"Cache-Control": b"public",
        b"Retry-After": b"600",
        b"Refresh": b"0;url=/",
        b"Clear-Site-Data": b"*",
        b"Repr-Digest": b"x",
        b"X-A": b"kept",
    }
    env = {b"LIGHTGATE_FALLBACK": b"k1 ", b"LIGHTGATE_RESPONSE": b"=X-B: 1\n"}
    assert respond(host, 502, headers, env).response_headers == {
        b"X-A": b"kept",
        b"X-B": b"1",
        b"Content-Type": b"text/x",
        b"Cache-Control": b"no-store",
        b"Retry-After": b"9",
    }


def test_a_response_without_decision_has_no_fallback(host: Host) -> None:
    env = {b"LIGHTGATE_STATE": RELEASE + b" 1.2.3 4 0 1 0", b"LIGHTGATE_FALLBACK": b"k2 "}
    outcome = respond(host, 200, {}, env)
    assert outcome.status == 503
    assert outcome.body is not None and b"could not be checked" in outcome.body


@pytest.mark.parametrize(
    ("change", "present", "expected"),
    [
        (b"=X: 1", b"0", b"1"),
        (b"=X: ", b"0", None),
        (b"+X: 1", None, b"1"),
        (b"+X: 1", b"0", b"0\r\nX: 1"),
        (b"~X: Origin", None, b"Origin"),
        (b"~X: Origin", b"Accept", b"Accept, Origin"),
        (b"~X: Origin", b"Accept, ORIGIN ,b", b"Accept, ORIGIN ,b"),
        (b"~X: Origin", b"*", b"*"),
        (b"~X: Origin", b"Original", b"Original, Origin"),
        (b"~X: Origin", b"a\r\nX: b", b"a, b, Origin"),
    ],
)
def test_changes(host: Host, change: bytes, present: bytes | None, expected: bytes | None) -> None:
    headers = {} if present is None else {b"X": present}
    env = {b"LIGHTGATE_RESPONSE": change + b"\n"}
    for _ in range(2):  # the second time from memory
        assert respond(host, 200, headers, env).response_headers.get(b"X") == expected
