from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.json_pointer import MAX_POINTER_BYTES, Pointer, parse, value_at

# RFC 6901 section 5, and what becomes of the order of the escapes
POINTERS = {
    "/foo": ("foo",),
    "/": ("",),
    "/a~1b": ("a/b",),
    "/c%d": ("c%d",),
    "/g|h": ("g|h",),
    '/k"l': ('k"l',),
    "/ ": (" ",),
    "/m~0n": ("m~n",),
    "/~01": ("~1",),
    "/~0~1": ("~/",),
    "//x//": ("", "x", "", ""),
    "/a/0": ("a", "0"),
}


@pytest.mark.parametrize(("text", "path"), POINTERS.items(), ids=POINTERS)
def test_pointers(text: str, path: tuple[str, ...]) -> None:
    assert parse(text) == Pointer(text, path)


@pytest.mark.parametrize("text", ["", "foo", "#/foo", "/~", "/a~2", "/a~/b", "/a\n", "/\x7f", "/\0"])
def test_what_is_none(text: str) -> None:
    assert parse(text) is None


def test_a_pointer_has_a_bound_in_bytes() -> None:
    longest = "/" + "é" * 127 + "x"
    assert len(longest.encode()) == MAX_POINTER_BYTES
    assert parse(longest) is not None
    assert parse(longest + "x") is None


@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=5), min_size=1, max_size=4))
def test_every_path_has_a_pointer(path: list[str]) -> None:
    found = parse("".join("/" + name.replace("~", "~0").replace("/", "~1") for name in path))
    assert found is not None
    assert found.path == tuple(path)
    document: object = "there"
    for name in reversed(path):
        document = {name: document}
    assert isinstance(document, dict)
    assert value_at(document, found.path) == "there"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("a",), {"b": [1], "n": None}),
        (("a", "b"), [1]),
        (("a", "b", "0"), None),
        (("a", "n"), None),
        (("a", "n", "x"), None),
        (("c",), None),
        (("s", "0"), None),
    ],
)
def test_they_walk_objects_only(path: tuple[str, ...], value: object) -> None:
    assert value_at({"a": {"b": [1], "n": None}, "s": "text"}, path) == value
