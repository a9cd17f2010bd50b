from __future__ import annotations

from tests.lua.host import Host


def test_keeps_gives_back_once_and_forgets(host: Host) -> None:
    stash = host.load_runtime("stash")["stash"][b"new"]()
    assert stash[b"put"](b"a", b"body", 0) is True
    assert stash[b"put"](b"b", b"", 0) is True
    assert stash[b"take"](b"a") == b"body"
    assert stash[b"take"](b"a") is None
    assert stash[b"take"](b"b") == b""


def test_is_bounded_and_drops_what_never_came_back(host: Host) -> None:
    stash = host.load_runtime("stash")["stash"][b"new"]()
    body = b"x" * (40 * 1024 * 1024)
    assert stash[b"put"](b"a", body, 100) is True
    assert stash[b"put"](b"b", body, 130) is False
    assert stash[b"put"](b"b", body, 131) is True
    assert stash[b"take"](b"a") is None
    assert stash[b"fits"](64 * 1024 * 1024)
    assert not stash[b"fits"](64 * 1024 * 1024 + 1)
