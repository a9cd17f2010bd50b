"""Draws actions of rules, as lines of TOML."""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st

from tests.differential.drawn_expressions import Source, conditions, nothing, templates
from tests.differential.pools import REQUEST_FIELDS_SET, RESPONSE_FIELDS_SET, VARIABLES_SET


def toml(text: str) -> str:
    """A TOML basic string."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\x7f": "\\u007F"}
    return '"' + "".join(escapes.get(char, char) for char in text) + '"'


_targets = st.sampled_from(
    ["/n", "/new/", "https://example.org/", "https://{request.host}/", "{request.path}", "{request.raw_path}"]
)


def _table(names: tuple[str, ...], values: Source) -> Source:
    def table(items: list[tuple[str, str]]) -> str:
        return "{ " + ", ".join(f"{name} = {toml(value)}" for name, value in items) + " }"

    pair = st.tuples(st.sampled_from(names), values)
    return st.lists(pair, min_size=1, max_size=2, unique_by=lambda item: item[0]).map(table)


@cache
def _respond(groups: tuple[str, ...]) -> Source:
    return st.tuples(
        st.sampled_from([200, 403, 404, 410, 503]),
        st.one_of(st.none(), templates(nothing, groups)),
        st.one_of(st.none(), _table(("X-R", "X-S", "Cache-Control"), templates(nothing, groups))),
    ).map(
        lambda drawn: _inline(
            "respond",
            f"status = {drawn[0]}",
            None if drawn[1] is None else f"body = {toml(drawn[1])}",
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
            f"to = {toml(drawn[0])}",
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
        "entries = { " + ", ".join(f"{toml(path)} = {toml(to)}" for path, to in drawn[0].items()) + " }",
        "keep_query = true" if drawn[1] else None,
    )
)

_maintenance = st.tuples(st.one_of(st.none(), templates()), st.sampled_from([None, 1, 3600])).map(
    lambda drawn: _inline(
        "maintenance",
        None if drawn[0] is None else f"body = {toml(drawn[0])}",
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
            None if drawn[0] is None else f"path = {toml(drawn[0])}",
            None if drawn[1] is None else f"query = {toml(drawn[1])}",
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
        None if drawn[2] is None else f"body = {toml(drawn[2])}",
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
            None if drawn[2] is None else f"key = {toml(drawn[2])}",
        )
    )


@cache
def _require(auths: tuple[str, ...], names: tuple[str, ...]) -> Source:
    that = conditions(1, names).map(lambda text: f"that = {toml(text)}")
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
    return found.map(lambda drawn: "[" + ", ".join(map(toml, drawn)) + "]")


@cache
def actions(auths: tuple[str, ...], names: tuple[str, ...], groups: tuple[str, ...]) -> Source:
    value = templates(nothing, groups)
    setters = (
        _table(REQUEST_FIELDS_SET, value).map(lambda table: f"set_request_headers = {table}"),
        _table(VARIABLES_SET, value).map(lambda table: f"set_env = {table}"),
        _table(RESPONSE_FIELDS_SET, value).map(lambda table: f"set_response_headers = {table}"),
        _table(("X-User", "X-A", "X_Up"), value).map(lambda table: f"add_request_headers = {table}"),
        _table(("X-R", "Set-Cookie"), value).map(lambda table: f"add_response_headers = {table}"),
        _names(REQUEST_FIELDS_SET).map(lambda drawn: f"remove_request_headers = {drawn}"),
        _names(("X-R", "X-Origin")).map(lambda drawn: f"remove_response_headers = {drawn}"),
        value.map(lambda text: f"log = {toml(text)}"),
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
