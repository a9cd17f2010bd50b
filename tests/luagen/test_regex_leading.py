"""Patterns in two parts: what every match begins with, and the rest."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luagen import regex


@pytest.mark.parametrize(
    ("pattern", "leading"),
    [
        ("^/shop/", b"/shop/"),
        (r"\A(?:/users/)[^/]+\Z", b"/users/"),
        ("^/é/[ab]", "/é/".encode()),
        ("^/ab*", b"/a"),
        ("^/ab?c", b"/a"),
        ("^/(?P<id>a)", b"/"),
        (r"^/a\.[b]c", b"/a.bc"),
        ("^(?:ab)+", b""),
        ("^/a|^/b", b""),
        ("/a", b""),
        ("(?m)^/a", b""),
        ("(?i)^/a", b"/"),
        ("^", b""),
        # what looks back needs the bytes before
        (r"^/a\b", b""),
        ("^/a(b|^c)", b""),
        ("(?m)^a\n^b", b""),
    ],
)
def test_what_every_match_begins_with(pattern: str, leading: bytes) -> None:
    assert regex.split(regex.parse(pattern)).leading == leading


def test_patterns_that_begin_differently_have_one_automaton() -> None:
    one, other = (regex.split(regex.parse(rf"^/shop/item-{n}/(\d+)$")).rest for n in (1, 22))
    assert one == other
    assert regex.compiled(one) is regex.compiled(other)


PARTS = st.sampled_from(
    ("^", r"\A", "(?:^)", "a", "b", "ab", "(?:ab)", "/", "a*", "b?", "(?P<x>a|b)", "(?:a|ab)", "[ab]", "$",
     r"\b", r"\B", r"\Z", "(?m:^)", "(?i:a)", "|", "\n", ".")
)  # fmt: skip


@given(st.lists(PARTS, min_size=1, max_size=8), st.text("ab/A\n", max_size=8))
def test_both_parts_match_what_the_pattern_matches(parts: list[str], text: str) -> None:
    pattern = "^" + "".join(parts)
    subject = text.encode()
    try:
        expected = re.search(pattern.encode(), subject)
        split = regex.split(regex.parse(pattern))
    except (re.error, regex.RegexError):
        return
    found = None
    if subject.startswith(split.leading):
        found = regex.compiled(split.rest).search(subject[len(split.leading) :])
    groups = None if expected is None else {k: v or b"" for k, v in expected.groupdict().items()}
    assert found == groups
