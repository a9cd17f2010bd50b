from __future__ import annotations

from typing import Any

import pytest

from luagen.lua.host import Host


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
    assert list(read[b"claims"].items()) == list(made[b"claims"].items()) == []


def test_claims_are_read_back(host: Host) -> None:
    module = identity(host)
    claims = {b"/plan": b"x y&sub=z", b"/level": -7, b"/beta": False, b"/groups": [b"a", b""]}
    made = module[b"new"](
        b"r1", b"corp", b"alice", b"", host.table([]), host.table(claims),
        host.table([b"/absent", b"/groups", b"/plan", b"/level", b"/beta"]),
    )  # fmt: skip
    assert made[b"text"] == (
        b"release=r1&provider=corp&sub=alice&claim=%2Fgroups%20l&element=a&element="
        b"&claim=%2Fplan%20sx%20y%26sub%3Dz&claim=%2Flevel%20i-7&claim=%2Fbeta%20b0"
    )
    read = module[b"decode"](made[b"text"], b"r1")
    assert read[b"sub"] == b"alice"
    assert (read[b"claims"][b"/plan"], read[b"claims"][b"/level"]) == (b"x y&sub=z", -7)
    assert read[b"claims"][b"/beta"] is False
    assert list(read[b"claims"][b"/groups"].values()) == [b"a", b""]


def test_callers_do_not_share_what_they_claim(host: Host) -> None:
    decode = identity(host)[b"decode"]
    first = decode(b"release=r1&provider=corp&sub=alice&claim=%2Fplan%20spro", b"r1")
    assert first[b"claims"][b"/plan"] == b"pro"
    assert decode(b"release=r1&provider=corp&sub=bob", b"r1")[b"claims"][b"/plan"] is None
    assert list(identity(host)[b"ANONYMOUS"][b"claims"].items()) == []


def test_claims_have_a_bound(host: Host) -> None:
    module = identity(host)
    room = 16_384 - len("&claim=%2Fp%20s")
    for size in (room, room + 1):
        made = module[b"new"](
            b"r1", b"corp", b"a", b"", host.table([]), host.table({b"/p": b"x" * size}), host.table([b"/p"])
        )
        text = b"release=r1&provider=corp&sub=a&claim=%2Fp%20s" + b"x" * size
        read = module[b"decode"](text, b"r1")
        assert (made is None, read is None) == ((size > room),) * 2
    many = b"release=r1&provider=corp&sub=a&claim=%2Fp%20l"
    fits = (16_384 - len("&claim=%2Fp%20l")) // len("&element=a")
    assert module[b"decode"](many + b"&element=a" * fits, b"r1") is not None
    assert module[b"decode"](many + b"&element=a" * (fits + 1), b"r1") is None


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


# what follows an identity that is well formed
MALFORMED_CLAIMS = [
    b"claim=",
    b"claim",
    b"claim=%2Fa",
    b"claim=%2Fa%20",
    b"claim=a%20s",
    b"claim=%20sx",
    b"claim=%2Fa%20x",
    b"claim=%2Fa%20Spro",
    b"claim=%2Fa%20%20spro",
    b"claim=%2Fa+spro",
    b"claim=/a%20spro",
    b"claim=%2Fa%20s&claim=%2Fa%20s",
    b"claim=%2Fa%20b0&claim=%2Fa%20b1",
    b"claim=%2Fa%20l&claim=%2Fa%20l",
    b"claim=%2Fa%20sa%0Ab",
    b"claim=%2Fa%20s%00",
    b"claim=%2Fa%0A%20s",
    b"claim=%2Fa~%20s",
    b"claim=%2Fa~2%20s",
    b"claim=%2Fa~%20~0s",
    b"claim=%2Fa%25%20s",
    b"claim=%2Fa%2541%20s",
    b"claim=%2Fa%20i",
    b"claim=%2Fa%20i-",
    b"claim=%2Fa%20i-0",
    b"claim=%2Fa%20i05",
    b"claim=%2Fa%20i%2B5",
    b"claim=%2Fa%20i5.0",
    b"claim=%2Fa%20i1e3",
    b"claim=%2Fa%20i0x10",
    b"claim=%2Fa%20i%205",
    b"claim=%2Fa%20i1000000000000000",
    b"claim=%2Fa%20i-1000000000000000",
    b"claim=%2Fa%20b",
    b"claim=%2Fa%20b2",
    b"claim=%2Fa%20btrue",
    b"claim=%2Fa%20lx",
    b"claim=%2Fa%20l%20",
    b"element=a",
    b"claim=%2Fa%20sx&element=a",
    b"claim=%2Fa%20b1&element=a",
    b"claim=%2Fa%20l&role=x&element=a",
    b"claim=%2Fa%20l&element=a&claim=%2Fb%20sx&element=a",
    b"claim=%2Fa%20l&element",
    b"claim=%2Fa%20l&element=a%0D",
    b"claim=%2Fa%20l&element=a=b",
    b"claim=%2Fa%20l&elements=a",
    b"claims=%2Fa%20sx",
]


@pytest.mark.parametrize("pairs", MALFORMED_CLAIMS)
def test_refuses_claims(host: Host, pairs: bytes) -> None:
    decode = identity(host)[b"decode"]
    assert decode(b"release=r1&provider=corp&sub=alice&" + pairs, b"r1") is None
    assert decode(b"release=r1&" + pairs + b"&provider=corp&sub=alice", b"r1") is None


@pytest.mark.parametrize(
    ("pairs", "pointer", "value"),
    [
        (b"claim=%2Fa%20i999999999999999", b"/a", 999_999_999_999_999),
        (b"claim=%2Fa%20i-999999999999999", b"/a", -999_999_999_999_999),
        (b"claim=%2Fa%20i0", b"/a", 0),
        (b"claim=%2F%20s", b"/", b""),
        (b"claim=%2Fa%2520b%20s%20", b"/a b", b" "),
        (b"claim=%2Fa%25252520%20sx", b"/a%2520", b"x"),
        (b"claim=%2Fa%252520%20sx", b"/a%20", b"x"),
        (b"claim=%2Fa~0~1%20b1", b"/a~0~1", True),
    ],
)
def test_reads_claims(host: Host, pairs: bytes, pointer: bytes, value: object) -> None:
    read = identity(host)[b"decode"](b"release=r1&provider=corp&sub=alice&" + pairs, b"r1")
    found = read and read[b"claims"][pointer]
    assert (type(found), found) == (type(value), value)
