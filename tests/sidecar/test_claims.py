from __future__ import annotations

import math
from typing import Any

import pytest

from sidecar.claims import judge_introspection, judge_jwt
from sidecar.config import Issuer
from sidecar.identity import Identity, encode_claims
from sidecar.reasons import Reason, Refused
from sidecar.strict_json import parse_object
from tests.sidecar import settings, vectors
from tests.sidecar.tokens import NOW, claims

VECTORS = vectors.load(vectors.OURS / "claims.json")
CLAIM_VALUES = vectors.load(vectors.OURS / "claim_values.json")


def issuer_of(row: dict[str, Any]) -> Issuer:
    return settings.parsed_issuer(**row["issuer"])


@pytest.mark.parametrize("row", VECTORS, ids=[row["name"] for row in VECTORS])
def test_vectors(row: dict[str, Any]) -> None:
    try:
        verified = judge_jwt(row["header"], row["claims"], issuer_of(row), (), row["now"])
    except Refused as refused:
        assert refused.reason.value == row["expect"]
        return
    expected = row["expect"]
    assert isinstance(expected, dict), f"accepted, but should be refused: {expected}"
    assert verified.identity == Identity(**{**expected, "roles": tuple(expected["roles"])})
    assert verified.expires_at == row["claims"]["exp"]


@pytest.mark.parametrize("introspected", [False, True])
@pytest.mark.parametrize("row", CLAIM_VALUES, ids=[row["name"] for row in CLAIM_VALUES])
def test_claim_values(row: dict[str, Any], introspected: bool) -> None:
    """What rules may see of a claim, in the spelling that Lua reads."""
    policy = settings.settings(claims=row["pointers"])
    read = {**claims(active=True), **parse_object(row["claims"].encode())}
    try:
        if introspected:
            verified = judge_introspection(read, policy.issuers[0], policy.claims, NOW)
        else:
            verified = judge_jwt({}, read, policy.issuers[0], policy.claims, NOW)
    except Refused as refused:
        assert refused.reason.value == row.get("refused")
        return
    assert encode_claims(verified.identity.claims) == row.get("pairs")


@pytest.mark.parametrize("value", [1e15, -1e15, math.nan, math.inf, -math.inf, 10**15, None, b"x", ("a",)])
def test_what_is_no_claim_is_absent(value: object) -> None:
    policy = settings.settings(claims=["/c"])
    verified = judge_jwt({}, claims(c=value), policy.issuers[0], policy.claims, NOW)
    assert verified.identity.claims == ()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_time_is_a_finite_number__CLAIM_02(value: float) -> None:
    with pytest.raises(Refused) as caught:
        judge_jwt({}, claims(exp=value), settings.parsed_issuer(), (), NOW)
    assert caught.value.reason is Reason.MALFORMED_TIME


ALICE = Identity(provider="corp", sub="alice", email=None, roles=())
# active, then members of the response; an identity's expiry or a reason
INTROSPECTED: dict[str, tuple[dict[str, Any], float | Reason | None]] = {
    "all there": (claims(active=True), NOW + 300),
    "only what is required [INTRO-02]": ({"active": True, "sub": "alice"}, None),
    "bearer": (claims(active=True, token_type="Bearer"), NOW + 300),
    "access token": (claims(active=True, token_use="access_token"), NOW + 300),
    "active a string [INTRO-01]": (claims(active="true"), Reason.INACTIVE),
    "active one [INTRO-01]": (claims(active=1), Reason.INACTIVE),
    "Active [INTRO-01]": (claims(Active=True), Reason.INACTIVE),
    "active false": (claims(active=False), Reason.INACTIVE),
    "empty [INTRO-01]": ({}, Reason.INACTIVE),
    "expired [INTRO-02]": (claims(active=True, exp=NOW - 30), Reason.EXPIRED),
    "exp a string [INTRO-02]": (claims(active=True, exp="9999999999"), Reason.MALFORMED_TIME),
    "exp null": (claims(active=True, exp=None), Reason.MALFORMED_TIME),
    "another audience [INTRO-02]": (claims(active=True, aud="other"), Reason.WRONG_AUDIENCE),
    "another issuer [INTRO-02]": (claims(active=True, iss="https://other"), Reason.WRONG_ISSUER),
    "nbf ahead [INTRO-02]": (claims(active=True, nbf=NOW + 31), Reason.NOT_YET_VALID),
    "too long-lived": (claims(active=True, exp=NOW + 10**9), Reason.LIFETIME_TOO_LONG),
    "refresh token by use": (claims(active=True, token_use="refresh_token"), Reason.WRONG_TYPE),
    "refresh token by type": (claims(active=True, token_type="refresh_token"), Reason.WRONG_TYPE),
    "DPoP": (claims(active=True, token_type="DPoP"), Reason.WRONG_TYPE),
    "token_type null": (claims(active=True, token_type=None), Reason.WRONG_TYPE),
    "bound": (claims(active=True, cnf={"jkt": "x"}), Reason.BOUND_TOKEN),
    "no subject": (claims(active=True, sub=...), Reason.MALFORMED_SUBJECT),
}


@pytest.mark.parametrize(("response", "expected"), INTROSPECTED.values(), ids=INTROSPECTED.keys())
def test_introspection_responses(response: dict[str, Any], expected: float | Reason | None) -> None:
    issuer = settings.parsed_issuer(**settings.introspecting())
    try:
        verified = judge_introspection(response, issuer, (), NOW)
    except Refused as refused:
        assert refused.reason is expected
        return
    assert verified.identity == ALICE
    assert verified.expires_at == expected
