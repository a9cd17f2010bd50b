"""Policies at and over what one Lua function can hold: their scripts load and run under every Lua."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from luagen import ir, model
from luagen.deployment import Deployment
from luagen.ir import Constant, RequestField
from luagen.lua import emit, parts, scripts
from luagen.lua.host import LUA_VERSIONS, Host, Request
from luagen.release import build_release
from tests.luagen.policies import (
    AUTH,
    HOST,
    PATH,
    SPAN,
    and_,
    compare,
    contains,
    header,
    named,
    policy,
    respond,
    rule,
    strings,
    text,
)

HEADER = scripts.Header(version="1", policy_file="p", policy_sha256="0", release="r")
SETTINGS: dict[str, scripts.Setting] = {
    "release": "r",
    "fingerprint": "f",
    "default": "pass",
    "epoch_file": "/epoch",
    "secrets_directory": "/nowhere",
    "log_decisions": True,
    "strip": frozenset(),
    "identity_members": frozenset(),
    "issuers": (),
}


def outcomes(script: bytes, version: str, requests: list[Request]) -> list[Any]:
    host = Host(version)
    found = []
    for request in requests:
        host.open(request)
        outcome = host.run(script)
        found.append((outcome.status, outcome.env.get(b"LIGHTGATE_RULE")))
    return found


def script_of(of: model.Policy) -> bytes:
    return build_release(of, Deployment(log_decisions=True)).files["request.lua"]


@cache
def many_paths() -> bytes:
    rules = [
        rule(respond(410), compare(PATH, "==", text(f"/{number}")), f"rule {number}")
        for number in range(12_000)
    ]
    last = rule(respond(404), contains(text("x"), PATH), "last ü\\")
    return script_of(policy(*rules, last, auths=(AUTH,)))


@pytest.mark.parametrize("version", LUA_VERSIONS)
def test_twelve_thousand_rules_on_paths(version: str) -> None:
    requests = [Request(path=path) for path in (b"/0", b"/499", b"/500", b"/11999", b"/x", b"/y")]
    assert outcomes(many_paths(), version, requests) == [
        *((410, name) for name in (b"rule 0", b"rule 499", b"rule 500", b"rule 11999")),
        (404, "last ü\\".encode()),
        (0, b"default"),
    ]


@pytest.mark.parametrize("version", LUA_VERSIONS)
@pytest.mark.parametrize("count", [parts.MAX_ITEMS, parts.MAX_ITEMS + 1])
def test_as_many_rules_as_one_part_holds(version: str, count: int) -> None:
    """None of which an index can leave out."""
    rules = [
        rule(respond(410), contains(text(f"/{number}/"), PATH), f"rule {number}") for number in range(count)
    ]
    script = script_of(policy(*rules))
    assert (script.count(b"append(") > 0) is (count > parts.MAX_ITEMS)
    requests = [Request(path=path) for path in (b"/0/", b"/%d/" % (count - 1), b"/x")]
    assert outcomes(script, version, requests) == [
        (410, b"rule 0"),
        (410, b"rule %d" % (count - 1)),
        (0, b"default"),
    ]


MANY_SETS = 70_000


@cache
def many_sets() -> bytes:
    return script_of(
        policy(
            *(
                rule(respond(410), contains(PATH, strings(f"/{number}", f"/{number}/")), f"rule {number}")
                for number in range(MANY_SETS)
            )
        )
    )


@pytest.mark.parametrize("version", LUA_VERSIONS)
def test_more_sets_than_one_function_holds_constants(version: str) -> None:
    """LuaJIT has room for 65,536 constants in a function, a table being one of them."""
    requests = [Request(path=path) for path in (b"/0/", b"/%d" % (MANY_SETS - 1), b"/x")]
    assert outcomes(many_sets(), version, requests) == [
        (410, b"rule 0"),
        (410, b"rule %d" % (MANY_SETS - 1)),
        (0, b"default"),
    ]


@cache
def many_sites() -> bytes:
    sites = tuple(
        model.Site(
            name=f"shop-{number}.example.org",
            hosts=(f"shop-{number}.example.org", f"*.shop-{number}.example.org"),
            default=model.Default.DENY if number % 2 else model.Default.PASS,
            rules=(rule(respond(410), compare(PATH, "==", text("/old")), f"rule {number}"),),
            span=SPAN,
        )
        for number in range(10_000)
    )
    return script_of(replace(policy(rule(respond(404), compare(PATH, "==", text("/x")))), sites=sites))


@pytest.mark.parametrize("version", LUA_VERSIONS)
def test_ten_thousand_sites(version: str) -> None:
    asked = [
        (b"shop-0.example.org", b"/old"),
        (b"shop-0.example.org", b"/new"),
        (b"shop-9999.example.org", b"/old"),
        (b"www.shop-9999.example.org:8080", b"/old"),
        (b"shop-9999.example.org", b"/new"),
        (b"shop-9999.example.org", b"/x"),
        (b"shop-10000.example.org", b"/old"),
    ]
    requests = [Request(path=path, authority=host) for host, path in asked]
    assert outcomes(many_sites(), version, requests) == [
        (410, b"rule 0"),
        (0, b"default"),
        (410, b"rule 9999"),
        (410, b"rule 9999"),
        (403, b"default"),
        (404, b"a rule"),
        (0, b"default"),
    ]


def _invoking(count: int, first: int = 0) -> tuple[ir.Invoke, ...]:
    """Calls of that many functions of the runtime, as many actions would bring them."""
    return tuple(
        ir.Invoke(f"function_{number}", (), ir.Outcome.GOES_ON) for number in range(first, first + count)
    )


@pytest.mark.parametrize("version", LUA_VERSIONS)
@pytest.mark.parametrize(
    ("functions", "rules"),
    [(parts.MAX_UPVALUES, 1), (parts.MAX_UPVALUES + 1, 1), (300, 1), (8, 60), (5, 60), (300, 700)],
)
def test_more_functions_than_locals_or_upvalues(version: str, functions: int, rules: int) -> None:
    """`rules` rules that use as many functions each, most of them different ones."""
    program = ir.Program(
        tuple(
            ir.Rule(
                number=number + 1,
                name=f"rule {number}",
                place="p:1",
                code=(
                    ir.LeaveUnless(ir.HasPrefix(ir.Read(RequestField.PATH), Constant(b"/%d/" % number))),
                    *_invoking(functions, first=number % 30 * functions),
                ),
            )
            for number in range(rules)
        )
    )
    script = scripts.request_script(HEADER, SETTINGS, emit.emit(program), hooks=False)
    # The runtime has no such functions: each one counts its calls.
    counting = b"""
for number = 0, 10000 do
  gate["function_" .. number] = function() lighty.r.req_header["X-Calls"] =
    tostring((tonumber(lighty.r.req_header["X-Calls"]) or 0) + 1) end
end
"""
    head, rest = script.split(b"gate = new_gate(lighty, ", 1)
    settings, rest = rest.split(b", before)\n", 1)
    script = head + b"gate = new_gate(lighty, " + settings + b", before)\n" + counting + rest
    host = Host(version)
    for number in (0, rules - 1):
        host.open(Request(path=b"/%d/" % number))
        outcome = host.run(script)
        assert outcome.status == 0
        assert outcome.request_headers[b"X-Calls"] == b"%d" % functions


@pytest.mark.parametrize("version", LUA_VERSIONS)
def test_one_rule_with_very_much_in_it(version: str) -> None:
    many = named(**{f"X_{number}": header(f"h{number}") for number in range(300)})
    condition = and_(*(compare(header(f"x{number}"), "!=", text("a" * 100)) for number in range(2_000)))
    either = rule(respond(200, headers=many), and_(condition, compare(HOST, "!=", text(""))))
    script = script_of(policy(either))
    assert outcomes(script, version, [Request()]) == [(200, b"a rule")]
