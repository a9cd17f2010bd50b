"""Draws whole policies as TOML text, and requests that are likely to meet their conditions.

Policies are well-typed: the checker must accept every one of them. Literals of policies and values of
requests come from the same small pools, so that comparisons hold about as often as not. Strategies are
cached: making them anew for every example takes longer than everything else.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from random import Random
from urllib.parse import quote

from hypothesis import strategies as st

from luagen.reference.request import Caller, Request
from tests.differential.expressions import as_bytes

PATHS = ("/", "/a", "/a/", "/a/b", "/members/", "/members/x.php", "/ü/", "/a b", "/.git/x", '/q"\\', "/a%b")
TEXTS = (
    *("", "a", "b", "ab", "/", "/a/", ".php", "GET", "POST", "https", "admin", "dev", "alice", "corp"),
    *("ü", "a b", "it's", '"', "\\", "\\n", "x=1&y", "%41", "{x}", "www.example.org", "example.org"),
)
HOSTS = ("www.example.org", "example.org", "api.example.org:8443", "[2001:db8::1]:443", "")
ADDRESSES = ("192.0.2.7", "10.1.2.3", "127.0.0.1", "2001:db8::1", "::1", "::ffff:10.1.2.3")
NETWORKS = ("10.0.0.0/8", "192.0.2.0/24", "192.0.2.7", "127.0.0.0/8", "::1", "2001:db8::/32", "0.0.0.0/0")
HEADERS = ("x-a", "x-b", "accept", "user-agent")
KEYS = ("a", "k", "x y")
COOKIES = ("s", "t")
ROLES = ("admin", "dev", "a b", "ü")
COUNTRIES = ("DE", "FR", "")
VERSIONS = ("1.0", "1.1", "2")
TLS = ("protocol", "cipher", "client_verify")
NUMBERS = ("7", "12", "-3", "007", "1_0", "", "x", "999999999999999", "1000000000000000")
# Thursday, noon; the last second of a year; a leap day, at night
TIMES = (1_767_268_800, 1_767_225_599, 1_709_164_800, 1_782_864_000)
PATTERNS = (
    "^/a",
    "a|b",
    r"^/(?:a|members)/[^/]*$",
    r"[0-9]+",
    "(?i)ADMIN",
    r"\.php$",
    "^$",
    "a.b",
    "ü",
    r"(?:ab)*x?$",
)
GROUP_PATTERNS = (
    r"^/(?P<top>[^/]*)/(?P<rest>.*)$",
    r"(?P<top>[a-z]+)",
    r"^/(?P<top>a|members)(?P<rest>/[a-z.]*)?",
    r"(?P<top>^)(?P<rest>b?)",
)
GLOBS = ("/a/*", "/**", "/**/x.php", "/?", "/a*", "/[am]*", "/{a,members}/**", "*", "/a/**")
SPECS_STRING = ("", ">10", "<3", "^7", "*^5", ".2", "-<8.3")
SPECS_INTEGER = ("", "05", "x", "b", "o", "X", ",", "8", "08,")
SITES = ("www.example.org", "*.example.org", "example.org", "*", "[2001:db8::1]", "*.org")

REQUEST_FIELDS_SET = ("X-User", "X-A", "User-Agent", "Accept", "X_Up")
VARIABLES_SET = ("APP_USER", "APP_A", "LIGHTGATE_ROLES")
RESPONSE_FIELDS_SET = ("X-R", "X-Origin", "Cache-Control", "Content-Type")

Source = st.SearchStrategy[str]


def _text(values: tuple[str, ...] = TEXTS) -> Source:
    return st.sampled_from(values).map(repr)


def _tuple(values: Source) -> Source:
    return st.lists(values, min_size=1, max_size=3).map(lambda items: "(" + ", ".join(items) + ",)")


def _join(operator: str, operands: Source) -> Source:
    return st.lists(operands, min_size=2, max_size=3).map(lambda found: "(" + operator.join(found) + ")")


def _format(form: str, *parts: Source) -> Source:
    return st.tuples(*parts).map(lambda found: form.format(*found))


_nothing = st.just("")

_networks = st.sampled_from(NETWORKS).map(repr)

_request_texts = st.sampled_from(
    [f"request.{name}" for name in ("method", "host", "path", "raw_path", "query", "scheme", "http_version")]
)

_string_leaf = st.one_of(
    _text(),
    _request_texts,
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
    _format("{}.split({})", _request_texts, st.sampled_from(["'/'", "'a'", "'/', 1", "", "'ü'"])),
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
            " if int(x) > 7",
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
        _format("({} if {} else {})", inner, _simple_tests, inner),
        st.just("timestamp('2026-01-01T01:00:00+01:00')"),
    )


_simple_tests = st.sampled_from(
    [
        "request.method == 'GET'",
        "'x-a' in request.headers",
        "identity",
        "request.path.startswith('/a')",
        "'ab' in words",
        "identity.claims['plan'] == 'pro'",
        "not identity.claims['level'] > 2",
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
        _format("({} if {} else {})", inner, _simple_tests, inner),
        _format("f'{{{}:{}}}'", _request_texts, st.sampled_from(SPECS_STRING)),
        _format(
            "f'{{{}:{}}}'",
            st.sampled_from(["request.port", "len(request.path)", "time.hour"]),
            st.sampled_from(SPECS_INTEGER),
        ),
    )


@cache
def _partial_conditions() -> Source:
    """Conditions that read claims and `int(…)`, which may be absent."""
    plan = st.sampled_from(["identity.claims['plan']", "identity.claims['org']['plan']"])
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
        _format("len({}) > 1", groups),
        _format("','.join({}) == 'a,b'", groups),
        _format("matches({}, {})", _pattern(PATTERNS), plan),
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
        _format("glob({}, {})", _text(GLOBS), _request_texts),
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
        _format("({} if {} else {})", booleans(0, names), _simple_tests, booleans(0, names)).filter(_sure),
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


_claims_in_text = st.sampled_from(
    [
        "identity.claims['plan']",
        "identity.claims['org']['plan']",
        "','.join(identity.claims['groups'])",
        "str(int(request.args['a']))",
        "identity.claims['plan'][:2]",
    ]
)


@cache
def templates(first: Source = _nothing, groups: tuple[str, ...] = ()) -> Source:
    """f-string bodies; literal parts without control characters. `groups`: of the rule's pattern."""
    literal = st.sampled_from(["x", " ", "-", "ü", "{{", "}}", "'", '"', "\\", "%", "?a="])
    expression = st.one_of(strings(1), integers(0), _claims_in_text).map(lambda one: "{" + one + "}")
    formatted = st.one_of(
        _format("{{{}:{}}}", _request_texts, st.sampled_from(SPECS_STRING[1:])),
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


_targets = st.sampled_from(
    ["/n", "/new/", "https://example.org/", "https://{request.host}/", "{request.path}", "{request.raw_path}"]
)


def _toml(text: str) -> str:
    """A TOML basic string."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\x7f": "\\u007F"}
    return '"' + "".join(escapes.get(char, char) for char in text) + '"'


def _table(names: tuple[str, ...], values: Source) -> Source:
    def table(items: list[tuple[str, str]]) -> str:
        return "{ " + ", ".join(f"{name} = {_toml(value)}" for name, value in items) + " }"

    pair = st.tuples(st.sampled_from(names), values)
    return st.lists(pair, min_size=1, max_size=2, unique_by=lambda item: item[0]).map(table)


@cache
def _respond(groups: tuple[str, ...]) -> Source:
    return st.tuples(
        st.sampled_from([200, 403, 404, 410, 503]),
        st.one_of(st.none(), templates(_nothing, groups)),
        st.one_of(st.none(), _table(("X-R", "X-S", "Cache-Control"), templates(_nothing, groups))),
    ).map(
        lambda drawn: _inline(
            "respond",
            f"status = {drawn[0]}",
            None if drawn[1] is None else f"body = {_toml(drawn[1])}",
            None if drawn[2] is None else f"headers = {drawn[2]}",
        )
    )


def _inline(key: str, *parts: str | None) -> str:
    return f"{key} = {{ " + ", ".join(part for part in parts if part is not None) + " }"


@cache
def _redirect(groups: tuple[str, ...]) -> Source:
    return st.tuples(templates(_targets, groups), st.sampled_from([301, 302, 307, 308]), st.booleans()).map(
        lambda drawn: _inline(
            "redirect",
            f"to = {_toml(drawn[0])}",
            f"status = {drawn[1]}",
            "keep_query = true" if drawn[2] else None,
        )
    )


_redirects = st.tuples(
    st.dictionaries(
        st.sampled_from(["/a", "/a/*", "/members/*", "/ü/", "/q*", "/members/x.php"]),
        st.sampled_from(["/new", "/new?x=1", "https://example.org/z#top"]),
        min_size=1,
        max_size=3,
    ),
    st.booleans(),
).map(
    lambda drawn: _inline(
        "redirects",
        "entries = { " + ", ".join(f"{_toml(path)} = {_toml(to)}" for path, to in drawn[0].items()) + " }",
        "keep_query = true" if drawn[1] else None,
    )
)

_maintenance = st.tuples(st.one_of(st.none(), templates()), st.sampled_from([None, 1, 3600])).map(
    lambda drawn: _inline(
        "maintenance",
        None if drawn[0] is None else f"body = {_toml(drawn[0])}",
        None if drawn[1] is None else f"retry_after = {drawn[1]}",
    )
)


@cache
def _rewrite(groups: tuple[str, ...]) -> Source:
    path = templates(st.sampled_from(["/app", "{request.path}", "/x/../y/", "/."]), groups).filter(
        lambda text: not any(mark in text for mark in "?#")
    )
    query = st.sampled_from(["a=1", "", "{request.query}", "p={request.path}&a={request.args['a']}"])
    return st.one_of(st.tuples(path, st.none()), st.tuples(st.none(), query), st.tuples(path, query)).map(
        lambda drawn: _inline(
            "rewrite",
            None if drawn[0] is None else f"path = {_toml(drawn[0])}",
            None if drawn[1] is None else f"query = {_toml(drawn[1])}",
        )
    )


_fallback = st.tuples(
    st.sampled_from([None, "[404, 502]", "[502]"]),
    st.sampled_from([None, 500]),
    st.sampled_from([None, "sorry"]),
    st.sampled_from([None, 30]),
).map(
    lambda drawn: _inline(
        "fallback",
        None if drawn[0] is None else f"on = {drawn[0]}",
        None if drawn[1] is None else f"status = {drawn[1]}",
        None if drawn[2] is None else f"body = {_toml(drawn[2])}",
        None if drawn[3] is None else f"retry_after = {drawn[3]}",
    )
)

_cors = st.tuples(
    st.sampled_from(
        ['"*"', '"https://app.example.org"', '["https://*.example.org", "http://localhost:3000"]']
    ),
    st.sampled_from([None, '"*"', '["GET", "PUT"]']),
    st.sampled_from([None, '"*"', '"X-A"']),
    st.sampled_from([None, '["X-R", "X-S"]']),
    st.booleans(),
).map(
    lambda drawn: _inline(
        "cors",
        f"origins = {drawn[0]}",
        None if drawn[1] is None else f"methods = {drawn[1]}",
        None if drawn[2] is None else f"headers = {drawn[2]}",
        None if drawn[3] is None else f"expose = {drawn[3]}",
        "credentials = true" if drawn[4] and drawn[0] != '"*"' else None,
    )
)


@cache
def _limit(groups: tuple[str, ...]) -> Source:
    key = st.one_of(st.none(), st.sampled_from(["{request.host}", "all", "{identity.sub}"]))
    return st.tuples(
        st.sampled_from(["1/second", "2/minute", "3/day"]), st.sampled_from([None, 1, 2]), key
    ).map(
        lambda drawn: _inline(
            "limit",
            f'rate = "{drawn[0]}"',
            None if drawn[1] is None else f"burst = {drawn[1]}",
            None if drawn[2] is None else f"key = {_toml(drawn[2])}",
        )
    )


@cache
def _require(auths: tuple[str, ...], names: tuple[str, ...]) -> Source:
    that = conditions(1, names).map(lambda text: f"that = {_toml(text)}")
    if not auths:
        return that.map(lambda text: f"require = {{ {text} }}")
    auth = st.lists(st.sampled_from(auths), min_size=1, unique=True).map(
        lambda found: "auth = [" + ", ".join(f'"{name}"' for name in found) + "]"
    )
    scope = st.just('scope = "write"')
    lists = st.one_of(st.tuples(auth), st.tuples(auth, that), st.tuples(auth, that, scope), st.tuples(that))
    return lists.map(lambda parts: "require = { " + ", ".join(parts) + " }")


def _names(names: tuple[str, ...]) -> Source:
    found = st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)
    return found.map(lambda drawn: "[" + ", ".join(map(_toml, drawn)) + "]")


@cache
def _actions(auths: tuple[str, ...], names: tuple[str, ...], groups: tuple[str, ...]) -> Source:
    value = templates(_nothing, groups)
    setters = (
        _table(REQUEST_FIELDS_SET, value).map(lambda table: f"set_request_headers = {table}"),
        _table(VARIABLES_SET, value).map(lambda table: f"set_env = {table}"),
        _table(RESPONSE_FIELDS_SET, value).map(lambda table: f"set_response_headers = {table}"),
        _table(("X-User", "X-A", "X_Up"), value).map(lambda table: f"add_request_headers = {table}"),
        _table(("X-R", "Set-Cookie"), value).map(lambda table: f"add_response_headers = {table}"),
        _names(REQUEST_FIELDS_SET).map(lambda drawn: f"remove_request_headers = {drawn}"),
        _names(("X-R", "X-Origin")).map(lambda drawn: f"remove_response_headers = {drawn}"),
        value.map(lambda text: f"log = {_toml(text)}"),
        _rewrite(groups),
        st.sampled_from(["app", "other"]).map(lambda name: f'origin = "{name}"'),
        _fallback,
        _cors,
        _limit(groups),
        st.just('security_headers = "basic"'),
    )
    # Rules that go on are drawn as often as rules that end, else few requests would meet the later ones.
    ends = (_respond(groups), _redirect(groups), _redirects, _maintenance, _require(auths, names))
    return st.one_of(*ends, *setters)


@dataclass(frozen=True)
class Example:
    policy: str
    requests: tuple[Request, ...]


@st.composite
def examples(draw: st.DrawFn, exchanges: int) -> Example:
    auths = draw(st.sampled_from([(), ("corp",), ("corp", "partner")]))
    lines = [f'default = "{draw(st.sampled_from(["pass", "pass", "deny"]))}"', "", "[lists]"]
    words = draw(st.lists(st.sampled_from(TEXTS + PATHS), min_size=1, max_size=4, unique=True))
    office = draw(st.lists(st.sampled_from(NETWORKS), min_size=1, max_size=4, unique=True))
    lines.append(f"words = [{', '.join(map(_toml, words))}, {_toml('no network')}]")
    lines.append(f"office = [{', '.join(map(_toml, office))}]")
    lines += ["", "[env]", f"PREFIX = {_toml(draw(st.sampled_from(PATHS)))}", "LIMIT = 7", "FLAG = true"]
    source = draw(st.sampled_from(['variable = "GEOIP_COUNTRY_CODE"', 'header = "X-B"\ntrusted = "office"']))
    lines += ["", "[country]", source]
    lines += [
        "",
        "[origin.app]",
        'url = "http://127.0.0.1:3000"',
        "",
        "[origin.other]",
        'socket = "/run/other.sock"',
    ]
    lines += ["", "[names]", f"known = {_toml(draw(booleans(1)))}"]
    for name in auths:
        lines += ["", f"[auth.{name}]", f'issuer = "https://{name}.example.org"', 'audience = "shop"']
    numbers = iter(range(1, 100))
    for number in range(draw(st.integers(1, 6))):
        lines += ["", "[[rule]]", *draw(_rules(auths, next(numbers), is_first=number == 0))]
    for site in draw(st.lists(st.sampled_from(SITES), max_size=2, unique=True)):
        lines += ["", f'[site."{site}"]', f'default = "{draw(st.sampled_from(["pass", "deny"]))}"']
        for _ in range(draw(st.integers(1, 3))):
            lines += ["", f'[[site."{site}".rule]]', *draw(_rules(auths, next(numbers), is_first=False))]
    random = Random(draw(st.integers(0, 2**32)))
    return Example("\n".join(lines) + "\n", tuple(requests(random, auths) for _ in range(exchanges)))


@st.composite
def _rules(draw: st.DrawFn, auths: tuple[str, ...], number: int, *, is_first: bool) -> list[str]:
    lines = [f'name = "rule {number}"']
    groups: tuple[str, ...] = ()
    kind = draw(st.sampled_from(["plain", "plain", "always", "groups"]))
    if kind == "groups":
        pattern = draw(st.sampled_from(GROUP_PATTERNS))
        groups = ("top", "rest") if "rest" in pattern else ("top",)
        when = f"matches(r{pattern!r}, {draw(_request_texts)})".replace("\\\\", "\\")
        if draw(st.booleans()):
            when = draw(st.sampled_from(["{0} and ({1})", "({1}) and {0}"])).format(when, draw(booleans(1)))
        lines.append(f"when = {_toml(when)}")
    elif kind == "plain" or is_first:
        lines.append(f"when = {_toml(draw(conditions(2, ('known',))))}")
    return [*lines, draw(_actions(auths, ("known",), groups))]


def requests(random: Random, auths: tuple[str, ...]) -> Request:
    """A request, by chance alone: hypothesis would take longer for requests than for all else."""

    def some(values: tuple[str, ...], most: int) -> list[str]:
        return [random.choice(values) for _ in range(random.randint(0, most))]

    path = as_bytes(random.choice(PATHS)).encode("latin-1")
    arguments = [(name, random.choice((*TEXTS, *NUMBERS, "l\nm"))) for name in some(KEYS, 3)]
    query = "&".join(f"{quote(name)}={quote(text)}" for name, text in arguments)
    fields = [(name, random.choice(TEXTS + NUMBERS)) for name in some((*HEADERS, "X_User", "x.up"), 3)]
    headers = {name: text for name, text in fields if text.strip() == text and text}
    pairs = [(name, random.choice(("a", "1=2", ""))) for name in some(COOKIES, 2)]
    if random.random() < 0.3:
        headers["Origin"] = random.choice(
            (
                "https://app.example.org",
                "https://a.b.example.org",
                "http://localhost:3000",
                "https://evil.example",
            )
        )
        if random.random() < 0.5:
            headers["Access-Control-Request-Method"] = "PUT"
            headers["Access-Control-Request-Headers"] = random.choice(("x-a, x-b", "x;y"))
    if pairs:
        headers["Cookie"] = "; ".join(f"{name}={text}" for name, text in pairs)
    variables = {
        "GEOIP_COUNTRY_CODE": random.choice(COUNTRIES),
        "SSL_PROTOCOL": random.choice(("TLSv1.3", "")),
        "SSL_CLIENT_VERIFY": random.choice(("SUCCESS", "NONE", "")),
    }
    return Request(
        path=path,
        raw_path=quote(path).encode(),
        method=random.choice((b"GET", b"POST", b"OPTIONS")),
        authority=random.choice(HOSTS).encode(),
        scheme=random.choice((b"https", b"http")),
        port=random.choice((443, 80, 8443)),
        query=query.encode(),
        ip=random.choice(ADDRESSES).encode(),
        http_version=random.choice(VERSIONS).encode(),
        content_length=random.choice((0, 0, 5, -1, 2**31)),
        headers=tuple((name.encode(), text.encode()) for name, text in headers.items()),
        variables=tuple((name.encode(), text.encode()) for name, text in variables.items() if text),
        now=random.choice(TIMES),
        caller=_caller(random, auths) if auths and random.random() < 0.7 else None,
        origin_status=random.choice((200, 200, 404, 502)),
        origin_headers=(
            (b"X-Origin", b"1"),
            (b"Content-Type", b"text/html"),
            (b"Set-Cookie", b"o=1"),
            (b"Vary", b"Accept"),
        ),
    )


_CLAIMS: dict[str, tuple[object, ...]] = {
    "plan": ("pro", "free", "a", "", "7", "ü", 5),
    "level": (0, 3, -7, 10**14, "3", True),
    "beta": (True, False, "true"),
    "groups": (["a", "b"], ["dev", "ü", "a"], [], ["b"], "a"),
    "org": ({"plan": "pro"}, {"plan": "", "beta": True}, {"beta": False}, {}, [1]),
}


def _caller(random: Random, auths: tuple[str, ...]) -> Caller:
    claims = {name: random.choice(values) for name, values in _CLAIMS.items() if random.random() < 0.7}
    return Caller(
        provider=random.choice(auths).encode(),
        sub=random.choice(("alice", "a b", "ü", "admin")).encode(),
        email=random.choice((b"", b"alice@example.org")),
        roles=tuple(role.encode() for role in random.sample(ROLES, random.randint(0, 3))),
        claims=claims,
    )
