"""The requests that `lightgate dev` suggests for a policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from luagen import compile_policy
from luagen.deployment import Deployment
from luagen.dev.suggest import Suggestion, suggestions

HEAD = """\
default = "pass"
[auth.corp]
issuer = "https://login.example.org"
audience = ["shop"]
[auth.partner]
issuer = "https://partner.example.org"
audience = ["shop"]
"""
ROOT = Suggestion("/", "no token")


def rule(when: str, require: str) -> str:
    return f"[[rule]]\nname = '{when[:40]}'\nwhen = '''{when}'''\nrequire = {{ {require} }}\n"


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("", []),
        (
            rule('request.path == "/a/"', 'auth = "partner"'),
            [Suggestion("/a/", "401: no token"), Suggestion("/a/", "200: a caller who may", "partner")],
        ),
        (
            rule('request.method == "POST" and request.path in ("/b/", "/c/")', 'auth = "corp"'),
            [Suggestion("/b/", "401: no token"), Suggestion("/b/", "200: a caller who may", "corp")],
        ),
        (
            rule(
                'request.path.startswith("/d/")',
                """auth = "corp", that = '"a" in identity.roles and "b" in identity.roles' """,
            ),
            [
                Suggestion("/d/", "401: no token"),
                Suggestion("/d/", "403: not `a`", "corp"),
                Suggestion("/d/", "200: a caller who may", "corp", ("a", "b")),
            ],
        ),
        # a path below another needs what the other needs
        (
            rule('request.path.startswith("/d/")', """auth = "corp", that = '"a" in identity.roles' """)
            + rule(
                'request.path.startswith("/d/e/")',
                """auth = "corp", that = '"b" in identity.roles or identity.sub == "x"' """,
            ),
            [
                Suggestion("/d/", "401: no token"),
                Suggestion("/d/", "403: not `a`", "corp"),
                Suggestion("/d/", "200: a caller who may", "corp", ("a",)),
                Suggestion("/d/e/", "403: not `b`", "corp", ("a",)),
                Suggestion("/d/e/", "200: a caller who may", "corp", ("a", "b")),
            ],
        ),
        # nothing to read off: no literal path; no auth
        (rule("request.port == 1", 'auth = "corp"'), []),
        (rule('request.path == "/a/"', "that = 'request.port == 1'"), []),
    ],
)
def test_suggestions(tmp_path: Path, rules: str, expected: list[Suggestion]) -> None:
    path = tmp_path / "p.toml"
    path.write_text(HEAD + rules)
    compilation = compile_policy(path, Deployment())
    assert compilation.policy is not None, compilation.diagnostics
    assert suggestions(compilation.policy) == (ROOT, *expected)
