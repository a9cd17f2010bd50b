"""The canonical layout: exact text, same values, same comments, and nothing to do the second time."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luagen import formatting
from luagen.diagnostics import Bag
from luagen.formatting import format_source
from luagen.source import Source

ROOT = Path(__file__).parents[2]
LONG = [f'"{letter * 28}"' for letter in "abc"]


def formatted(text: str) -> str:
    bag = Bag()
    result = format_source(Source("test.toml", text), bag)
    assert (result is not None, bag.sorted()) == (True, ())
    return result or ""


def comments(text: str) -> list[str]:
    """Comments in their order, of a text whose strings have no `#`."""
    return [comment.rstrip() for comment in re.findall(r"#.*", text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "", id="nothing"),
        pytest.param("\n\n \n", "", id="only blank lines"),
        pytest.param("# a\n\n\n# b", "# a\n\n# b\n", id="only comments"),
        pytest.param("  a=1\t\nb   =  'x'", "a = 1\nb = 'x'\n", id="blanks around `=`"),
        pytest.param("a . \"b c\".'d' = 1\n", "a.\"b c\".'d' = 1\n", id="dotted key"),
        pytest.param("name    = 1\nlonger  = 2\n", "name = 1\nlonger = 2\n", id="not aligned"),
        pytest.param("a = 1#x \nb = 2      # y\n", "a = 1  #x\nb = 2  # y\n", id="comments behind values"),
        pytest.param("a = 1\n\n\n\nb = 2\n\n", "a = 1\n\nb = 2\n", id="one blank line at most"),
        pytest.param("\n# a\n[x]\n", "# a\n[x]\n", id="none at the beginning"),
        pytest.param("a = 1\n[x]\nb = 1\n[[y]]\n", "a = 1\n\n[x]\nb = 1\n\n[[y]]\n", id="before a table"),
        pytest.param("a = 1\n# of x\n[x]\n", "a = 1\n\n# of x\n[x]\n", id="before comments of a table"),
        pytest.param("[x]\n\n\na = 1\n", "[x]\na = 1\n", id="none after a header"),
        pytest.param("[x]\n\n# of y\n[y]\n", "[x]\n\n# of y\n[y]\n", id="table without keys"),
        pytest.param("[ x . y ] # c\n[[ z ]]\n", "[x.y]  # c\n\n[[z]]\n", id="headers"),
        pytest.param("  [x]\n    a = 1\n", "[x]\na = 1\n", id="no indentation"),
        pytest.param("a = {b=1,c={}, d = { }}\n", "a = { b = 1, c = {}, d = {} }\n", id="inline tables"),
        pytest.param("a=[1,2 , 3,]\nb=[ ]\n", "a = [1, 2, 3]\nb = []\n", id="arrays"),
        pytest.param("a = [\n 1,\n\n 2\n]\n", "a = [1, 2]\n", id="an array that fits"),
        pytest.param(
            f"a=[{','.join(LONG)}]\n",
            f"a = [{', '.join(LONG)}]\n",
            id="an array of as many columns as fit",
        ),
        pytest.param(
            f"abc=[{','.join(LONG)}]\n",
            "abc = [\n" + "".join(f"  {one},\n" for one in LONG) + "]\n",
            id="an array of too many columns",
        ),
        pytest.param(
            "a = [ # x\n 1, # y\n # z\n 2 # v\n , # w\n\n\n 3\n # u\n\n]\n",
            "a = [\n  # x\n  1,  # y\n  # z\n  2,  # v\n  # w\n\n  3,\n  # u\n]\n",
            id="comments in an array",
        ),
        pytest.param("a = [ # x\n]\n", "a = [\n  # x\n]\n", id="nothing but a comment in an array"),
        pytest.param(
            "a = [[1, 2], [ # x\n3]]\n",
            "a = [\n  [1, 2],\n  [\n    # x\n    3,\n  ],\n]\n",
            id="arrays in an array",
        ),
        pytest.param(
            f"a = {{b = [{','.join(LONG)}, 1, 2]}}\n",
            f"a = {{ b = [{', '.join(LONG)}, 1, 2] }}\n",
            id="an array in an inline table stays inline",
        ),
        pytest.param(
            "a = {b = [1, # x\n2]}\n", "a = { b = [\n  1,  # x\n  2,\n] }\n", id="but for its comments"
        ),
        pytest.param("a = '''x \n\n\n  y'''\n", "a = '''x \n\n\n  y'''\n", id="text of several lines"),
        pytest.param(
            'a = ["""x\n""", 1]\n', 'a = [\n  """x\n""",\n  1,\n]\n', id="text of several lines in an array"
        ),
        pytest.param(
            'a = 0x1F\nb = 1_000\nc = \'a"b\'\nd = "\\u0041"\n',
            'a = 0x1F\nb = 1_000\nc = \'a"b\'\nd = "\\u0041"\n',
            id="values as they were written",
        ),
        pytest.param("a = 1\r\n# b\r\n", "a = 1\n# b\n", id="line ends"),
        pytest.param("a = '#' # '\n", "a = '#'  # '\n", id="a `#` in a string"),
    ],
)
def test_layout(text: str, expected: str) -> None:
    assert formatted(text) == expected
    assert formatted(expected) == expected


def test_the_limit_is_the_last_column_that_fits() -> None:
    for length in range(formatting.MAX_COLUMNS - 12, formatting.MAX_COLUMNS + 3):
        line = f'a = ["{"x" * length}"]'
        expected = f"{line}\n" if len(line) <= formatting.MAX_COLUMNS else f'a = [\n  "{"x" * length}",\n]\n'
        assert formatted(line) == expected


def _policies() -> list[str]:
    documents = [*ROOT.glob("docs/*.md"), ROOT / "README.md"]
    blocks = [
        block
        for document in documents
        for block in re.findall(r"```toml\n(.*?)```", document.read_text(), re.DOTALL)
    ]
    files = [*ROOT.glob("examples/**/*.toml"), *ROOT.glob("tests/golden/*.toml"), ROOT / "pyproject.toml"]
    return [*blocks, *(file.read_text() for file in files)]


POLICIES = _policies()


@pytest.mark.parametrize("text", POLICIES)
def test_policies(text: str) -> None:
    result = formatted(text)
    assert repr(tomllib.loads(result)) == repr(tomllib.loads(text))
    assert formatted(result) == result
    assert sorted(comments(result)) == sorted(comments(text))
    assert not re.search(r"\n\n\n|^\n|\n\n\Z", result)


def test_there_are_policies() -> None:
    assert len(POLICIES) > 15


_SPACES = st.sampled_from(["", " ", "\t ", "   "])
_LINE_ENDS = st.sampled_from(["\n", "\r\n", " \n", "\n\n", "\n\n\n", " # c\n", "#d \n\n# e\n"])
_SCALARS = st.sampled_from(
    [
        "1",
        "0x1F",
        "1.50",
        "nan",
        "true",
        "'a # b'",
        '"a\\"#\\n"',
        "1979-05-27 07:32:00Z",
        '"""a  \n\n  # b"""',
        "'''x\r\n'''",
        f"'{'long ' * 12}'",
    ]
)
_KEYS = st.sampled_from(["a", "'b c'", '"d.e"', "f-g", '"\\u00e9"'])


@st.composite
def _arrays(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    gaps = st.one_of(_SPACES, _LINE_ENDS)
    elements = draw(st.lists(values, max_size=5))
    text = "["
    for index, element in enumerate(elements):
        comma = "," if index + 1 < len(elements) or draw(st.booleans()) else ""
        text += draw(gaps) + element + draw(gaps) + comma
    return text + draw(gaps) + "]"


@st.composite
def _inline_tables(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    members = [
        draw(_SPACES) + key + draw(_SPACES) + "=" + draw(_SPACES) + draw(values) + draw(_SPACES)
        for key in draw(st.lists(_KEYS, max_size=3, unique=True))
    ]
    return "{" + ",".join(members) + "}"


_VALUES = st.recursive(_SCALARS, lambda inner: st.one_of(_arrays(inner), _inline_tables(inner)), max_leaves=8)


@st.composite
def _documents(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(["", "\n\n", "# top\n", " # top\n\n"]))
    for number in range(draw(st.integers(0, 4))):
        if number:
            header = draw(st.sampled_from(["[t{}]", "[[u]]", "[ v . w{} ]", "[['x']]"])).format(number)
            text += draw(_SPACES) + header + draw(_LINE_ENDS)
        for key in draw(st.lists(_KEYS, max_size=3, unique=True)):
            text += draw(_SPACES) + key + draw(_SPACES) + "=" + draw(_SPACES) + draw(_VALUES)
            text += draw(_LINE_ENDS)
    return text if draw(st.booleans()) else text.rstrip("\r\n")


@settings(max_examples=500, deadline=None)
@given(_documents())
def test_any_document(text: str) -> None:
    result = formatted(text)
    assert repr(tomllib.loads(result)) == repr(tomllib.loads(text))
    assert formatted(result) == result
    assert result.count("#") == text.count("#")
    assert result == "" or (result.endswith("\n") and not result.startswith("\n"))


@pytest.mark.parametrize("text", ["a = ", "a = 1\na = 2\n", "\ufeffa = 1\n", "a = 1979-99-99\n", "[a\n"])
def test_what_is_no_toml_is_reported(text: str) -> None:
    bag = Bag()
    assert format_source(Source("test.toml", text), bag) is None
    assert bag.has_errors


def test_a_changed_value_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formatting, "_inline", lambda members: "{}")
    with pytest.raises(RuntimeError, match="changes what the policy says"):
        format_source(Source("test.toml", "a = { b = 1 }\n"), Bag())


def test_deep_nesting_takes_no_time() -> None:
    text = "a = " + "[" * 99 + "# x\n" + "]" * 99 + "\n"
    assert formatted(formatted(text)) == formatted(text)
