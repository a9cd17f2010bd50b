from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config import Settings
from sidecar.decide import Answer, bearer_token, decide
from sidecar.decision import (
    Allow,
    BadRequest,
    Challenge,
    Decision,
    Forbidden,
    Healthy,
    Need,
    NeedIntrospection,
    NeedKeys,
    Unavailable,
)
from sidecar.jose.keys import KeySet, parse_jwks
from sidecar.reasons import Reason, Refused
from sidecar.request import Request, from_params
from tests.sidecar import settings
from tests.sidecar.fastcgi_client import deferral, params
from tests.sidecar.tokens import ISSUER, NOW, claims, private_key, public_jwk, segment, token

RSA = private_key("RSA")
OTHER = private_key("RSA", 1)
KEYS = parse_jwks({"keys": [public_jwk(RSA, kid="one"), public_jwk(private_key("P-256"), kid="two")]})[0]
OTHER_KEYS = parse_jwks({"keys": [public_jwk(OTHER, kid="one")]})[0]
SETTINGS = settings.settings()
TWO = settings.settings(
    settings.issuer(), settings.issuer(name="other", issuer="https://other.example", audience=["shop"])
)
MIXED = settings.settings(
    settings.issuer(), settings.issuer(name="opaque", issuer="https://o", **settings.introspecting())
)
BOTH = settings.settings(
    settings.issuer(tokens="both", introspection=settings.introspecting()["introspection"])
)


@dataclass(frozen=True)
class Known:
    """What is known, as plain data."""

    key_sets: Mapping[str, KeySet | None] = field(default_factory=lambda: {"corp": KEYS, "other": OTHER_KEYS})
    answers: Mapping[bytes, Answer] = field(default_factory=dict)

    def keys(self, issuer: str) -> KeySet | None:
        return self.key_sets[issuer]

    def introspection(self, issuer: str, token: bytes) -> Answer | None:
        return self.answers.get(token)


def request(authorization: bytes | None, **changes: str) -> Request:
    return from_params(params(deferral(authorization, **changes)))


def outcome(
    authorization: bytes | None,
    known: Known = Known(),
    policy: Settings = SETTINGS,
    *,
    final: bool = False,
    **changes: str,
) -> Decision | Need:
    return decide(request(authorization, **changes), policy, known, NOW, final=final)


def bearer(text: bytes) -> bytes:
    return b"Bearer " + text


ALICE = Allow(identity="release=r1&provider=corp&sub=alice", expires=NOW + 300)


def test_allows_a_verified_caller() -> None:
    assert outcome(bearer(token(claims(), RSA))) == ALICE


def test_gives_what_the_policy_reads() -> None:
    text = token(
        claims(email="a@b", email_verified=True, realm_access={"roles": ["admin", "dev"]}),
        private_key("P-256"),
        alg="ES256",
        kid="two",
    )
    assert outcome(bearer(text)) == Allow(
        identity="release=r1&provider=corp&sub=alice&email=a%40b&role=admin&role=dev", expires=NOW + 300
    )


@pytest.mark.parametrize(
    ("exp", "expires"),
    [(NOW + 300, NOW + 300), (NOW + 300.9, NOW + 300), (NOW + 7_200, NOW + 3_600), (NOW - 5, NOW - 5)],
)
def test_a_verdict_ends_with_the_token_and_within_an_hour(exp: float, expires: int) -> None:
    decision = outcome(bearer(token(claims(exp=exp), RSA)))
    assert isinstance(decision, Allow)
    assert decision.expires == expires


TOKENS: dict[str, tuple[bytes, Reason]] = {
    "expired": (token(claims(exp=NOW - 60), RSA), Reason.EXPIRED),
    "another audience": (token(claims(aud="other"), RSA), Reason.WRONG_AUDIENCE),
    "signed by somebody": (token(claims(), OTHER), Reason.BAD_SIGNATURE),
    "none [ALG-01]": (segment({"alg": "none"}) + b"." + segment(claims()) + b".", Reason.MALFORMED_TOKEN),
    "none with a signature [ALG-01]": (
        segment({"alg": "none"}) + b"." + segment(claims()) + b".AAAA",
        Reason.ALGORITHM_NOT_ALLOWED,
    ),
    "an algorithm not configured [ALG-05]": (token(claims(), RSA, alg="PS256"), Reason.ALGORITHM_NOT_ALLOWED),
    "HS256 with the public key [ALG-04]": (
        token(claims(), b"-" * 40, alg="HS256"),
        Reason.ALGORITHM_NOT_ALLOWED,
    ),
    "unknown issuer": (token(claims(iss="https://evil.example"), RSA), Reason.UNKNOWN_ISSUER),
    "issuer with a slash [CLAIM-08]": (token(claims(iss=ISSUER + "/"), RSA), Reason.UNKNOWN_ISSUER),
    "issuer a list [CLAIM-08]": (token(claims(iss=[ISSUER]), RSA), Reason.UNKNOWN_ISSUER),
    "issuer missing": (token(claims(iss=...), RSA), Reason.UNKNOWN_ISSUER),
    "logout token [CLAIM-16]": (token(claims(events={}), RSA), Reason.OTHER_PURPOSE),
    "crit [PARSE-01]": (token(claims(), RSA, header={"crit": ["exp"]}), Reason.CRITICAL_HEADER),
    "b64 [PARSE-02]": (token(claims(), RSA, header={"b64": False}), Reason.CRITICAL_HEADER),
    "claims an array [PARSE-05]": (token([1], RSA), Reason.MALFORMED_TOKEN),
    "claims too deep [PARSE-08]": (
        token(b'{"x":' + b"[" * 900 + b"]" * 900 + b"}", RSA),
        Reason.MALFORMED_TOKEN,
    ),
    "a JWE [ALG-17]": (b"a.b.c.d.e", Reason.MALFORMED_TOKEN),
    "an opaque token": (b"2YotnFZFEjr1zCsicMWpAA", Reason.MALFORMED_TOKEN),
    "too long [PARSE-07]": (b"a" * 8_193, Reason.TOKEN_TOO_LONG),
}


@pytest.mark.parametrize(("text", "reason"), TOKENS.values(), ids=TOKENS.keys())
def test_challenges(text: bytes, reason: Reason) -> None:
    assert outcome(bearer(text)) == Challenge(reason=reason, realm="corp")


def test_keys_are_never_pooled__CLAIM_10() -> None:
    stolen = token(claims(iss="https://other.example"), RSA)
    assert outcome(bearer(stolen), policy=TWO) == Challenge(reason=Reason.BAD_SIGNATURE, realm="other")
    own = token(claims(iss="https://other.example"), OTHER)
    assert outcome(bearer(own), policy=TWO) == Allow(
        identity="release=r1&provider=other&sub=alice", expires=NOW + 300
    )


CREDENTIALS: dict[str, tuple[bytes | None, Decision]] = {
    "none": (None, Challenge(reason=Reason.NO_CREDENTIAL, realm="corp")),
    "empty": (b"", Challenge(reason=Reason.NO_CREDENTIAL, realm="corp")),
    "Basic [BEAR-05]": (b"Basic YWxpY2U6eA==", Challenge(reason=Reason.NOT_BEARER, realm="corp")),
    "Negotiate [BEAR-05]": (b"Negotiate", Challenge(reason=Reason.NOT_BEARER, realm="corp")),
    "no blank": (b"Bearerabc", Challenge(reason=Reason.NOT_BEARER, realm="corp")),
    "tab [BEAR-02]": (b"Bearer\tabc", Challenge(reason=Reason.NOT_BEARER, realm="corp")),
    "alone [BEAR-02]": (b"Bearer", BadRequest(reason=Reason.MALFORMED_CREDENTIAL, realm="corp")),
    "two blanks [BEAR-02]": (b"Bearer  abc", BadRequest(reason=Reason.MALFORMED_CREDENTIAL, realm="corp")),
    "extra [BEAR-02]": (b"Bearer abc extra", BadRequest(reason=Reason.MALFORMED_CREDENTIAL, realm="corp")),
    "only padding": (b"Bearer ==", BadRequest(reason=Reason.MALFORMED_CREDENTIAL, realm="corp")),
    "quoted": (b'Bearer "abc"', BadRequest(reason=Reason.MALFORMED_CREDENTIAL, realm="corp")),
    "bytes": (b"Bearer \xff", BadRequest(reason=Reason.MALFORMED_CREDENTIAL, realm="corp")),
    "two [BEAR-01]": (b"Bearer good, Bearer evil", BadRequest(reason=Reason.TWO_CREDENTIALS, realm="corp")),
    "two schemes [BEAR-01]": (
        b"Basic eA==, Bearer x",
        BadRequest(reason=Reason.TWO_CREDENTIALS, realm="corp"),
    ),
    "two schemes, other order [BEAR-01]": (
        b"Bearer x, Basic eA==",
        BadRequest(reason=Reason.TWO_CREDENTIALS, realm="corp"),
    ),
}


@pytest.mark.parametrize(("authorization", "decision"), CREDENTIALS.values(), ids=CREDENTIALS.keys())
def test_credentials(authorization: bytes | None, decision: Decision) -> None:
    assert outcome(authorization) == decision


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER", b"bEaReR"])
def test_the_scheme_is_case_insensitive__BEAR_02(scheme: bytes) -> None:
    assert bearer_token(scheme + b" abc-._~+/=") == b"abc-._~+/="


def test_a_token_in_the_query_is_not_looked_at__BEAR_04() -> None:
    text = token(claims(), RSA).decode()
    decision = outcome(None, QUERY_STRING=f"access_token={text}", REQUEST_URI=f"/x?access_token={text}")
    assert decision == Challenge(reason=Reason.NO_CREDENTIAL, realm="corp")


@pytest.mark.parametrize("missing", ["LIGHTGATE_RELEASE", "LIGHTGATE_NONCE", "LIGHTGATE_ASK"])
def test_what_lua_did_not_send_is_forbidden(missing: str) -> None:
    for value in ("", "\r\n", "a b" * (missing != "LIGHTGATE_ASK")):
        decision = outcome(bearer(token(claims(), RSA)), **{missing: value})
        assert decision == Forbidden(Reason.NOT_A_DEFERRAL)


@pytest.mark.parametrize("authorization", [None, b"Bearer x", b"nonsense"])
def test_a_question_about_health_needs_no_credential_and_gives_no_identity(
    authorization: bytes | None,
) -> None:
    assert outcome(authorization, LIGHTGATE_ASK="health") == Healthy()


@pytest.mark.parametrize("ask", ["session", "identity session", "identity health"])
def test_an_unknown_ask_is_not_guessed_at(ask: str) -> None:
    decision = outcome(bearer(token(claims(), RSA)), LIGHTGATE_ASK=ask)
    assert decision == Unavailable(Reason.UNKNOWN_ASK)


NO_KEYS = Known(key_sets={"corp": None})


def test_without_keys_the_decision_waits_and_then_is_a_503__KEY_13() -> None:
    text = bearer(token(claims(), RSA))
    assert outcome(text, NO_KEYS) == NeedKeys("corp")
    assert outcome(text, NO_KEYS, final=True) == Unavailable(Reason.KEYS_UNAVAILABLE)


def test_an_unknown_kid_waits_once_and_then_is_a_401__KEY_08() -> None:
    text = bearer(token(claims(), RSA, kid="new"))
    assert outcome(text) == NeedKeys("corp")
    assert outcome(text, final=True) == Challenge(reason=Reason.UNKNOWN_KEY, realm="corp")


def test_a_bad_signature_does_not_wait__KEY_07() -> None:
    assert outcome(bearer(token(claims(), OTHER))) == Challenge(reason=Reason.BAD_SIGNATURE, realm="corp")


REFUSING = settings.settings(settings.issuer(refused_keys=["one"]))


@pytest.mark.parametrize("kid", ["one", None])
def test_a_key_that_the_policy_refuses_verifies_nothing__KEY_10(kid: str | None) -> None:
    """It does not wait either: no fetch can change what the policy says."""
    text = bearer(token(claims(), RSA, kid=kid))
    assert isinstance(outcome(text), Allow)
    refused = outcome(text, policy=REFUSING, final=True)
    reason = Reason.REFUSED_KEY if kid else Reason.UNKNOWN_KEY
    assert refused == Challenge(reason=reason, realm="corp")
    if kid:
        assert outcome(text, policy=REFUSING) == refused
    other = bearer(token(claims(), private_key("P-256"), alg="ES256", kid="two"))
    assert isinstance(outcome(other, policy=REFUSING), Allow)


OPAQUE = b"2YotnFZFEjr1zCsicMWpAA"


def test_what_is_no_jwt_of_ours_is_introspected() -> None:
    assert outcome(bearer(OPAQUE), policy=MIXED) == NeedIntrospection("opaque", OPAQUE)
    foreign = token(claims(iss="https://o"), RSA)
    assert outcome(bearer(foreign), policy=MIXED) == NeedIntrospection("opaque", foreign)
    assert outcome(bearer(OPAQUE), policy=BOTH) == NeedIntrospection("corp", OPAQUE)


def test_a_jwt_of_ours_is_never_introspected() -> None:
    forged = token(claims(), OTHER)
    assert outcome(bearer(forged), policy=BOTH) == Challenge(reason=Reason.BAD_SIGNATURE, realm="corp")


@pytest.mark.parametrize(
    ("response", "until", "decision"),
    [
        (
            {"active": True, "sub": "alice"},
            NOW + 60,
            Allow(identity="release=r1&provider=opaque&sub=alice", expires=NOW + 60),
        ),
        (
            {"active": True, "sub": "alice", "exp": NOW + 20},
            NOW + 60,
            Allow(identity="release=r1&provider=opaque&sub=alice", expires=NOW + 20),
        ),
        ({"active": False}, NOW + 60, Challenge(reason=Reason.INACTIVE, realm="opaque")),
        (
            {"active": True, "sub": "alice", "aud": "other"},
            NOW + 60,
            Challenge(reason=Reason.WRONG_AUDIENCE, realm="opaque"),
        ),
        (
            {"active": True, "sub": "alice", "realm_access": {"roles": [f"{i:0250}" for i in range(200)]}},
            NOW + 60,
            Challenge(reason=Reason.IDENTITY_TOO_LARGE, realm="opaque"),
        ),
    ],
)
def test_a_remembered_answer_is_judged_anew__INTRO_04(
    response: dict[str, object], until: float, decision: Decision
) -> None:
    known = Known(answers={OPAQUE: Answer(claims=response, until=until)})
    assert outcome(bearer(OPAQUE), known, MIXED) == decision


CLAIMS = {"org": {"plan": "pro"}, "groups": ["a", "b&sub=root"], "level": 5.0, "internal": "x"}
READ = ["/groups", "/level", "/org/plan", "/absent"]
WRITTEN = (
    "&claim=%2Fgroups%20l&element=a&element=b%26sub%3Droot&claim=%2Flevel%20i5&claim=%2Forg%2Fplan%20spro"
)


def test_an_identity_has_the_claims_that_the_policy_reads() -> None:
    policy = settings.settings(identity_members=[], claims=READ)
    decision = outcome(bearer(token(claims(**CLAIMS), RSA)), policy=policy)
    assert isinstance(decision, Allow)
    assert decision.identity == "release=r1&provider=corp&sub=alice" + WRITTEN
    none_read = outcome(bearer(token(claims(**CLAIMS), RSA)))
    assert isinstance(none_read, Allow)
    assert none_read.identity == "release=r1&provider=corp&sub=alice"


def test_an_introspected_identity_has_them_too() -> None:
    policy = settings.settings(settings.issuer(**settings.introspecting()), claims=READ)
    answer = Answer(claims={"active": True, "sub": "alice", **CLAIMS}, until=NOW + 60)
    decision = outcome(bearer(OPAQUE), Known(answers={OPAQUE: answer}), policy)
    assert decision == Allow(
        identity="release=r1&provider=corp&sub=alice" + WRITTEN,
        expires=NOW + 60,
    )
    many = {f"c{i}": "x" * 1024 for i in range(16)}
    policy = settings.settings(
        settings.issuer(**settings.introspecting()), claims=[f"/{name}" for name in many]
    )
    answer = Answer(claims={"active": True, "sub": "alice", **many}, until=NOW + 60)
    decision = outcome(bearer(OPAQUE), Known(answers={OPAQUE: answer}), policy)
    assert decision == Challenge(reason=Reason.CLAIMS_TOO_LARGE, realm="corp")


def test_a_token_does_not_show_in_what_is_needed__PARSE_14() -> None:
    assert repr(NeedIntrospection("opaque", b"secret-token")) == "NeedIntrospection(issuer='opaque')"
    assert "secret" not in repr(request(b"Bearer secret-token"))


@given(st.binary(max_size=200))
def test_no_credential_raises(authorization: bytes) -> None:
    assert isinstance(outcome(authorization, final=True), Challenge | BadRequest)


@given(st.binary(max_size=120), st.binary(max_size=120), st.binary(max_size=80))
def test_no_segments_raise(header: bytes, payload: bytes, signature: bytes) -> None:
    text = b".".join((segment(header), segment(payload), segment(signature)))
    assert isinstance(outcome(bearer(text), final=True), Challenge)


def test_refusals_have_a_reason_and_nothing_else() -> None:
    with pytest.raises(Refused) as caught:
        bearer_token(b"Bearer secret token")
    assert str(caught.value) == "malformed-credential"
