"""Requests that the gate hands to the sidecar: the guard, resuming, the verdict cache, and bodies."""

from __future__ import annotations

from dataclasses import replace

import pytest

from luagen.lua.host import Clock, Host, Request
from tests.lua.passes import ALICE, BEARER, MEMBERS, SHOW_CALLER, TOKEN, allow, deferred, run, second_pass
from tests.lua.scripts import SETTINGS, request_script
from tests.lua.test_tokens import NOW, claims, token

# --- deferral and the guard ---------------------------------------------------------------------------


def test_a_deferral_says_what_is_asked(host: Host) -> None:
    request = Request(path=b"/members/", authority=b"shop.example:8443", headers=(BEARER,))
    outcome = deferred(host, request, SHOW_CALLER)
    nonce = outcome.env[b"LIGHTGATE_NONCE"]
    assert outcome.env == {
        b"LIGHTGATE_STATE": b"r1 " + nonce + b" 1 0 1 0",
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


# --- a release that comes into force while the sidecar is asked ------------------------------------


def newer(rules: bytes, release: bytes = b"r2", fingerprint: bytes = b"f1") -> bytes:
    """The script of another release; the fingerprint says whether it finds out callers in the same way."""
    script = request_script(rules, (b"one", b"two"))
    return script.replace(b'"r1"', b'"' + release + b'"').replace(b'"f1"', b'"' + fingerprint + b'"')


def test_the_new_rules_decide_about_the_caller_that_the_old_ones_asked_for(host: Host) -> None:
    request = Request(headers=(BEARER, (b"X-User", b"mallory"), (b"X_User", b"mallory")))
    asked = deferred(host, request, MEMBERS)
    host.answer(request, allow(asked))
    outcome = host.run(newer(SHOW_CALLER))
    assert outcome.status == 0
    assert outcome.request_headers == {b"X-User": b"alice"}
    assert outcome.env == {
        b"REMOTE_USER": b"alice",
        b"LIGHTGATE_IDENTITY": ALICE.replace(b"r1", b"r2"),
        b"LIGHTGATE_RULE": b"default",
        b"LIGHTGATE_DECISION": b"pass",
        b"LIGHTGATE_WHERE": b"sidecar",
    }


def test_they_begin_at_the_first_and_forget_what_the_old_ones_permitted(host: Host) -> None:
    permits = (
        b"function(q) gate.permit(q, 1) gate.set_response_header(q, 'X-Old', '1') return nil end," + MEMBERS
    )
    request = Request(headers=(BEARER,))
    asked = deferred(host, request, permits)
    assert asked.env[b"LIGHTGATE_STATE"].split()[3] == b"1"
    host.answer(request, allow(asked))
    refuses = b"function(q) return gate.respond(q, 1, 410) end"
    assert host.run(newer(refuses)).status == 410

    asked = deferred(host, request, permits)
    host.answer(request, allow(asked))
    shows = b"""function(q)
      return gate.respond(q, 1, 200, tostring(q.permitted) .. tostring(q.response), "text/plain")
    end"""
    assert host.run(newer(shows)).body == b"nilnil"


def test_such_a_caller_is_not_remembered(host: Host) -> None:
    request = Request(headers=(BEARER,))
    host.answer(request, allow(deferred(host, request, MEMBERS)))
    assert host.run(newer(SHOW_CALLER)).status == 0
    host.open(request)
    assert host.run(newer(SHOW_CALLER)).deferred


@pytest.mark.parametrize(
    "changes",
    [
        {"answer": b""},
        {"answer": b"r1 1.2.3"},
        {"answer": b"r2 {nonce}"},
        {"identity": ALICE.replace(b"r1", b"r2")},
        {"identity": ALICE.replace(b"corp", b"other")},
        {"identity": b""},
        {"expires": b"x"},
    ],
)
def test_a_broken_answer_is_one_for_the_new_release_too(host: Host, changes: dict[str, bytes]) -> None:
    request = Request(headers=(BEARER,))
    asked = deferred(host, request, MEMBERS)
    nonce = asked.env[b"LIGHTGATE_NONCE"]
    host.answer(request, allow(asked, **{k: v.replace(b"{nonce}", nonce) for k, v in changes.items()}))
    assert host.run(newer(SHOW_CALLER)).status == 503


EFFECTS = [
    b"gate.set_request_header(q, 'X-Admin', '1')",
    b"gate.set_request_header(q, 'Cookie', '')",
    b"gate.set_env(q, 'APP_ROLE', 'admin')",
]


@pytest.mark.parametrize("effect", EFFECTS)
def test_what_rules_of_a_policy_no_longer_in_force_did_reaches_nobody(host: Host, effect: bytes) -> None:
    request = Request(headers=(BEARER, (b"Cookie", b"a=b")))
    asked = deferred(host, request, b"function(q) " + effect + b" return nil end," + MEMBERS)
    host.answer(request, allow(asked))
    outcome = host.run(newer(SHOW_CALLER))
    assert outcome.status == 503
    assert outcome.printed == (b"lightgate: 503: the policy changed while the request waited",)


@pytest.mark.parametrize("rule", [MEMBERS, SHOW_CALLER])
def test_an_answer_to_a_release_that_finds_out_callers_otherwise_is_a_503(host: Host, rule: bytes) -> None:
    request = Request(headers=(BEARER,))
    host.answer(request, allow(deferred(host, request, rule)))
    outcome = host.run(newer(rule, fingerprint=b"f2"))
    assert outcome.status == 503
    assert outcome.printed == (b"lightgate: 503: the policy changed while the request waited",)


def test_unless_the_sidecar_says_who_calls_for_the_new_one_too(host: Host) -> None:
    request = Request(headers=(BEARER,))
    asked = deferred(host, request, MEMBERS)
    host.answer(request, allow(asked, current_identity=ALICE.replace(b"r1", b"r2").replace(b"alice", b"al")))
    outcome = host.run(newer(SHOW_CALLER, fingerprint=b"f2"))
    assert (outcome.status, outcome.request_headers) == (0, {b"X-User": b"al"})
    assert outcome.env == {
        b"REMOTE_USER": b"al",
        b"LIGHTGATE_IDENTITY": ALICE.replace(b"r1", b"r2").replace(b"alice", b"al"),
        b"LIGHTGATE_RULE": b"default",
        b"LIGHTGATE_DECISION": b"pass",
        b"LIGHTGATE_WHERE": b"sidecar",
    }
    host.open(request)
    assert host.run(newer(SHOW_CALLER, fingerprint=b"f2")).deferred  # not remembered


@pytest.mark.parametrize(
    "changes",
    [
        {"current_identity": ALICE},
        {"current_identity": ALICE.replace(b"r1", b"r3")},
        {"current_identity": ALICE.replace(b"r1", b"r2").replace(b"corp", b"evil")},
        {"current_identity": b"alice"},
        {"identity": b""},
        {"identity": ALICE.replace(b"r1", b"r2")},
        {"answer": b""},
        {"answer": b"r2 {nonce}"},
        {"expires": b"soon"},
    ],
)
def test_what_is_said_for_the_new_one_is_believed_no_more_easily(
    host: Host, changes: dict[str, bytes]
) -> None:
    request = Request(headers=(BEARER,))
    asked = deferred(host, request, MEMBERS)
    nonce = asked.env[b"LIGHTGATE_NONCE"]
    changes = {"current_identity": ALICE.replace(b"r1", b"r2")} | changes
    host.answer(request, allow(asked, **{k: v.replace(b"{nonce}", nonce) for k, v in changes.items()}))
    outcome = host.run(newer(SHOW_CALLER, fingerprint=b"f2"))
    assert outcome.status == 503
    assert b"LIGHTGATE_CURRENT_IDENTITY" not in outcome.env


def test_what_is_said_for_a_release_not_yet_here_is_left_aside(host: Host) -> None:
    request = Request(headers=(BEARER,))
    asked = deferred(host, request, SHOW_CALLER)
    current = ALICE.replace(b"r1", b"r2").replace(b"alice", b"al")
    outcome = second_pass(host, request, SHOW_CALLER, allow(asked, current_identity=current))
    assert outcome.request_headers == {b"X-User": b"alice"}
    assert b"LIGHTGATE_CURRENT_IDENTITY" not in outcome.env


def test_only_the_release_that_was_replaced_counts(host: Host) -> None:
    request = Request(headers=(BEARER,))
    asked = deferred(host, request, MEMBERS)
    host.open(Request())
    assert host.run(newer(b"function(q) return 410 end")).status == 410
    host.open(request)
    host.fake[b"set_env"](b"LIGHTGATE_STATE", asked.env[b"LIGHTGATE_STATE"])
    host.answer(request, allow(asked))
    assert host.run(newer(SHOW_CALLER, b"r3")).status == 503


def test_also_while_its_body_was_being_collected(host: Host) -> None:
    host.open(Request())
    host.fake[b"set_env"](b"LIGHTGATE_STATE", b"r0 collect 1 0 1 0")
    assert host.run(request_script(SHOW_CALLER, (b"one",))).status == 503
    host.open(Request())
    host.fake[b"set_env"](b"LIGHTGATE_STATE", b"r1 collect 1 0 1 0")
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
    assert outcome.env[b"LIGHTGATE_RESPONSE"] == b"=X-One: 1\n"


def test_a_permission_given_before_the_deferral_counts_after_it(host: Host) -> None:
    rules = b"function(q) gate.permit(q, 1) end, " + SHOW_CALLER.replace(b", 1)", b", 2)")
    request = Request(headers=(BEARER,))
    settings = SETTINGS.replace(b'default = "pass"', b'default = "deny"')
    script = request_script(rules, (b"one", b"two"), settings)
    host.open(request)
    asked = host.run(script)
    assert asked.env[b"LIGHTGATE_STATE"].endswith(b" 2 1 1 0")
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
    assert run(host, Request(path=b"/old"), rule).env[b"LIGHTGATE_RESPONSE"] == b"=X-One: 1\n"
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
