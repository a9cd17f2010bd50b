"""The Lua of functions, sequences, claims and patterns. What it does is held by tests/lua/."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from luagen import ir, regex
from luagen.ir import Constant
from luagen.lua.emit_values import ValueWriter
from luagen.lua.pool import Pool

PATH = ir.Read(ir.RequestField.PATH)
PORT = ir.Read(ir.RequestField.PORT)
LOWER = ir.Apply("lower", (PATH,))
X, Y = ir.Variable(0), ir.Variable(1)
ROLES = ir.Caller(ir.Member.ROLE_LIST)
NOW = ir.Read(ir.RequestField.NOW)


def matches(pattern: str) -> ir.Matches:
    return ir.Matches(regex.split(regex.parse(pattern)), PATH)


def written(value: ir.Value) -> tuple[str, list[str]]:
    """The expression of a value in rule 7, and the constants that it uses."""
    pool = Pool()
    text = ValueWriter(7, pool, lambda slot: f"v{slot.number}").text(value)
    return text.replace("\n      ", "\n"), list(pool.constants)


@pytest.mark.parametrize(
    ("value", "lua"),
    [
        (ir.Read(ir.RequestField.COUNTRY), "q.country or country(q)"),
        (ir.Entry(ir.Source.VARIABLE, b"SSL_CIPHER"), 'variable(q, "SSL_CIPHER")'),
        (ir.Arguments(b"x"), 'all_args(q, "x")'),
        (ir.Group(b"id"), 'q.groups["id"]'),
        # claims
        (ir.Claim(b"/a", ir.Kind.STRING), 'claim(q, 7, "/a", "string") or ""'),
        (ir.Claim(b"/a", ir.Kind.INTEGER), 'claim(q, 7, "/a", "integer") or 0'),
        (ir.Claim(b"/a", ir.Kind.STRINGS), 'claim(q, 7, "/a", "strings") or {}'),
        (ir.Claim(b"/a", ir.Kind.BOOLEAN), 'claim(q, 7, "/a", "boolean") == true'),
        (ir.Not(ir.Claim(b"/a", ir.Kind.BOOLEAN)), 'claim(q, 7, "/a", "boolean") ~= true'),
        (ir.HasClaim(b"/a", ir.Kind.STRING), 'claim(q, 7, "/a", "string") ~= nil'),
        (ir.Equal(ir.Claim(b"/a", ir.Kind.STRING), Constant(b"b")),
         '(claim(q, 7, "/a", "string") or "") == "b"'),
        (ir.ParsedInteger(PATH), "texts.integer(q.path) or 0"),
        (ir.IsInteger(PATH), "texts.integer(q.path) ~= nil"),
        # functions and operators
        (LOWER, "texts.lower(q.path)"),
        (ir.Apply("join", (Constant(b","), ROLES)), 'concat(identity(q, 7).role_list, ",")'),
        (ir.Apply("len_texts", (ROLES,)), "#identity(q, 7).role_list"),
        (ir.Apply("len_text", (ir.Entry(ir.Source.HEADER, b"x"),)), '#header(q, "x")'),
        (ir.Apply("len_text", (ir.Concat((PATH, PATH)),)), "#(q.path .. q.path)"),
        (ir.Apply("percent", (PATH,)), "percent(q.path)"),
        (ir.Apply("add", (ir.Apply("add", (NOW, PORT)), Constant(-1))),
         "(q.now or now(q)) + (q.port or port(q)) + -1"),
        (ir.Apply("subtract", (Constant(1), ir.Apply("subtract", (Constant(2), Constant(3))))),
         "1 - (2 - 3)"),
        (ir.Apply("multiply", (ir.Apply("add", (Constant(1), Constant(2))), Constant(3))), "(1 + 2) * 3"),
        (ir.Apply("modulo", (Constant(7), ir.Apply("multiply", (Constant(2), Constant(3))))), "7 % (2 * 3)"),
        (ir.Apply("floor_divide", (ir.Apply("add", (Constant(1), Constant(2))), Constant(-3))),
         "floor((1 + 2) / -3)"),
        (ir.Apply("negate", (ir.Apply("negate", (Constant(5),)),)), "-(-5)"),
        (ir.Apply("negate", (Constant(-5),)), "-(-5)"),
        (ir.Decimal(ir.Apply("add", (Constant(1), Constant(2)))), "texts.decimal(1 + 2)"),
        # choices
        (ir.Choice(ir.Equal(PATH, Constant(b"/")), Constant(b"a"), Constant(b"b")),
         'q.path == "/" and "a" or "b"'),
        (ir.Concat((ir.Choice(ir.Equal(PATH, Constant(b"/")), PATH, Constant(b"b")), PATH)),
         '(q.path == "/" and q.path or "b") .. q.path'),
        # sequences
        (ir.InSequence(PATH, ir.Arguments(b"x")), 'texts.contains(all_args(q, "x"), q.path)'),
        (ir.Quantifier(False, X, ROLES, ir.Equal(X, PATH)),
         "texts.any(identity(q, 7).role_list, function(x0) return x0 == q.path end)"),
        (ir.Quantifier(True, X, ROLES, ir.Quantifier(False, Y, ir.Arguments(b"y"), ir.Equal(X, Y))),
         "texts.every(identity(q, 7).role_list, function(x0) return "
         'texts.any(all_args(q, "y"), function(x1) return x0 == x1 end) end)'),
        (ir.Collected(X, ROLES, Constant(True), ir.Apply("lower", (X,))),
         "texts.collected(identity(q, 7).role_list, function(x0) return texts.lower(x0) end)"),
        (ir.Collected(X, ROLES, ir.Equal(X, PATH), X),
         "texts.collected(identity(q, 7).role_list, function(x0) return x0 end, "
         "function(x0) return x0 == q.path end)"),
        # beginnings and ends
        (ir.HasAnyPrefix(PATH, (b"/a", b"/bc")), 'sub(q.path, 1, 2) == "/a" or sub(q.path, 1, 3) == "/bc"'),
    ],
)  # fmt: skip
def test_value(value: ir.Value, lua: str) -> None:
    assert written(value)[0] == lua


MANY = tuple(b"/%d" % number for number in range(17))
PACKED = '"' + "\\255".join(text.decode() for text in MANY) + '"'


@pytest.mark.parametrize(
    ("value", "lua", "constant"),
    [
        (ir.InStrings(PATH, MANY), "K[1][q.path] == true", f"texts.set(texts.unpacked({PACKED}))"),
        (ir.HasAnyPrefix(PATH, MANY), "texts.begins(K[1], q.path)",
         f"texts.by_length(texts.unpacked({PACKED}))"),
        (ir.HasAnySuffix(LOWER, (b"a", b"b")), "texts.ends(K[1], texts.lower(q.path))",
         'texts.by_length({ "a", "b" })'),
        (ir.InSequence(PATH, ir.Strings((b"a", b"a"))), "texts.contains(K[1], q.path)", '{ "a", "a" }'),
        (ir.InNetworks(ir.Read(ir.RequestField.ADDRESS), (ip_network("10.0.0.0/8"),)),
         "in_networks(K[1], q.ip or ip(q))", 'networks({ "10.0.0.0/8" })'),
        (ir.InNetworks(ir.Read(ir.RequestField.ADDRESS),
                       (*(ip_network((number << 25, 8)) for number in range(16)), ip_network("10.0.0.0/12"),
                        ip_network("::ffff:192.0.2.0/120"), ip_network("2001:db8::/33"))),
         "in_networks(K[1], q.ip or ip(q))",
         'packed_networks({\n    { 4, 8, "\\000\\002\\004\\006\\008\\010\\012'
         '\\014\\016\\018\\020\\022\\024\\026\\028\\030" },\n'
         '    { 4, 24, "\\192\\000\\002" },\n    { 16, 33, " \\001\\013\\184\\000" },\n  })'),
        (matches("a"), "search(K[1], q.path)", None),
        (matches("(?P<id>a)"), "search(K[1], q.path, q.groups or groups(q))", None),
        (matches("^/a(?P<id>b)"), 'search(K[1], q.path, q.groups or groups(q), "/a")', None),
        (matches("^/a[bc]"), 'search(K[1], q.path, nil, "/a")', None),
    ],
)  # fmt: skip
def test_constants(value: ir.Value, lua: str, constant: str | None) -> None:
    text, constants = written(value)
    assert text == lua
    if constant is None:
        assert constants[0].startswith('automaton("')
    else:
        assert constants == [constant]
