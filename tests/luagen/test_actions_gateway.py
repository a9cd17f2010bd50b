"""`limit`, `cors`, `rewrite`, `origin`, `fallback` and header fields: from the policy file to the model, to
Lua and to lighttpd's configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from luagen.actions import (
    Action,
    AddRequestHeaders,
    AddResponseHeaders,
    ChooseOrigin,
    Cors,
    Fallback,
    Limit,
    RemoveRequestHeaders,
    RemoveResponseHeaders,
    Rewrite,
)
from luagen.actions.limit import structured_name
from luagen.actions.stand_in import StandIn
from luagen.artifacts import UnsafePathError
from luagen.check import check_text
from luagen.deployment import Deployment
from luagen.model import Policy
from luagen.paths import simplified
from luagen.reads import stripped_fields
from luagen.release import build_release
from tests.luagen.policies import SUB, named, text

ORIGINS = """
[origin.shop]
url = "http://127.0.0.1:3000"

[origin.six]
url = "http://[2001:db8::1]"

[origin.by-name]
url = "http://app.internal:8080/"

[origin.socket]
socket = "/run/app.sock"
"""


def policy_of(*rules: str, directory: Path = Path()) -> Policy:
    tables = "".join(f'[[rule]]\nname = "rule {n}"\n{rule}\n' for n, rule in enumerate(rules, 1))
    policy, diagnostics = check_text(f'default = "pass"\n{ORIGINS}\n{tables}', "p.toml", directory)
    assert policy is not None, diagnostics
    return policy


def release_of(*rules: str) -> dict[str, str]:
    release = build_release(policy_of(*rules), Deployment())
    return {name: content.decode() for name, content in release.files.items()}


def rules_of(script: str) -> str:
    return (
        script.partition("-- Sets that rules look things up in.")[2] or script.partition("gate.rules = {")[2]
    )


CORS = Cors(
    origins=("https://a.example",),
    methods=("GET", "HEAD", "POST"),
    headers=(),
    expose=(),
    credentials=False,
    max_age_s=600,
)
STAND_IN = StandIn(
    on=(502, 503, 504),
    status=503,
    body=b"503 Service Unavailable\n",
    content_type="text/plain; charset=utf-8",
    retry_after_s=None,
)


@pytest.mark.parametrize(
    ("rule", "action"),
    [
        ('limit = { rate = "100/minute" }', Limit(amount=100, period_s=60, burst=100, by=None, status=429)),
        (
            'limit = { rate = "1/day", burst = 5, key = "{identity.sub}", status = 503 }',
            Limit(amount=1, period_s=86400, burst=5, by=SUB, status=503),
        ),
        ('cors = { origins = "https://a.example" }', CORS),
        (
            'cors = { origins = "*", methods = "*", headers = "*", expose = "*", max_age = 0 }',
            Cors(origins=("*",), methods=None, headers=None, expose=("*",), credentials=False, max_age_s=0),
        ),
        ('rewrite = { path = "/x" }', Rewrite(path=text("/x"), query=None)),
        ('rewrite = { query = "" }', Rewrite(path=None, query=text(""))),
        ('origin = "shop"', ChooseOrigin(name="shop")),
        ("fallback = {}", Fallback(answer=STAND_IN)),
        (
            'fallback = { on = [504, 404, 504], status = 404, body = "<p>{{}}", content_type = "text/html" }',
            Fallback(
                answer=StandIn(
                    on=(404, 504), status=404, body=b"<p>{}", content_type="text/html", retry_after_s=None
                )
            ),
        ),
        ('add_request_headers = { X-A = "1" }', AddRequestHeaders(values=named(X_A=text("1")))),
        (
            'add_response_headers = { Set-Cookie = "1" }',
            AddResponseHeaders(values=named(Set_Cookie=text("1"))),
        ),
        ('remove_request_headers = ["X-A", "b"]', RemoveRequestHeaders(names=("X-A", "b"))),
        ('remove_response_headers = "X-A"', RemoveResponseHeaders(names=("X-A",))),
    ],
)
def test_action(rule: str, action: Action) -> None:
    [found] = policy_of(rule).rules
    assert found.action == action


def test_a_file_stands_in(tmp_path: Path) -> None:
    (tmp_path / "sorry.html").write_bytes(b"<p>\xff")
    [rule] = policy_of('fallback = { file = "sorry.html" }', directory=tmp_path).rules
    answer = rule.action.stand_in()
    assert answer is not None
    assert (answer.body, answer.content_type) == (b"<p>\xff", "text/html; charset=utf-8")


def test_an_empty_file_does_not(tmp_path: Path) -> None:
    """lighttpd would put its own page in its place, without the fields that belong to it."""
    (tmp_path / "empty.html").touch()
    [rule] = policy_of('fallback = { file = "empty.html" }', directory=tmp_path).rules
    answer = rule.action.stand_in()
    assert answer is not None
    assert answer.body == STAND_IN.body


def test_added_request_fields_are_taken_from_clients() -> None:
    policy = policy_of(
        'add_request_headers = { X-Tag = "a", Accept = "b" }', 'remove_request_headers = ["X-B"]'
    )
    assert stripped_fields(policy) == {"x-tag"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("logins", '"logins"'), ('a "b" \\', '"a \\"b\\" \\\\"'), ("ä", '"--"'), ("a b", '"a b"')],
)
def test_structured_name(name: str, expected: str) -> None:
    assert structured_name(name) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/a/./b//c", b"/a/b/c"),
        (b"/a/..", b"/"),
        (b"/a/b/..", b"/a/"),
        (b"/../../x", b"/x"),
        (b"//x/", b"/x/"),
        (b"/a/.", b"/a/"),
        (b"/a%2f..", b"/a%2f.."),
    ],
)
def test_simplified(path: bytes, expected: bytes) -> None:
    assert simplified(path) == expected


# --- what becomes of them ---------------------------------------------------------------------------


def test_lua() -> None:
    code = rules_of(
        release_of(
            'limit = { rate = "5/second", key = "{request.method}" }',
            'rewrite = { path = "/x{request.path}", query = "a={request.path}&{request.query}" }',
            'origin = "shop"',
            'remove_response_headers = ["Server"]',
        )["request.lua"]
    )
    assert "amount = 5," in code and "period_ms = 1000," in code and 'policy = ";q=5;w=1"' in code
    assert "local refusal = limit(q, 1, K[1], q.method or method(q))" in code
    assert 'choose_origin(q, "shop")' in code
    assert 'remove_response_header(q, "Server")' in code
    # the query is encoded, the path is not, and both are free of control characters
    assert 'clean(q, "/x" .. q.path)' in code
    assert 'clean(q, "a=" .. encode(q.path) .. "&" ..' in code


def test_rules_with_one_fallback_share_it() -> None:
    files = release_of("fallback = {}", 'when = "True"\nfallback = {}', "fallback = { retry_after = 1 }")
    assert files["response.lua"].count("503 Service Unavailable\\010") == 2
    assert f'fall_back(q, "{STAND_IN.key}")' in files["request.lua"]
    assert f'key = "{STAND_IN.key}"' in files["response.lua"]


def test_origins_in_lighttpds_configuration() -> None:
    conf = release_of('origin = "shop"')["lightgate.conf"]
    assert 'server.modules += ( "mod_magnet", "mod_fastcgi", "mod_proxy" )' in conf
    assert (
        'proxy.server += ( "/.lightgate/origin/shop/" => ( "shop" => (\n'
        '    "host"         => "127.0.0.1",\n'
        '    "port"         => 3000,\n'
        '    "disable-time" => 0\n'
        ") ) )\n"
    ) in conf
    assert '"host"         => "2001:db8::1",\n    "port"         => 80,' in conf
    assert '"host"         => "app.internal",\n    "port"         => 8080,' in conf
    assert '"socket"       => "/run/app.sock",' in conf


def test_a_policy_without_origins_does_not_name_mod_proxy() -> None:
    policy, _ = check_text('default = "pass"', "p.toml", Path())
    assert policy is not None
    conf = build_release(policy, Deployment()).files["lightgate.conf"].decode()
    assert 'mod_proxy"' not in conf
    assert "proxy.server" not in conf


def test_unsafe_sockets_are_no_configuration() -> None:
    with pytest.raises(UnsafePathError):
        build_release(policy_of('origin = "shop"'), Deployment(authorizer_socket='/run/"x"'))
