"""Regular expressions against CPython's `re`: the reference run, and the Lua runtime under every Lua version.

Patterns are drawn from a grammar of everything that is accepted, over few characters, so that they match
about as often as not; so are texts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from hypothesis import assume, event, given, note
from hypothesis import strategies as st

from luagen import regex
from luagen.lua.host import LUA_VERSIONS, Host
from tests.differential.conftest import PROFILE
from tests.luagen.test_regex import as_python, groups_found

LITERALS = (
    "a",
    "b",
    "ab",
    "c",
    "B",
    "_",
    " ",
    r"\ ",
    "0",
    "é",
    r"\xc3",
    r"\n",
    r"\x00",
    r"\.",
    r"\-",
    "-",
    "{",
    "}",
    "#",
)
CLASSES = (
    *(
        r"\d",
        r"\D",
        r"\w",
        r"\W",
        r"\s",
        r"\S",
        ".",
        ".",
        "[ab]",
        "[^a]",
        "[^ab]",
        "[a-c0-9]",
        "[A-z]",
        "[^B-a]",
    ),
    *(
        "[]a]",
        "[^]a]",
        "[a-]",
        "[-a]",
        r"[\w ]",
        r"[^\s]",
        r"[\x80-\xff]",
        r"[\n\b]",
        r"[\D]",
        "[^-_]",
        "[^\\x00-\\xff]",
    ),
)
PLACES = ("^", "$", r"\A", r"\Z", r"\b", r"\B")
QUANTIFIERS = ("*", "+", "?", "{0}", "{1}", "{2}", "{0,1}", "{1,2}", "{0,3}", "{2,}", "{,2}", "{,}")
FLAGS = ("i", "m", "s", "x", "a", "im", "-i", "-m", "-s", "-x", "i-s", "ms-i")
TEXT_PARTS = (
    b"a",
    b"b",
    b"ab",
    b"c",
    b"B",
    b"A",
    b"0",
    b"_",
    b" ",
    b"\n",
    b"-",
    b".",
    b"{",
    b"#",
    b"\xc3",
    b"\xc3\xa9",
    b"\x00",
    b"]",
    b"\x08",
)


@st.composite
def patterns(draw: st.DrawFn) -> str:
    names = iter("vwxyz")

    def sequence(depth: int) -> str:
        return "".join(item(depth) for _ in range(draw(st.integers(0 if depth < 3 else 1, 3))))

    def choices(depth: int) -> str:
        return "|".join(sequence(depth) for _ in range(draw(st.sampled_from((1, 1, 2, 3)))))

    def item(depth: int) -> str:
        kind = draw(st.sampled_from("LLLCCP" if depth == 0 else "LLCPGGNNNF"))
        if kind == "P":
            return draw(st.sampled_from(PLACES))
        if kind in "LC":
            found = draw(st.sampled_from(LITERALS if kind == "L" else CLASSES))
        elif kind == "F":
            found = f"(?{draw(st.sampled_from(FLAGS))}:{choices(depth - 1)})"
        elif kind == "N" and (name := next(names, None)):
            found = f"(?P<{name}>{choices(depth - 1)})"
        else:
            opening = draw(st.sampled_from(("(", "(?:", "(?:", "(?#c)(?:")))
            found = f"{opening}{choices(depth - 1)})"
        if draw(st.booleans()):
            found += draw(st.sampled_from(QUANTIFIERS)) + draw(st.sampled_from(("", "", "?")))
        return found

    flags = draw(
        st.sampled_from(
            ("", "", "", "", "(?i)", "(?s)", "(?m)", "(?x)", "(?a)(?im)", "(?ms)", "(?#c)(?x) (?i)")
        )
    )
    return flags + choices(draw(st.sampled_from((0, 1, 2, 2, 3))))


texts = st.lists(st.sampled_from(TEXT_PARTS), max_size=8).map(b"".join)


@dataclass(frozen=True)
class Runtime:
    """The Lua runtime under one version."""

    host: Host
    module: Any

    def search(self, automaton: Any, text: bytes) -> dict[str, bytes] | None:
        groups = self.host.lua.table_from({})
        found = self.module[b"search"](automaton, text, groups)
        assert self.module[b"search"](automaton, text) is found
        return {name.decode(): value for name, value in groups.items()} if found else None


@cache
def runtime(version: str) -> Runtime:
    host = Host(version)
    return Runtime(host, host.load_runtime("automaton")["automaton"])


def check(pattern: str, automaton: regex.Automaton, texts: list[bytes]) -> None:
    python = as_python(pattern)
    expected = [groups_found(python, text) for text in texts]
    assert [automaton.search(text) for text in texts] == expected
    for version in LUA_VERSIONS:
        lua = runtime(version)
        made = lua.module[b"new"](automaton.packed())
        assert [lua.search(made, text) for text in texts] == expected, version


@pytest.mark.timeout(3600)
@PROFILE
@given(patterns(), st.lists(texts, min_size=4, max_size=8))
def test_finds_what_python_finds(pattern: str, texts: list[bytes]) -> None:
    note(f"pattern: {pattern!r}")
    try:
        as_python(pattern)
    except re.error:
        with pytest.raises(regex.RegexError):
            regex.compile(pattern)
        assume(False)
    try:
        automaton = regex.compile(pattern)
    except regex.RegexError as error:
        assert error.message == "the automaton of this pattern has more than 2,000 states"
        event("too large")
        assume(False)
    # Of an empty text CPython's answer depends on its version.
    check(pattern, automaton, [text for text in texts if text or r"\B" not in pattern])
