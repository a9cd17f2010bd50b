"""Redirects of nginx, rule by rule."""

from __future__ import annotations

import pytest

from luagen.imports import nginx
from tests.luagen.imported import imported, lines

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
