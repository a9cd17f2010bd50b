from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.identity import Claim, Identity, encode
from tests.sidecar import vectors

VECTORS = vectors.load(vectors.OURS / "identity.json")
ALICE = Identity(provider="corp", sub="alice", email="a@b", roles=("x", "y"))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@pytest.mark.parametrize("row", VECTORS, ids=[row["name"] for row in VECTORS])
def test_vectors(row: dict[str, Any]) -> None:
    shown = row["identity"]
    claims = tuple(
        (pointer, tuple(value) if isinstance(value, list) else value)
        for pointer, value in shown.get("claims", [])
    )
    identity = Identity(**{**shown, "roles": tuple(shown["roles"]), "claims": claims})
    assert encode(identity, row["release"], row["members"]) == row["encoded"]


@pytest.mark.parametrize(
    ("members", "encoded"),
    [
        ((), "release=r1&provider=corp&sub=alice"),
        (("email",), "release=r1&provider=corp&sub=alice&email=a%40b"),
        (("role",), "release=r1&provider=corp&sub=alice&role=x&role=y"),
    ],
)
def test_only_what_the_policy_reads(members: tuple[str, ...], encoded: str) -> None:
    assert encode(ALICE, "r1", members) == encoded


@given(sub=TEXT, email=TEXT, roles=st.lists(TEXT, max_size=4))
def test_every_text_is_read_back(sub: str, email: str, roles: list[str]) -> None:
    identity = Identity(provider="corp", sub=sub, email=email, roles=tuple(roles))
    pairs = parse_qsl(encode(identity, "r1", ("email", "role")), strict_parsing=True)
    expected = [("release", "r1"), ("provider", "corp"), ("sub", sub), ("email", email)]
    assert pairs == expected + [("role", role) for role in roles]


@given(
    st.lists(st.tuples(TEXT, st.booleans() | st.integers() | TEXT | st.lists(TEXT).map(tuple)), max_size=4)
)
def test_claims_never_look_like_other_pairs(claims: list[tuple[str, Claim]]) -> None:
    identity = Identity(provider="corp", sub="alice", email=None, roles=("x",), claims=tuple(claims))
    pairs = parse_qsl(encode(identity, "r1", ("role",)), keep_blank_values=True, strict_parsing=True)
    assert pairs[:4] == [("release", "r1"), ("provider", "corp"), ("sub", "alice"), ("role", "x")]
    expected: list[tuple[str, str]] = []
    for pointer, value in claims:
        match value:
            case bool():
                said, elements = f"b{value:d}", []
            case tuple():
                said, elements = "l", list(value)
            case _:
                said, elements = f"{'s' if isinstance(value, str) else 'i'}{value}", []
        spelt = pointer.replace("%", "%25").replace(" ", "%20")
        expected += [("claim", f"{spelt} {said}"), *(("element", element) for element in elements)]
    assert pairs[4:] == expected
