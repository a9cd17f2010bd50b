"""Redirects of other servers: whole files with what becomes of them, patterns, and any text at all."""

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
from luagen.imports import htaccess, policy_text
from luagen.imports.regex import Pattern
from luagen.imports.result import NotTranslatable, Section
from luagen.source import Source
from tests.luagen.imported import READERS, imported

FILES = Path(__file__).parents[1] / "imports"
CASES = [
    (file, read)
    for file in sorted(FILES.iterdir())
    for suffix, read in READERS.items()
    if file.name.endswith(suffix)
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
