"""automaton.lua: how it is called, and what it costs (tests/differential/test_regex.py: what it finds)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from luagen import regex
from luagen.lua.host import Host
from tests.luagen.test_regex import FINDS, as_python, groups_found


def runtime(host: Host) -> Any:
    return host.load_runtime("automaton")["automaton"]


def search(host: Host, pattern: str, text: bytes) -> dict[bytes, bytes] | None:
    module = runtime(host)
    groups = host.lua.table_from({})
    found = module[b"search"](module[b"new"](regex.compile(pattern).packed()), text, groups)
    return dict(groups.items()) if found else None


def test_finds_what_python_finds(host: Host) -> None:
    module = runtime(host)
    for pattern, texts in FINDS:
        automaton = module[b"new"](regex.compile(pattern).packed())
        for text in texts:
            groups = host.lua.table_from({})
            found = module[b"search"](automaton, text, groups)
            expected = groups_found(as_python(pattern), text)
            assert found is (expected is not None), (pattern, text)
            assert {name.decode(): value for name, value in groups.items()} == (expected or {}), (
                pattern,
                text,
            )


def test_without_a_table_for_groups_it_tells_whether(host: Host) -> None:
    module = runtime(host)
    automaton = module[b"new"](regex.compile("(?P<x>a+)b").packed())
    assert module[b"search"](automaton, b"caab") is True
    assert module[b"search"](automaton, b"caac") is False


def test_without_a_match_groups_are_left_alone(host: Host) -> None:
    module = runtime(host)
    automaton = module[b"new"](regex.compile("(?P<x>a+)(?P<y>b)?$").packed())
    groups = host.lua.table_from({b"x": b"before"})
    assert module[b"search"](automaton, b"aac", groups) is False
    assert dict(groups.items()) == {b"x": b"before"}
    assert module[b"search"](automaton, b"aa", groups) is True
    assert dict(groups.items()) == {b"x": b"aa", b"y": b""}


def test_what_a_match_begins_with_can_be_given_apart(host: Host) -> None:
    module = runtime(host)
    split = regex.split(regex.parse(r"^/user-7/(?P<id>[0-9]+)$"))
    automaton = module[b"new"](regex.compiled(split.rest).packed())
    for text, found in ((b"/user-7/12", b"12"), (b"/user-8/12", None), (b"12", None), (b"/user-7/", None)):
        groups = host.lua.table_from({})
        assert module[b"search"](automaton, text, groups, split.leading) is (found is not None)
        assert groups[b"id"] == found
        assert module[b"search"](automaton, text, None, split.leading) is (found is not None)


def test_an_automaton_keeps_nothing_from_one_search_to_the_next(host: Host) -> None:
    module = runtime(host)
    automaton = module[b"new"](regex.compile("^(?:(?P<x>a)|(?P<y>b))").packed())
    for text, expected in ((b"a", {b"x": b"a", b"y": b""}), (b"b", {b"x": b"", b"y": b"b"})):
        groups = host.lua.table_from({})
        assert module[b"search"](automaton, text, groups) is True
        assert dict(groups.items()) == expected


def test_every_byte_is_a_byte(host: Host) -> None:
    every = bytes(range(256))
    assert search(host, r"(?s)^(?P<all>.{256})\Z", every) == {b"all": every}
    assert search(host, r"\x00\x01(?P<rest>[^\xff]*)\xff", every) == {b"rest": every[2:255]}


@pytest.mark.parametrize("packed", [b"", b";;", b";;0*256;;", b"abc"])
def test_a_malformed_automaton_is_an_error(host: Host, packed: bytes) -> None:
    with pytest.raises(Exception, match="bug in luagen: bad automaton"):
        runtime(host)[b"new"](packed)


@pytest.mark.parametrize("pattern", ["(a*)*b", "(a+)+$b", "(?P<x>(?P<y>a*)*)*b", "(?P<x>.*)(?P<y>.*)b"])
def test_time_grows_with_the_text_only(host: Host, pattern: str) -> None:
    begun = time.perf_counter()
    assert search(host, pattern, b"a" * 100_000) is None
    assert time.perf_counter() - begun < 2  # it takes some 0.02 s


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^a*b", b"c" * 100_000),
        ("a", b"a" * 100_000),
        ("^(?P<x>a)", b"c" * 100_000),
        ("^(?P<x>a)b", b"ab" * 50_000),
    ],
)
def test_stops_when_the_rest_changes_nothing(host: Host, pattern: str, text: bytes) -> None:
    module = runtime(host)
    automaton = module[b"new"](regex.compile(pattern).packed())
    begun = time.perf_counter()
    for _ in range(2000):
        module[b"search"](automaton, text)
    assert time.perf_counter() - begun < 2  # to look at every byte would take ten seconds


def test_the_largest_automaton_loads_quickly(host: Host) -> None:
    letters = "".join(map(chr, range(ord("A"), ord("Z"))))
    packed = regex.compile(f"^(?:{letters}){{60}}").packed()
    begun = time.perf_counter()
    runtime(host)[b"new"](packed)
    assert time.perf_counter() - begun < 1  # it takes some 0.02 s
