from __future__ import annotations

from typing import Any

import pytest

from tests.lua.host import Host


def identity(host: Host) -> Any:
    return host.load_runtime("identity")["identity"]


def test_what_is_written_is_read_back(host: Host) -> None:
    module = identity(host)
    made = module[b"new"](b"r1", b"corp", "zoë & co=%".encode(), b"a@b", host.table([b"admin", b"two words"]))
    assert made[b"text"] == (
        b"release=r1&provider=corp&sub=zo%C3%AB%20%26%20co%3D%25&email=a%40b&role=admin&role=two%20words"
    )
    read = module[b"decode"](made[b"text"], b"r1")
    for name in (b"provider", b"sub", b"email", b"present", b"text"):
        assert read[name] == made[name]
    assert list(read[b"role_list"].values()) == [b"admin", b"two words"]
    assert read[b"roles"][b"admin"] is True
    assert read[b"roles"][b"root"] is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"release=r1&provider=corp",
        b"release=r1&sub=alice",
        b"release=r1&provider=corp&sub=",
        b"release=r2&provider=corp&sub=alice",
        b"provider=corp&sub=alice",
        b"release=r1&provider=corp&sub=alice&sub=bob",
        b"release=r1&provider=corp&sub=alice&admin=1",
        b"release=r1&provider=corp&sub=alice&",
        b"release=r1&provider=corp&sub=alice&&role=x",
        b"release=r1&provider=corp&sub=alice, release=r1&provider=corp&sub=bob",
        b"release=r1&provider=corp&sub=alice\n",
        b"release=r1&provider=corp&sub=alice%",
        b"release=r1&provider=corp&sub=alice%4",
        b"release=r1&provider=corp&sub=%zz",
        b"release=r1&provider=corp&sub=a%0D%0Ab",
        b"release=r1&provider=corp&sub=a+b",
        b"release=r1&provider=corp&sub=a=b",
        b"nonsense",
    ],
)
def test_refuses(host: Host, text: bytes) -> None:
    assert identity(host)[b"decode"](text, b"r1") is None
