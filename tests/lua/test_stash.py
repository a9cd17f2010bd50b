from __future__ import annotations

from luagen.lua.host import Host


def test_keeps_gives_back_once_and_forgets(host: Host) -> None:
    stash = host.load_runtime("stash")["stash"][b"new"]()
    assert stash[b"put"](b"a", b"body", 0) is True
    assert stash[b"put"](b"b", b"", 0) is True
    assert stash[b"take"](b"a") == b"body"
    assert stash[b"take"](b"a") is None
    assert stash[b"take"](b"b") == b""


def test_is_bounded_and_drops_what_never_came_back(host: Host) -> None:
    stash = host.load_runtime("stash")["stash"][b"new"]()
    body = b"x" * (32 * 1024 * 1024)
    assert stash[b"put"](b"a", body, 100) is True
    assert stash[b"put"](b"b", body, 101) is True
    assert stash[b"put"](b"c", b"x", 115) is False
    assert stash[b"put"](b"c", body, 116) is True
    assert stash[b"take"](b"a") is None
    assert stash[b"take"](b"b") == body
    assert stash[b"fits"](32 * 1024 * 1024)
    assert not stash[b"fits"](32 * 1024 * 1024 + 1)


def test_is_bounded_in_number_too(host: Host) -> None:
    stash = host.load_runtime("stash")["stash"][b"new"]()
    for number in range(1024):
        assert stash[b"put"](b"%d" % number, b"x", 0) is True
    assert stash[b"put"](b"more", b"x", 0) is False
    assert stash[b"take"](b"500") == b"x"
    assert stash[b"put"](b"more", b"x", 0) is True
    for number in range(5000):  # taken out of order and for ever: nothing is left behind
        assert stash[b"put"](b"n%d" % number, b"x", 16 + number) is True
    assert stash[b"take"](b"more") is None
