"""The gate with hand-written rules: fields, the cache, deferral, the guard, and the ends of a request."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from tests.lua.host import LUA_VERSIONS, Clock, Host, Outcome, Request
from tests.lua.scripts import SETTINGS, request_script
from tests.lua.test_tokens import NOW, claims, token

TOKEN = token({"alg": "RS256"}, claims(iss="https://corp"))
BEARER = (b"Authorization", b"Bearer " + TOKEN)
ALICE = b"release=r1&provider=corp&sub=alice&role=admin"
SHOW_CALLER = b"""
function(q)
  local caller = gate.identity(q, 1)
  if q.stop then return q.stop end
  gate.set_request_header(q, "X-User", caller.sub)
  return nil
end"""
MEMBERS = b"""
function(q)
  local refusal = gate.require_identity(q, 1, { corp = true }, "corp")
  if refusal then return refusal end
  gate.permit(q, 1)
  return nil
end"""


def run(host: Host, request: Request, rules: bytes, names: tuple[bytes, ...] = (b"one", b"two")) -> Outcome:
    host.open(request)
    return host.run(request_script(rules, names))


def allow(outcome: Outcome, **changes: bytes) -> dict[bytes, bytes]:
    """The variables of an honest allow for this deferral."""
    variables = {
        b"LIGHTGATE_ANSWER": outcome.env[b"LIGHTGATE_RELEASE"] + b" " + outcome.env[b"LIGHTGATE_NONCE"],
        b"LIGHTGATE_IDENTITY": ALICE,
        b"LIGHTGATE_EXPIRES": b"%d" % (NOW + 60),
    }
    variables.update({b"LIGHTGATE_" + name.upper().encode(): value for name, value in changes.items()})
    return {name: value for name, value in variables.items() if value}


def deferred(host: Host, request: Request, rules: bytes) -> Outcome:
    outcome = run(host, request, rules)
    assert outcome.deferred, outcome
    return outcome


def second_pass(host: Host, request: Request, rules: bytes, variables: dict[bytes, bytes]) -> Outcome:
    host.answer(request, variables)
    return host.run(request_script(rules, (b"one", b"two")))


# --- fields ---------------------------------------------------------------------------------------


def evaluate(host: Host, request: Request, expression: bytes) -> bytes:
    """A Lua expression over the request, by way of a response body."""
    rule = b"function(q) return gate.respond(q, 1, 200, tostring(" + expression + b'), "text/plain") end'
    body = run(host, request, rule).body
    assert body is not None
    return body


FIELDS = [
    (b"q.path", Request(path=b"/a"), b"/a"),
    (b"gate.method(q)", Request(method=b"PUT"), b"PUT"),
    (b"gate.host_name(q)", Request(authority=b"a.example:8443"), b"a.example"),
    (b"gate.host_name(q)", Request(authority=b"[::1]:8443"), b"[::1]"),
    (b"gate.host_name(q)", Request(authority=b"[::1]"), b"[::1]"),
    (b"gate.host_name(q)", Request(authority=b""), b""),
    (b"gate.raw_path(q)", Request(path=b"/a b", raw_path=b"/a%20b"), b"/a%20b"),
    (b"gate.query(q)", Request(query=b"a=1"), b"a=1"),
    (b"gate.query(q)", Request(), b""),
    (b"gate.scheme(q)", Request(), b"https"),
    (b"gate.port(q) == 443", Request(), b"true"),
    (b"#gate.ip(q)", Request(), b"4"),
    (b"#gate.ip(q)", Request(remote=b"2001:db8::1"), b"16"),
    (b"#gate.ip(q)", Request(remote=b""), b"0"),
    (b'gate.header(q, "x-a")', Request(headers=((b"X-A", b"1"),)), b"1"),
    (b'gate.header(q, "x-a")', Request(), b""),
    (b'gate.has_header(q, "x-a")', Request(headers=((b"X-A", b"1"),)), b"true"),
    (b'gate.has_header(q, "x-a")', Request(headers=((b"X-A", b""),)), b"false"),
    (b'gate.arg(q, "a b")', Request(query=b"x=0&a+b=c%20d%2Be&a+b=2"), b"c d+e"),
    (b'gate.arg(q, "a")', Request(query=b"a"), b""),
    (b'gate.arg(q, "a")', Request(query=b"a=b=c"), b"b=c"),
    (b'gate.arg(q, "a")', Request(query=b"a=%zz%4"), b"%zz%4"),
    (b'gate.has_arg(q, "a")', Request(query=b"a"), b"true"),
    (b'gate.has_arg(q, "b")', Request(query=b"a"), b"false"),
    (b'gate.arg(q, "")', Request(query=b"&&=x"), b"x"),
    (b'gate.cookie(q, "s")', Request(headers=((b"Cookie", b"a=1; s=YWJj=; s=2"),)), b"YWJj="),
    (b'gate.cookie(q, "s")', Request(headers=((b"Cookie", b's = "q" ;t=1'),)), b'"q"'),
    (b'gate.cookie(q, "s")', Request(headers=((b"Cookie", b"\t s \t=\t v w \t; s=2"),)), b"v w"),
    (b'gate.has_cookie(q, "s")', Request(headers=((b"Cookie", b"s; =x"),)), b"false"),
    (b'gate.encode("/a b?\\195\\169%")', Request(), b"/a%20b%3F%C3%A9%25"),
]


@pytest.mark.parametrize(("expression", "request_", "expected"), FIELDS)
def test_fields(host: Host, expression: bytes, request_: Request, expected: bytes) -> None:
    assert evaluate(host, request_, expression) == expected


@pytest.mark.parametrize("cookie", [b"a=b;%sx", b"a=%sx", b"%sa=b", b"a%s=b", b"a=b%s", b"%s", b"=%s="])
def test_blanks_in_cookies_cost_no_time(cookie: bytes) -> None:
    """Lua runs in lighttpd's event loop: a pattern with three repetitions took 16 minutes for this."""
    host = Host("lua54")
    request = Request(headers=((b"Cookie", cookie % (b" " * 7_900)),))
    started = time.process_time()
    evaluate(host, request, b'gate.cookie(q, "s")')
    assert time.process_time() - started < 0.5


# --- the ends of a request ---------------------------------------------------------------------------


def test_an_undecided_request_passes_by_default(host: Host) -> None:
    outcome = run(host, Request(), b"function(q) return nil end")
    assert outcome.status == 0
    assert outcome.env == {
        b"LIGHTGATE_RULE": b"default",
        b"LIGHTGATE_DECISION": b"pass",
        b"LIGHTGATE_WHERE": b"lua",
    }


def test_or_is_refused_by_default(host: Host) -> None:
    settings = SETTINGS.replace(b'default = "pass"', b'default = "deny"')
    host.open(Request())
    outcome = host.run(request_script(b"function(q) return nil end", (b"one",), settings))
    assert (outcome.status, outcome.env[b"LIGHTGATE_RULE"]) == (403, b"default")
    host.open(Request())
    outcome = host.run(request_script(b"function(q) gate.permit(q, 1) end", (b"one",), settings), b"@2")
    assert outcome.status == 403  # the gate of the first script is kept while the release is the same
    other = Host("lua54")
    other.open(Request())
    outcome = other.run(request_script(b"function(q) gate.permit(q, 1) end", (b"one",), settings))
    assert (outcome.status, outcome.env[b"LIGHTGATE_RULE"]) == (0, b"one")


@pytest.mark.parametrize(
    "returned", [b"0", b"1", b"99", b"true", b"'403'", b"403.5", b"{}", b"-1", b"1000", b"false and 1 or 150"]
)
def test_a_rule_cannot_let_a_request_through(host: Host, returned: bytes) -> None:
    outcome = run(host, Request(), b"function(q) return " + returned + b" end")
    assert outcome.status == 500
    assert outcome.printed[0].startswith(b"lightgate: bug in lightgate: a rule ended with ")


def test_a_rule_that_ignores_a_stop_does_not_let_a_request_through(host: Host) -> None:
    rule = b'function(q) gate.clean(q, "a\\nb") return nil end'
    assert run(host, Request(), rule).status == 400


@pytest.mark.parametrize("path", [b"/.lightgate", b"/.lightgate/", b"/.lightgate/authorize"])
def test_the_reserved_prefix_is_not_for_clients(host: Host, path: bytes) -> None:
    outcome = run(host, Request(path=path), b"function(q) return nil end")
    assert outcome.status == 404
    assert outcome.body


def test_a_request_that_another_module_has_taken_is_refused(host: Host) -> None:
    # a catch-all proxy.server before mod_magnet cuts the path that rules would see
    outcome = run(host, Request(path=b"/members", path_info=b"/page.txt"), b"function(q) return nil end")
    assert outcome.status == 503
    assert outcome.printed == (
        b"lightgate: 503: a module listed before mod_magnet in server.modules has taken the request",
    )


@pytest.mark.parametrize("path", [b"/.lightgates", b"/.well-known/x", b"/"])
def test_its_neighbours_are(host: Host, path: bytes) -> None:
    assert run(host, Request(path=path), b"function(q) return nil end").status == 0


def test_respond(host: Host) -> None:
    rule = b'function(q) return gate.respond(q, 1, 410, "gone\\n", "text/plain", { "X-Why", "old" }) end'
    outcome = run(host, Request(), rule)
    assert (outcome.status, outcome.body) == (410, b"gone\n")
    assert outcome.response_headers == {b"Content-Type": b"text/plain", b"X-Why": b"old"}
    assert outcome.env[b"LIGHTGATE_DECISION"] == b"respond"


def test_respond_without_a_body_has_one_all_the_same(host: Host) -> None:
    assert run(host, Request(), b"function(q) return gate.respond(q, 1, 404) end").body == b"404 Not Found\n"
    other = Host("lua54")
    assert run(other, Request(), b"function(q) return gate.respond(q, 1, 204) end").body is None


LOCATIONS = [
    (b"https://example.org/a?b=c", b"https://example.org/a?b=c"),
    (b"/a b", b"/a%20b"),
    (b"//evil.example/", b"/evil.example/"),
    (b"/\\\\evil.example/", b"/evil.example/"),
    (b"/a\\r\\nSet-Cookie: x", b"/a%0D%0ASet-Cookie:%20x"),
    (b"/\\195\\169%C3%A9", b"/%C3%A9%C3%A9"),
]


@pytest.mark.parametrize(("location", "expected"), LOCATIONS)
def test_redirect(host: Host, location: bytes, expected: bytes) -> None:
    outcome = run(host, Request(), b'function(q) return gate.redirect(q, 1, 308, "' + location + b'") end')
    assert (outcome.status, outcome.response_headers[b"Location"]) == (308, expected)


def test_a_redirect_without_a_host_is_refused(host: Host) -> None:
    outcome = run(
        host, Request(), b'function(q) return gate.redirect(q, 1, 308, "https:///evil.example/") end'
    )
    assert (outcome.status, b"Location" in outcome.response_headers) == (400, False)


# --- header fields ---------------------------------------------------------------------------------

SPELLINGS = [b"X-User", b"x-user", b"X_User", b"X.User", b"X!User", b"x_USER", b"X~User"]


@pytest.mark.parametrize("name", SPELLINGS)
def test_identity_headers_are_removed_in_every_spelling(host: Host, name: bytes) -> None:
    headers = ((b"X-Users", b"1"), (name, b"evil"), (b"Accept", b"*/*"))
    for _ in range(2):  # the second time from memory
        outcome = run(host, Request(headers=headers), b"function(q) return nil end")
        assert outcome.request_headers == {b"X-Users": b"1", b"Accept": b"*/*"}


def test_remembered_names_are_bounded(host: Host) -> None:
    for i in range(2000):
        run(host, Request(headers=((b"X-%d" % i, b"1"),)), b"function(q) return nil end")
    outcome = run(host, Request(headers=((b"x.user", b"evil"),)), b"function(q) return nil end")
    assert outcome.request_headers == {}


def test_what_the_policy_sets_for_the_application_stays(host: Host) -> None:
    rule = b"""function(q)
      local caller = gate.identity(q, 1)
      if q.stop then return q.stop end
      gate.set_env(q, "REMOTE_USER", "mapped-" .. caller.sub)
      gate.set_request_header(q, "Authorization", "Basic eDp5")
    end"""
    request = Request(headers=(BEARER,))
    asked = deferred(host, request, rule)
    outcome = second_pass(host, request, rule, allow(asked))
    assert outcome.env[b"REMOTE_USER"] == b"mapped-alice"
    assert outcome.request_headers == {b"Authorization": b"Basic eDp5"}


TARGETS = [
    (b"/a/b?c=d", None),
    (b"/a%20b", None),
    (b"/admin/../pub/x?q=/../y", b"/pub/x?q=/../y"),
    (b"/admin/%2e%2e/pub/x", b"/pub/x"),
    (b"/admin/..%2fpub/x", b"/pub/x"),
    (b"/pub//x", b"/pub/x"),
    (b"/pub/./x/", b"/pub/x/"),
    (b"/pub/.well-known/x", None),
    (b"/a%20b//%c3%a9", b"/a%20b/%C3%A9"),
]


@pytest.mark.parametrize(("target", "expected"), TARGETS)
def test_applications_see_the_path_that_rules_saw(host: Host, target: bytes, expected: bytes | None) -> None:
    outcome = run(host, Request(target=target), b"function(q) return nil end")
    assert outcome.env.get(b"REQUEST_URI") == expected


def test_setting_and_removing(host: Host) -> None:
    rule = b"""function(q)
      gate.set_request_header(q, "X-User", "alice")
      gate.set_request_header(q, "Accept", "")
      gate.set_env(q, "A", "1")
      gate.set_env(q, "B", "")
      gate.set_response_header(q, "X-One", "1")
      gate.set_response_header(q, "Server", "")
    end"""
    outcome = run(host, Request(headers=((b"Accept", b"*/*"), (b"X_User", b"evil"))), rule)
    assert outcome.request_headers == {b"X-User": b"alice"}
    assert outcome.env[b"A"] == b"1"
    assert outcome.env[b"LIGHTGATE_RESPONSE"] == b"X-One: 1\nServer: \n"


# --- who is calling: without the sidecar ---------------------------------------------------------------


def test_no_credential_is_anonymous(host: Host) -> None:
    outcome = run(host, Request(), SHOW_CALLER)
    assert (outcome.status, outcome.request_headers) == (0, {})
    assert b"REMOTE_USER" not in outcome.env


def test_basic_is_not_ours(host: Host) -> None:
    request = Request(headers=((b"Authorization", b"Basic eDp5"),))
    assert run(host, request, SHOW_CALLER).status == 0
    outcome = run(Host("lua54"), request, MEMBERS)
    assert (outcome.status, outcome.response_headers[b"WWW-Authenticate"]) == (401, b'Bearer realm="corp"')


def test_challenge(host: Host) -> None:
    outcome = run(host, Request(), MEMBERS)
    assert outcome.status == 401
    assert outcome.response_headers == {
        b"WWW-Authenticate": b'Bearer realm="corp"',
        b"Cache-Control": b"no-store",
        b"Content-Type": b"application/json",
    }
    assert outcome.body == b'{"status":401,"error_description":"a bearer token is required"}\n'
    assert outcome.env[b"LIGHTGATE_RULE"] == b"one"
    browser = replace(Request(), headers=((b"Accept", b"text/html,*/*"),))
    outcome = run(host, browser, MEMBERS)
    assert outcome.response_headers[b"Content-Type"] == b"text/html; charset=utf-8"
    assert outcome.body is not None
    assert b"<h1>Unauthorized</h1><p>A bearer token is required.</p>" in outcome.body


REFUSALS = [
    (b"Bearer nonsense", 401, b"invalid_token", b"the token is malformed"),
    (b"Bearer " + token({"alg": "none"}, claims()), 401, b"invalid_token",
     b"the token's issuer or algorithm is not accepted here"),
    (b"Bearer " + token({"alg": "RS256"}, claims(exp=NOW - 60)), 401, b"invalid_token",
     b"the token has expired"),
    (b"Bearer a.b.c, Bearer d.e.f", 400, b"invalid_request", b"more than one credential was presented"),
    (b"Bearer", 400, b"invalid_request", b"the credential is malformed"),
]  # fmt: skip


@pytest.mark.parametrize("rule", [SHOW_CALLER, MEMBERS])
@pytest.mark.parametrize(("value", "status", "code", "description"), REFUSALS)
def test_refused_at_once(
    host: Host, rule: bytes, value: bytes, status: int, code: bytes, description: bytes
) -> None:
    outcome = run(host, Request(headers=((b"Authorization", value),)), rule)
    assert (outcome.status, outcome.deferred) == (status, False)
    assert outcome.response_headers[b"WWW-Authenticate"] == (
        b'Bearer realm="lightgate", error="' + code + b'", error_description="' + description + b'"'
    )


def test_forbid(host: Host) -> None:
    rule = b'function(q) return gate.forbid(q, 1, "corp", "shop:admin") end'
    outcome = run(host, Request(), rule)
    assert outcome.status == 403
    assert outcome.response_headers[b"WWW-Authenticate"] == (
        b'Bearer realm="corp", error="insufficient_scope", '
        b'error_description="the caller is not permitted to do this", scope="shop:admin"'
    )
    outcome = run(Host("lua54"), Request(), b"function(q) return gate.forbid(q, 1) end")
    assert (outcome.status, b"WWW-Authenticate" in outcome.response_headers) == (403, False)


# --- deferral and the guard ---------------------------------------------------------------------------


def test_a_deferral_says_what_is_asked(host: Host) -> None:
    request = Request(path=b"/members/", authority=b"shop.example:8443", headers=(BEARER,))
    outcome = deferred(host, request, SHOW_CALLER)
    nonce = outcome.env[b"LIGHTGATE_NONCE"]
    assert outcome.env == {
        b"LIGHTGATE_STATE": b"r1 " + nonce + b" 1 0 1",
        b"LIGHTGATE_RELEASE": b"r1",
        b"LIGHTGATE_NONCE": nonce,
        b"LIGHTGATE_ASK": b"identity",
        b"LIGHTGATE_PATH": b"/members/",
        b"LIGHTGATE_HOST": b"shop.example",
        b"LIGHTGATE_RULE": b"one",
        b"LIGHTGATE_DECISION": b"defer",
        b"LIGHTGATE_WHERE": b"sidecar",
    }
    assert b"LIGHTGATE_STATE" not in run(host, Request(), SHOW_CALLER).env
    assert deferred(host, request, SHOW_CALLER).env[b"LIGHTGATE_NONCE"] != nonce


def test_an_honest_answer_lets_the_caller_through(host: Host) -> None:
    request = Request(headers=(BEARER, (b"X-User", b"evil")))
    asked = deferred(host, request, SHOW_CALLER)
    outcome = second_pass(host, request, SHOW_CALLER, allow(asked))
    assert outcome.status == 0
    assert outcome.path == b"/"
    assert outcome.request_headers == {b"X-User": b"alice"}  # and no Authorization
    assert outcome.env == {
        b"REMOTE_USER": b"alice",
        b"LIGHTGATE_IDENTITY": ALICE,
        b"LIGHTGATE_RULE": b"default",
        b"LIGHTGATE_DECISION": b"pass",
        b"LIGHTGATE_WHERE": b"sidecar",
    }


BROKEN = [
    ("nothing", {"answer": b"", "identity": b"", "expires": b""}),
    ("no answer", {"answer": b""}),
    ("another nonce", {"answer": b"r1 1.2.3"}),
    ("another release", {"answer": b"r2 1.2.3"}),
    ("answer in two", {"answer": b"r1 x, r1 x"}),
    ("no identity", {"identity": b""}),
    ("identity of another release", {"identity": ALICE.replace(b"r1", b"r2")}),
    ("identity of an unknown provider", {"identity": ALICE.replace(b"corp", b"evil")}),
    ("malformed identity", {"identity": b"alice"}),
    ("two identities", {"identity": ALICE + b", " + ALICE}),
    ("no expiry", {"expires": b""}),
    ("malformed expiry", {"expires": b"soon"}),
    ("negative expiry", {"expires": b"-1"}),
    ("endless expiry", {"expires": b"9" * 16}),
]


@pytest.mark.parametrize("rule", [SHOW_CALLER, MEMBERS])
@pytest.mark.parametrize("changes", [row[1] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_a_broken_answer_is_a_503(host: Host, rule: bytes, changes: dict[str, bytes]) -> None:
    request = Request(headers=(BEARER,))
    asked = deferred(host, request, rule)
    outcome = second_pass(host, request, rule, allow(asked, **changes))
    assert outcome.status == 503
    assert outcome.response_headers[b"Retry-After"] == b"1"
    assert outcome.printed[0].startswith(b"lightgate: 503: the sidecar's answer ")
    # nothing of it is left for a later pass to believe
    assert b"LIGHTGATE_IDENTITY" not in outcome.env
    assert run(host, request, rule).deferred  # nor was it remembered


def test_a_policy_that_changed_in_between_is_a_503(host: Host) -> None:
    request = Request(headers=(BEARER,))
    asked = deferred(host, request, SHOW_CALLER)
    host.answer(request, allow(asked))
    script = request_script(SHOW_CALLER, (b"one",)).replace(b'"r1"', b'"r2"')
    assert host.run(script).status == 503


def test_also_while_its_body_was_being_collected(host: Host) -> None:
    host.open(Request())
    host.fake[b"set_env"](b"LIGHTGATE_STATE", b"r0 collect 1 0 1")
    assert host.run(request_script(SHOW_CALLER, (b"one",))).status == 503
    host.open(Request())
    host.fake[b"set_env"](b"LIGHTGATE_STATE", b"r1 collect 1 0 1")
    assert host.run(request_script(SHOW_CALLER, (b"one",))).status == 0


def test_resuming_does_not_replay(host: Host) -> None:
    rules = b"""
    function(q) gate.set_response_header(q, "X-One", "1"); _G.ran = (_G.ran or 0) + 1 end,
    function(q)
      local caller = gate.identity(q, 2)
      if q.stop then return q.stop end
      return gate.respond(q, 2, 200, caller.sub .. " " .. _G.ran, "text/plain")
    end"""
    request = Request(headers=(BEARER,))
    asked = deferred(host, request, rules)
    outcome = second_pass(host, request, rules, allow(asked))
    assert outcome.body == b"alice 1"
    assert outcome.env[b"LIGHTGATE_RESPONSE"] == b"X-One: 1\n"


def test_a_permission_given_before_the_deferral_counts_after_it(host: Host) -> None:
    rules = b"function(q) gate.permit(q, 1) end, " + SHOW_CALLER.replace(b", 1)", b", 2)")
    request = Request(headers=(BEARER,))
    settings = SETTINGS.replace(b'default = "pass"', b'default = "deny"')
    script = request_script(rules, (b"one", b"two"), settings)
    host.open(request)
    asked = host.run(script)
    assert asked.env[b"LIGHTGATE_STATE"].endswith(b" 2 1 1")
    host.answer(request, allow(asked))
    outcome = host.run(script)
    assert (outcome.status, outcome.env[b"LIGHTGATE_RULE"]) == (0, b"one")


def test_a_later_pass_knows_the_caller(host: Host) -> None:
    request = Request(headers=(BEARER,))
    asked = deferred(host, request, MEMBERS)
    assert second_pass(host, request, MEMBERS, allow(asked)).status == 0
    host.answer(replace(request, path=b"/index.php"), {})  # a rewrite restarted it
    outcome = host.run(request_script(MEMBERS, (b"one", b"two")))
    assert (outcome.status, outcome.env[b"REMOTE_USER"]) == (0, b"alice")


def test_a_later_pass_leaves_no_response_header_of_an_earlier_one(host: Host) -> None:
    rule = b"""function(q)
      if q.path == "/old" then gate.set_response_header(q, "X-One", "1") end
    end"""
    assert run(host, Request(path=b"/old"), rule).env[b"LIGHTGATE_RESPONSE"] == b"X-One: 1\n"
    host.answer(Request(path=b"/new"), {})
    assert b"LIGHTGATE_RESPONSE" not in host.run(request_script(rule)).env


def test_a_caller_of_another_issuer_is_not_accepted(host: Host) -> None:
    rule = MEMBERS.replace(b"corp = true", b"partner = true")
    request = Request(headers=(BEARER,))
    asked = deferred(host, request, rule)
    outcome = second_pass(host, request, rule, allow(asked))
    assert outcome.status == 401
    assert b"issuer is not accepted" in outcome.response_headers[b"WWW-Authenticate"]


# --- the verdict cache ----------------------------------------------------------------------------------


def known(host: Host, request: Request, rule: bytes = SHOW_CALLER, **changes: bytes) -> None:
    asked = deferred(host, request, rule)
    assert second_pass(host, request, rule, allow(asked, **changes)).status == 0


def test_a_verdict_is_remembered(host: Host) -> None:
    request = Request(headers=(BEARER,))
    known(host, request)
    outcome = run(host, request, SHOW_CALLER)
    assert (outcome.status, outcome.deferred) == (0, False)
    assert outcome.env[b"LIGHTGATE_WHERE"] == b"cache"
    assert outcome.request_headers == {b"X-User": b"alice"}


def test_but_not_past_its_end(host: Host, clock: Clock) -> None:
    request = Request(headers=(BEARER,))
    known(host, request)
    clock.now += 58
    assert not run(host, request, SHOW_CALLER).deferred
    clock.now += 1  # lighttpd's clock may be late by a second
    assert run(host, request, SHOW_CALLER).deferred


def test_an_answer_that_has_already_ended_serves_this_request_only(host: Host) -> None:
    request = Request(headers=(BEARER,))
    known(host, request, expires=b"%d" % NOW)
    assert run(host, request, SHOW_CALLER).deferred


def test_it_belongs_to_the_whole_credential(host: Host) -> None:
    request = Request(headers=(BEARER,))
    known(host, request)
    twin = token({"alg": "RS256"}, claims(iss="https://corp", sub="mallory"))
    assert twin[-40:] == TOKEN[-40:]
    outcome = run(host, Request(headers=((b"Authorization", b"Bearer " + twin),)), SHOW_CALLER)
    assert outcome.deferred


def test_a_new_epoch_forgets_it_within_a_second(host: Host, clock: Clock) -> None:
    request = Request(headers=(BEARER,))
    known(host, request)
    clock.epoch = 2
    assert not run(host, request, SHOW_CALLER).deferred
    clock.now += 1
    assert run(host, request, SHOW_CALLER).deferred


def test_an_answer_from_before_the_epoch_is_not_remembered_after_it(host: Host, clock: Clock) -> None:
    request = Request(headers=(BEARER,))
    asked = deferred(host, request, SHOW_CALLER)
    clock.epoch = 2
    clock.now += 1
    assert second_pass(host, request, SHOW_CALLER, allow(asked)).status == 0
    assert run(host, request, SHOW_CALLER).deferred


def test_without_an_epoch_file_nothing_is_remembered(host: Host, clock: Clock) -> None:
    clock.epoch = None
    request = Request(headers=(BEARER,))
    known(host, request)
    assert run(host, request, SHOW_CALLER).deferred
    clock.epoch = 1
    clock.now += 1
    known(host, request)
    assert not run(host, request, SHOW_CALLER).deferred


def test_the_epoch_file_is_looked_at_once_a_second(host: Host, clock: Clock) -> None:
    request = Request(headers=(BEARER,))
    known(host, request)
    before = host.stat_calls
    for _ in range(50):
        run(host, request, SHOW_CALLER)
    assert host.stat_calls == before
    clock.now += 1
    run(host, request, SHOW_CALLER)
    assert host.stat_calls == before + 1


def test_the_cache_is_bounded_and_keeps_what_is_used(clock: Clock) -> None:
    host = Host("lua54", clock)
    script = request_script(SHOW_CALLER, (b"one",)).replace(b"CACHE_ENTRIES = 5000", b"CACHE_ENTRIES = 20")

    def ask(number: int) -> bool:
        text = token({"alg": "RS256"}, claims(iss="https://corp"))[:-20] + b"%020d" % number
        request = Request(headers=((b"Authorization", b"Bearer " + text),))
        host.open(request)
        outcome = host.run(script)
        if outcome.deferred:
            host.answer(request, allow(outcome))
            assert host.run(script).status == 0
        return outcome.deferred

    assert ask(0)
    for number in range(1, 200):
        assert ask(number)
        if number % 10 == 0:
            assert not ask(0)  # in use, so it stays
    assert ask(1)  # not in use, so it went
    kept = sum(not ask(number) for number in range(199, 150, -1))
    assert kept <= 41


# --- request bodies on old versions -------------------------------------------------------------------------

UPLOAD = Request(method=b"POST", protocol=b"HTTP/2.0", headers=(BEARER,), body=b"precious")


@pytest.mark.parametrize(
    ("version", "protocol", "taken"),
    [
        (b"lighttpd/1.4.69", b"HTTP/2.0", True),
        (b"lighttpd/1.4.76", b"HTTP/2.0", True),
        (b"lighttpd/1.4.69", b"HTTP/1.1", False),
        (b"lighttpd/1.4.77", b"HTTP/2.0", False),
        (b"lighttpd/1.4.85", b"HTTP/2.0", False),
    ],
)
def test_a_body_is_kept_where_lighttpd_would_lose_it(
    host: Host, version: bytes, protocol: bytes, taken: bool
) -> None:
    host.fake[b"set_version"](version)
    request = replace(UPLOAD, protocol=protocol)
    asked = deferred(host, request, SHOW_CALLER)
    assert asked.request_body == (b"" if taken else b"precious")
    assert second_pass(host, request, SHOW_CALLER, allow(asked)).request_body == b"precious"


def test_there_is_a_bound_to_what_is_kept(host: Host) -> None:
    outcome = run(host, replace(UPLOAD, body=b"x" * (32 * 1024 * 1024 + 1)), SHOW_CALLER)
    assert outcome.status == 413


def test_a_body_that_is_no_longer_held_is_not_replaced_by_none(host: Host, clock: Clock) -> None:
    asked = deferred(host, UPLOAD, SHOW_CALLER)
    clock.now += 60
    deferred(host, UPLOAD, SHOW_CALLER)  # drops the first, which is too old
    host.open(replace(UPLOAD, body=None))
    host.fake[b"set_env"](b"LIGHTGATE_STATE", asked.env[b"LIGHTGATE_STATE"])
    outcome = second_pass(host, replace(UPLOAD, body=None), SHOW_CALLER, allow(asked))
    assert outcome.status == 503
    assert outcome.printed == (b"lightgate: 503: the request's body is no longer held",)


# --- versions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "version", [b"lighttpd/1.4.68", b"lighttpd/1.4.83", b"lighttpd/1.4.84", b"nginx/1.22", b"lighttpd/2.0"]
)
def test_a_version_that_cannot_be_relied_on_refuses_everything(host: Host, version: bytes) -> None:
    host.fake[b"set_version"](version)
    outcome = run(host, Request(), b"function(q) return nil end")
    assert outcome.status == 503
    assert b"version" in outcome.printed[0] or b"is not supported" in outcome.printed[0]


def test_a_reason_is_logged_once_a_second(host: Host, clock: Clock) -> None:
    host.fake[b"set_version"](b"lighttpd/1.4.68")
    assert run(host, Request(), b"").printed
    assert not run(host, Request(), b"").printed
    clock.now += 1
    assert run(host, Request(), b"").printed


@pytest.mark.parametrize(
    "version", [b"lighttpd/1.4.69", b"lighttpd/1.4.82", b"lighttpd/1.4.85", b"lighttpd/1.4.86-devel"]
)
def test_a_supported_version_serves(host: Host, version: bytes) -> None:
    host.fake[b"set_version"](version)
    assert run(host, Request(), b"function(q) return nil end").status == 0


def test_no_script_mentions_the_environment_by_name() -> None:
    # the whole word makes lighttpd run the environment hooks of TLS and other modules before every request
    assert b"req_env" not in request_script(SHOW_CALLER)


def test_lua_versions() -> None:
    assert len(LUA_VERSIONS) == 6
