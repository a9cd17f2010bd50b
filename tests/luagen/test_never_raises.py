"""Whatever text a user writes, checking gives a policy or reports, and every report can be shown."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from luagen.check import check_text
from luagen.diagnostics import MAX_REPORTED, Severity
from luagen.render import as_json, full, line
from luagen.vocabulary import FIELDS, FUNCTIONS, METHODS

ROOT = Path(__file__).parents[2]
ERRORS = ROOT / "tests/errors"
POLICIES = [
    (ROOT / "examples/quickstart/lightgate.toml").read_text(),
    *(case.read_bytes().decode().partition("\n----\n")[0] for case in sorted(ERRORS.glob("*.case"))),
]
PIECES = [
    *(
        "[",
        "]",
        "{",
        "}",
        "(",
        ")",
        '"',
        "'",
        '"""',
        "'''",
        "\\",
        "\n",
        "\r\n",
        "\t",
        "#",
        "=",
        ".",
        ",",
        "\0",
        "\x1b",
    ),
    *(
        " and ",
        " or ",
        "not ",
        " in ",
        " == ",
        " < ",
        "request",
        "identity",
        ".path",
        ".roles",
        "[0]",
        '["x"]',
    ),
    *(
        "f'{x}'",
        "b''",
        "lambda: 0",
        "*",
        "**",
        " for x in ",
        "any(",
        "[1:]",
        ":05}",
        '.split("/")',
        '.claims["a"]',
        ":",
        ":=",
        "!r",
        "{{",
        "}}",
        "1e9",
        "0x",
        "None",
        "if",
        "else",
        "...",
    ),
    *(
        "[[rule]]",
        "[auth.x]",
        "[lists]",
        "[names]",
        "when",
        "that",
        "1979-05-27",
        "inf",
        "\u00e9",
        "\\u12",
        "\\UFFFFFFFF",
        "\u2028",
        "\U0001f600",
    ),
]


# Expressions of every construct, put together without regard to types.
LEAVES = st.sampled_from(
    [
        *FIELDS,
        *(function.form for function in FUNCTIONS.values()),
        *('"a"', '"/a"', '""', '"\u00e9"', '"[a"', 'r"(?P<g>a)"', "0", "1", "-1", "9007199254740991", "True"),
        *("n", "x", "hosts", "office", "env.A", "env", "match", 'match["g"]', "time", "request.tls", "()"),
        *(
            'identity.claims["a"]',
            'identity.claims["a"]["b"]',
            'request.args["a"]',
            "None",
            "1.5",
            '("a", "b")',
        ),
        *('f"{request.port:05}"', 'f"{x:>3}"', 'f"{1:>3}"', "f\"{identity.claims['a']:,}\""),
    ]
)
OPERATORS = st.sampled_from(
    ["+", "-", "*", "//", "%", "/", "**", "==", "!=", "<", "in", "not in", "and", "or", "is", "&", ":="]
)


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    names = st.sampled_from(sorted({method.name for method in METHODS} | {"title", "index"}))
    functions = st.sampled_from([*FUNCTIONS, "sorted", "n"])
    arguments = st.lists(inner, max_size=3).map(", ".join)
    return st.one_of(
        st.builds("({} {} {})".format, inner, OPERATORS, inner),
        st.builds("({}).{}({})".format, inner, names, arguments),
        st.builds("{}({})".format, functions, arguments),
        st.builds("{}[{}]".format, inner, inner),
        st.builds("({})[{}:{}]".format, inner, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("{}({} for x in {} if {})".format, st.sampled_from(["any", "all"]), inner, inner, inner),
        st.builds("[{} for y in {}]".format, inner, inner),
        st.builds("(not {})".format, inner),
        st.builds("(-{})".format, inner),
        st.builds("({},)".format, arguments),
        st.builds("matches({}, {})".format, inner, inner),
        st.builds("under({}, {})".format, inner, inner),
    )


EXPRESSIONS = st.recursive(LEAVES, compound, max_leaves=8)


def check(text: str) -> None:
    policy, diagnostics = check_text(text, "test.toml", ERRORS / "files")
    has_errors = any(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)
    assert (policy is None) == has_errors
    assert len(diagnostics) <= MAX_REPORTED + 1
    for diagnostic in diagnostics:
        assert "\x1b" not in full(diagnostic)
        assert "\n" not in line(diagnostic)
        json.dumps(as_json(diagnostic))
        if diagnostic.span is not None:
            assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(diagnostic.span.source.text)


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_any_text(text: str) -> None:
    check(text)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_any_pieces(text: str) -> None:
    check(text)


@settings(max_examples=1000, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=20).map("".join),
    st.sampled_from(["when", "that", "to", "name"]),
)
def test_any_expression_or_template(text: str, key: str) -> None:
    quoted = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    values = {"when": '"identity"', "that": '"identity"', "to": '"/"', "name": '"identity"'} | {key: quoted}
    check(
        f"default = 'pass'\n[names]\nn = {values['name']}\n"
        f"[[rule]]\nname = 'a'\nwhen = {values['when']}\nrequire = {{ that = {values['that']} }}\n"
        f"[[rule]]\nname = 'b'\nwhen = 'n'\nredirect = {{ to = {values['to']} }}\n"
    )


@settings(max_examples=1000, deadline=None)
@given(EXPRESSIONS, EXPRESSIONS, EXPRESSIONS)
def test_any_construct(named: str, when: str, that: str) -> None:
    """Names are used in both other expressions, so that claims and groups meet every place."""
    written = [json.dumps(text, ensure_ascii=False) for text in (named, when, that, f"{{{that}}}")]
    check(
        "default = 'pass'\n[env]\nA = 1\n[lists]\nhosts = ['a', 'b']\noffice = ['10.0.0.0/8']\n"
        f"[names]\nn = {written[0]}\n"
        f"[[rule]]\nname = 'a'\nwhen = {written[1]}\nrequire = {{ that = {written[2]} }}\n"
        f"[[rule]]\nname = 'b'\nwhen = {written[1]}\nset_env = {{ A = {written[3]} }}\n"
    )


@settings(max_examples=1000, deadline=None)
@given(st.data())
def test_mutated_policies(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(POLICIES))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        text = text[:start] + data.draw(st.sampled_from(["", *PIECES])) + text[end:]
    check(text)


def test_deep_and_long_documents() -> None:
    for text in (
        "a = " + "[" * 100_000,
        "a = " + "{a=" * 100_000,
        ".".join(["a"] * 100_000) + " = 1",
        "[" + ".".join(["a"] * 100_000) + "]",
        *(
            "default = 'pass'\n[names]\nn = '" + part * 4000 + "'\n"
            for part in ("(", "-", "not ", "a.", "a+", "a,", "a[")
        ),
        "default = 'pass'\n[names]\nn = '" + 'f"{' * 500 + "'\n",
        "default = 'pass'\n[names]\nn = '''" + "(" * 60 + "identity" + ")" * 60 + "'''\n",
        "default = 'pass'\n[names]\nn = '''" + " + ".join(["request.path"] * 270) + "'''\n",
        "default = 'pass'\n[names]\nn = '''" + "(" * 190 + "identity" + ")" * 190 + "'''\n",
        "default = 'pass'\n[names]\nn = '''" + "[" * 190 + "]" * 190 + "'''\n",
        "\n" * 100_000 + "x",
    ):
        check(text)
