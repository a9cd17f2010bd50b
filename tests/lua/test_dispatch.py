"""The order of rules: what the runtime's dispatch tries is what trying every rule in order would find."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import luagen.dispatch
from luagen import ir, regex
from luagen.check import check_text
from luagen.decide import DEPLOYMENT
from luagen.ir import Constant, RequestField
from luagen.lua import emit
from luagen.lua.host import LUA_VERSIONS, Host
from luagen.lua.server import Server
from luagen.reference import request as reference
from luagen.reference.decision import differences
from luagen.release import build_release

PATHS = (b"/", b"/a", b"/a/", b"/a/b", b"/ab", b"/a/b/c.php", b"/b", b"/b/c", b"/index.php", b"/\xff")
HOSTS = (
    *(b"", b"example.org", b"a.example.org", b"b.a.example.org", b"xexample.org", b"other.test"),
    *(b".", b".example.org", b"..example.org", b"a.other.test", b"a" * 300 + b".example.org"),
)
METHODS = (b"GET", b"PUT", b"")
AFFIXES = (
    b"/a",
    b"/a/",
    b"/a/b",
    b"/b/",
    b"p",
    b".php",
    b".example.org",
    b"example.org",
    b"a.",
    b"GE",
    b"ET",
)
PATTERNS = tuple(
    regex.split(regex.parse(pattern))
    for pattern in (
        r"^/a[/b]",
        r"^/a/b",
        r"b$",
        r"^/a$|b",
        r"^/a\b",
        r"^GE?T$",
        r"^a\.",
        r"\A/a/(?:b|.*php)\Z",
    )
)
SITE_HOSTS = (
    *(b"example.org", b"a.example.org", b"*.example.org", b"*.a.example.org", b"*.test", b"*", b"other.test"),
)

HEADER = ir.HasEntry(ir.Source.HEADER, b"x")


def _smallest() -> st.SearchStrategy[ir.Value]:
    fields = {RequestField.PATH: PATHS, RequestField.HOST: HOSTS, RequestField.METHOD: METHODS}

    def about(field: RequestField) -> st.SearchStrategy[ir.Value]:
        read = ir.Read(field)
        texts = st.sampled_from(fields[field])
        affixes = st.sampled_from(AFFIXES).map(Constant)
        return st.one_of(
            texts.map(lambda text: ir.Equal(read, Constant(text))),
            affixes.map(lambda affix: ir.HasPrefix(read, affix)),
            affixes.map(lambda affix: ir.HasSuffix(read, affix)),
            st.lists(texts, min_size=2, max_size=3, unique=True).map(
                lambda members: ir.InStrings(read, tuple(members))
            ),
            texts.map(lambda text: ir.Equal(read, Constant(text), negated=True)),
            st.sampled_from(PATTERNS).map(lambda pattern: ir.Matches(pattern, read)),
        )

    return st.one_of(*map(about, fields), st.just(HEADER))


CONDITIONS = st.recursive(
    _smallest(),
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: ir.All(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: ir.Any(tuple(parts))),
        inner.map(ir.Not),
    ),
    max_leaves=4,
)


@st.composite
def programs(draw: st.DrawFn) -> ir.Program:
    """Shared rules and sites, most of them large enough for an index."""
    conditions = draw(st.lists(CONDITIONS, min_size=draw(st.sampled_from((0, 15))), max_size=60))
    hosts = draw(st.lists(st.sampled_from(SITE_HOSTS), unique=True, max_size=5))
    of_first = draw(st.integers(1, 3))  # hosts of the first site; each of the others has one
    names = [tuple(hosts[:of_first]), *((host,) for host in hosts[of_first:])]
    rules = tuple(
        ir.Rule(
            number=number,
            name=str(number),
            place="p:1",
            code=(ir.LeaveUnless(condition), ir.Invoke("visit", (ir.RULE,), ir.Outcome.MAY_END)),
        )
        for number, condition in enumerate(conditions, 1)
    )
    if not hosts:
        return ir.Program(rules)
    size = draw(st.integers(0, len(rules)))
    bounds = sorted(draw(st.lists(st.integers(size, len(rules)), min_size=len(names), max_size=len(names))))
    sites = []
    first = size + 1
    for own, last in zip(names, bounds, strict=True):
        sites.append(ir.Site(hosts=own, first=first, last=last, lets_through=draw(st.booleans())))
        first = last + 1
    return ir.Program(rules[: bounds[-1]], tuple(sites))


def site_of(program: ir.Program, host: bytes) -> ir.Site | None:
    """As docs/internals.md says it: the host, else the longest `*.` form, else `*`."""
    by_host = {name: site for site in program.sites for name in site.hosts}
    domains = [name for name in by_host if name.startswith(b"*.") and host.endswith(name[1:])]
    longer = [name for name in domains if len(host) > len(name) - 1]
    return by_host.get(host) or by_host.get(max(longer, key=len, default=b"*"))


def met(program: ir.Program, host: bytes) -> tuple[int, ...]:
    """The numbers of the rules that a request meets."""
    site = site_of(program, host)
    own = () if site is None else program.rules_of(site)
    return tuple(rule.number for rule in (*program.shared, *own))


_HARNESS = b"""
local dispatch, patterns = ...
local automaton, search = patterns.new, patterns.search
local ends, visited = 0, {}
local q = {}
local gate = {
  host_name = function() q.host_name = q.the_host return q.host_name end,
  method = function() q.method = q.the_method return q.method end,
  has_header = function() return q.header end,
  visit = function(_, index) visited[#visited + 1] = index return index == ends and 403 or nil end,
}
dispatch.attach(gate, q, false)
local find, sub, concat, format = string.find, string.sub, table.concat, string.format
local host_name, method, has_header, visit = gate.host_name, gate.method, gate.has_header, gate.visit
local K = { %s }
gate.rules = { %s }
%s
local function begin(path, host, verb, header, ending)
  for name in next, q do q[name] = nil end
  q.path, q.the_host, q.the_method, q.header = path, host, verb, header
  ends, visited = ending, {}
end
return function(first, ...)
  begin(...)
  if not gate.walk then return nil end
  local status, passes = gate.walk(first)
  return status, passes, visited
end, function(numbers, first, ...)
  begin(...)
  for i = 1, #numbers do
    if numbers[i] >= first then
      local status = gate.rules[numbers[i]](q)
      if status then return status, visited end
    end
  end
  return nil, visited
end
"""


@cache
def _host(version: str) -> tuple[Host, Any]:
    host = Host(version)
    return host, host.load_runtime("dispatch", "automaton")


def _functions(program: ir.Program, version: str) -> tuple[Any, Any]:
    with patch.object(luagen.dispatch, "MIN_RULES", 1):
        script = emit.emit(program)
    dispatching = ", ".join(code.text for code in script.dispatch)
    source = _HARNESS % (
        ", ".join(code.text for code in script.constants).encode(),
        "\n".join(code.text for code in script.rules).encode(),
        f"gate.dispatch({dispatching})".encode() if script.dispatch else b"",
    )
    host, modules = _host(version)
    found = host.lua.execute(source, modules["dispatch"], modules["automaton"])
    assert isinstance(found, tuple)
    return found


def _requests() -> st.SearchStrategy[tuple[bytes, bytes, bytes, bool]]:
    return st.tuples(st.sampled_from(PATHS), st.sampled_from(HOSTS), st.sampled_from(METHODS), st.booleans())


def _numbers(table: Any) -> list[int]:
    return [int(number) for number in table.values()]


ONE_RULE_TWICE = ir.Program(
    tuple(
        ir.Rule(
            number=number,
            name="r",
            place="p:1",
            code=(
                ir.LeaveUnless(
                    ir.Any(
                        (
                            ir.HasPrefix(ir.Read(RequestField.PATH), Constant(b"/a")),
                            ir.Equal(ir.Read(RequestField.PATH), Constant(b"/a/b")),
                        )
                    )
                ),
                ir.Invoke("visit", (ir.RULE,), ir.Outcome.MAY_END),
            ),
        )
        for number in range(1, 13)
    )
)


def _visiting(*conditions: ir.Value) -> ir.Program:
    return ir.Program(
        tuple(
            ir.Rule(
                number=number,
                name="r",
                place="p:1",
                code=(ir.LeaveUnless(condition), ir.Invoke("visit", (ir.RULE,), ir.Outcome.MAY_END)),
            )
            for number, condition in enumerate(conditions, 1)
        )
    )


# Where the longer one fits, there is an affix of the shorter one's length that no rule has.
_READ_PATH = ir.Read(RequestField.PATH)
AFFIXES_OF_TWO_LENGTHS = _visiting(
    *(ir.HasPrefix(_READ_PATH, Constant(text)) for text in (b"/b/", b"/a/b")),
    *(ir.HasSuffix(_READ_PATH, Constant(text)) for text in (b"/", b".php")),
)
# Found by what a match begins with, though more follows.
PATTERNS_ON_PATHS = _visiting(*(ir.Matches(pattern, _READ_PATH) for pattern in PATTERNS))
# What begins or ends with a text may be this text and nothing else.
AFFIXES_THAT_ARE_ALL = _visiting(
    ir.HasPrefix(_READ_PATH, Constant(b"/a")),
    ir.HasSuffix(ir.Read(RequestField.HOST), Constant(b".example.org")),
)


@pytest.mark.parametrize("version", LUA_VERSIONS)
@given(program=programs(), requests=st.lists(_requests(), min_size=1, max_size=8), data=st.data())
@example(program=AFFIXES_OF_TWO_LENGTHS, requests=[(b"/a/b/c.php", b"", b"GET", False)], data=None)
@example(program=AFFIXES_THAT_ARE_ALL, requests=[(b"/a", b".example.org", b"GET", False)], data=None)
@example(program=PATTERNS_ON_PATHS, requests=[(b"/a/b", b"", b"GET", False)], data=None)
@example(program=ONE_RULE_TWICE, requests=[(b"/a/b", b"", b"GET", False)], data=None)
@settings(max_examples=60, deadline=None)
def test_an_index_changes_nothing(
    version: str, program: ir.Program, requests: list[tuple[bytes, bytes, bytes, bool]], data: Any
) -> None:
    walk, straight = _functions(program, version)
    for path, host, method, header in requests:
        numbers = met(program, host)
        starts = sorted({1, *numbers})
        first = data.draw(st.sampled_from(starts)) if data else 1
        ending = data.draw(st.sampled_from((0, *numbers))) if data else 0
        request = (path, host, method, header, ending)
        walked = walk(first, *request)
        if walked is None:  # small and without sites: the gate tries all in order
            assert not program.sites
            continue
        status, passes, visited = walked
        expected, expected_visits = straight(_host(version)[0].table(list(numbers)), first, *request)
        assert (status, _numbers(visited)) == (expected, _numbers(expected_visits))
        site = site_of(program, host)
        if status is None:
            assert passes is (False if site is None else site.lets_through)


def _site_rules() -> Iterator[ir.Rule]:
    for number in range(1, 5):
        code = (ir.Invoke("visit", (ir.RULE,), ir.Outcome.MAY_END),)
        yield ir.Rule(number=number, name=str(number), place="p:1", code=code)


@pytest.mark.parametrize("version", LUA_VERSIONS)
@pytest.mark.parametrize(
    ("first", "host", "result"),
    [
        (1, b"a.test", [1, 2]),
        (2, b"a.test", [2]),
        (3, b"b.test", [3, 4]),
        (1, b"c.test", [1]),
        (1, b"d.test", [1]),
        # the state names a rule of another site: no request is taken up there
        (3, b"a.test", None),
        (2, b"b.test", None),
        (2, b"c.test", None),
        (2, b"d.test", None),
    ],
)
def test_resuming_within_a_site(version: str, first: int, host: bytes, result: list[int] | None) -> None:
    sites = (
        ir.Site(hosts=(b"a.test",), first=2, last=2, lets_through=True),
        ir.Site(hosts=(b"b.test",), first=3, last=4, lets_through=True),
        ir.Site(hosts=(b"c.test",), first=5, last=4, lets_through=True),
    )
    walk, _ = _functions(ir.Program(tuple(_site_rules()), sites), version)
    status, passes, visited = walk(first, b"/", host, b"GET", False, 0)
    if result is None:
        assert (status, passes, _numbers(visited)) == (None, None, [])
    else:
        assert (status, passes, _numbers(visited)) == (None, host != b"d.test", result)


# --- whole policies -------------------------------------------------------------------------------------

_PARTS = (
    *(
        "under(request.path, '/a')",
        "under(request.path, ('/a/b', '/b'))",
        "request.path in ('/', '/a/b', '/b')",
    ),
    *(
        "request.path.startswith(('/a/', '/b'))",
        "request.path.endswith(('.php', '/'))",
        "request.path in moved",
    ),
    *("request.path.startswith(moved)", "not under(request.path, '/a')", "'x' in request.headers"),
    *("request.host.endswith(('.example.org', '.test'))", "request.host in ('example.org', 'a.example.org')"),
    *("glob('/a/*', request.path)", "matches('^/b(?:/c)?$', request.path)"),
    *("request.host == ''", "request.host.startswith('a.')", "request.method == 'PUT'", "identity"),
    *("request.method in ('GET', 'HEAD')", "request.method != 'GET'", "identity.sub == 'alice'"),
)
_HOSTS = ("example.org", "*.example.org", "*.a.example.org", "*.test", "a.test", "*")


@st.composite
def policies(draw: st.DrawFn) -> str:
    """Rules that tell that they were met, some that ask who calls, and few that end the request."""
    numbers = iter(range(1, 100))

    def rules(table: str, most: int) -> list[str]:
        lines = []
        for _ in range(draw(st.integers(most // 2, most))):
            number = next(numbers)
            parts = draw(st.lists(st.sampled_from(_PARTS), min_size=1, max_size=3))
            when = f" {draw(st.sampled_from(['and', 'or']))} ".join(parts)
            action = draw(st.sampled_from(["met", "met", "met", "auth", "end"]))
            lines += [f"[[{table}]]", f'name = "{number}"', f'when = "{when}"']
            lines.append(
                {
                    "met": f'add_response_headers = {{ X-Met = "{number}" }}',
                    "auth": 'require = { auth = "corp" }',
                    "end": "respond = { status = 403 }",
                }[action]
            )
        return lines

    lines = ['default = "deny"', "[lists]", 'moved = ["/a", "/b/", "/a/b/c.php"]']
    lines += ["[auth.corp]", 'issuer = "https://corp.example.org"', 'audience = "shop"', *rules("rule", 12)]
    hosts = draw(st.lists(st.sampled_from(_HOSTS), max_size=5, unique=True))
    for host in hosts[::2]:
        lines += [f'[site."{host}"]', f'default = "{draw(st.sampled_from(["pass", "deny"]))}"']
        lines += [f'hosts = ["{other}"]' for other in hosts[1:2] if host == hosts[0]]
        lines += rules(f'site."{host}".rule', 8)
    return "\n".join(lines) + "\n"


_ALICE, _BOB = (reference.Caller(provider=b"corp", sub=sub) for sub in (b"alice", b"bob"))
_ASKED = st.builds(
    reference.Request,
    path=st.sampled_from([path for path in PATHS if path.isascii()]),
    authority=st.sampled_from(
        [
            b"",
            b"example.org",
            b"a.example.org:8080",
            b"b.a.example.org",
            b"xexample.org",
            b"a.test",
            b"c.test",
        ]
    ),
    method=st.sampled_from((b"GET", b"PUT", b"HEAD")),
    headers=st.sampled_from(((), ((b"X", b"1"),))),
    caller=st.sampled_from((None, _ALICE, _BOB)),
)


@pytest.mark.parametrize("version", ("lua51", "lua54", "luajit21"))
@given(text=policies(), requests=st.lists(_ASKED, min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_an_index_changes_no_decision(version: str, text: str, requests: list[reference.Request]) -> None:
    """Of whole policies, whose requests are suspended and resumed wherever rules ask who calls."""
    policy, diagnostics = check_text(text, "policy.toml", Path())
    assert policy is not None, [one.message for one in diagnostics]
    servers = []
    for fewest in (1, 1000):
        with patch.object(luagen.dispatch, "MIN_RULES", fewest):
            servers.append(Server(build_release(policy, DEPLOYMENT), version))
    for request in requests:
        indexed, straight = (server.decide(request) for server in servers)
        assert not differences(indexed.decision, straight.decision)
        assert indexed.deferrals == straight.deferrals
