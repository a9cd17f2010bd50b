"""Regular expressions: what is accepted finds what CPython finds; what is refused says why and where."""

from __future__ import annotations

import re
import time

import pytest

from luagen import regex
from luagen.regex import limits

FINDS: list[tuple[str, list[bytes]]] = [
    ("", [b"", b"x"]),
    ("abc", [b"abc", b"xabcx", b"ab", b"ababc"]),
    ("a|", [b"", b"b"]),
    ("^a$", [b"a", b"a\n", b"a\n\n", b"ba", b"\na"]),
    (r"\Aa\Z", [b"a", b"a\n"]),
    ("(?m)^b$", [b"a\nb\nc", b"a\nbc", b"b", b"\nb"]),
    (r"$\n\Z", [b"\n", b"a\n", b"a\n\n", b""]),
    (r"a$\n", [b"a\n", b"a\nb"]),
    ("a$b|a$", [b"ab", b"a\n"]),
    (r"\bfoo\b", [b"foo", b"a foo.", b"foobar", b"_foo", b"\xc3foo"]),
    (r"\Boo\B", [b"fooo", b"oo"]),
    (r"\b", [b"", b" ", b"a"]),
    (r"\B", [b" ", b"a", b"ab"]),
    (".", [b"\n", b"a", b"\x00", b"\xff", b""]),
    ("(?s).", [b"\n"]),
    ("a.c", [b"abc", b"a\nc"]),
    ("(?i)straße", ["STRAßE".encode(), b"strasse"]),
    ("(?i)[k-m]", [b"L", b"l", b"n"]),
    ("(?i)[^k]", [b"K", b"k", b"n"]),
    ("(?i:a)b", [b"Ab", b"AB"]),
    ("(?i)a(?-i:b)", [b"Ab", b"AB"]),
    ("(?s-i:A.)", [b"A\n", b"a\n"]),
    ("(?x) a b # c d\n c", [b"abc", b"a b c"]),
    ("(?x) [ ] \\ \\# a {2} ", [b"  #aa", b"  #a"]),
    ("(?x) a b{2} (?-x: )", [b"abb ", b"abb"]),
    ("(?a)(?i)(?#note)A(?#note)+", [b"aa"]),
    (r"[]a][^]a]", [b"]b", b"a]"]),
    (r"[a\]-]", [b"]", b"-", b"b"]),
    (r"[\d\-x]", [b"7", b"-", b"x", b"y"]),
    (r"[\b\t\\\x41\101\0]", [b"\x08", b"\t", b"\\", b"A", b"\x00", b"B"]),
    (r"\a\f\n\r\t\v\\\x7e\0\012\176", [b"\a\f\n\r\t\v\\~\0\n~"]),
    (r"\.\*\?\/\-\ ", [b".*?/- "]),
    ("a{2}", [b"a", b"aa"]),
    ("^a{1,2}$", [b"", b"a", b"aa", b"aaa"]),
    ("^a{,2}b{1,}$", [b"b", b"aabb", b"aaab", b"aa"]),
    ("a{,}b", [b"b", b"aab"]),
    ("a{x}{}{", [b"a{x}{}{"]),
    ("a{1,2", [b"a{1,2"]),
    ("(?:^)*a(?:$)?", [b"a", b"ba"]),
    ("é+", ["éé".encode(), b"\xc3"]),
    ("^é{2}$", ["éé".encode(), b"\xc3\xa9\xa9"]),
    ("[^\\x00-\\xff]", [b"", b"a"]),
    # which of several matches: leftmost, then in the order of the alternatives, then greedy or lazy
    ("(?P<x>a|ab)(?P<y>c|bcd)(?P<z>d*)", [b"abcd", b"acd", b"xxabcd"]),
    ("(?P<x>a*?)(?P<y>a*)", [b"aaa"]),
    ("(?P<x>.*)(?P<y>b+)", [b"abbb", b"bab"]),
    ("(?P<x>.*?)(?P<y>b+)", [b"abbb", b"bab"]),
    ("(?P<x>a+?)(?P<y>b|$)", [b"aaab", b"aaa", b"aaa\n"]),
    ("(?P<x>a)|(?P<y>b)", [b"ba", b"ab", b"c", b"bca"]),
    # two ways that change places: their registers are exchanged
    ("(?P<x>a)+ab*", [b"aa", b"aaa", b"aaaab", b"aaaaa"]),
    ("(?P<x>ab)+ab+", [b"abab", b"ababab", b"abababb"]),
    ("(?:(?P<x>a)|(?P<y>b))*", [b"ab", b"ba", b"aab"]),
    ("(?:(?P<x>a)|b)*", [b"ab", b"abab"]),
    ("(?P<o>a(?P<i>b)?)+", [b"aba", b"ab", b"abaab"]),
    ("(?P<x>a){0}(?P<y>b){1,3}", [b"abbbb"]),
    ("^(?P<x>a{1,3}?){2}$", [b"aaa", b"aaaa", b"aaaaaaa"]),
    (r"^/(?P<y>\d{4})/(?P<s>[^/]+?)(?:\.html)?/?$", [b"/2026/a.html", b"/2026/a/", b"/1/a"]),
    # loops whose body may be empty
    ("(a*)*", [b"", b"aab"]),
    ("(?P<x>a*)*", [b"", b"b", b"aab"]),
    ("(?P<x>a*)+", [b"", b"b", b"aab"]),
    ("(?P<x>|a)*", [b"aa"]),
    ("(?P<x>|a)*b", [b"aab"]),
    ("(?P<x>|a)+?b", [b"aab"]),
    ("(?P<x>a|)*b", [b"aab"]),
    ("(?P<x>(?P<y>a*)*)*", [b"aab"]),
    ("(?P<x>(?P<y>a|b*)*?c?)*d", [b"abbcad", b"acbcd"]),
    ("(?P<x>a|b?){2,3}(?P<y>.*)", [b"", b"a", b"ab", b"aba", b"abab"]),
    ("(?:(?P<x>a)|(?P<y>b)|(?P<z>))*c", [b"abc", b"bac"]),
]  # fmt: skip


def as_python(pattern: str) -> re.Pattern[bytes]:
    """The pattern for CPython: a character beyond ASCII as one item of its bytes."""
    return re.compile(b"".join(c.encode() if c.isascii() else b"(?:" + c.encode() + b")" for c in pattern))


def groups_found(python: re.Pattern[bytes], text: bytes) -> dict[str, bytes] | None:
    """What CPython finds, in the form of `Automaton.search`."""
    match = python.search(text)
    return match and {name: value or b"" for name, value in match.groupdict().items()}


@pytest.mark.parametrize(("pattern", "texts"), FINDS, ids=[pattern for pattern, _ in FINDS])
def test_finds_what_python_finds(pattern: str, texts: list[bytes]) -> None:
    automaton = regex.compile(pattern)
    python = as_python(pattern)
    assert automaton.groups == tuple(python.groupindex)
    for text in texts:
        assert automaton.search(text) == groups_found(python, text), text


def test_an_escaped_character_beyond_ascii_is_itself() -> None:
    assert regex.compile(r"^\é+$").search("éé".encode()) == {}


def test_there_is_no_boundary_in_an_empty_text() -> None:
    assert regex.compile(r"\B").search(b"") is None
    assert regex.compile(r"\b").search(b"") is None


LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
AT_END = None  # of the pattern
BACK_REFERENCE_HELP = "name both parts, `(?P<a>…)` and `(?P<b>…)`, and compare them: `a == b`"
TOO_LARGE_HELP = "anchor it with `^`, repeat less, name fewer groups, or split it into several `matches`"
NO_SUCH_GROUP = "there is no such group"

REFUSED: list[tuple[str, int, int | None, str, str | None]] = [
    # groups that no automaton follows
    (
        "a(?=b)",
        1,
        4,
        "a look-ahead cannot be compiled to an automaton",
        "write a second `matches` and join both with `and`",
    ),
    (
        "a(?!b)",
        1,
        4,
        "a negative look-ahead cannot be compiled to an automaton",
        "write a second condition: `and not matches(…)`",
    ),
    (
        "(?<=a)b",
        0,
        4,
        "a look-behind cannot be compiled to an automaton",
        "write what stands before as part of the pattern, and name the rest `(?P<rest>…)`",
    ),
    (
        "(?<!a)b",
        0,
        4,
        "a negative look-behind cannot be compiled to an automaton",
        "write a second condition: `and not matches(…)`",
    ),
    (
        "(?>a)b",
        0,
        3,
        "an atomic group cannot be compiled to an automaton",
        "write `(?:…)`: there is no backtracking to prevent",
    ),
    (
        "(a)(?(1)b|c)",
        3,
        6,
        "a conditional group cannot be compiled to an automaton",
        "write both cases out, with `|` between them",
    ),
    ("(?P<x>a)(?P=x)", 8, 12, "a back-reference cannot be compiled to an automaton", BACK_REFERENCE_HELP),
    (r"(a)\1", 3, 5, r"`\1` is a back-reference, which no automaton can follow", BACK_REFERENCE_HELP),
    (r"(a)\19", 3, 6, r"`\19` is a back-reference, which no automaton can follow", BACK_REFERENCE_HELP),
    (r"(a)\18", 3, 6, r"`\18` is a back-reference, which no automaton can follow", BACK_REFERENCE_HELP),
    (
        "a++",
        1,
        3,
        "a possessive quantifier cannot be compiled",
        "leave out the second `+`: there is no backtracking to prevent",
    ),
    (
        "ba{1,2}+",
        2,
        8,
        "a possessive quantifier cannot be compiled",
        "leave out the second `+`: there is no backtracking to prevent",
    ),
    # groups
    ("(a", 0, 1, "this `(` is never closed", "add `)`, or write `\\(` for the character"),
    ("(?:a|b", 0, 1, "this `(` is never closed", "add `)`, or write `\\(` for the character"),
    ("a)b", 1, 2, "this `)` closes nothing", "write `\\)` for the character"),
    ("(?P<1>a)", 0, 4, "a group's name is letters, digits and `_`, and ends in `>`", "write `(?P<name>…)`"),
    ("(?P<é>a)", 0, 4, "a group's name is letters, digits and `_`, and ends in `>`", "write `(?P<name>…)`"),
    (
        "(?P<x>a)(?P<x>b)",
        8,
        14,
        "there are two groups `x`",
        "give each its own name, and take the one that is not empty",
    ),
    ("(?P>x)", 0, 3, NO_SUCH_GROUP, "write `(?P<name>…)`"),
    ("(?<x>a)", 0, 3, NO_SUCH_GROUP, "write `(?P<name>…)`"),
    ("(?*a)", 0, 3, NO_SUCH_GROUP, "write `\\(` for the character `(`"),
    ("(?", 0, 2, NO_SUCH_GROUP, "write `\\(` for the character `(`"),
    ("a(?#b", 1, 4, "the comment has no end", "close it with `)`"),
    # flags
    ("a(?i)", 1, 5, "flags for the whole pattern stand at its start", "move them there, or write `(?i:…)`"),
    ("a|(?i)b", 2, 6, "flags for the whole pattern stand at its start", "move them there, or write `(?i:…)`"),
    ("((?i)b)", 1, 5, "flags for the whole pattern stand at its start", "move them there, or write `(?i:…)`"),
    ("(?u)a", 0, 3, "the flag `u` means nothing here: text is matched byte by byte", None),
    ("(?L:a)", 0, 3, "the flag `L` means nothing here: there is no locale", None),
    ("(?iq)a", 0, 4, "there is no flag `q`", "the flags are `i`, `m`, `s`, `x` and `a`"),
    ("(?i-i:a)", 0, 5, "the flag `i` is turned on and off", None),
    ("(?i-:a)", 0, 4, "no flag follows the `-`", "write `(?-i:…)`"),
    ("(?-a:b)", 0, 4, "the flag `a` cannot be turned off", None),
    ("(?-i)a", 0, 4, "the flags have no end", "write `(?i:…)`, or `(?i)` at the start"),
    ("(?i", 0, 3, "the flags have no end", "write `(?i:…)`, or `(?i)` at the start"),
    # repetition
    ("*a", 0, 1, "there is nothing to repeat", "write a backslash before it for the character"),
    ("a|+", 2, 3, "there is nothing to repeat", "write a backslash before it for the character"),
    ("(?:?)", 3, 4, "there is nothing to repeat", "write a backslash before it for the character"),
    ("^*", 1, 2, "there is nothing to repeat", "write a backslash before it for the character"),
    (r"\b{2}", 2, 5, "there is nothing to repeat", "write a backslash before it for the character"),
    ("a**", 2, 3, "a repetition is repeated", "put a group around the inner one: `(?:a+)*`"),
    ("(a)+{2}", 4, 7, "a repetition is repeated", "put a group around the inner one: `(?:a+)*`"),
    ("a{3,2}", 1, 6, "the most repetitions are fewer than the least", "write the smaller one first"),
    (
        "a{1001}",
        1,
        7,
        "the most repetitions are 1,000",
        "write `*` or `+`, and compare the length with `len`",
    ),
    (
        "a{0,99999999999}",
        1,
        16,
        "the most repetitions are 1,000",
        "write `*` or `+`, and compare the length with `len`",
    ),
    # escapes
    ("ab\\", 2, 3, "the pattern ends in a backslash", "write `\\\\` for a backslash"),
    (r"\q", 0, 2, r"there is no escape `\q` here", "write `q` for the character"),
    (r"[\A]", 1, 3, r"there is no escape `\A` here", "write `A` for the character"),
    (r"[\8]", 1, 3, r"there is no escape `\8` here", "write `8` for the character"),
    (r"a\z", 1, 3, r"there is no escape `\z`", r"write `\Z` for the end of the text"),
    (r"\x4", 0, 3, r"`\x` is not followed by two hexadecimal digits", r"write `\x0a`"),
    (
        r"\u00e9",
        0,
        2,
        r"`\u` cannot be used, patterns are matched byte by byte",
        "write the character itself",
    ),
    (
        r"[\U000000e9]",
        1,
        3,
        r"`\U` cannot be used, patterns are matched byte by byte",
        "write the character itself",
    ),
    (
        r"\N{DIGIT ONE}",
        0,
        2,
        r"`\N` cannot be used, patterns are matched byte by byte",
        "write the character itself",
    ),
    (r"[\777]", 1, 5, r"`\777` is no byte, the largest is `\377`", None),
    (r"\400", 0, 4, r"`\400` is no byte, the largest is `\377`", None),
    ("a\udc80", 1, 2, "half of a surrogate pair is no character", None),
    # classes
    ("a[b", 1, 3, "the character class has no end", "close it with `]`, or write `\\[` for the character"),
    ("[]", 0, 2, "the character class has no end", "close it with `]`, or write `\\[` for the character"),
    ("[a-", 0, 3, "the character class has no end", "close it with `]`, or write `\\[` for the character"),
    ("[z-a]", 1, 4, "the range ends before it begins", "write the smaller character first"),
    (r"[a-\d]", 1, 5, "a range goes from one character to another", "write `\\-` for the character `-`"),
    (r"[\w-z]", 1, 5, "a range goes from one character to another", "write `\\-` for the character `-`"),
    (
        "[aé]",
        2,
        3,
        "`é` is more than one byte, and a class stands for one byte",
        "list such characters with `|`: `(?:ä|ö|[a-z])`",
    ),
    (
        r"[\é]",
        1,
        3,
        "`é` is more than one byte, and a class stands for one byte",
        "list such characters with `|`: `(?:ä|ö|[a-z])`",
    ),
    ("[[a]", 1, 2, "`[` first in a class may mean a nested class in a later Python", "write `\\[`"),
    (
        "[a&&b]",
        2,
        4,
        "`&&` in a class may mean an operation on sets in a later Python",
        "write `\\&` for the character",
    ),
    (
        "[a--b]",
        2,
        4,
        "`--` in a class may mean an operation on sets in a later Python",
        "write `\\-` for the character",
    ),
    (
        "[a||b]",
        2,
        4,
        "`||` in a class may mean an operation on sets in a later Python",
        "write `\\|` for the character",
    ),
    # size
    (
        "a" * 1001,
        0,
        AT_END,
        "the pattern has 1,001 characters, the most are 1,000",
        "compare with a list of texts, or match in several rules",
    ),
    (
        "(" * 51 + ")" * 51,
        50,
        51,
        "more than 50 groups stand inside one another",
        "leave out groups that change nothing",
    ),
    (
        "((a{100}){100}){2}",
        0,
        AT_END,
        "the pattern has more than 10,000 parts, repetitions written out",
        "repeat less often: `{m,n}` inside `{m,n}` multiplies",
    ),
    ("a[ab]{11}c", 0, AT_END, "the automaton of this pattern has more than 2,000 states", TOO_LARGE_HELP),
    (
        "(?:a?){1000}b",
        0,
        AT_END,
        "the automaton of this pattern takes more than 1,000,000 steps to build",
        TOO_LARGE_HELP,
    ),
    (
        f"^(?:{LETTERS[:50]}){{30}}",
        0,
        AT_END,
        "the automaton of this pattern has 78,052 table entries, the most are 60,000",
        TOO_LARGE_HELP,
    ),
]


@pytest.mark.parametrize(
    ("pattern", "start", "end", "message", "help"), REFUSED, ids=[repr(row[0][:30]) for row in REFUSED]
)
def test_refuses(pattern: str, start: int, end: int | None, message: str, help: str | None) -> None:
    with pytest.raises(regex.RegexError) as refused:
        regex.compile(pattern)
    found = refused.value
    expected = (start, len(pattern) if end is AT_END else end, message, help)
    assert (found.start, found.end, found.message, found.help) == expected


@pytest.mark.parametrize(
    "pattern",
    ["(a*)*b", "(a|a)*b", "(a+)+$b", "(.*a)*b", "(?P<x>(?P<y>a*)*)*b", "(?P<x>a|aa)+$b"],
)
def test_time_grows_with_the_text_only(pattern: str) -> None:
    automaton = regex.compile(pattern)
    begun = time.perf_counter()
    assert automaton.search(b"a" * 100_000) is None
    assert time.perf_counter() - begun < 5  # it takes some 0.1 s; CPython takes for ever


def test_same_pattern_same_bytes() -> None:
    pattern = r"^/(?P<a>[^/]+)/(?:x|(?P<b>\d+))(?i:\.HTML?)?$"
    assert regex.compile(pattern) == regex.compile(pattern)
    assert regex.compile(pattern).packed() == regex.compile(pattern).packed()


def test_equal_states_are_merged() -> None:
    assert len(regex.compile("(?:ab|cb|db)e").targets) == 4  # the end, and before `[acd]`, `b` and `e`
    assert regex.compile("a|b").packed() == regex.compile("[ab]").packed()
    assert regex.compile(r"^(?P<x>a|b)c").packed() == regex.compile(r"^(?P<x>[ab])c").packed()


def test_packed_form() -> None:
    assert regex.compile("ab").packed() == b";97,98;0*97,1,2,0*157;;1,2,1/1,2,0:0*2,1,0"
    assert regex.compile("a^").packed() == b";;0*256;;0"
    assert regex.compile("^(?P<x>a)").packed() == b"x;;0*97,1,0*158;5,0/2,0,3,5,4,0;0,2:0,1,0/0*2:2*3"


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [
        ("/wp-", b"/wp-"),
        ("(?P<x>/a)[bc]", b"/a"),
        ("é+", "é".encode()),
        ("a*b", b""),
        ("^a", b""),
        (r"a\b", b""),
        ("a$", b"a"),
        ("(?i)ab", b""),
        ("a|b", b""),
        ("x" * 40, b"x" * 32),
    ],
)
def test_prefix(pattern: str, prefix: bytes) -> None:
    assert regex.compile(pattern).prefix == prefix


def test_an_anchored_pattern_stops_early() -> None:
    automaton = regex.compile("^a*b")
    begun = time.perf_counter()
    for _ in range(1000):
        assert automaton.search(b"c" * 100_000) is None
    assert time.perf_counter() - begun < 2  # to look at every byte would take minutes


def test_limits_are_large_enough_for_what_people_write() -> None:
    for pattern in (
        r"^(?P<user>[^@\s]+)@(?P<host>(?:[a-z0-9-]+\.)+[a-z]{2,})$",
        r"(?i)(?:union\s+select|<script\b|\.\./|/etc/passwd)",
        r"^/(?P<lang>[a-z]{2}(?:-[A-Z]{2})?)/(?P<rest>.*)$",
        r"(?i)bot|crawl|spider|curl|wget|python-requests|scrapy|headless",
        r"^\d{1,3}(?:\.\d{1,3}){3}$",
        r"^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
    ):
        assert len(regex.compile(pattern).targets) < limits.MAX_STATES / 10
