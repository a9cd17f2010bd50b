"""The written contract with the sidecar: the same vectors that its own tests read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from luagen.lua.host import Host

VECTORS = Path(__file__).parents[1] / "vectors"
CLAIMS = json.loads((VECTORS / "claims.json").read_text("utf-8"))
CLAIM_VALUES = json.loads((VECTORS / "claim_values.json").read_text("utf-8"))
SETTINGS = {b"release": b"r1", b"identity_members": {b"email", b"role"}}
IDENTITIES = json.loads((VECTORS / "identity.json").read_text("utf-8"))


def as_lua(value: Any) -> Any:
    match value:
        case str():
            return value.encode()
        case list():
            return [as_lua(item) for item in value]
        case dict():
            return {name.encode(): as_lua(item) for name, item in value.items()}
        case _:
            return value


@pytest.mark.parametrize("row", CLAIMS, ids=lambda row: row["name"])
def test_claims(host: Host, row: dict[str, Any]) -> None:
    modules = host.load_runtime("json", "identity", "claims")
    parse = modules["json"][b"parse"]
    issuer = {**as_lua(row["issuer"]), b"audience": {name.encode() for name in row["issuer"]["audience"]}}
    header, claims = (parse(json.dumps(row[part]).encode()) for part in ("header", "claims"))
    caller = None
    if not isinstance(claims, tuple):  # nil and a reason: not even readable
        check = modules["claims"][b"new"](host.table(SETTINGS))
        caller, *_ = check(host.table(issuer), header, claims, row["now"])
    if isinstance(row["expect"], str):
        assert caller is None
        return
    assert caller is not None
    assert {
        "provider": caller[b"provider"].decode(),
        "sub": caller[b"sub"].decode(),
        "email": caller[b"email"].decode() or None,
        "roles": [role.decode() for role in caller[b"role_list"].values()],
    } == row["expect"]


def claims_of(caller: Any) -> dict[str, Any]:
    def as_python(value: Any) -> Any:
        match value:
            case bool() | int():
                return value
            case bytes():
                return value.decode()
            case _:
                assert not isinstance(value, float), "an integer has one spelling"
                return [element.decode() for element in value.values()]

    return {pointer.decode(): as_python(value) for pointer, value in caller[b"claims"].items()}


ISSUER = {
    b"name": b"corp", b"issuer": b"https://corp", b"audience": {b"shop"}, b"rfc9068": False, b"roles": [],
    b"leeway_s": 0, b"max_lifetime_s": 86400,
}  # fmt: skip
ALICE = "release=r1&provider=corp&sub=alice"


@pytest.mark.parametrize("row", CLAIM_VALUES, ids=lambda row: row["name"])
def test_claim_values(host: Host, row: dict[str, Any]) -> None:
    """What rules may see of a claim, what the sidecar's spelling of it is, and that both say the same."""
    modules = host.load_runtime("json", "identity", "claims")
    parse = modules["json"][b"parse"]
    settings = {**SETTINGS, b"claims": [pointer.encode() for pointer in row["pointers"]]}
    claims = parse(
        b'{"iss":"https://corp","aud":"shop","sub":"alice","exp":100,' + row["claims"].encode()[1:]
    )
    caller, *_ = modules["claims"][b"new"](host.table(settings))(host.table(ISSUER), parse(b"{}"), claims, 50)
    if "refused" in row:
        assert caller is None
        return
    assert caller is not None
    assert caller[b"text"].decode() == ALICE + row["pairs"]
    read = modules["identity"][b"decode"](caller[b"text"], b"r1")
    assert claims_of(read) == claims_of(caller)


@pytest.mark.parametrize("row", IDENTITIES, ids=lambda row: row["name"])
def test_identities(host: Host, row: dict[str, Any]) -> None:
    module = host.load_runtime("identity")["identity"]
    caller = module[b"decode"](row["encoded"].encode(), row["release"].encode())
    shown = row["identity"]
    assert caller[b"provider"].decode() == shown["provider"]
    assert caller[b"sub"].decode() == shown["sub"]
    assert (caller[b"email"].decode() or None) == (shown["email"] if "email" in row["members"] else None)
    roles = shown["roles"] if "role" in row["members"] else []
    assert [role.decode() for role in caller[b"role_list"].values()] == roles
    pairs = shown.get("claims", [])
    assert {pointer: repr(value) for pointer, value in claims_of(caller).items()} == {
        pointer: repr(value) for pointer, value in pairs
    }  # by repr, because True is 1 to Python
    if set(row["members"]) == {"email", "role"}:
        written = module[b"new"](
            row["release"].encode(),
            caller[b"provider"],
            caller[b"sub"],
            caller[b"email"],
            caller[b"role_list"],
            caller[b"claims"],
            host.table([pointer.encode() for pointer, _ in pairs]),
        )
        assert written[b"text"].decode() == row["encoded"]
