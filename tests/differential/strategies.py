"""Draws whole policies as TOML text, and requests that are likely to meet their conditions.

Policies are well-typed: the checker must accept every one of them. Literals of policies and values of
requests come from the same small pools, so that comparisons hold about as often as not. Strategies are
cached: making them anew for every example takes longer than everything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from urllib.parse import quote

from hypothesis import strategies as st

from tests.differential.oracle import Caller, Request, as_bytes

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

_string_leaf = st.one_of(
    _text(),
    st.sampled_from(
        [f"request.{name}" for name in ("method", "host", "path", "raw_path", "query", "scheme")]
    ),
    st.sampled_from(["request.path", "identity.sub", "identity.email", "identity.provider"]),
    st.sampled_from(HEADERS).map(lambda name: f"request.headers[{name!r}]"),
    st.sampled_from(HEADERS).map(lambda name: f"request.headers.get({name.title()!r})"),
    st.sampled_from(KEYS).map(lambda name: f"request.args[{name!r}]"),
    st.sampled_from(COOKIES).map(lambda name: f"request.cookies[{name!r}]"),
    st.sampled_from(["','.join(identity.roles)", "''.join(identity.roles)"]),
)

_integer_leaf = st.sampled_from(["0", "1", "80", "443", "8443", "request.port", "request.port"])


@cache
def integers(depth: int) -> Source:
    if depth == 0:
        return _integer_leaf
    inner = integers(depth - 1)
    return st.one_of(_integer_leaf, _join(" or ", inner), _join(" and ", inner))


@cache
def strings(depth: int) -> Source:
    if depth == 0:
        return _string_leaf
    inner = strings(depth - 1)
    return st.one_of(
        _string_leaf,
        _join(" or ", inner),
        _join(" and ", inner),
        _join(" + ", inner),
        _format(
            "f'{{{}}}:{{request.port}}'", st.sampled_from(["request.host", "request.path", "identity.sub"])
        ),
    )


@cache
def booleans(depth: int, names: tuple[str, ...] = ()) -> Source:
    """Expressions of type boolean."""
    text = strings(min(depth, 1))
    number = integers(min(depth, 1))
    leaf = st.one_of(
        _format("{} == {}", text, text),
        _format("{} != {}", text, text),
        _format("{} in {}", text, text),
        _format("{} not in {}", text, text),
        _format("{} in {}", text, _tuple(_text())),
        _format("{} in {}", text, st.sampled_from(["words", "words", "('/members/',)"])),
        _format("{} in identity.roles", st.one_of(_text(ROLES), text)),
        _format("{} in request.headers", _text(HEADERS)),
        _format("{} not in request.args", _text(KEYS)),
        _format("{} in request.cookies", _text(COOKIES)),
        _format("{}.startswith({})", st.sampled_from(["request.path", "request.host"]), text),
        _format("request.path.startswith({})", _tuple(_text(PATHS))),
        _format("({}).endswith({})", text, text),
        _format("({}).endswith({})", text, _tuple(_text())),
        _format("{} {} {}", number, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), number),
        _format("{} < {} <= {}", number, number, number),
        _format("request.ip in {}", _networks),
        _format("request.ip not in {}", _tuple(_networks)),
        _format("request.ip in {}", st.sampled_from(["office", "office"])),
        _format("request.ip == {}", st.sampled_from(ADDRESSES[:-1]).map(repr)),
        *([st.sampled_from(names)] if names else []),
        st.sampled_from(["True", "False"]),
    )
    if depth == 0:
        return leaf
    inner = conditions(depth - 1, names)
    return st.one_of(
        leaf,
        inner.map(lambda one: f"(not {one})"),
        _format("(({}) == ({}))", leaf, leaf),
    )


@cache
def conditions(depth: int, names: tuple[str, ...] = ()) -> Source:
    """Expressions of any type that has a truth."""
    truthy = st.one_of(
        st.sampled_from(["identity", "identity.roles", "identity.sub"]), strings(1), integers(1)
    )
    if depth == 0:
        return st.one_of(booleans(0, names), truthy)
    inner = conditions(depth - 1, names)
    return st.one_of(
        booleans(depth, names), booleans(depth, names), truthy, _join(" and ", inner), _join(" or ", inner)
    )


@cache
def templates(first: Source = _nothing) -> Source:
    """f-string bodies; literal parts without control characters."""
    literal = st.sampled_from(["x", " ", "-", "ü", "{{", "}}", "'", '"', "\\", "%", "?a="])
    expression = st.one_of(strings(1), integers(0)).map(lambda one: "{" + one + "}")
    rest = st.lists(st.one_of(literal, expression), max_size=3).map("".join)
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


_respond = st.tuples(
    st.sampled_from([200, 403, 404, 410, 503]),
    st.one_of(st.none(), templates()),
    st.one_of(st.none(), _table(("X-R", "X-S", "Cache-Control"), templates())),
).map(
    lambda drawn: (
        "respond = { "
        + ", ".join(
            [f"status = {drawn[0]}"]
            + ([] if drawn[1] is None else [f"body = {_toml(drawn[1])}"])
            + ([] if drawn[2] is None else [f"headers = {drawn[2]}"])
        )
        + " }"
    )
)

_redirect = st.tuples(templates(_targets), st.sampled_from([301, 302, 307, 308])).map(
    lambda drawn: f"redirect = {{ to = {_toml(drawn[0])}, status = {drawn[1]} }}"
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


@cache
def _actions(auths: tuple[str, ...], names: tuple[str, ...]) -> Source:
    setters = (
        _table(REQUEST_FIELDS_SET, templates()).map(lambda table: f"set_request_headers = {table}"),
        _table(VARIABLES_SET, templates()).map(lambda table: f"set_env = {table}"),
        _table(RESPONSE_FIELDS_SET, templates()).map(lambda table: f"set_response_headers = {table}"),
    )
    # Rules that go on are drawn as often as rules that end, else few requests would meet the later ones.
    return st.one_of(_respond, _redirect, _require(auths, names), *setters)


@dataclass(frozen=True)
class Example:
    policy: str
    exchanges: tuple[tuple[Request, Caller | None], ...]


@st.composite
def examples(draw: st.DrawFn) -> Example:
    auths = draw(st.sampled_from([(), ("corp",), ("corp", "partner")]))
    lines = [f'default = "{draw(st.sampled_from(["pass", "pass", "deny"]))}"', "", "[lists]"]
    words = draw(st.lists(st.sampled_from(TEXTS + PATHS), min_size=1, max_size=4, unique=True))
    office = draw(st.lists(st.sampled_from(NETWORKS), min_size=1, max_size=4, unique=True))
    lines.append(f"words = [{', '.join(map(_toml, words))}, {_toml('no network')}]")
    lines.append(f"office = [{', '.join(map(_toml, office))}]")
    lines += ["", "[names]", f"known = {_toml(draw(booleans(1)))}"]
    for name in auths:
        lines += ["", f"[auth.{name}]", f'issuer = "https://{name}.example.org"', 'audience = "shop"']
    for number in range(1, draw(st.integers(2, 7)) + 1):
        lines += ["", "[[rule]]", f'name = "rule {number}"']
        if draw(st.booleans()) or number == 1:
            lines.append(f"when = {_toml(draw(conditions(2, ('known',))))}")
        lines.append(draw(_actions(auths, ("known",))))
    exchanges = draw(st.lists(st.tuples(requests(), callers(auths)), min_size=3, max_size=3))
    return Example("\n".join(lines) + "\n", tuple(exchanges))


@st.composite
def requests(draw: st.DrawFn) -> Request:
    path = as_bytes(draw(st.sampled_from(PATHS)))
    value = st.sampled_from(TEXTS).map(as_bytes)
    arguments = draw(st.lists(st.tuples(st.sampled_from(KEYS), value | st.just("l\nm")), max_size=3))
    query = "&".join(f"{quote(name)}={quote(text.encode('latin-1'))}" for name, text in arguments)
    fields = draw(st.lists(st.tuples(st.sampled_from((*HEADERS, "X_User", "x.up")), value), max_size=3))
    cookies = draw(
        st.lists(st.tuples(st.sampled_from(COOKIES), st.sampled_from(["a", "1=2", ""])), max_size=2)
    )
    headers = {name: text for name, text in fields if text.strip() == text and text}
    if cookies:
        headers["Cookie"] = "; ".join(f"{name}={text}" for name, text in cookies)
    return Request(
        path=path,
        raw_path=quote(path.encode("latin-1")),
        method=draw(st.sampled_from(["GET", "POST"])),
        authority=draw(st.sampled_from(HOSTS)),
        scheme=draw(st.sampled_from(["https", "http"])),
        port=draw(st.sampled_from([443, 80, 8443])),
        query=query,
        ip=draw(st.sampled_from(ADDRESSES)),
        headers=tuple(headers.items()),
    )


@cache
def callers(auths: tuple[str, ...]) -> st.SearchStrategy[Caller | None]:
    if not auths:
        return st.none()
    caller = st.builds(
        Caller,
        provider=st.sampled_from(auths),
        sub=st.sampled_from(["alice", "a b", as_bytes("ü"), "admin"]),
        email=st.sampled_from(["", "alice@example.org"]),
        roles=st.lists(st.sampled_from(ROLES).map(as_bytes), max_size=3, unique=True).map(tuple),
    )
    return st.one_of(st.none(), caller, caller)
