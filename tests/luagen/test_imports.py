"""Redirects of other servers: whole files with what becomes of them, and rules one by one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from luagen.check import check_text
from luagen.cli import lightgate
from luagen.diagnostics import Bag, Code, Severity
from luagen.formatting import format_source
from luagen.imports import htaccess, netlify, nginx, policy_text
from luagen.imports.policy_text import Import
from luagen.imports.regex import Pattern
from luagen.imports.result import NotTranslatable, Section
from luagen.source import Source

FILES = Path(__file__).parents[1] / "imports"
READERS: dict[str, Callable[[str], list[Section]]] = {
    ".conf": nginx.read,
    ".htaccess": htaccess.read,
    "._redirects": netlify.read,
}
CASES = [
    (file, read)
    for file in sorted(FILES.iterdir())
    for suffix, read in READERS.items()
    if file.name.endswith(suffix)
]


def imported(read: Callable[[str], list[Section]], text: str, name: str = "f") -> Import:
    return policy_text.write(read(text), name)


def lines(read: Callable[[str], list[Section]], text: str) -> list[str]:
    """The lines of the result that say something: without names, places and blank lines."""
    found = imported(read, text).text.split("\n")
    return [
        line.partition("  # f:")[0].removeprefix("# f:")
        for line in found
        if line
        and not line.startswith(("name = ", "[["))
        and not (line.startswith("# f:") and ": " not in line)
    ]


# --- files ------------------------------------------------------------------------------------------


def test_there_are_files_of_each_kind() -> None:
    assert {read for _, read in CASES} == set(READERS.values())


@pytest.mark.parametrize(("file", "read"), CASES, ids=lambda value: getattr(value, "name", ""))
def test_file(file: Path, read: Callable[[str], list[Section]]) -> None:
    """`GOLDEN=write` writes what is expected anew; review the difference."""
    result = imported(read, file.read_text(), file.name)
    report = "".join(f"{line}\n" for line in policy_text.report(result, file.name))
    expected = {
        file.with_name(f"{file.name}.toml"): result.text,
        file.with_name(f"{file.name}.report"): report,
    }
    for path, text in expected.items():
        if os.environ.get("GOLDEN") == "write":
            path.write_text(text)
        assert text == path.read_text()


@pytest.mark.parametrize(("file", "read"), CASES, ids=lambda value: getattr(value, "name", ""))
def test_file_is_in_layout(file: Path, read: Callable[[str], list[Section]]) -> None:
    text = imported(read, file.read_text(), file.name).text
    assert format_source(Source("test.toml", text), Bag()) == text


@pytest.mark.parametrize(("file", "read"), CASES, ids=lambda value: getattr(value, "name", ""))
def test_file_is_a_policy(file: Path, read: Callable[[str], list[Section]]) -> None:
    text = imported(read, file.read_text(), file.name).text
    country = '[country]\nvariable = "GEOIP_COUNTRY_CODE"\n' if "request.country" in text else ""
    _, diagnostics = check_text(f'default = "pass"\n\n{country}\n{text}', "test.toml", FILES)
    unfit = [
        f"{one.span}: {one.message}"
        for one in diagnostics
        if one.severity is Severity.ERROR or one.code in (Code.SHADOWED_RULE, Code.UNREACHABLE_RULE)
    ]
    assert unfit == []


@pytest.mark.parametrize(("file", "read"), CASES, ids=lambda value: getattr(value, "name", ""))
def test_no_rule_of_a_file_is_left_out(file: Path, read: Callable[[str], list[Section]]) -> None:
    """Every line that redirects is named; where one uses a map, those of the map are."""
    words = (
        ("/", "http")
        if file.name.endswith("._redirects")
        else ("return ", "rewrite ", "redirect", "rewriterule")
    )
    text = imported(read, file.read_text(), file.name).text
    missing = [
        line
        for number, line in enumerate(file.read_text().split("\n"), 1)
        if line.strip().lower().startswith(words)
        and not line.strip().endswith(("$moved;", "$exactly;"))
        and f"# {file.name}:{number}" not in text
    ]
    assert missing == [] or "the file was not read" in text


@pytest.mark.parametrize(
    ("file", "url", "status", "location"),
    [
        ("shop.htaccess", "https://h/docs-old/a/b?y=1", 301, "/docs/a/b?y=1"),
        ("shop.htaccess", "https://h/docs-oldx", 200, None),
        ("shop.htaccess", "https://h/to-root/k", 301, "/k"),
        ("shop.htaccess", "https://h/two%20words/q", 301, "/two%20words/q"),
        ("shop.htaccess", "https://h/a/bar", 301, "/baz"),
        ("shop.htaccess", "https://h/a/foo", 200, None),
        ("shop.htaccess", "https://h/removed/x", 410, None),
        ("shop.htaccess", "https://h/product.php?id=5", 301, "/products/5"),
        ("shop.htaccess", "https://h/category/ab-c/page/2?z=1", 301, "/shop/ab-c?page=2&z=1"),
        ("shop.htaccess", "https://www.old-shop.example/a?b=c", 301, "https://shop.example.org/a?b=c"),
        ("site.conf", "http://shop.example.org/never?x=1", 301, "https://shop.example.org/never?x=1"),
        ("site.conf", "https://shop.example.org/index.php?page=about", 302, "/about"),
        ("site.conf", "https://shop.example.org/index.php?page=x", 200, None),
        ("site.conf", "https://shop.example.org/old-docs/x", 301, "https://docs.example.org/old-docs/x"),
        ("site.conf", "https://shop.example.org/old-docs/x.php", 200, None),
        ("site.conf", "https://shop.example.org/old-docs/kept/x", 200, None),
        ("site.conf", "https://shop.example.org/RED/kept", 302, "/colours/RED"),
        ("site.conf", "https://shop.example.org/?id=7", 301, "/item/7"),
        ("site.conf", "https://shop.example.org/s/x?a=b", 301, "/t?a=b"),
        ("proxied.conf", "http://www.example.com/app/?x=1", 301, "https://example.com/app/?x=1"),
        ("proxied.conf", "http://example.com/app/x", 200, None),
        ("proxied.conf", "http://example.com/app/old/x", 301, "/app/"),
        ("proxied.conf", "http://example.com/v2/x", 301, "/version/2"),
        ("proxied.conf", "http://example.com/v2/x.php", 200, None),
        ("proxied.conf", "http://example.com/y?z", 301, "https://new.example.com/y?z"),
        ("site.conf", "http://www.old-blog.example/p?q=1", 301, "https://blog.example.org/p?q=1"),
        ("documentation._redirects", "https://h/home/?a=b", 301, "/?a=b"),
        ("documentation._redirects", "https://h/docs/v3", 301, "https://archive.example.org/v3/"),
        ("documentation._redirects", "https://h/docs/v3/x/y", 301, "https://archive.example.org/v3/x/y"),
        ("documentation._redirects", "https://h/blog/2024/05/06/post", 301, "/posts/2024-05-06/post"),
        ("documentation._redirects", "https://h/article?id=a%2Fb", 301, "/posts/a/b"),
        ("documentation._redirects", "https://h/see-other?x", 303, "/other"),
    ],
)
def test_where_requests_end(tmp_path: Path, file: str, url: str, status: int, location: str | None) -> None:
    """What the other server answers, by the documentation of each; asked of the imported policy."""
    country = '[country]\nvariable = "GEOIP_COUNTRY_CODE"\n' if file.endswith("._redirects") else ""
    policy = tmp_path / "p.toml"
    policy.write_text(f'default = "pass"\n{country}\n{(FILES / f"{file}.toml").read_text()}')
    arguments = ["explain", "--policy", str(policy), "--json", "GET", url]
    result = CliRunner().invoke(lightgate, arguments, catch_exceptions=False)
    decision = json.loads(result.stdout)["decision"]
    found = dict(decision["response_headers"]).get("location")
    assert (decision["status"], found) == (status, location)


# --- Netlify ----------------------------------------------------------------------------------------


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


# --- Apache -----------------------------------------------------------------------------------------


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


# --- nginx ------------------------------------------------------------------------------------------

_TO_H = 'redirect = { to = "https://h.example'
_FORBIDDEN = "respond = { status = 403 }"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("location = /a { return 301 /b; }", ['"/a" = "/b"']),
        ("location /a/ { return 301 /b; }", ['"/a/*" = "/b"']),
        ("location /a { return 301 /b; }", ['"/a*" = "/b"']),
        ("rewrite ^/a$ /b permanent;", ['"/a" = "/b"']),
        ("rewrite ^/a /b permanent;", ['"/a*" = "/b"']),
        ("rewrite ^/a/(.*)$ https://h.example/$1 permanent;", ['"/a/*" = "https://h.example/*"']),
        ("location /a/ { rewrite ^/a/b$ /c permanent; }", ['"/a/b" = "/c"']),
        ("location / { return 301 https://h.example/; }", ['"/*" = "https://h.example/"']),
        (
            "return 301 https://h.example$request_uri;",
            [_TO_H + '{request.raw_path}", status = 301, keep_query = true }'],
        ),
        ("return https://h.example/;", [_TO_H + '/", status = 302 }']),
        (
            "return 301 $scheme://$host/b$is_args$args;",
            ['redirect = { to = "/b", status = 301, keep_query = true }'],
        ),
        (
            "return 307 $scheme://h.example/;",
            [
                "when = 'request.scheme == \"http\"'",
                'redirect = { to = "http://h.example/", status = 307 }',
                "when = 'request.scheme == \"https\"'",
                _TO_H + '/", status = 307 }',
            ],
        ),
        (
            "if ($http_x_a = b) { return 403; }",
            ['when = \'request.headers["x-a"] == "b"\'', _FORBIDDEN],
        ),
        (
            "if ($cookie_a) { return 403; }",
            ['when = \'request.cookies["a"] not in ("", "0")\'', _FORBIDDEN],
        ),
        (
            "if ($request_uri = /a?b) { return 403; }",
            ['when = \'request.raw_path == "/a" and request.query == "b"\'', _FORBIDDEN],
        ),
        (
            "if ($request_uri != /a) { return 403; }",
            ['when = \'not (request.raw_path == "/a" and request.query == "")\'', _FORBIDDEN],
        ),
    ],
)
def test_nginx(text: str, expected: list[str]) -> None:
    found = [
        line for line in lines(nginx.read, text) if line.startswith(('"', "when", "redirect =", "respond"))
    ]
    assert found == expected


@pytest.mark.parametrize(
    ("others", "when"),
    [
        ("location /a/b/ { }", 'not request.path.startswith("/a/b/") and request.path.startswith("/a/")'),
        ("location /a/b/ { return 410; }", 'request.path.startswith("/a/")'),
        ("location /b/ { }", 'request.path.startswith("/a/")'),
        ("location = /a/b { }", 'request.path != "/a/b" and request.path.startswith("/a/")'),
        ("location ~ x { }", 'not matches(r"x", request.path) and request.path.startswith("/a/")'),
        ("location ~ x { return 410; }", 'request.path.startswith("/a/")'),
        (
            "location /a/b/ { rewrite c /d permanent; }",
            'not request.path.startswith("/a/b/") and request.path.startswith("/a/")',
        ),
    ],
)
def test_a_location_has_no_requests_of_others(others: str, when: str) -> None:
    text = imported(nginx.read, f"location /a/ {{ return 404; }} {others}").text
    assert f"when = '{when}'\nrespond = {{ status = 404 }}\n" in text


def test_the_order_of_locations() -> None:
    text = (
        "location /a/ { return 401; }\nlocation ~ p { return 402; }\nlocation /a/b/ { return 403; }\n"
        "location ^~ /c/ { return 404; }\nlocation = /a/ { return 405; }\nlocation ~ q { return 406; }\n"
    )
    found = [line for line in lines(nginx.read, text) if line.startswith("respond")]
    assert [line.split()[5] for line in found] == ["405", "404", "402", "406", "403", "401"]


def test_a_caret_location_goes_before_patterns_only_where_it_is_longest() -> None:
    text = "location ^~ /a/ { }\nlocation /a/b/ { }\nlocation ~ x { return 404; }\n"
    [found] = imported(nginx.read, text).untranslated
    assert "lies in a `^~` one" in found.reason
    text = "location ^~ /a/ { return 404; }\nlocation /a/b/ { }\n"
    assert 'not request.path.startswith("/a/b/")' in imported(nginx.read, text).text


@pytest.mark.parametrize(
    ("listen", "condition"),
    [
        ("", 'request.scheme == "http"'),
        ("listen 80; listen [::]:80;", 'request.scheme == "http"'),
        ("listen 443 ssl;", 'request.scheme == "https"'),
        ("listen 80; listen 443 ssl;", None),
    ],
)
def test_what_a_server_listens_on(listen: str, condition: str | None) -> None:
    text = imported(nginx.read, f"server {{ {listen} server_name a.example; return 410; }}").text
    assert (f"when = '{condition}'" in text) is (condition is not None)
    assert "request.scheme" in text or condition is None


def test_what_a_server_listens_on_is_said_where_it_becomes_a_condition() -> None:
    text = "server {\n listen 443 ssl;\n return %s;\n}\nserver { listen 80; listen 443 ssl; return 410; }"
    [note] = imported(nginx.read, text % 410).notes
    assert note.origin.line == 2
    assert note.text == (
        'each rule of this server asks for `request.scheme == "https"`, by its `listen`; '
        "behind a front that ends TLS the scheme is what mod_extforward says"
    )
    assert imported(nginx.read, text % 444).notes == ()  # no rule of it


@pytest.mark.parametrize(
    ("locations", "notes"),
    [
        ("location /a/ { proxy_pass x; }", ["no redirects in `location /a/`, left out: `proxy_pass`"]),
        ("location = /a { }", ["no redirects in `location = /a`"]),
        ("location @a { root /; }", ["no redirects in `location @a`, left out: `root`"]),
        ("location a { root /; }", ["no redirects in `location a`, left out: `root`"]),
        (
            "location / { return 410; }\nlocation /a/ { root /; }\nlocation ~ b { root /; }\n"
            "location /c/ { return 410; }",
            [
                "no redirects in `location /a/`, left out: `root`; its requests stay out of the rules for "
                "line 1",
                "no redirects in `location ~ b`, left out: `root`; its requests stay out of the rules for "
                "lines 1, 4",
            ],
        ),
        (
            "location / { root /; location /a/ { flv; } }",
            ["no redirects in `location /`, left out: `location`, `root`"],
        ),
        ("location / { root /; return 410; }", ["not about redirects, left out: `root`"]),
        ("location / { if ($arg_a) { root /; } }", ["not about redirects, left out: `root`"]),
        ("return 410;\nlocation /a/ { return 411; }", ["never reached: line 1 decides first"]),
        ("rewrite ^ https://h.example/;\nlocation /a/ { }", ["never reached: line 1 decides first"]),
    ],
)
def test_what_is_beside_redirects_is_said(locations: str, notes: list[str]) -> None:
    result = imported(nginx.read, locations)
    assert ([note.text for note in result.notes], result.untranslated) == (notes, ())
    assert [f"# f:{note.origin.line}: note: {note.text}\n" in result.text for note in result.notes] == [
        True for _ in notes
    ]


def test_what_decides_for_each_host_of_a_server() -> None:
    """As certbot writes it: what comes after comparisons with all names is never reached."""
    server = (
        "server { listen 80; listen 443 ssl; server_name a.example b.example;\n"
        "if ($host = a.example) { return 410; }\nif ($host = %s) { return 411; }\nreturn 412; }"
    )
    both = imported(nginx.read, server % "b.example")
    assert [note.text for note in both.notes] == ["never reached: line 3 decides first"]
    assert "412" not in both.text.replace("return 412", "")
    other = imported(nginx.read, server % "c.example")
    assert [note.text for note in other.notes] == ["left out: it is true of no host of the server"]
    assert "respond = { status = 412 }" in other.text


def test_a_condition_that_the_place_has_already_decides() -> None:
    text = imported(nginx.read, "server { listen 80; if ($https = '') { return 410; } return 411; }").text
    assert """when = 'request.scheme == "http"'\nrespond = { status = 410 }""" in text
    assert "411" not in text


def test_servers_of_one_name_and_of_two() -> None:
    """Names that the same servers have are one site; one that a server has for itself is another."""
    text = imported(
        nginx.read,
        "server { listen 80; server_name a.example b.example c.example; return 410; }\n"
        "server { listen 443 ssl; server_name b.example a.example; return 404; }\n",
    ).text
    headers = [line for line in text.split("\n") if line.startswith(("[", "hosts"))]
    assert headers == [
        '[site."a.example"]',
        'hosts = ["b.example"]',
        '[[site."a.example".rule]]',
        '[[site."c.example".rule]]',
        '[[site."a.example".rule]]',
    ]


def test_names_of_servers() -> None:
    text = imported(
        nginx.read,
        "server { listen 80; listen 443 ssl; server_name A.example b.example *.c.example; return 410; }\n"
        "server { listen 80; listen 443 ssl; server_name d.c.example; return 404; }\n"
        "server { listen 80; listen 443 ssl; server_name _; return 403; }\n",
    ).text
    assert '[site."a.example"]\nhosts = ["b.example"]\n\n' in text
    assert text.count('[[site."a.example".rule]]') == 1
    assert '[[site."b.example"' not in text
    assert 'request.host.endswith(".c.example") and request.host != "d.c.example"' in text
    assert """when = 'request.host not in ("a.example", "b.example", "d.c.example")'""" in text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("rewrite ^/a$ /b last;", "a rewrite inside the server"),
        ("rewrite ^/a$;", "a `rewrite` has a pattern"),
        ("return 444;", "closes the connection"),
        ("return 204;", "is no redirect"),
        ("return 301 https://$host;", None),
        ("return 301 http://$host/;", "leads to `https`"),
        ("return 301 $http_x;", "the client chooses"),
        ("return 301 https://$http_x/;", "no plain host"),
        ("return 301 https://h.example$arg_x;", "a `/` is missing"),
        ("return 301 /$arg_x;", "clients can choose"),
        ("return 301 /a$request_uri/b;", "after which nothing can follow"),
        ("return 301 /a$unknown;", "`$unknown` has no counterpart"),
        ("return 301 /a$1;", "nothing captures `$1`"),
        ("return 301 /a$;", "without the name of a variable"),
        ("if (-f $request_filename) { return 404; }", "whether a file exists"),
        ("set $a b;", "variables of nginx"),
        ("include x.conf;", "was not read"),
        ("location / { include x.conf; }", "was not read"),
        ("location / { location /a/ { include x.conf; } }", "was not read"),
        ("error_page 497 =301 https://h.example/;", "redirects of responses by their status"),
        ("location @a { return 404; }", "a named location"),
        ("rewrite ^/(?<a>x)(?=y) /b permanent;", "looks around"),
        ("location /a { location /a/b { return 404; } }", "locations in locations"),
        ("location a { return 404; }", "no location of a path"),
        ("return 301", "a `;` is missing at the end"),
        ("server { return 301 /a; ", "is never closed"),
        ("}", "closes nothing"),
        ("a { ; }", "stands without a directive"),
        ('return 301 "/a;', "is never closed"),
        ("map $uri $a { default /x; }\nif ($a) { return 301 $a; }", "never empty"),
    ],
)
def test_nginx_refusal(text: str, reason: str | None) -> None:
    found = imported(nginx.read, text).untranslated
    assert [reason in one.reason for one in found if reason] == ([True] if reason else [])
    assert len(found) == (reason is not None)


def test_quotes_and_escapes() -> None:
    text = 'rewrite "^/a{1,2};\\"$" \'/b c\' permanent; # comment "'
    found = imported(nginx.read, text).text
    assert """when = 'matches("^/a{1,2};\\\"$", request.path)'\n""" in found
    assert 'to = "/b%20c"' in found


# --- expressions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "used", "expected"),
    [
        ("(a)(b)", {2}, "(?:a)(?P<g2>b)"),
        ("(?<x>a)(?'y'b)(?P<z>c)", {1, 3}, "(?P<g1>a)(?:b)(?P<g3>c)"),
        ("(?:a)(?i:b)", set(), "(?:a)(?i:b)"),
        ("(?i)a", set(), "(?i)a"),
        (r"a\/b\-c\.d", set(), r"a/b\-c\.d"),
        (r"\z", set(), r"\Z"),
        ("a{,2}", set(), r"a\{,2\}"),
        ("a{2,}?", set(), "a{2,}?"),
        ("[[:alpha:]_][^]a-c]", set(), r"[A-Za-z_][^\]a-c]"),
        (r"[\w.-]", set(), r"[\w.-]"),
    ],
)
def test_pattern(source: str, used: set[int], expected: str) -> None:
    assert Pattern(source).text(frozenset(used)) == expected


@pytest.mark.parametrize(
    "source",
    [
        *("(?=a)", "(?!a)", "(?<=a)", "(?<!a)", "(?>a)", "(?|a)", "(?#a)", "(?R)", "(*FAIL)", r"(a)\1"),
        *(r"\k<a>", "a*+", "a{2}+", r"\Qa\E", r"\h", r"\p{L}", r"\K", "[[:^alpha:]]", "[[:cntrl:]]"),
        *("[é]", "[a", "(a", "a**"),
    ],
)
def test_pattern_without_counterpart(source: str) -> None:
    with pytest.raises(NotTranslatable):
        Pattern(source)


def test_a_pattern_that_no_automaton_holds_is_reported() -> None:
    [found] = imported(htaccess.read, "RewriteRule ^(a|b)*a(a|b){30}$ /x [R,L]").untranslated
    assert "is more than `matches()` takes" in found.reason


PIECES = [
    *(
        "/a",
        " ",
        "\n",
        "{",
        "}",
        ";",
        "(",
        ")",
        "*",
        "!",
        '"',
        "'",
        "\\",
        "#",
        "=",
        "é",
        "\x00",
        "\x85",
        "%ff",
    ),
    *("Redirect", "RewriteRule", "RewriteCond", "^", "$1", "%{HTTP_HOST}", "301", "[R,L]", "https://"),
    *(
        "location",
        "~",
        "return",
        "rewrite",
        "permanent",
        "$request_uri",
        "if",
        "map",
        "server",
        "server_name",
    ),
    *(":splat", ":x"),
]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.sampled_from(sorted(READERS)))
def test_any_text_becomes_toml(text: str, kind: str) -> None:
    result = imported(READERS[kind], text)
    bag = Bag()
    assert (format_source(Source("test.toml", result.text), bag), bag.sorted()) == (result.text, ())
