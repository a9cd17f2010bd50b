"""Draws expressions and templates of policies, well-typed, as text.

Strategies are cached: making them anew for every example takes longer than everything else.
"""

from __future__ import annotations

import ast
from functools import cache

from hypothesis import strategies as st

from tests.differential.pools import (
    ADDRESSES,
    COOKIES,
    GLOBS,
    HEADERS,
    KEYS,
    NETWORKS,
    PATHS,
    PATTERNS,
    ROLES,
    SPECS_INTEGER,
    SPECS_STRING,
    TEXTS,
    TLS,
)

Source = st.SearchStrategy[str]


def _text(values: tuple[str, ...] = TEXTS) -> Source:
    return st.sampled_from(values).map(repr)


def _tuple(values: Source) -> Source:
    return st.lists(values, min_size=1, max_size=3).map(lambda items: "(" + ", ".join(items) + ",)")


def _join(operator: str, operands: Source) -> Source:
    return st.lists(operands, min_size=2, max_size=3).map(lambda found: "(" + operator.join(found) + ")")


def _format(form: str, *parts: Source) -> Source:
    return st.tuples(*parts).map(lambda found: form.format(*found))


nothing = st.just("")

_networks = st.sampled_from(NETWORKS).map(repr)

request_texts = st.sampled_from(
    [f"request.{name}" for name in ("method", "host", "path", "raw_path", "query", "scheme", "http_version")]
)

_string_leaf = st.one_of(
    _text(),
    request_texts,
    st.sampled_from(["request.path", "identity.sub", "identity.email", "identity.provider"]),
    st.sampled_from(["request.country", "env.PREFIX", *(f"request.tls.{name}" for name in TLS)]),
    st.sampled_from(HEADERS).map(lambda name: f"request.headers[{name!r}]"),
    st.sampled_from(HEADERS).map(lambda name: f"request.headers.get({name.title()!r})"),
    st.sampled_from(KEYS).map(lambda name: f"request.args[{name!r}]"),
    st.sampled_from(COOKIES).map(lambda name: f"request.cookies[{name!r}]"),
    st.sampled_from(["','.join(identity.roles)", "''.join(identity.roles)"]),
)

_integer_leaf = st.sampled_from(
    [
        "0",
        "1",
        "80",
        "443",
        "-2",
        "request.port",
        "request.port",
        "request.content_length",
        "env.LIMIT",
        "now",
    ]
    + [f"time.{name}" for name in ("hour", "minute", "weekday", "day", "month", "year")]
)

# What can be gone through. Elements are strings.
_sequences = st.one_of(
    st.sampled_from(
        ["identity.roles", "words", "('a', 'b', 'ü')", "request.args.getall('a')", "request.path.split('/')"]
    ),
    _format("{}.split({})", request_texts, st.sampled_from(["'/'", "'a'", "'/', 1", "", "'ü'"])),
    _format(
        "request.path.split('/')[{}:{}]", st.sampled_from(["", "1", "-2"]), st.sampled_from(["", "2", "-1"])
    ),
)
_ordered = _sequences.filter(lambda text: text[0] != "(" and text != "words")  # no sets


@cache
def _elements() -> Source:
    """Comprehensions."""
    element = st.sampled_from(["x", "x.upper()", "x + '/'", "f'{x:>3}'", "x[1:]", "str(len(x))"])
    test = st.sampled_from(
        [
            "",
            " if x",
            " if x != 'a'",
            " if x in words",
            " if not x.isdigit() and len(x) < 4",
        ]
    )
    return _format("[{} for x in {}{}]", element, _sequences, test)


@cache
def integers(depth: int) -> Source:
    if depth == 0:
        return _integer_leaf
    inner = integers(depth - 1)
    text = _string_leaf
    return st.one_of(
        _integer_leaf,
        _join(" or ", inner),
        _join(" and ", inner),
        _format("len({})", text),
        _format("len({})", _ordered),
        _format(
            "({}).{}({})",
            text,
            st.sampled_from(["find", "rfind", "count"]),
            st.sampled_from(["'a'", "'/'", "'ü'"]),
        ),
        _format("({} {} {})", inner, st.sampled_from(["+", "-"]), inner),
        _format("({} {} {})", inner, st.sampled_from(["*", "//", "%"]), st.sampled_from(["3", "7", "-2"])),
        _format("-({})", inner),
        _format("{}({}, {})", st.sampled_from(["min", "max"]), inner, inner),
        _format("percent({})", text),
        _format("({} if {} else {})", inner, _sure_tests, inner),
        st.just("timestamp('2026-01-01T01:00:00+01:00')"),
    )


_sure_tests = st.sampled_from(
    [
        "request.method == 'GET'",
        "'x-a' in request.headers",
        "identity",
        "request.path.startswith('/a')",
        "'ab' in words",
    ]
)


@cache
def strings(depth: int) -> Source:
    if depth == 0:
        return _string_leaf
    inner = strings(depth - 1)
    place = st.sampled_from(["0", "1", "-1", "5"])
    return st.one_of(
        _string_leaf,
        _join(" or ", inner),
        _join(" and ", inner),
        _join(" + ", inner),
        _format(
            "f'{{{}}}:{{request.port}}'", st.sampled_from(["request.host", "request.path", "identity.sub"])
        ),
        _format("({}).{}()", inner, st.sampled_from(["lower", "upper", "strip", "lstrip", "rstrip"])),
        _format(
            "({}).{}({})",
            inner,
            st.sampled_from(["strip", "lstrip", "rstrip"]),
            st.sampled_from(["'/'", "'a/'", "'. '"]),
        ),
        _format("({}).{}({})", inner, st.sampled_from(["removeprefix", "removesuffix"]), inner),
        _format(
            "({}).replace({}, {})",
            inner,
            st.sampled_from(["'a'", "'/'", "'ü'"]),
            st.sampled_from(["'b'", "''", "'//', 1", "'x', 0"]),
        ),
        _format(
            "({})[{}:{}]", inner, st.sampled_from(["", "1", "-3"]), st.sampled_from(["", "2", "-1", "50"])
        ),
        _format("({})[{}]", inner, place),
        _format("{}[{}]", _ordered, place),
        _format("({}).join({})", _text(TEXTS[:6]), st.one_of(_ordered, _elements())),
        _format("str({})", integers(0)),
        _format("({} if {} else {})", inner, _sure_tests, inner),
        _format("f'{{{}:{}}}'", request_texts, st.sampled_from(SPECS_STRING)),
        _format(
            "f'{{{}:{}}}'",
            st.sampled_from(["request.port", "len(request.path)", "time.hour"]),
            st.sampled_from(SPECS_INTEGER),
        ),
    )


_plan = st.sampled_from(["identity.claims['plan']", "identity.claims['org']['plan']"])


@cache
def _partial_conditions() -> Source:
    """Conditions that read claims and `int(…)`, which may be absent."""
    plan = _plan
    number = st.sampled_from(
        [
            "identity.claims['level']",
            "int(request.args['a'])",
            "int(request.headers['x-a'])",
            "int(identity.claims['plan'])",
        ]
    )
    groups = st.just("identity.claims['groups']")
    text = st.one_of(_text(("pro", "free", "a", "")), _string_leaf)
    return st.one_of(
        _format("{} {} {}", plan, st.sampled_from(["==", "!="]), text),
        _format("{} in {}", plan, st.sampled_from(["('pro', 'a')", "words", "request.path"])),
        _format("{} not in {}", plan, st.sampled_from(["('pro', 'a')", "words"])),
        _format("{}.startswith({})", plan, _text(("p", "f", ""))),
        _format("{}.lower() == {}", plan, text),
        _format("{} {} {}", number, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), integers(0)),
        _format("1 < {} <= {}", number, integers(0)),
        _format("{} + 1 > {}", number, integers(0)),
        _format("{} in {}", text, groups),
        _format("{} not in {}", text, groups),
        st.sampled_from(["identity.claims['beta']", "identity.claims['org']['beta']"]),
        _format("any(x == {} for x in {})", text, groups),
        _format("all(x.startswith({}) for x in {})", _text(("a", "", "d")), groups),
        _format("any(int(x) > {} for x in {})", integers(0), _sequences),
        _format("all(int(x) > 1 for x in {} if x != {})", _sequences, _text()),
        # what stands after `if` is one of the conditions
        _format("any({} for x in {} if {})", _bodies, _sequences, _limits),
        _format("all({} for x in {} if {})", _bodies, _sequences, _limits),
        _format("all({} for x in {} if {} if {})", _bodies, _sequences, st.just("x"), _limits),
        _format("any(x in words for x in [y for y in {} if y != 'a'])", groups),
        _format("len({}) > 1", groups),
        _format("','.join({}) == 'a,b'", groups),
        _format("matches({}, {})", _pattern(PATTERNS), plan),
        _format("{}{} == {}", plan, st.sampled_from(["[:1]", "[1:]", "[:-1]", ".strip('p')"]), text),
        _format('f"{{{}:>3}}" == {}', plan, text),
        _format("{} + 'x' != {}", plan, text),
        _format("({} if {} else {}) != {}", strings(0), _sure_tests, text, plan),
        _format("{}.{}()", plan, st.sampled_from(["isdigit", "isalpha", "islower", "isspace"])),
        _format("'r' in {}.split({})", plan, st.sampled_from(["'p'", ""])),
        _format("percent({}) < 50", plan),
        _format("{}({}, 3) % 3 == 0", st.sampled_from(["min", "max"]), number),
    )


_bodies = st.sampled_from(["x", "x == 'a'", "x not in words", "int(x) > 7", "x == identity.claims['plan']"])
_limits = st.sampled_from(
    [
        "int(x) > 7",
        "not int(x) < 8",
        "x != identity.claims['plan']",
        "identity.claims['beta']",
        "not (x == 'a' and identity.claims['org']['plan'] == 'pro')",
        "x.startswith(identity.claims['plan'])",
    ]
)


def _pattern(patterns: tuple[str, ...]) -> Source:
    return st.sampled_from(patterns).map(lambda text: f"r{text!r}".replace("\\\\", "\\"))


@cache
def booleans(depth: int, names: tuple[str, ...] = ()) -> Source:
    """Expressions of type boolean."""
    text = strings(min(depth, 1))
    number = integers(min(depth, 1))
    leaf = st.one_of(
        _format("{} == {}", text, text),
        _format("{} != {}", text, text),
        # not in a constant text, which is refused
        _format("{} in ({} + request.host[:1])", text, text),
        _format("{} not in ({} + request.host[:1])", text, text),
        _format("{} in {}", text, _tuple(_text())),
        _format("{} in {}", text, st.sampled_from(["words", "words", "('/members/',)"])),
        _format("{} in identity.roles", st.one_of(_text(ROLES), text)),
        _format("{} in {}", text, st.one_of(_sequences, _elements())),
        _format("{} in request.headers", _text(HEADERS)),
        _format("{} not in request.args", _text(KEYS)),
        _format("{} in request.cookies", _text(COOKIES)),
        _format("{}.startswith({})", st.sampled_from(["request.path", "request.host"]), text),
        _format("request.path.startswith({})", st.one_of(_tuple(_text(PATHS)), st.just("words"))),
        _format("({}).endswith({})", text, text),
        _format("({}).endswith({})", text, _tuple(_text())),
        _format("{} {} {}", number, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), number),
        _format("{} < {} <= {}", number, number, number),
        _format("request.ip in {}", _networks),
        _format("request.ip not in {}", _tuple(_networks)),
        _format("request.ip in {}", st.sampled_from(["office", "office"])),
        _format("request.ip == {}", st.sampled_from(ADDRESSES[:-1]).map(repr)),
        _format("matches({}, {})", _pattern(PATTERNS), text),
        _format("glob({}, {})", _text(GLOBS), request_texts),
        _format("under({}, {})", st.just("request.path"), st.sampled_from(["'/a'", "('/members', '/a/b')"])),
        _format(
            "({}).{}()",
            text,
            st.sampled_from(["isdigit", "isalpha", "isalnum", "isascii", "islower", "isupper", "isspace"]),
        ),
        _format(
            "time.between({}, {})",
            _text(("06:00", "12:00", "23:59")),
            _text(("06:00", "12:01", "00:00")).filter(lambda end: end != "'06:00'"),
        ),
        _format(
            "any({} for x in {})",
            st.sampled_from(
                ["x == 'a'", "x in words", "x.isdigit() and len(x) > 1", "x == identity.sub", "not x"]
            ),
            _sequences,
        ),
        _format(
            "all({} for x in {} if {})",
            st.sampled_from(["x == 'a'", "x in words", "'/' not in x"]),
            _sequences,
            st.sampled_from(["x", "len(x) < 3"]),
        ),
        _format(
            "any(any(x + y in words for y in {}) for x in {}[:3])",  # not more: what takes long is refused
            st.sampled_from(["words", "identity.roles"]),
            _ordered,
        ),
        _partial_conditions(),
        _partial_conditions(),
        st.just("env.FLAG"),
        *([st.sampled_from(names)] if names else []),
        st.sampled_from(["True", "False"]),
    )
    if depth == 0:
        return leaf
    inner = conditions(depth - 1, names)
    return st.one_of(
        leaf,
        inner.map(lambda one: f"(not {one})"),
        inner.map(lambda one: f"(not {one})"),
        _format("({} if {} else {})", booleans(0, names), _sure_tests, booleans(0, names)).filter(_sure),
        _format("(({}) == ({}))", leaf, leaf).filter(_sure),
    )


def _sure(text: str) -> bool:
    """Whether nothing in it may be absent: there it is refused."""
    return "int(" not in text and "claims" not in text and "known" not in text


def _is_constant(text: str) -> bool:
    return isinstance(ast.parse(text, mode="eval").body, ast.Constant)


@cache
def conditions(depth: int, names: tuple[str, ...] = ()) -> Source:
    """Expressions of any type that has a truth."""
    truthy = st.one_of(
        st.sampled_from(["identity", "identity.roles", "identity.sub"]),
        strings(1).filter(lambda text: not _is_constant(text)),  # refused in `x == "a" or "b"`
        integers(1),
    )
    if depth == 0:
        return st.one_of(booleans(0, names), truthy)
    inner = conditions(depth - 1, names)
    return st.one_of(
        booleans(depth, names), booleans(depth, names), truthy, _join(" and ", inner), _join(" or ", inner)
    )


@cache
def _partial_texts() -> Source:
    """Texts that read claims and `int(…)`: where no condition is meant they can stand anywhere."""
    some = st.one_of(_plan, _string_leaf)
    return st.one_of(
        _plan,
        _format("{}[:2]", _plan),
        st.just("','.join(identity.claims['groups'])"),
        st.just("str(int(request.args['a']))"),
        _format("({} {} {})", _plan, st.sampled_from(["or", "and"]), _string_leaf),
        _format("({} if {} else {})", some, _partial_conditions(), some),
        _format("({} if not ({}) else {})", some, _partial_conditions(), some),
        _format("','.join([x for x in {} if {}])", _sequences, _limits),
        _format("','.join([z for z in ('a', 'b') if {}])", _partial_conditions()),
        st.just("','.join([str(int(x)) for x in request.args.getall('a')])"),
    )


@cache
def templates(first: Source = nothing, groups: tuple[str, ...] = ()) -> Source:
    """f-string bodies; literal parts without control characters. `groups`: of the rule's pattern."""
    literal = st.sampled_from(["x", " ", "-", "ü", "{{", "}}", "'", '"', "\\", "%", "?a="])
    expression = st.one_of(strings(1), integers(0), _partial_texts()).map(lambda one: "{" + one + "}")
    formatted = st.one_of(
        _format("{{{}:{}}}", request_texts, st.sampled_from(SPECS_STRING[1:])),
        _format(
            "{{{}:{}}}", st.sampled_from(["request.port", "time.year"]), st.sampled_from(SPECS_INTEGER[1:])
        ),
    )
    parts = [literal, expression, formatted]
    if groups:
        captured = st.sampled_from(groups).map(lambda name: f"{{match[{name!r}]}}")
        parts += [captured, captured]
    rest = st.lists(st.one_of(*parts), max_size=3).map("".join)
    return st.tuples(first, rest).map("".join)
