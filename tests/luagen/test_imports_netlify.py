"""Redirects of Netlify, rule by rule."""

from __future__ import annotations

import pytest

from luagen.imports import netlify
from tests.luagen.imported import imported, lines


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "/a /b 301!",
            [
                "[rule.redirects]",
                "status = 301",
                "keep_query = true",
                *_ENTRIES,
                '"/a" = "/b"',
                '"/a/" = "/b"',
            ],
        )
        for _ENTRIES in [["[rule.redirects.entries]"]]
    ],
)
def test_netlify_entry(text: str, expected: list[str]) -> None:
    assert lines(netlify.read, text) == expected


@pytest.mark.parametrize(
    ("rule", "when", "to"),
    [
        (
            "/u/:id /users/:id 301!",
            r"""'matches(r"^/u/(?P<id>[^/]+)/?$", request.path)'""",
            """'/users/{match["id"]}'""",
        ),
        (
            "/u/:id/* /x/:splat/:id 301!",
            r"""'matches(r"^/u/(?P<id>[^/]+)(?:/(?P<splat>.*))?$", request.path)'""",
            """'/x/{match["splat"]}/{match["id"]}'""",
        ),
        (
            "/s q=:q /find/:q 301!",
            """'"q" in request.args and "&" not in request.query and request.path in ("/s", "/s/")'""",
            """'/find/{request.args["q"]}'""",
        ),
    ],
)
def test_netlify_rule(rule: str, when: str, to: str) -> None:
    text = imported(netlify.read, rule).text
    assert f"when = {when}\n" in text
    assert f"redirect = {{ to = {to}, " in text


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("/a", "there is no target"),
        ("/a /b 200", "status 200 rewrites or proxies"),
        ("/a /b 404", "status 404 shows a page"),
        ("/a /b 30", "`30` is not a status"),
        ("/a/*/b /c 301!", "a `*` stands only at the end"),
        ("/a?b=c /d 301!", "a `*` stands only at the end"),
        ("a /d 301!", "the path does not begin with `/`"),
        ("/a x /d 301!", "`x` is not NAME=VALUE"),
        ("/a /d 301! Language=de", "language"),
        ("/a /d 301! Role=x", "roles"),
        ("/a /d 301! Moon=full", "`Moon=full` has no counterpart"),
        ("/a /d 301! Country=", "is not CONDITION=VALUES"),
        ("/a/:x/:x /b/:x 301!", "`:x` stands in the path more than once"),
        ("/a/* //evil.example/:splat 301!", "clients can choose"),
        ("/a/* https://h.example:splat 301!", "a `/` is missing"),
        ("/a/:x /:x 301!", "clients can choose"),
        ("https://u@h/* /x 301!", "is no plain host"),
        ("/%ff /x 301!", "is not UTF-8"),
    ],
)
def test_netlify_refusal(rule: str, reason: str) -> None:
    [found] = imported(netlify.read, rule).untranslated
    assert reason in found.reason
