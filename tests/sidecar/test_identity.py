from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.identity import Identity, encode
from tests.sidecar import vectors

VECTORS = vectors.load(vectors.OURS / "identity.json")
ALICE = Identity(provider="corp", sub="alice", email="a@b", roles=("x", "y"))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@pytest.mark.parametrize("row", VECTORS, ids=[row["name"] for row in VECTORS])
def test_vectors(row: dict[str, Any]) -> None:
    identity = Identity(**{**row["identity"], "roles": tuple(row["identity"]["roles"])})
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
