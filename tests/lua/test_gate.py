"""The gate with hand-written rules: fields, the ends of a request, header fields, and who is calling."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from luagen.lua.host import LUA_VERSIONS, Clock, Host, Outcome, Request
from tests.lua.passes import BEARER, MEMBERS, SHOW_CALLER, allow, deferred, run, second_pass
from tests.lua.scripts import SETTINGS, request_script
from tests.lua.test_tokens import NOW, claims, token

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


PASS = b"function(q) return nil end"
GRANTED = {
    b"LIGHTGATE_RULE": b"default",
    b"LIGHTGATE_DECISION": b"pass",
    b"LIGHTGATE_WHERE": b"lua",
}


def handler_pass(host: Host, status: bytes, rule: bytes = PASS, **env: bytes) -> Outcome:
    """An error handler's pass: its own path, the status it stands in for, what earlier passes have left."""
    host.open(Request(path=b"/index.php", target=b"/admin/x"))
    for name, value in {"REDIRECT_STATUS": status, **env}.items():
        host.fake[b"set_env"](name.encode(), value)
    return host.run(request_script(rule, (b"one", b"two")))


@pytest.mark.parametrize(
    ("said", "status"), [(b"400", 400), (b"403", 403), (b"501", 501), (b"200", 400), (b"x", 400)]
)
def test_an_error_handler_does_not_run_for_what_no_rule_has_seen(
    host: Host, said: bytes, status: int
) -> None:
    """lighttpd refuses malformed requests without Lua; a front controller would route on their URL."""
    outcome = handler_pass(host, said, LIGHTGATE_STATE=b"r1 1.2 1 0 1 0")
    assert (outcome.status, b"LIGHTGATE_STATE" in outcome.env) == (status, False)
    assert b"refused before any rule" in (outcome.body or b"")


def test_it_runs_for_what_the_rules_let_through(host: Host) -> None:
    """The first such pass shows that there is a handler; from then on requests are marked."""
    assert run(host, Request(), PASS).env == GRANTED
    assert handler_pass(host, b"404").status == 404
    marked = run(host, Request(), PASS).env
    assert marked == {**GRANTED, b"LIGHTGATE_PASSED": b"1"}
    assert handler_pass(host, b"404", LIGHTGATE_PASSED=b"1").status == 0
    # and its own path is for the rules
    refuses = b"function(q) if q.path == '/index.php' then return gate.respond(q, 1, 410) end end"
    other = Host("lua54")
    assert handler_pass(other, b"404", refuses, LIGHTGATE_PASSED=b"1").status == 410


def test_a_new_release_knows_that_there_is_a_handler(host: Host) -> None:
    run(host, Request(), PASS)
    handler_pass(host, b"404")
    host.open(Request())
    newer = request_script(PASS, (b"one",)).replace(b'"r1"', b'"r2"')
    assert host.run(newer).env[b"LIGHTGATE_PASSED"] == b"1"


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
    assert outcome.env[b"LIGHTGATE_RESPONSE"] == b"=X-One: 1\n=Server: \n"


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
