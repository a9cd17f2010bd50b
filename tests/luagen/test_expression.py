"""Expressions and templates as typed trees, written in a short notation."""

from __future__ import annotations

from pathlib import Path

import pytest

from luagen import model
from luagen.actions import SetEnv
from luagen.check import check_text
from luagen.model import (
    And,
    Compare,
    Contains,
    Expression,
    Not,
    Type,
)
from tests.luagen.notation import short

DECLARED = """default = "pass"

[auth.corp]
issuer = "https://login.example.org"
audience = "shop"

[country]
variable = "GEOIP_COUNTRY_CODE"

[env]
MAX = 100
HOST = "h.example"
BETA = true

[lists]
office = ["10.0.0.0/8", "::1"]
hosts = ["a.example", "b.example", "a.example"]
none = []

[names]
api = 'request.path.startswith("/api/")'
fallback = 'request.headers["x"] or "none"'
signed_in = 'identity and identity.sub'
both = 'api and signed_in'
plan = 'identity.claims["org"]["plan"]'
parts = 'request.path.split("/")'
user = 'matches(r"^/u/(?P<id>[0-9]+)$", request.path)'
admin = 'any(x == "admin" for x in identity.roles)'
"""


def toml(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def rule_of(when: str, value: str = "1") -> model.Rule:
    text = f'{DECLARED}\n[[rule]]\nname = "x"\nwhen = {toml(when)}\nset_env = {{ A = {toml(value)} }}\n'
    policy, diagnostics = check_text(text, "test.toml", Path())
    assert policy is not None, diagnostics
    return policy.rules[0]


CONDITIONS = {
    # truth
    "True": "True",
    "request.path": "bool(request.path)",
    "request.port": "bool(request.port)",
    "identity": "bool(identity)",
    "identity.roles": "bool(identity.roles)",
    "not request.path": "not(bool(request.path))",
    "not not identity": "not(not(bool(identity)))",
    # and, or
    "identity and request.path": "and:boolean(bool(identity), bool(request.path))",
    "True and True and identity": "and:boolean(True, True, bool(identity))",
    "identity or request.path and request.port": (
        "or:boolean(bool(identity), and:boolean(bool(request.path), bool(request.port)))"
    ),
    '(request.path or request.host) == "x"': "(or:string(request.path, request.host) == 'x')",
    "(request.port and 80) == 80": "(and:integer(request.port, 80) == 80)",
    '(request.port == 80 and True) == ("x" in request.path)': (
        "(and:boolean((request.port == 80), True) == ('x' in request.path))"
    ),
    # comparisons
    'request.path == "/x"': "(request.path == '/x')",
    '"/x" != request.path': "('/x' != request.path)",
    "1 <= request.port < 1024": "and:boolean((1 <= request.port), (request.port < 1024))",
    "request.port > -1": "(request.port > -1)",
    "request.port == 0x1F90": "(request.port == 8080)",
    'request.path == "/a" == request.raw_path': (
        "and:boolean((request.path == '/a'), ('/a' == request.raw_path))"
    ),
    'request.ip == "127.0.0.1"': "(request.ip == {127.0.0.1/32})",
    '"::ffff:10.1.2.3" == request.ip': "({10.1.2.3/32} == request.ip)",
    "request.ip != request.ip": "(request.ip != request.ip)",
    # in
    '"/." in request.path': "('/.' in request.path)",
    "request.host not in request.path": "not((request.host in request.path))",
    'request.method in ("GET", "HEAD", "GET")': "(request.method in {'GET', 'HEAD'})",
    'request.method in ["GET"]': "(request.method in {'GET'})",
    'request.method in {"GET"}': "(request.method in {'GET'})",
    "request.method in ()": "(request.method in {})",
    'request.method in ("GET", request.host)': (
        "or:boolean((request.method == 'GET'), (request.method == request.host))"
    ),
    "request.port in (80, 443)": "or:boolean((request.port == 80), (request.port == 443))",
    "request.port in (80,)": "(request.port == 80)",
    "request.port in ()": "False",
    "request.host in hosts": "(request.host in hosts{'a.example', 'b.example'})",
    "request.host in none": "(request.host in none{})",
    "request.ip in none": "(request.ip in none{})",
    "request.ip in office": "(request.ip in office{10.0.0.0/8, ::1/128})",
    'request.ip in "10.0.0.0/8"': "(request.ip in {10.0.0.0/8})",
    'request.ip in ("10.0.0.0/8", "::1")': "(request.ip in {10.0.0.0/8, ::1/128})",
    'request.ip in "::ffff:10.0.0.0/104"': "(request.ip in {10.0.0.0/8})",
    "request.ip in ()": "(request.ip in {})",
    '"admin" in identity.roles': "('admin' in identity.roles)",
    '"X-Key" in request.headers': "('x-key' in request.headers)",
    '"X-Key" not in request.cookies': "not(('X-Key' in request.cookies))",
    # maps
    'request.headers["X-Key"]': "bool(request.headers['x-key'])",
    'request.headers.get("X-Key")': "bool(request.headers['x-key'])",
    'request.args.get("A b", "") == "1"': "(request.args['A b'] == '1')",
    'request.cookies["Id"] == ""': "(request.cookies['Id'] == '')",
    # methods
    'request.path.startswith("/a/")': "starts(request.path; '/a/')",
    'request.path.endswith((".js", request.host))': "ends(request.path; '.js', request.host)",
    "request.host.endswith(hosts)": "ends(request.host; 'a.example', 'b.example')",
    "request.path.startswith(())": "False",
    "request.path.startswith(none)": "False",
    '",".join(identity.roles) == "a"': "(join(','; identity.roles) == 'a')",
    # text
    '"a" "b" == request.path': "('ab' == request.path)",
    '"/" + request.host + "/" == request.path': "(text('/', request.host, '/') == request.path)",
    '"a" + "b" == request.path': "('ab' == request.path)",
    '"" + request.host == request.path': "(request.host == request.path)",
    'f"{request.host}:{request.port}" == "x"': "(text(request.host, ':', request.port) == 'x')",
    'f"{{{request.port}}}" == "x"': "(text('{', request.port, '}') == 'x')",
    '"a\\n" f"b{request.host}" rf"\\d" == "x"': "(text('a\\nb', request.host, '\\\\d') == 'x')",
    "f'''{request.args[\"a}b\"]}''' == \"x\"": "(request.args['a}b'] == 'x')",
    '("a" # f\n "{b}" # \'\n f"{request.host}") == "x"': "(text('a{b}', request.host) == 'x')",
    'f"" == request.path': "('' == request.path)",
    '"\\x41\\u00e9" == request.path': "('A\u00e9' == request.path)",
    # names
    "api": "starts(request.path; '/api/')",
    "both": ("and:boolean(starts(request.path; '/api/'), and:boolean(bool(identity), bool(identity.sub)))"),
    "fallback == 'none'": "(or:string(request.headers['x'], 'none') == 'none')",
    # layout
    " \n request.path\n  == '/x'  # why\n": "(request.path == '/x')",
    "(request.path)": "bool(request.path)",
}


@pytest.mark.parametrize(("when", "expected"), CONDITIONS.items())
def test_condition(when: str, expected: str) -> None:
    checked = rule_of(when).when
    assert checked.type is Type.BOOLEAN
    assert short(checked) == expected


TEMPLATES = {
    "": "''",
    "plain": "'plain'",
    "{{}}": "'{}'",
    "{request.path}": "request.path",
    "{request.port}": "text('', request.port)",
    "a{request.host}b{request.port}": "text('a', request.host, 'b', request.port)",
    '{"x"}{"y"}z': "'xyz'",
    "{{{request.host}}}": "text('{', request.host, '}')",
    '{request.args["}"]}': "request.args['}']",
    '{request.headers["a"] or "-"}': "or:string(request.headers['a'], '-')",
    '{",".join(identity.roles)}': "join(','; identity.roles)",
    "{ request.host }": "request.host",
    '{request.host + "/" + request.path}!': "text(request.host, '/', request.path, '!')",
    "\u00e9{request.host}\U0001f600": "text('\u00e9', request.host, '\U0001f600')",
    '{f"{request.host}"}': "request.host",
    "{fallback}": "or:string(request.headers['x'], 'none')",
}


@pytest.mark.parametrize(("template", "expected"), TEMPLATES.items())
def test_template(template: str, expected: str) -> None:
    action = rule_of("identity", template).action
    assert isinstance(action, SetEnv)
    value = action.values[0].value
    assert value.type is Type.STRING
    assert short(value) == expected


def test_spans_are_the_source_of_their_part() -> None:
    when = 'not (request.path == "/\u00e9" and f"{request.host}" in hosts)'
    rule = rule_of(when)
    source = rule.when.span.source.text

    def parts(node: Expression) -> list[str]:
        inner = {
            Not: lambda: [node.operand],
            And: lambda: list(node.operands),
            Compare: lambda: [node.left, node.right],
            Contains: lambda: [node.item, node.container],
        }.get(type(node), list)()
        return [source[node.span.start : node.span.end], *(text for part in inner for text in parts(part))]

    assert parts(rule.when) == [
        'not (request.path == \\"/\u00e9\\" and f\\"{request.host}\\" in hosts)',
        'request.path == \\"/\u00e9\\" and f\\"{request.host}\\" in hosts',
        'request.path == \\"/\u00e9\\"',
        "request.path",
        '\\"/\u00e9\\"',
        'f\\"{request.host}\\" in hosts',
        "request.host",
        "hosts",
    ]
