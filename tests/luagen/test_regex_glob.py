"""Globs: what fits and what does not, as compiled; what is refused says why and where."""

from __future__ import annotations

import pytest

from luagen import regex

GLOBS = [
    (
        "/users/*/photos",
        ["/users/42/photos", "/users/é/photos"],
        ["/users//photos", "/users/a/b/photos", "/users/1/photos/"],
    ),
    ("/users/*", ["/users/a"], ["/users/", "/users", "/users/a/", "/users/a/b"]),
    ("/users/*.php", ["/users/.php", "/users/a.php"], ["/users/a/b.php", "/users/aphp"]),
    ("/users/**", ["/users/", "/users/a", "/users/a/b/", "/users/a\nb"], ["/users", "/usersx", "x/users/"]),
    ("/users/**/x", ["/users/x", "/users/a/x", "/users/a/b/x"], ["/users/ax", "/users/a/xb", "/x"]),
    ("**/x", ["x", "/x", "a/b/x"], ["ax", "a/bx"]),
    ("**", ["", "/", "/a/b"], []),
    ("*", ["a", "a.b"], ["", "/", "a/"]),
    ("/a?c", ["/abc", "/aéc", "/a€c", "/a😀c", "/a\nc"], ["/a/c", "/ac", "/aééc"]),
    ("/[abc]", ["/a", "/c"], ["/d", "/", "/ab"]),
    ("/[a-c0]", ["/b", "/0"], ["/d", "/-"]),
    ("/[!a-c]", ["/d", "/é", "/!"], ["/a", "/b", "//", "/"]),
    ("/[]a]", ["/]", "/a"], ["/b"]),
    ("/[!]a]", ["/b"], ["/]", "/a"]),
    ("/[a-]", ["/a", "/-"], ["/b"]),
    ("/[-a]", ["/a", "/-"], ["/b"]),
    ("/[.-0]", ["/.", "/0"], ["//"]),
    ("/[*][?][[]", ["/*?["], ["/abc"]),
    ("/[{][}]", ["/{}"], ["/{"]),
    ("/{a,b}", ["/a", "/b"], ["/c", "/{a,b}", "/ab"]),
    ("/x{,.html,/*}", ["/x", "/x.html", "/x/a", "/x/"], ["/xa"]),
    ("/{a,{b,c?}d}e", ["/ae", "/bde", "/czde"], ["/bce", "/be"]),
    ("/a.b+(c)^$|\\d,é", ["/a.b+(c)^$|\\d,é"], ["/axb+(c)^$|\\d,é"]),
    ("", [""], ["a", "\n"]),
    ("/a", ["/a"], ["/a\n", "/A", "/ab", "x/a"]),
]


@pytest.mark.parametrize(("glob", "fitting", "others"), GLOBS, ids=[glob for glob, _, _ in GLOBS])
def test_fits(glob: str, fitting: list[str], others: list[str]) -> None:
    pattern = regex.glob_pattern(glob)
    automaton = regex.compile(pattern)
    for text in fitting:
        assert automaton.search(text.encode()) == {}, text
    for text in others:
        assert automaton.search(text.encode()) is None, text


def test_a_broken_character_fits_nothing_but_a_star() -> None:
    assert regex.compile(regex.glob_pattern("/?")).search(b"/\xc3") is None
    assert regex.compile(regex.glob_pattern("/[!a]")).search(b"/\xff") is None
    assert regex.compile(regex.glob_pattern("/*")).search(b"/\xff") == {}


REFUSED = [
    (
        "/a**",
        2,
        4,
        "`**` stands for whole segments",
        "write it between slashes, outside of braces, or write `*`",
    ),
    (
        "/**a",
        1,
        3,
        "`**` stands for whole segments",
        "write it between slashes, outside of braces, or write `*`",
    ),
    (
        "/{a,**}",
        4,
        6,
        "`**` stands for whole segments",
        "write it between slashes, outside of braces, or write `*`",
    ),
    ("/***", 1, 4, "`***` has no meaning", "write `**` for any number of segments"),
    ("/{a,b", 1, 2, "this `{` is never closed", "add `}`, or write `[{]` for the character"),
    ("/a}", 2, 3, "this `}` closes nothing", "write `[}]` for the character"),
    ("/[ab", 1, 2, "this `[` is never closed", "add `]`, or write `[[]` for the character"),
    ("/[]", 1, 2, "this `[` is never closed", "add `]`, or write `[[]` for the character"),
    ("/[^a]", 1, 3, "`^` first in `[…]` is not the same everywhere", "write `[!…]` for all others"),
    ("/[z-a]", 2, 5, "the range ends before it begins", "write the smaller character first"),
    ("/[a/]", 3, 4, "a class stands for a character inside a segment, never for `/`", None),
    ("/[é]", 2, 3, "`é` in a class is not possible", "list the characters: `{ä,ö}`"),
    (
        "{" * 11 + "}" * 11,
        10,
        11,
        "more than 10 braces stand inside one another",
        "leave out braces that change nothing",
    ),
]


@pytest.mark.parametrize(
    ("glob", "start", "end", "message", "help"), REFUSED, ids=[row[0] for row in REFUSED]
)
def test_refuses(glob: str, start: int, end: int, message: str, help: str | None) -> None:
    with pytest.raises(regex.RegexError) as refused:
        regex.glob_pattern(glob)
    found = refused.value
    assert (found.start, found.end, found.message, found.help) == (start, end, message, help)
