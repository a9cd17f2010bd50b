"""The decision about one deferral. Pure: what is known and what time it is come in as arguments.

`_allow` is the one place that lets a request on; it is reached only with an identity from verified claims.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sidecar.claims import Verified, judge_introspection, judge_jwt
from sidecar.config import Issuer, Settings
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
from sidecar.identity import encode
from sidecar.jose.compact import MAX_TOKEN_BYTES, CompactJws, claims_of, parse
from sidecar.jose.keys import KeySet
from sidecar.jose.verify import check_algorithm, check_signature
from sidecar.reasons import Reason, Refused
from sidecar.request import Request

MAX_REMEMBER_S = 3_600  # a key's removal or a new rule about claims reaches every token within an hour
MAX_IDENTITY_BYTES = 32 * 1024  # encoded; with it a response stays below lighttpd's 65,535 bytes of header

_B64TOKEN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"  # RFC 6750 section 2.1
_ANOTHER_BEARER = re.compile(rb"(?i),\s*bearer\s")
_BAD_REQUESTS = frozenset({Reason.TWO_CREDENTIALS, Reason.MALFORMED_CREDENTIAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An introspection response, and until when (seconds since the epoch) it may be remembered."""

    claims: Mapping[str, Any]
    until: float


class Knowledge(Protocol):
    """What is at hand for one release, by issuer name."""

    def keys(self, issuer: str) -> KeySet | None:
        """The usable keys, None when there are none (yet, or any more)."""

    def introspection(self, issuer: str, token: bytes) -> Answer | None:
        """A remembered answer that is still good."""


def decide(
    request: Request, settings: Settings, knowledge: Knowledge, now: float, *, final: bool = False
) -> Decision | Need:
    """The decision, or what it needs first. `final`: keys were asked for, decide with those at hand.

    Never raises on anything a client can send. `now`: seconds since the epoch.
    """
    if not request.is_deferral:
        return Forbidden(Reason.NOT_A_DEFERRAL)
    if request.ask == {"health"}:
        return Healthy()
    if request.ask != {"identity"}:
        return Unavailable(Reason.UNKNOWN_ASK)
    realm = settings.issuers[0].name if settings.issuers else "lightgate"
    try:
        token = bearer_token(request.authorization)
    except Refused as refused:
        if refused.reason in _BAD_REQUESTS:
            return BadRequest(reason=refused.reason, realm=realm)
        return Challenge(reason=refused.reason, realm=realm)
    reason = Reason.UNKNOWN_ISSUER
    try:
        jws = parse(token)
        claims = claims_of(jws)
        issuer = _jwt_issuer(settings, claims.get("iss"))
    except Refused as refused:
        reason, issuer = refused.reason, None
    if issuer is not None:
        return _decide_jwt(jws, claims, issuer, settings, knowledge, now, final=final)
    # An issuer that introspects can vouch for what is no JWT of ours.
    for introspecting in settings.issuers:
        if introspecting.introspection is not None:
            answer = knowledge.introspection(introspecting.name, token)
            if answer is None:
                return NeedIntrospection(introspecting.name, token)
            return decide_introspected(answer, introspecting, settings, now)
    return Challenge(reason=reason, realm=realm)


def decide_introspected(answer: Answer, issuer: Issuer, settings: Settings, now: float) -> Decision:
    """The decision on what the issuer says about a token."""
    try:
        verified = judge_introspection(answer.claims, issuer, settings.claims, now)
        return _allow(verified, settings, answer.until)
    except Refused as refused:
        return Challenge(reason=refused.reason, realm=issuer.name)


def bearer_token(authorization: bytes | None) -> bytes:
    """The token of an Authorization field value (RFC 6750 section 2.1). Raises Refused.

    lighttpd joins repeated fields with a comma, which no token contains: two credentials are never one.
    """
    if not authorization:
        raise Refused(Reason.NO_CREDENTIAL)
    scheme, _, token = authorization.partition(b" ")
    if scheme.lower() != b"bearer":
        # Another scheme may hide a bearer token behind it.
        hides_another = _ANOTHER_BEARER.search(authorization) is not None
        raise Refused(Reason.TWO_CREDENTIALS if hides_another else Reason.NOT_BEARER)
    if b"," in token:
        raise Refused(Reason.TWO_CREDENTIALS)
    if len(token) > MAX_TOKEN_BYTES:
        raise Refused(Reason.TOKEN_TOO_LONG)
    characters = token.rstrip(b"=")
    if not characters or characters.translate(None, _B64TOKEN):
        raise Refused(Reason.MALFORMED_CREDENTIAL)
    return token


def _jwt_issuer(settings: Settings, iss: object) -> Issuer | None:
    for issuer in settings.issuers:
        if issuer.issuer == iss and issuer.keys is not None:
            return issuer
    return None


def _decide_jwt(
    jws: CompactJws,
    claims: Mapping[str, Any],
    issuer: Issuer,
    settings: Settings,
    knowledge: Knowledge,
    now: float,
    *,
    final: bool,
) -> Decision | Need:
    """`issuer` was chosen by the unverified `iss`; its keys alone are tried (RFC 8725 section 3.8)."""
    try:
        check_algorithm(jws, issuer.algorithms)
        keys = knowledge.keys(issuer.name)
        if keys is None:
            # Not the token's fault: the client should come again with the same one.
            return Unavailable(Reason.KEYS_UNAVAILABLE) if final else NeedKeys(issuer.name)
        check_signature(jws, keys, issuer.refused_keys)
        verified = judge_jwt(jws.header.members, claims, issuer, settings.claims, now)
        return _allow(verified, settings, now + MAX_REMEMBER_S)
    except Refused as refused:
        if refused.reason is Reason.UNKNOWN_KEY and not final:
            return NeedKeys(issuer.name)
        return Challenge(reason=refused.reason, realm=issuer.name)


def _allow(verified: Verified, settings: Settings, until: float) -> Allow:
    identity = encode(verified.identity, settings.release, settings.identity_members)
    if len(identity) > MAX_IDENTITY_BYTES:
        raise Refused(Reason.IDENTITY_TOO_LARGE)
    expires = until if verified.expires_at is None else min(until, verified.expires_at)
    return Allow(identity=identity, expires=int(expires))
