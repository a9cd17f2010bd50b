"""Redirects of Apache, rule by rule."""

from __future__ import annotations

import pytest

from luagen.imports import htaccess
from tests.luagen.imported import imported, lines


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Redirect /a /b", ['"/a" = "/b"', '"/a/*" = "/b/*"']),
        ("Redirect /a/ /b", ['"/a/*" = "/b*"']),
        ("Redirect /a/ /b/", ['"/a/*" = "/b/*"']),
        ("Redirect /a /b/", ['"/a" = "/b/"', '"/a/*" = "/b/*"']),
        ("Redirect / https://h.example/", ['"/*" = "https://h.example/*"']),
        ("RedirectMatch ^/a$ /b", ['"/a" = "/b"']),
        ("RewriteRule ^a/(.*)$ /b/$1 [R,L]", ['"/a/*" = "/b/*"']),
        ("RewriteRule ^a\\.b$ /c [R,L]", ['"/a.b" = "/c"']),
        ("RewriteRule ^$ /home [R,L]", ['"/" = "/home"']),
        ("RewriteRule ^a$ /b*c* [R,L]", ['"/a" = "/b*c%2A"']),
    ],
)
def test_apache_entries(text: str, expected: list[str]) -> None:
    assert [line for line in lines(htaccess.read, text) if line.startswith('"')] == expected


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("RewriteRule a.c /x [R,L]", r'matches(r"^/.*?a.c", request.path)'),
        ("RewriteRule ^a.c$ /x [R,L,NC]", r'matches(r"(?i)^/a.c$", request.path)'),
        ("RewriteRule ^a|b$ /x [R,L]", r'matches(r"(?:^/a|^/.*?b$)", request.path)'),
        ("RewriteRule ^(a|b)$ /x [R,L]", r'matches(r"^/(?:a|b)$", request.path)'),
        ("RewriteRule !^a/ /x [R,L]", 'not request.path.startswith("/a/")'),
        ("RewriteRule ^[|^]a$ /x [R,L]", r'matches(r"^/[\|^]a$", request.path)'),
    ],
)
def test_apache_pattern(text: str, when: str) -> None:
    assert f"when = '{when}'\n" in imported(htaccess.read, text).text


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("%{HTTPS} on", 'request.scheme == "https"'),
        ("%{HTTPS} !^on$", 'request.scheme == "http"'),
        ("%{HTTPS} !=on", 'request.scheme == "http"'),
        ("%{SERVER_PORT} 80", "request.port == 80"),
        (r"%{HTTP_HOST} ^WWW\.h\.example$", 'request.host == "www.h.example"'),
        (r"%{HTTP_HOST} !^h\.example$ [NC]", 'request.host != "h.example"'),
        (r"%{HTTP_HOST} ^www\.", r'matches(r"(?i)^www\.", request.host)'),
        ("%{QUERY_STRING} ^$", 'request.query == ""'),
        ("%{QUERY_STRING} !a", 'not matches(r"a", request.query)'),
        ("%{REQUEST_METHOD} =POST", 'request.method == "POST"'),
        ("%{HTTP:X-Real} b", 'matches(r"b", request.headers["x-real"])'),
    ],
)
def test_apache_condition(condition: str, expected: str) -> None:
    text = imported(htaccess.read, f"RewriteCond {condition}\nRewriteRule a.c /x [R,L]\n").text
    assert f'{expected} and matches(r"^/.*?a.c", request.path)' in text


def test_apache_conditions_with_or() -> None:
    text = (
        "RewriteCond %{HTTPS} on [OR]\nRewriteCond %{HTTPS} off\nRewriteCond %{QUERY_STRING} =a\n"
        "RewriteRule ^a$ /b [R,L]\nRewriteRule ^c$ /d [R,L]\n"
    )
    assert [line for line in lines(htaccess.read, text) if line.startswith("when")] == [
        """when = '(request.scheme == "https" or request.scheme == "http") and request.query == "a"'"""
    ]


@pytest.mark.parametrize(
    ("target", "query"),
    [("/b [R,L]", True), ("/b? [R,L]", False), ("/b?x=1 [R,L]", False), ("/b?x=1 [R,L,QSA]", True),
     ("/b [R,L,QSD]", False), ("/b?%{QUERY_STRING} [R,L]", True)],
)  # fmt: skip
def test_apache_keeps_the_query(target: str, query: bool) -> None:
    assert ("keep_query = true" in imported(htaccess.read, f"RewriteRule ^a$ {target}").text) is query


def test_rewrite_rules_come_before_redirects() -> None:
    text = imported(htaccess.read, "Redirect 301 /a /b\nRewriteRule ^a$ /c [R=302,L]\n").text
    assert text.index("f:2") < text.index("f:1")


def test_what_is_never_reached() -> None:
    result = imported(htaccess.read, "Redirect 301 /a /b\nRedirect 302 /a/x /c\nRedirect 302 /ab /d\n")
    assert [note.text for note in result.notes] == ["never reached: line 1 decides first"]
    assert '"/ab" = "/d"' in result.text


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("RewriteRule ^a$ /b [L]", "a rewrite inside the server"),
        ("RewriteRule ^a$ - [L]", "only stops others"),
        ("RewriteRule ^a$ /b [R,N]", "the flag `N`"),
        ("RewriteRule ^a$ /b [R=404]", "`R=404` is no redirect"),
        ("RewriteRule ^a$ /b R", "flags stand in brackets"),
        ("RewriteRule ^a$ /%1 [R,L]", "nothing captures `%1`"),
        ("RewriteRule ^a$ /x%20y [R,L]", "nothing captures `%2`"),
        ("RewriteRule ^a$ /x$1 [R,L]", "group 1"),
        ("RewriteRule ^/a$ /x [R,L]", "this never fits"),
        ("RewriteRule (^|x)a$ /x [R,L]", "a `^` inside"),
        ("RewriteRule ^(.+)$ /$1 [R,L]", "clients can choose"),
        ("RewriteRule ^(.*)$ $1 [R,L]", "the client chooses"),
        ("RewriteRule ^(.*)$ %{HTTP_HOST} [R,L]", "the client chooses"),
        ("RewriteRule ^a$ http://%{HTTP_HOST}/ [R,L]", "leads to `https`"),
        ("RewriteRule ^a$ ${map:x} [R,L]", "`RewriteMap`"),
        ("RewriteRule ^a( /b [R,L]", "is no regular expression"),
        ("RewriteRule ^a[ /b [R,L]", "is never closed"),
        ("RewriteBase /sub/", "topmost directory"),
        ("Redirect 301 a /b", "does not begin"),
        ("Redirect 301 /a b", "begins neither"),
        ("Redirect 301 /a", "a path and a target"),
        ("Redirect gone /a /b", "goes with a path alone"),
        ("Redirect 301 /a //b", "clients can choose"),
        ("<Files x>\nRedirect 301 /a /b\n</Files>", "`<files x>`"),
    ],
)
def test_apache_refusal(rule: str, reason: str) -> None:
    [found] = imported(htaccess.read, rule).untranslated
    assert reason in found.reason
