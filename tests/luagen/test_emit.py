from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from luagen import fold, ir
from luagen.check import check_text
from luagen.deployment import Deployment
from luagen.ir import Constant
from luagen.lower import lower
from luagen.lua import emit
from luagen.lua.emit import Script
from luagen.lua.host import LUA_VERSIONS, Host, Request
from luagen.model import Comparison
from luagen.release import build_release
from tests.luagen.policies import (
    AUTH,
    HOST,
    IDENTITY,
    IP,
    PATH,
    and_,
    compare,
    contains,
    header,
    named,
    networks,
    not_,
    number,
    or_,
    policy,
    require,
    respond,
    rule,
    starts,
    strings,
    template,
    text,
    truth,
)

PATH_ = ir.Read(ir.RequestField.PATH)
HOST_ = ir.Read(ir.RequestField.HOST)
PORT_ = ir.Read(ir.RequestField.PORT)
IP_ = ir.Read(ir.RequestField.ADDRESS)
A, B = Constant(b"a"), Constant(b"b")
X = ir.Entry(ir.Source.HEADER, b"x")
IS_A = ir.Equal(PATH_, A)
IS_B = ir.Equal(HOST_, B)
JOINED_ROLES = ir.Apply("join", (Constant(b","), ir.Caller(ir.Member.ROLE_LIST)))
HAS = ir.HasEntry(ir.Source.COOKIE, b"c")


def script_of(value: ir.Value) -> Script:
    """A script with one rule that leaves unless a value holds."""
    one = ir.Rule(number=7, name="a rule", place="p:1", code=(ir.LeaveUnless(fold.not_(value)),))
    return emit.emit(ir.Program((one,)))


def condition(value: ir.Value) -> str:
    [code] = script_of(value).rules
    _, test = code.text.split("    if ", 1)
    return test.split(" then", 1)[0].replace("\n      ", "\n").rstrip()


@pytest.mark.parametrize(
    ("value", "lua"),
    [
        (IS_A, 'q.path == "a"'),
        (IS_B, '(q.host_name or host_name(q)) == "b"'),
        (ir.Equal(IP_, IP_), "(q.ip or ip(q)) == (q.ip or ip(q))"),
        (HAS, 'has_cookie(q, "c")'),
        (ir.Not(HAS), 'not has_cookie(q, "c")'),
        (fold.not_(IS_A), 'q.path ~= "a"'),
        (ir.Not(ir.All((IS_A, HAS))), 'not (q.path == "a" and has_cookie(q, "c"))'),
        (ir.All((IS_A, ir.Any((HAS, IS_A)))), 'q.path == "a" and (has_cookie(q, "c") or q.path == "a")'),
        (ir.Any((ir.All((IS_A, HAS)), HAS)), 'q.path == "a" and has_cookie(q, "c") or has_cookie(q, "c")'),
        (ir.Equal(IS_A, HAS), '(q.path == "a") == has_cookie(q, "c")'),
        (ir.Equal(IS_A, ir.Not(HAS)), '(q.path == "a") == not has_cookie(q, "c")'),
        (ir.Equal(ir.Any((HAS, HAS)), IS_A, True),
         '(has_cookie(q, "c") or has_cookie(q, "c")) ~= (q.path == "a")'),
        (ir.Order(Comparison.LE, PORT_, Constant(-1)), "(q.port or port(q)) <= -1"),
        (ir.Caller(ir.Member.PRESENT), "identity(q, 7).present"),
        (ir.Caller(ir.Member.ANY_ROLE), "#identity(q, 7).role_list > 0"),
        (ir.Not(ir.Caller(ir.Member.ANY_ROLE)), "not (#identity(q, 7).role_list > 0)"),
        (ir.HasRole(A), 'identity(q, 7).roles["a"] == true'),
        (fold.not_(ir.HasRole(X)), 'identity(q, 7).roles[header(q, "x")] ~= true'),
        (ir.Equal(JOINED_ROLES, A), 'concat(identity(q, 7).role_list, ",") == "a"'),
        (ir.HasPrefix(HOST_, Constant(b"ab")), 'sub(q.host_name or host_name(q), 1, 2) == "ab"'),
        (ir.HasSuffix(PATH_, Constant(b".js")), 'sub(q.path, -3) == ".js"'),
        (ir.HasPrefix(PATH_, X), 'starts_with(q.path, header(q, "x"))'),
        (ir.HasSuffix(PATH_, X), 'ends_with(q.path, header(q, "x"))'),
        (ir.HasSubstring(PATH_, A), 'find(q.path, "a", 1, true) ~= nil'),
        (ir.Not(ir.HasSubstring(PATH_, A)), 'find(q.path, "a", 1, true) == nil'),
        (ir.InStrings(PATH_, (b"a", b"b")), "K[1][q.path] == true"),
        (ir.InNetworks(IP_, (ip_network("::/0"),)), "in_networks(K[1], q.ip or ip(q))"),
        (ir.Equal(ir.FirstNonEmpty((HOST_, X, A)), A),
         '(filled(q.host_name or host_name(q)) or filled(header(q, "x")) or "a") == "a"'),
        (ir.Equal(ir.LastIfAll((HOST_, X), b""), A),
         '((q.host_name or host_name(q)) ~= "" and header(q, "x") or "") == "a"'),
        (ir.Equal(ir.LastIfAll((PORT_, PORT_), 0), Constant(1)),
         "((q.port or port(q)) ~= 0 and (q.port or port(q)) or 0) == 1"),
        (ir.Equal(ir.Concat((A, HOST_, ir.Decimal(PORT_))), A),
         '"a" .. (q.host_name or host_name(q)) .. texts.decimal(q.port or port(q)) == "a"'),
        (ir.Equal(ir.Clean(ir.Concat((A, X))), A), 'clean(q, "a" .. header(q, "x")) == "a"'),
        (ir.Equal(ir.UrlEncoded(X), A), 'encode(header(q, "x")) == "a"'),
    ],
)  # fmt: skip
def test_value(value: ir.Value, lua: str) -> None:
    assert condition(value) == lua


def test_long_chains_are_broken_before_the_operator() -> None:
    tests = [ir.Equal(PATH_, Constant(b"/some/rather/long/path/%d" % number)) for number in range(3)]
    assert condition(ir.All(tuple(tests))) == (
        'q.path == "/some/rather/long/path/0"\n'
        'and q.path == "/some/rather/long/path/1"\n'
        'and q.path == "/some/rather/long/path/2"'
    )


def test_script_declares_what_its_rules_use() -> None:
    program = lower(
        policy(
            rule(respond(403), contains(IP, networks("10.0.0.0/8", "::1/128")), "networks"),
            rule(respond(410), contains(PATH, strings("/a", "/b")), "strings"),
            rule(respond(411), and_(contains(PATH, strings("/a", "/b")), starts(PATH, HOST)), "shared"),
            rule(require("corp"), name="members"),
        )
    )
    script = emit.emit(program)
    assert [code.text for code in script.gate_functions] == [
        *("host_name", "in_networks", "ip", "networks", "permit", "require_identity", "respond"),
    ]
    assert [code.text.split("\n")[0] for code in script.helpers] == [
        "local sub = string.sub",
        "local function starts_with(text, prefix)",
    ]
    assert [code.text for code in script.constants] == [
        'networks({ "10.0.0.0/8", "::1/128" })',
        '{ ["/a"] = true, ["/b"] = true }',
        '{ ["corp"] = true }',
    ]
    assert list(script.names) == ["networks", "strings", "shared", "members"]


def test_rules() -> None:
    program = lower(
        policy(
            rule(respond(404), contains(text("/."), PATH), "no\ndotfiles"),
            rule(require("corp", that=truth(HOST), scope="s"), not_(starts(PATH, text("/a"))), "members"),
            rule(respond(200, text("hi"), named(X_A=HOST)), truth(IDENTITY), "hello"),
        )
    )
    assert (
        "\n".join(code.text for code in emit.emit(program).rules)
        == """\
  -- 1. "no?dotfiles" (test.toml:7)
  function(q)
    if find(q.path, "/.", 1, true) == nil then return nil end
    return respond(q, 1, 404, nil, "text/plain; charset=utf-8", nil)
  end,
  -- 2. "members" (test.toml:7)
  function(q)
    if sub(q.path, 1, 2) == "/a" then return nil end
    local refusal = require_identity(q, 2, K[1], "corp")
    if refusal then return refusal end
    if (q.host_name or host_name(q)) == "" then return forbid(q, 2, "corp", "s") end
    permit(q, 2)
    return nil
  end,
  -- 3. "hello" (test.toml:7)
  function(q)
    local v0 = identity(q, 3).present
    if q.stop then return q.stop end
    if not v0 then return nil end
    local v1 = clean(q, q.host_name or host_name(q))
    if q.stop then return q.stop end
    return respond(q, 3, 200, "hi", "text/plain; charset=utf-8", { "X-A", v1 })
  end,"""
    )


# --- meaning ---------------------------------------------------------------------------------------


def evaluate(value: ir.Value, version: str, **fields: bytes | int) -> Any:
    """What a value yields under a Lua version; request fields by their memo names."""
    one = ir.Rule(number=1, name="r", place="p:1", code=(ir.Invoke("redirect", (value,), ir.Outcome.ENDS),))
    script = emit.emit(ir.Program((one,)))
    lines = [code.text for code in script.helpers]
    lines += ["local function redirect(q, value) return value end"]
    lines += ["local function header(q, name) return q[name] end"]
    lines += [f"local {name}" for name in _MEMO_NAMES]
    lines += ["local K = {", *(f"{code.text}," for code in script.constants), "}"]
    lines += ["local rules = {", *(code.text for code in script.rules), "}", "return rules[1]"]
    lua = _lua(version)
    function = lua.execute("\n".join(lines).encode())
    return function(lua.table_from({name.encode(): content for name, content in fields.items()}))


def _lua(version: str) -> Any:
    """A Lua state with the part of the gate that scripts need when they are loaded."""
    host = Host(version)
    host.lua.globals()[b"gate"] = host.table({b"texts": host.load_runtime("texts")["texts"]})
    return host.lua


_MEMO_NAMES = ("host_name", "port")


@pytest.mark.parametrize("version", LUA_VERSIONS)
@pytest.mark.parametrize(
    ("value", "fields", "result"),
    [
        (ir.FirstNonEmpty((X, HOST_)), {"x": b"", "host_name": b"h"}, b"h"),
        (ir.FirstNonEmpty((X, HOST_)), {"x": b"v", "host_name": b"h"}, b"v"),
        (ir.FirstNonEmpty((X, HOST_)), {"x": b"", "host_name": b""}, b""),
        (ir.LastIfAll((X, HOST_), b""), {"x": b"", "host_name": b"h"}, b""),
        (ir.LastIfAll((X, HOST_), b""), {"x": b"v", "host_name": b"h"}, b"h"),
        (ir.LastIfAll((X, HOST_), b""), {"x": b"v", "host_name": b""}, b""),
        (ir.FirstNonEmpty((PORT_, Constant(1))), {"port": 0}, 1),
        (ir.LastIfAll((PORT_, Constant(1)), 0), {"port": 0}, 0),
        (ir.HasPrefix(X, HOST_), {"x": b"abc", "host_name": b"ab"}, True),
        (ir.HasPrefix(X, HOST_), {"x": b"a", "host_name": b"ab"}, False),
        (ir.HasPrefix(X, HOST_), {"x": b"abc", "host_name": b""}, True),
        (ir.HasSuffix(X, HOST_), {"x": b"abc", "host_name": b"bc"}, True),
        (ir.HasSuffix(X, HOST_), {"x": b"abc", "host_name": b""}, True),
        (ir.HasSuffix(X, HOST_), {"x": b"c", "host_name": b"bc"}, False),
        (ir.HasSuffix(X, Constant(b"bc")), {"x": b"c"}, False),
        (ir.HasSubstring(X, HOST_), {"x": b"a.c", "host_name": b"."}, True),
        (ir.HasSubstring(X, HOST_), {"x": b"abc", "host_name": b"."}, False),
        (ir.HasSubstring(X, HOST_), {"x": b"", "host_name": b""}, True),
        (ir.HasSubstring(X, Constant(b"\0b")), {"x": b"a\0b"}, True),
        (ir.InStrings(X, (b"", b"\xff")), {"x": b""}, True),
        (ir.InStrings(X, (b"a", b"\xff")), {"x": b"b"}, False),
        (ir.Equal(ir.InStrings(X, (b"a", b"b")), ir.Equal(X, B)), {"x": b"c"}, True),
        (ir.Decimal(PORT_), {"port": 8080}, b"8080"),
        (ir.Concat((Constant(b"<"), X, ir.Decimal(PORT_))), {"x": b"\0", "port": 1}, b"<\x001"),
        (ir.Equal(ir.Equal(X, A), ir.Not(ir.Equal(X, A))), {"x": b"a"}, False),
    ],
)
def test_meaning(version: str, value: ir.Value, fields: dict[str, bytes | int], result: object) -> None:
    found = evaluate(value, version, **fields)
    assert (found, type(found)) == (result, type(result))


# --- Lua's limits ----------------------------------------------------------------------------------


def _nested(depth: int) -> ir.Value:
    """A value that nests parentheses, calls and operators as deeply as an expression of a policy may."""
    value: ir.Value = ir.Equal(X, A)
    for level in range(depth):
        match level % 4:
            case 0:
                value = ir.Not(ir.All((IS_A, value)))
            case 1:
                value = ir.Any((ir.All((HAS, value)), IS_A))
            case 2:
                value = ir.Equal(value, HAS)
            case _:
                value = ir.Not(ir.Any((IS_B, value)))
    return value


def _nested_texts(depth: int) -> ir.Value:
    value: ir.Value = X
    for level in range(depth):
        value = (
            ir.FirstNonEmpty((ir.Concat((A, value)), B))
            if level % 2
            else ir.LastIfAll((X, ir.Concat((value, HOST_))), b"")
        )
    return ir.Equal(ir.Clean(value), A)


@pytest.mark.parametrize("version", LUA_VERSIONS)
@pytest.mark.parametrize(
    "value",
    [
        _nested(50),
        _nested_texts(50),
        ir.Any(tuple(ir.Equal(PATH_, Constant(b"/%d" % number)) for number in range(600))),
        ir.Equal(ir.Concat((X, HOST_) * 300), A),
        ir.Equal(ir.FirstNonEmpty((X, HOST_) * 300), A),
        ir.InStrings(PATH_, tuple(b"/%d" % number for number in range(20_000))),
    ],
    ids=["nested", "nested texts", "or", "concatenation", "first", "set"],
)
def test_large_values_compile(version: str, value: ir.Value) -> None:
    assert _compiles(script_of(value), version)


@pytest.mark.parametrize("version", LUA_VERSIONS)
def test_rules_with_many_values_compile(version: str) -> None:
    many = named(**{f"X_{number}": header(f"h{number}") for number in range(300)})
    [code] = emit.emit(lower(policy(rule(respond(200, headers=many))))).rules
    assert code.text.startswith(
        '  -- 1. "a rule" (test.toml:7)\n  function(q)\n    local v = {}\n    v[1] = clean('
    )
    assert _compiles(emit.emit(lower(policy(rule(respond(200, headers=many))))), version)


@pytest.mark.parametrize("version", LUA_VERSIONS)
def test_ten_thousand_rules_run(version: str) -> None:
    rules = [
        rule(respond(410), compare(PATH, "==", text(f"/{number}")), f"rule {number}")
        for number in range(10_000)
    ]
    last = rule(respond(404, template(text("port "), number(1))), or_(truth(HOST), truth(PATH)), "last")
    release = build_release(policy(*rules, last, auths=(AUTH,)), Deployment(log_decisions=True))
    host = Host(version)
    for path, expected in ((b"/9999", (410, b"rule 9999")), (b"/x", (404, b"last"))):
        host.open(Request(path=path))
        outcome = host.run(release.files["request.lua"])
        assert (outcome.status, outcome.env[b"LIGHTGATE_RULE"]) == expected


def _compiles(script: Script, version: str) -> bool:
    lines = [code.text for code in script.helpers]
    lines += [f"local {code.text}" for code in script.gate_functions]
    lines += ["local K = {", *(f"{code.text}," for code in script.constants), "}"]
    lines += ["return {", *(code.text for code in script.rules), "}"]
    lua = _lua(version)
    return lua.execute("\n".join(lines).encode()) is not None


# --- header fields are read once -----------------------------------------------------------------------


def rules_of(policy: str) -> str:
    checked, diagnostics = check_text('default = "pass"\n' + policy, "policy.toml", Path())
    assert checked is not None, diagnostics
    return "\n".join(map(str, emit.emit(lower(checked)).rules))


KEPT = 'q["header:x-a"] or header(q, "x-a", "header:x-a")'


def header_rule(name: str, when: str, action: str = "respond = { status = 404 }") -> str:
    return f"[[rule]]\nname = '{name}'\nwhen = '''{when}'''\n{action}\n"


@pytest.mark.parametrize(
    ("policy", "is_kept"),
    [
        (header_rule("one", 'request.headers["x-a"] == "1"'), False),
        (
            header_rule("one", 'request.headers["x-a"] == "1"')
            + header_rule("two", 'request.headers["X-A"]'),
            True,
        ),
        (
            header_rule("one", 'any(part == request.headers["x-a"] for part in request.path.split("/")[:9])'),
            True,
        ),
        (
            header_rule("one", 'request.headers["x-a"]', 'set_request_headers = { x-A = "2" }')
            + header_rule("two", 'request.headers["x-a"] == "2"'),
            False,
        ),
        (
            header_rule("one", 'request.headers["x-a"]', 'add_request_headers = { X-A = "2" }')
            + header_rule("two", 'request.headers["x-a"] == "2"'),
            False,
        ),
        (
            header_rule("one", 'request.headers["x-a"]', 'remove_request_headers = ["X_A"]')
            + header_rule("two", 'request.headers["x-a"] == "2"'),
            False,
        ),
    ],
)
def test_a_header_field_that_nothing_changes_is_read_once(policy: str, is_kept: bool) -> None:
    code = rules_of(policy)
    assert (KEPT in code) is is_kept
    assert is_kept or 'header(q, "x-a")' in code
