"""The written contract with the sidecar: the same vectors that its own tests read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.lua.host import Host

VECTORS = Path(__file__).parents[1] / "vectors"
CLAIMS = json.loads((VECTORS / "claims.json").read_text("utf-8"))
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
    modules = host.load_runtime("json", "identity", "tokens")
    parse = modules["json"][b"parse"]
    issuer = {**as_lua(row["issuer"]), b"audience": {name.encode() for name in row["issuer"]["audience"]}}
    header, claims = (parse(json.dumps(row[part]).encode()) for part in ("header", "claims"))
    caller = None
    if not isinstance(claims, tuple):  # nil and a reason: not even readable
        check = modules["tokens"][b"check_claims"]
        caller, *_ = check(host.table(SETTINGS), host.table(issuer), header, claims, row["now"])
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
    if set(row["members"]) == {"email", "role"}:
        written = module[b"new"](
            row["release"].encode(),
            caller[b"provider"],
            caller[b"sub"],
            caller[b"email"],
            caller[b"role_list"],
        )
        assert written[b"text"].decode() == row["encoded"]
