"""The reference: what expressions mean, and how a request goes through rules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from luagen.builtins import BUILTINS
from luagen.check import check_text
from luagen.model import Expression, Policy, SampleRequest, Type
from luagen.reference.decision import Decision, Outcome
from luagen.reference.evaluate import Evaluator
from luagen.reference.limits import Limits
from luagen.reference.play import Player, site_of
from luagen.reference.reading import claim, parse_address
from luagen.reference.request import Caller, Request
from luagen.reference.sample import normalised, request_of

HEAD = """
default = "pass"
[auth.corp]
issuer = "https://corp.example.org"
audience = "shop"
[lists]
words = ["a", "b"]
"""
ALICE = Caller(
    provider=b"corp",
    sub=b"alice",
    roles=(b"admin", b"dev"),
    claims={"plan": "pro", "level": 3, "beta": True, "groups": ["a", "b"], "org": {"a/b": "x"}, "half": 0.5},
)


def policy(rules: str) -> Policy:
    checked, diagnostics = check_text(HEAD + rules, "policy.toml", Path())
    assert checked is not None, [one.message for one in diagnostics]
    return checked


def condition(text: str) -> Expression:
    return (
        policy(f"[[rule]]\nname = \"r\"\nwhen = '''{text}'''\nrespond = {{ status = 410 }}\n").rules[0].when
    )


def judge(text: str, **changes: Any) -> bool | None:
    request = Request(**changes)
    headers = {name.lower(): value for name, value in request.headers}
    return Evaluator(request, headers).judge(condition(text))


def decide(rules: str, **changes: Any) -> Decision:
    return Player(policy(rules)).play(Request(**changes)).decision


# --- expressions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        ('request.path == "/ü"', {"path": "/ü".encode()}, True),
        ("len(request.path) == 3", {"path": "/ü".encode()}, True),
        ('request.path.upper() == "/AB"', {"path": b"/ab"}, True),
        ('request.path.split("/")[1] == "a"', {"path": b"/a/b"}, True),
        ('request.path.split("/")[7] == ""', {"path": b"/a/b"}, True),
        ('request.host == "h"', {"authority": b"h:8443"}, True),
        ('request.args["a"] == "1 2"', {"query": b"a=1+2&a=3"}, True),
        ('"3" in request.args.getall("a")', {"query": b"a=1+2&a=3"}, True),
        ('request.cookies["s"] == "1=2"', {"headers": ((b"Cookie", b"x=y; s=1=2; s=3"),)}, True),
        ('request.ip in ["10.0.0.0/8"]', {"ip": b"::ffff:10.1.2.3"}, True),
        ('request.ip == "10.0.0.1"', {"ip": b"10.0.0.2"}, False),
        ("time.weekday == 3 and time.hour == 12", {}, True),
        ('time.between("22:00", "12:01")', {}, True),
        ('any(x in words for x in request.path.split("/"))', {"path": b"/z/a"}, True),
        ('all(x in words for x in request.path.split("/") if x)', {"path": b"/z/a"}, False),
        ('matches(r"^/ü+$", request.path)', {"path": "/üü".encode()}, True),
        ('matches(r"^/ü+$", request.path)', {"path": "/ü".encode() + b"\xbc"}, False),
        ('f"{request.port:05}" == "00443"', {}, True),
        # three truths
        ('identity.claims["plan"] == "pro"', {"caller": ALICE}, True),
        ('identity.claims["plan"] == "pro"', {}, None),
        ('not identity.claims["plan"] == "pro"', {}, None),
        ('identity.claims["plan"] != "pro"', {}, None),
        ('identity.claims["plan"] == "pro" or request.port == 443', {}, True),
        ('identity.claims["plan"] == "pro" and request.port == 1', {}, False),
        ('identity.claims["level"] > 2', {"caller": ALICE}, True),
        ('identity.claims["plan"] > 2', {"caller": ALICE}, None),
        ('identity.claims["half"] > 0', {"caller": ALICE}, None),
        ('not identity.claims["beta"]', {"caller": ALICE}, False),
        ('"a" in identity.claims["groups"]', {"caller": ALICE}, True),
        ('"a" not in identity.claims["groups"]', {}, None),
        ('identity.claims["org"]["a/b"] == "x"', {"caller": ALICE}, True),
        ('any(x == "z" for x in identity.claims["groups"])', {}, None),
        ('int(request.args["a"]) > 6', {"query": b"a=7"}, True),
        ('not int(request.args["a"]) > 6', {"query": b"a=x"}, None),
        ('not any(int(x) > 6 for x in request.args.getall("a"))', {"query": b"a=x&a=1"}, None),
        ('any(int(x) > 6 for x in request.args.getall("a"))', {"query": b"a=x&a=7"}, True),
        # what stands after the `if` of any and all is one of the conditions
        ('not any(x for x in ("a",) if identity.claims["plan"] == "free")', {}, None),
        ('not any(x for x in ("a",) if identity.claims["plan"] == "free")', {"caller": ALICE}, True),
        ('any(x == "b" for x in ("a", "b") if not identity.claims["beta"])', {}, None),
        ('any(x == "c" for x in ("a", "b") if not identity.claims["beta"])', {}, False),
        ('all(x == "b" for x in ("a", "b") if identity.claims["beta"])', {}, None),
        ('all(x in ("a", "b") for x in ("a", "b") if identity.claims["beta"])', {}, True),
        ('all(x == "b" for x in request.args.getall("a") if int(x) > 6)', {"query": b"a=b&a=3"}, True),
        ('all(x == "b" for x in request.args.getall("a") if int(x) > 6)', {"query": b"a=b&a=c"}, None),
    ],
)
def test_conditions(text: str, changes: dict[str, Any], expected: bool | None) -> None:
    assert judge(text, **changes) is expected


def test_absent_reads_as_empty_in_templates() -> None:
    rule = """
[[rule]]
name = "r"
respond = { status = 200, body = '[{identity.claims["plan"]}][{str(int(request.args["a"]))}]' }
"""
    assert decide(rule).body == b"[][0]"
    assert decide(rule, caller=ALICE, query=b"a=7").body == b"[pro][7]"


@pytest.mark.parametrize(
    ("template", "known", "absent"),
    [
        ('{"x" if identity.claims["plan"] == "pro" else "y"}', b"x", b"y"),
        ('{"x" if not identity.claims["plan"] == "free" else "y"}', b"x", b"y"),
        ('{",".join([x for x in ("a", "b") if identity.claims["plan"] == "pro"])}.', b"a,b.", b"."),
        ('{",".join([x for x in ("a", "b") if not identity.claims["plan"] == "free"])}.', b"a,b.", b"."),
    ],
)
def test_neither_true_nor_false_chooses_nothing_in_templates(
    template: str, known: bytes, absent: bytes
) -> None:
    rule = f"[[rule]]\nname = 'r'\nrespond = {{ status = 200, body = '''{template}''' }}\n"
    assert decide(rule, caller=ALICE).body == known
    assert decide(rule).body == absent


def test_every_part_of_a_condition_is_observed() -> None:
    seen: list[object] = []
    when = condition('request.port == 443 and not "x" in request.path')
    Evaluator(Request(), {}, None, lambda part, value: seen.append(value)).holds(when)
    assert seen == [443, 443, True, b"x", b"/", False, True, True]


def test_all_builtins_are_total() -> None:
    samples = {Type.STRING: (b"", b"a\xff b"), Type.INTEGER: (-2, 0, 3), Type.STRINGS: ((), (b"a", b""))}
    constants = {
        "split": 1,
        "replace": 1,
        "count": 1,
        "floor_divide": 1,
        "modulo": 1,
        "format_text": 1,
        "format_integer": 1,
    }
    for name, builtin in BUILTINS.items():
        if name in constants:
            continue
        for sample in range(2):
            arguments = [samples[kind][sample] for kind in builtin.parameters]
            assert builtin.compute(*arguments) is not None, name


@pytest.mark.parametrize(
    ("value", "type_", "expected"),
    [
        (5.0, Type.INTEGER, 5),
        (True, Type.INTEGER, None),
        (10**15, Type.INTEGER, None),
        ("a\n", Type.STRING, None),
        ("x" * 1025, Type.STRING, None),
        (["a", 1], Type.STRINGS, None),
        (["ü"], Type.STRINGS, ("ü".encode(),)),
        ([], Type.STRINGS, ()),
        ({"a": 1}, Type.STRING, None),
        (None, Type.BOOLEAN, None),
    ],
)
def test_claims_count_within_their_limits(value: object, type_: Type, expected: object) -> None:
    caller = Caller(provider=b"corp", sub=b"a", claims={"x": value})
    assert claim(caller, "/x", type_) == expected


def test_addresses() -> None:
    assert str(parse_address(b"::ffff:1.2.3.4")) == "1.2.3.4"
    assert parse_address(b"no") is None


# --- requests ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "path", "raw"),
    [
        (b"", b"/", b"/"),
        (b"/a/../b/./c//d", b"/b/c/d", b"/b/c/d"),
        (b"/%41%2f%2e%2e/x", b"/x", b"/x"),
        (b"/a%20b", b"/a b", b"/a%20b"),
        (b"/\xc3\xbc", b"/\xc3\xbc", b"/%C3%BC"),
        (b"/%c3%bc/", b"/\xc3\xbc/", b"/%C3%BC/"),
        (b"/%", b"/%", b"/%25"),
    ],
)
def test_paths_as_lighttpd_gives_them(sent: bytes, path: bytes, raw: bytes) -> None:
    assert normalised(sent) == (path, raw)


@pytest.mark.parametrize(
    ("url", "authority", "port"),
    [
        ("https://WWW.Example.ORG/", b"www.example.org", 443),
        ("https://www.example.org./", b"www.example.org", 443),
        ("https://www.example.org../", b"www.example.org.", 443),
        ("https://www.example.org:443/", b"www.example.org", 443),
        ("https://www.example.org.:443/", b"www.example.org", 443),
        ("http://www.example.org:80/", b"www.example.org", 80),
        ("http://www.example.org:443/", b"www.example.org:443", 443),
        ("https://www.example.org.:8443/", b"www.example.org:8443", 8443),
        ("https://[2001:DB8:0:0::1]/", b"[2001:db8::1]", 443),
        ("https://[2001:DB8::0:1]:443/", b"[2001:db8::1]", 443),
        ("http://[::FFFF:1.2.3.4]:8080/", b"[::ffff:1.2.3.4]:8080", 8080),
    ],
)
def test_hosts_as_lighttpd_gives_them(url: str, authority: bytes, port: int) -> None:
    request = request_of(sample(url=url), None)
    assert (request.authority, request.port) == (authority, port)


@pytest.mark.parametrize(
    ("ip", "given"), [("2001:DB8:0:0::1", b"2001:db8::1"), ("192.0.2.7", b"192.0.2.7"), ("::1", b"::1")]
)
def test_addresses_as_lighttpd_gives_them(ip: str, given: bytes) -> None:
    assert request_of(sample(ip=ip), None).ip == given


def sample(**changes: Any) -> SampleRequest:
    [test] = policy('[[test]]\nname = "t"\nrequest = { url = "/" }\nexpect = { status = 200 }\n').tests
    return replace(test.request, **changes)


def test_fields_that_clients_may_not_supply() -> None:
    rule = '[[rule]]\nname = "r"\nset_request_headers = { X-User = "{identity.sub}" }\n'
    sent = ((b"X_User", b"mallory"), (b"X-Other", b"1"), (b"x-other", b"2"))
    assert decide(rule, headers=sent).request_headers == {b"x-other": b"1, 2"}
    assert decide(rule, headers=sent, caller=ALICE).request_headers[b"x-user"] == b"alice"


# --- ways through the rules --------------------------------------------------------------------------

SITES = """
[site."example.org"]
hosts = ["*.shop.example.org"]
default = "deny"
[site."*.example.org"]
[site."*"]
default = "deny"
"""


@pytest.mark.parametrize(
    ("host", "site"),
    [
        ("example.org", "example.org"),
        ("a.shop.example.org", "example.org"),
        ("shop.example.org", "*.example.org"),
        ("a.b.example.org", "*.example.org"),
        ("example.com", "*"),
        ("", "*"),
        (".example.org", "*"),
    ],
)
def test_the_site_of_a_host(host: str, site: str) -> None:
    found = site_of(policy(SITES), host)
    assert found is not None
    assert found.name == site


def test_a_site_has_its_own_default() -> None:
    assert decide(SITES, authority=b"example.org").outcome is Outcome.FORBID
    assert decide(SITES, authority=b"www.example.org").outcome is Outcome.PASS


def test_control_characters_end_with_400_by_nobody() -> None:
    rule = '[[rule]]\nname = "r"\nset_env = { A = "{request.path}", B = "1" }\n'
    decision = decide(rule, path=b"/a\nb")
    assert (decision.outcome, decision.status, decision.rule) == (Outcome.REFUSE, 400, "lightgate")
    assert decision.env == {}


def test_permission_names_the_rule() -> None:
    rules = """
[[rule]]
name = "members"
require = { auth = "corp", that = '"admin" in identity.roles', scope = "write" }
"""
    assert decide(rules).challenge == (b"corp", None)
    assert decide(rules, caller=ALICE).rule == "members"
    nobody = Caller(provider=b"corp", sub=b"bob")
    refused = decide(rules, caller=nobody)
    assert (refused.status, refused.challenge) == (403, (b"corp", b"write"))


def test_a_trace_has_every_rule_that_was_met() -> None:
    rules = """
[[rule]]
name = "one"
when = 'request.port == 1'
respond = { status = 410 }
[[rule]]
name = "two"
set_env = { A = "{request.host}" }
[[rule]]
name = "three"
respond = { status = 404 }
[[rule]]
name = "four"
respond = { status = 410 }
"""
    played = Player(policy(rules)).play(Request())
    assert [(one.rule.name, one.held, one.ended) for one in played.considered] == [
        ("one", False, False),
        ("two", True, False),
        ("three", True, True),
    ]
    [done] = played.considered[1].did
    assert (done.what, done.name, done.value) == ("set variable", "A", b"www.example.org")


def test_buckets_fill_with_time() -> None:
    limits = Limits()
    taken = [limits.take("r", b"k", now, 60, 60, 2) for now in (0, 0, 0, 1, 1)]
    assert [one.allowed for one in taken] == [True, True, False, True, False]
    assert [one.retry_after_s for one in taken] == [0, 0, 1, 0, 1]
    assert limits.take("r", b"other", 1, 60, 60, 2).allowed


def test_lines_for_the_log_are_counted() -> None:
    limits = Limits()
    assert [limits.takes_line(5) for _ in range(12)] == [True] * 10 + [False] * 2
    assert limits.takes_line(6)
