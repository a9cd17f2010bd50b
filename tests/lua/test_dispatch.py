"""The order of rules: what the runtime's dispatch tries is what trying every rule in order would find."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import luagen.dispatch
from luagen import ir
from luagen.ir import Constant, RequestField
from luagen.lua import emit
from luagen.lua.host import LUA_VERSIONS, Host

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
    bounds = sorted(draw(st.lists(st.integers(size, len(rules)), min_size=len(hosts), max_size=len(hosts))))
    sites = []
    first = size + 1
    for host, last in zip(hosts, bounds, strict=True):
        sites.append(ir.Site(hosts=(host,), first=first, last=last, lets_through=draw(st.booleans())))
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
local dispatch = ...
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
    return host, host.load_runtime("dispatch")["dispatch"]


def _functions(program: ir.Program, version: str) -> tuple[Any, Any]:
    with patch.object(luagen.dispatch, "MIN_RULES", 1):
        script = emit.emit(program)
    dispatching = ", ".join(code.text for code in script.dispatch)
    source = _HARNESS % (
        ", ".join(code.text for code in script.constants).encode(),
        "\n".join(code.text for code in script.rules).encode(),
        f"gate.dispatch({dispatching})".encode() if script.dispatch else b"",
    )
    host, dispatch = _host(version)
    found = host.lua.execute(source, dispatch)
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


@pytest.mark.parametrize("version", LUA_VERSIONS)
@given(program=programs(), requests=st.lists(_requests(), min_size=1, max_size=8), data=st.data())
@example(program=AFFIXES_OF_TWO_LENGTHS, requests=[(b"/a/b/c.php", b"", b"GET", False)], data=None)
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
