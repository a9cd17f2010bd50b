"""Actions from the policy file to the model, and what of them no expression shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from luagen.actions import ACTIONS, RULE_KEYS, Log, Maintenance, Redirect, Redirects, Respond, SecurityHeaders
from luagen.actions.content import Content, type_of
from luagen.actions.moved import Move
from luagen.actions.redirect import with_query
from luagen.actions.security_headers import PRESETS, Preset
from luagen.check import check_text
from luagen.model import Concatenation, Conditional, Literal
from tests.luagen.policies import SPAN, text


def action_of(rule: str, directory: Path = Path()) -> object:
    policy, diagnostics = check_text(f'default = "pass"\n[[rule]]\nname = "r"\n{rule}\n', "p.toml", directory)
    assert policy is not None, diagnostics
    [found] = policy.rules
    return found.action


def move(path: str, to: str, status: int = 302) -> Move:
    return Move(path=path, to=to, status=status, span=SPAN)


@pytest.mark.parametrize(
    ("rule", "action"),
    [
        ("respond = { status = 204 }", Respond(status=204)),
        ('respond = { status = 404, body = "x" }', Respond(status=404, content=Content(body=text("x")))),
        ("maintenance = {}", Maintenance(retry_after_s=600)),
        (
            'maintenance = { body = "<p>", content_type = "text/html", retry_after = 60 }',
            Maintenance(content=Content(body=text("<p>"), content_type="text/html"), retry_after_s=60),
        ),
        (
            'redirect = { to = "/x", status = 308, keep_query = true }',
            Redirect(to=text("/x"), status=308, keep_query=True),
        ),
        (
            'redirects = { status = 301, entries = { "/a" = "/b", "/c/*" = "https://example.org/*" } }',
            Redirects(
                moves=(move("/a", "/b", 301), move("/c/*", "https://example.org/*", 301)), keep_query=False
            ),
        ),
        # below a `/` nothing begins with another one
        (
            'redirects = { entries = { "/c/*" = "/*" } }',
            Redirects(moves=(move("/c/*", "/*"),), keep_query=False),
        ),
        ('log = "x"', Log(text=text("x"))),
    ],
)
def test_action(rule: str, action: object) -> None:
    assert action_of(rule) == action


def test_files_become_part_of_the_policy(tmp_path: Path) -> None:
    (tmp_path / "closed.html").write_bytes(b"<p>\xff")
    found = action_of('maintenance = { file = "closed.html" }', tmp_path)
    assert found == Maintenance(content=Content(file=b"<p>\xff", content_type="text/html; charset=utf-8"))
    found = action_of(
        'respond = { status = 200, file = "closed.html", content_type = "text/plain" }', tmp_path
    )
    assert found == Respond(status=200, content=Content(file=b"<p>\xff", content_type="text/plain"))


def test_a_file_has_at_most_256_kib(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * (256 * 1024 + 1))
    text = 'default = "pass"\n[[rule]]\nname = "r"\nrespond = { status = 200, file = "big" }\n'
    policy, [diagnostic] = check_text(text, "p.toml", tmp_path)
    assert policy is None
    assert diagnostic.message == "`big` is larger than 256 KiB"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a/closed.html", "text/html; charset=utf-8"),
        ("data.json", "application/json; charset=utf-8"),
        ("logo.svg", "image/svg+xml; charset=utf-8"),
        ("logo.png", "image/png"),
        ("page.html.gz", "application/octet-stream"),
        ("README", "application/octet-stream"),
    ],
)
def test_media_types_of_files(name: str, kind: str) -> None:
    assert type_of(name) == kind


CSV = """\
\ufefffrom,to,status
/old,/new
# a comment

/café , https://example.org/caf%C3%A9 ,308
"/a,b","/c"
/blog/*,/news/*,301\r
"""


def test_entries_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "moved.csv").write_text(CSV, "utf-8", newline="")
    found = action_of('redirects = { file = "moved.csv", status = 307 }', tmp_path)
    assert isinstance(found, Redirects)
    assert found.moves == (
        move("/old", "/new", 307),
        move("/café", "https://example.org/caf%C3%A9", 308),
        move("/a,b", "/c", 307),
        move("/blog/*", "/news/*", 301),
    )
    assert [str(one.span) for one in found.moves] == [
        *("moved.csv:2:1", "moved.csv:5:1", "moved.csv:6:2", "moved.csv:7:1"),
    ]


@pytest.mark.parametrize(
    ("location", "query", "whole"),
    [
        (b"/a", b"", b"/a"),
        (b"/a", b"x=1", b"/a?x=1"),
        (b"/a?b", b"x=1", b"/a?b&x=1"),
        (b"/a#f?", b"x=1", b"/a?x=1#f?"),
        (b"/a?b#f", b"x", b"/a?b&x#f"),
    ],
)
def test_kept_query(location: bytes, query: bytes, whole: bytes) -> None:
    assert with_query(location, query) == whole


def fields(rule: str) -> dict[str, object]:
    found = action_of(rule)
    assert isinstance(found, SecurityHeaders)
    values = {header.name: header.value for header in found.values}
    return {name: value.value if isinstance(value, Literal) else value for name, value in values.items()}


def test_presets() -> None:
    assert fields('security_headers = "basic"') == PRESETS[Preset.BASIC]
    strict = fields('security_headers = "strict"')
    assert list(strict) == list(PRESETS[Preset.STRICT])
    # never over plain HTTP (RFC 6797 section 7.2)
    assert isinstance(strict["Strict-Transport-Security"], Conditional)


def test_changed_presets() -> None:
    found = fields(
        'security_headers = { preset = "basic", x-frame-options = "", Referrer-Policy = "no-referrer", '
        'X-Host = "{request.host}!" }'
    )
    assert isinstance(found.pop("X-Host"), Concatenation)
    assert found == {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def test_every_action_is_a_key_of_rules() -> None:
    assert [key.name for key in RULE_KEYS] == ["name", "when", *ACTIONS]
    assert all(action.doc and action.takes for action in ACTIONS.values())
    assert all(action.decides for action in ACTIONS.values() if action.ends)
