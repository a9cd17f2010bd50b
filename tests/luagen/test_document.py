"""Positions in TOML: `text[start:end]` of every key, value and character is exactly its source."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luagen.diagnostics import Bag, Code
from luagen.document import Array, Entry, Other, Table, Text, Value, parse
from luagen.source import Source

DOCUMENTS = {
    "empty": "",
    "comments only": "# nothing\n\n# here",
    "no final line end": "a = 1",
    "dotted keys": "a.b.c = 1\na . \"b\" . d = 2\n'a'.e = 3\n",
    "quoted keys": '"x y" = 1\n\'z"\' = 2\n"\\u00e9" = 3\n"" = 4\n',
    "inline tables": "t = { a.b = 1, c = [1, 2, { z = '''\nhi''' }], d = {} }\n",
    "arrays": "a = [\n  1, # one\n  2,\n]\nb = []\nc = [[1], ['x']]\n",
    "tables": "[a]\nx = 1\n[ b . c ]\ny = 2\n[a.sub]\nz = true\n",
    "table after its part": "[a.b]\nx = 1\n[c]\n[a]\ny = 2\n",
    "tables out of order": "[a.x]\nk = 1\n[b]\nk = 2\n[a.y]\nk = 3\n",
    "arrays of tables": "[[r]]\nx = 1\n[r.sub]\ny = 2\n[[r]]\n[[r.d]]\nz = 3\n[[r.d]]\nz = 4\n[o]\n[[r]]\n",
    "array of tables inside a table": "[[a.r]]\nx = 1\n[[a.r]]\nx = 2\n[a.o]\nk = true\n",
    "strings": 'a = \'lit\\n\'\nb = "\\"q\\" \\u00e9 \\U0001F600 \\t"\nc = \'\'\nd = ""\n',
    "multi-line strings": (
        'a = """\nfirst \\\n   second\n\n  third\\\\ """ # c\n'
        "b = '''\n'one' ''two'' '''\n"
        'c = """"x\\""""\n'
        "d = ''''quoted''''\ne = \"\"\"\"\"\"\nf = ''''''\n"
    ),
    "crlf": "a = \"\"\"\r\none\r\n  \\\r\n two\"\"\"\r\n[t]\r\nb = '''\r\nx\r\ny''' # c\r\nc = [\r\n]\r\n",
    "numbers": "a = +1\nb = 0xFF\nc = 1_000\nd = 1.5e3\ne = -0\nf = inf\n",
    "dates": "a = 1979-05-27 07:32:00\nb = 1979-05-27  # day\nc = 07:32:00\nd = [1979-05-27 , 1979-05-28]\n",
    "booleans": "a = true\nb = [ false , true ]\n",
    "unicode": '# \u00fc\na = \'h\u00e9 \U0001f600 x\' # \u2028 \x85\nb = "\u2028"\nc."\u65e5" = 1\n',
    "blanks": "\t a \t=\t 1 \t# c\n\n\n   [t]   # c\n\t\tb\t= 'x'\t\n",
}


def document(text: str) -> Table:
    bag = Bag()
    table = parse(Source("test.toml", text), bag)
    assert table is not None, bag.sorted()
    return table


def plain(value: Value) -> object:
    match value:
        case Table(entries=entries):
            return {key: plain(entry.value) for key, entry in entries.items()}
        case Array(values=values):
            return [plain(inner) for inner in values]
        case Other(span=span):
            return tomllib.loads(f"x = {span.source.text[span.start : span.end]}")["x"]
        case _:
            return value.value


def entries_of(value: Value) -> Iterator[Entry]:
    match value:
        case Table(entries=entries):
            for entry in entries.values():
                yield entry
                yield from entries_of(entry.value)
        case Array(values=values):
            for inner in values:
                yield from entries_of(inner)
        case _:
            return


def values_of(value: Value) -> Iterator[Value]:
    match value:
        case Table(entries=entries):
            for entry in entries.values():
                yield entry.value
                yield from values_of(entry.value)
        case Array(values=values):
            for inner in values:
                yield inner
                yield from values_of(inner)
        case _:
            return


def check_positions(text: str) -> None:
    root = document(text)
    assert repr(plain(root)) == repr(tomllib.loads(text))
    for entry in entries_of(root):
        source = text[entry.span.start : entry.span.end]
        assert list(tomllib.loads(f"{source} = 1")) == [entry.key]
    for value in values_of(root):
        source = text[value.span.start : value.span.end]
        if source.startswith("[") and isinstance(value, Table | Array) and not is_inline(value, source):
            assert source == source.strip() and source.endswith("]")
        elif not isinstance(value, Table) or source.startswith("{"):
            assert repr(tomllib.loads(f"x = {source}")["x"]) == repr(plain(value))
        if isinstance(value, Text):
            check_characters(value, text)


def is_inline(value: Table | Array, source: str) -> bool:
    try:
        return repr(tomllib.loads(f"x = {source}")["x"]) == repr(plain(value))
    except tomllib.TOMLDecodeError:
        return False


def check_characters(value: Text, text: str) -> None:
    assert len(value.offsets) == len(value.value) + 1
    assert list(value.offsets) == sorted(value.offsets)
    is_basic = text[value.span.start] == '"'
    for index, char in enumerate(value.value):
        span = value.part(index, index + 1)
        source = text[span.start : span.end]
        if is_basic and source.startswith("\\"):
            assert tomllib.loads(f'x = """{source}"""')["x"] == char
            continue
        first = "\r\n" if source.startswith("\r\n") else source[0]
        assert first.replace("\r", "") == char
        # What follows a character and stands for nothing is a line continuation.
        assert source[len(first) :][:1] in ("", "\\")
        assert is_basic or source == first
    assert text[value.offsets[-1] : value.span.end] in ("'", '"', "'''", '"""')


@pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_positions(text: str) -> None:
    check_positions(text)


def test_positions_in_the_quickstart() -> None:
    check_positions((Path(__file__).parents[2] / "examples/quickstart/lightgate.toml").read_text())


# --- drawn documents -------------------------------------------------------------------------------------

BLANKS = st.sampled_from(["", " ", "\t", "  "])
LINE_ENDS = st.sampled_from(["\n", "\r\n", " # c\n", " # \u00e9\r\n", "\n\n"])
LETTERS = st.text(st.sampled_from("ab \u00e9\u65e5\U0001f600'\"#=[]{}.,"), max_size=8)
BARE = st.text(st.sampled_from("abc-_1"), min_size=1, max_size=3)


def basic(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


STRINGS = st.one_of(
    LETTERS.map(basic),
    LETTERS.filter(lambda value: "'" not in value).map(lambda value: f"'{value}'"),
    st.lists(
        st.sampled_from(["x", "\u00e9", "\n", "\r\n", "\\\n  ", "\\\r\n\t\n", "\\t", "\\u00e9", '\\"', " "]),
        max_size=8,
    ).map(lambda pieces: '"""' + "".join(pieces) + '"""'),
    st.lists(st.sampled_from(["x", "\\", "\n", "\r\n", '"', "\u65e5"]), max_size=8).map(
        lambda pieces: "'''" + "".join(pieces) + "'''"
    ),
)
SCALARS = st.one_of(
    STRINGS, st.sampled_from(["1", "-5", "0x1f", "1_0", "true", "false", "1.5", "1979-05-27", "07:32:00"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.tuples(BLANKS, st.lists(inner, max_size=3), st.sampled_from([", ", ",", " ,\n ", ", # c\n"])).map(
            lambda drawn: f"[{drawn[0]}{drawn[2].join(drawn[1])}{drawn[0]}]"
        ),
        st.dictionaries(BARE, inner, max_size=3).map(
            lambda drawn: "{" + ", ".join(f"{key} = {value}" for key, value in drawn.items()) + "}"
        ),
    ),
    max_leaves=6,
)
KEYS = st.one_of(BARE, LETTERS.map(basic))


@st.composite
def documents(draw: st.DrawFn) -> str:
    lines: list[str] = []
    for table in ("", *draw(st.lists(KEYS, max_size=3, unique=True))):
        if table:
            header = draw(st.sampled_from(["[t.{}]", "[[a.{}]]", "[ t . {} ]"])).format(table)
            lines.append(f"{draw(BLANKS)}{header}{draw(LINE_ENDS)}")
        keys = draw(st.dictionaries(KEYS, VALUES, max_size=3))
        for key, value in keys.items():
            space = draw(BLANKS)
            lines.append(f"{space}k{len(lines)}.{key}{space}={space}{value}{draw(LINE_ENDS)}")
    return "".join(lines)


@settings(max_examples=300, deadline=None)
@given(documents())
def test_positions_in_drawn_documents(text: str) -> None:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        bag = Bag()
        assert parse(Source("test.toml", text), bag) is None
        assert bag.has_errors
        return
    check_positions(text)


STATEMENTS = st.sampled_from(
    [
        *("[a]", "[a.b]", "[a.b.c]", "[[a]]", "[[a.b]]", "[b]", "[[b]]", "[b.a]"),
        *("a = 1", "a.b = 1", "a.b.c = 1", "b = {}", "b.a = {}", "a = { b.c = 1, b.d = 2 }", "b = [1]"),
        *("c = [{}]", "a = { b = 1, b = 2 }", "b.c = 2", "c.a = '''\n'''"),
    ]
)


@settings(max_examples=1000, deadline=None)
@given(st.lists(STATEMENTS, max_size=6).map("\n".join))
def test_what_contradicts_itself_is_what_tomllib_refuses(text: str) -> None:
    bag = Bag()
    table = parse(Source("test.toml", text), bag)
    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        assert table is None
        (found,) = bag.sorted()
        assert found.code is Code.DUPLICATE_KEY, text
    else:
        assert table is not None, text
        assert plain(table) == expected
