"""From verified claims to an identity: the rules of docs/internals.md, "What makes an identity". Pure.

Lua's HS256 path follows the same rules; `tests/vectors/claims.json` holds both to them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from sidecar.config import Issuer
from sidecar.identity import Claim, Identity, encode_claims
from sidecar.json_pointer import Pointer, value_at
from sidecar.reasons import Reason, Refused

MAX_SUB_BYTES = 255  # OpenID Connect Core section 2
MAX_EMAIL_BYTES = 254  # RFC 5321 section 4.5.3.1.3, without the angle brackets
MAX_ROLE_BYTES = 256
MAX_ROLES = 256  # beyond that a role list is a mistake of the issuer, and cutting it would change decisions
MAX_CLAIM_BYTES = 1_024  # of a string, or of one element of an array
MAX_CLAIM_ELEMENTS = 256
MAX_CLAIMS_BYTES = 16 * 1024  # encoded, all together; beyond it what is left out would change decisions
MAX_NUMBER = 10**15  # 15 digits: exact in every implementation of JSON

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_COMMA_OR_CONTROL = re.compile(r"[,\x00-\x1f\x7f]")
_ACCESS_TOKEN_TYPES = frozenset({"jwt", "at+jwt"})


class Verified(NamedTuple):
    """`expires_at`: the token's own expiry, seconds since the epoch, without leeway; None: it names none."""

    identity: Identity
    expires_at: float | None


def judge_jwt(
    header: Mapping[str, Any],
    claims: Mapping[str, Any],
    issuer: Issuer,
    pointers: tuple[Pointer, ...],
    now: float,
) -> Verified:
    """The identity in a JWT whose signature is verified. `now` in seconds since the epoch. Raises Refused.

    `pointers`: to the claims that the policy reads.
    """
    _check_type(header, issuer)
    _check_purpose(claims)
    if claims.get("iss") != issuer.issuer:
        raise Refused(Reason.WRONG_ISSUER)
    if not shares_audience(claims.get("aud"), issuer):
        raise Refused(Reason.WRONG_AUDIENCE)
    expires_at = _check_times(claims, issuer, now)
    if expires_at is None:
        raise Refused(Reason.MALFORMED_TIME)  # RFC 9068 section 2.2: `exp` is required
    return Verified(identity=_identity(claims, issuer, pointers), expires_at=expires_at)


def judge_introspection(
    claims: Mapping[str, Any], issuer: Issuer, pointers: tuple[Pointer, ...], now: float
) -> Verified:
    """The identity in an introspection response (RFC 7662 section 2.2). Raises Refused.

    As for a JWT, but `iss`, `aud` and `exp` are optional there: they are checked when present.
    """
    if claims.get("active") is not True:
        raise Refused(Reason.INACTIVE)
    _check_purpose(claims)
    # Some servers answer for refresh tokens too, and say so only here; such a token is no access token.
    for member in ("token_type", "token_use"):
        value = claims.get(member)
        if member in claims and not (
            isinstance(value, str) and value.lower() in ("bearer", "access_token", "access")
        ):
            raise Refused(Reason.WRONG_TYPE)
    if "iss" in claims and claims["iss"] != issuer.issuer:
        raise Refused(Reason.WRONG_ISSUER)
    if "aud" in claims and not shares_audience(claims["aud"], issuer):
        raise Refused(Reason.WRONG_AUDIENCE)
    identity = _identity(claims, issuer, pointers)
    return Verified(identity=identity, expires_at=_check_times(claims, issuer, now))


def shares_audience(audience: object, issuer: Issuer) -> bool:
    """Whether `aud`, a string or an array of strings (RFC 7519 section 4.1.3), names one of the audience."""
    match audience:
        case str():
            return audience in issuer.audience
        case list():
            return all(isinstance(element, str) for element in audience) and any(
                element in issuer.audience for element in audience
            )
        case _:
            return False


def has_control(text: str) -> bool:
    """Whether `text` has a byte of 0x00 to 0x1f, or 0x7f, in UTF-8 (Lua looks at bytes)."""
    return _CONTROL.search(text) is not None


def _fits(text: str, max_bytes: int) -> bool:
    """Whether `text` has 1 to `max_bytes` bytes in UTF-8."""
    return 1 <= (len(text) if text.isascii() else len(text.encode())) <= max_bytes


def _check_type(header: Mapping[str, Any], issuer: Issuer) -> None:
    """RFC 8725 section 3.11: explicit typing keeps logout tokens, DPoP proofs and assertions apart."""
    if "typ" not in header and not issuer.rfc9068:
        return
    typ = header.get("typ")
    if not isinstance(typ, str):
        raise Refused(Reason.WRONG_TYPE)
    kind = typ.lower().removeprefix("application/")
    if kind not in _ACCESS_TOKEN_TYPES or (issuer.rfc9068 and kind != "at+jwt"):  # RFC 9068 section 4
        raise Refused(Reason.WRONG_TYPE)


def _check_purpose(claims: Mapping[str, Any]) -> None:
    if "events" in claims:  # a security event or logout token (RFC 8417)
        raise Refused(Reason.OTHER_PURPOSE)
    if "cnf" in claims:  # RFC 7800: bound to a key that nobody here asks the client to prove
        raise Refused(Reason.BOUND_TOKEN)


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519 section 2), None when absent. `null` is not absent."""
    if name not in claims:
        return None
    value = claims[name]
    if type(value) not in (int, float) or not -MAX_NUMBER < value < MAX_NUMBER:  # NaN compares false
        raise Refused(Reason.MALFORMED_TIME)
    return value  # type: ignore[no-any-return]


def _check_times(claims: Mapping[str, Any], issuer: Issuer, now: float) -> float | None:
    exp, nbf, iat = _time(claims, "exp"), _time(claims, "nbf"), _time(claims, "iat")
    leeway = issuer.leeway_s
    if exp is not None and not now < exp + leeway:  # RFC 7519 section 4.1.4: "on or after"
        raise Refused(Reason.EXPIRED)
    if (nbf is not None and nbf > now + leeway) or (iat is not None and iat > now + leeway):
        raise Refused(Reason.NOT_YET_VALID)
    if exp is not None and exp - (now if iat is None else iat) > issuer.max_lifetime_s + leeway:
        raise Refused(Reason.LIFETIME_TOO_LONG)
    return exp


def _identity(claims: Mapping[str, Any], issuer: Issuer, pointers: tuple[Pointer, ...]) -> Identity:
    sub = claims.get("sub")
    if not isinstance(sub, str) or not _fits(sub, MAX_SUB_BYTES) or has_control(sub):
        raise Refused(Reason.MALFORMED_SUBJECT)
    return Identity(
        provider=issuer.name,
        sub=sub,
        email=_email(claims),
        roles=_roles(claims, issuer.roles),
        claims=_claims(claims, pointers) if pointers else (),
    )


def _email(claims: Mapping[str, Any]) -> str | None:
    email = claims.get("email")
    if claims.get("email_verified") is not True or not isinstance(email, str):
        return None
    return email if _fits(email, MAX_EMAIL_BYTES) and not has_control(email) else None


def _roles(claims: Mapping[str, Any], path: tuple[str, ...]) -> tuple[str, ...]:
    value = value_at(claims, path)
    elements = value.split(" ") if isinstance(value, str) else value
    if not isinstance(elements, list):
        return ()
    roles: dict[str, None] = {}  # an ordered set
    for element in elements:
        if (
            isinstance(element, str)
            and _fits(element, MAX_ROLE_BYTES)
            # A comma, because `",".join(identity.roles)` in a policy must be unambiguous.
            and _COMMA_OR_CONTROL.search(element) is None
        ):
            roles[element] = None
    if len(roles) > MAX_ROLES:
        raise Refused(Reason.TOO_MANY_ROLES)
    return tuple(roles)


def _claims(claims: Mapping[str, Any], pointers: tuple[Pointer, ...]) -> tuple[tuple[str, Claim], ...]:
    found = []
    for pointer in pointers:
        value = _claim(value_at(claims, pointer.path))
        if value is not None:
            found.append((pointer.text, value))
    result = tuple(found)
    if len(encode_claims(result)) > MAX_CLAIMS_BYTES:
        raise Refused(Reason.CLAIMS_TOO_LARGE)
    return result


def _claim(value: object) -> Claim | None:
    """The value that rules may see, None when it is of no type that they know or beyond its bounds."""
    match value:
        case bool():
            return value
        case int() | float() if -MAX_NUMBER < value < MAX_NUMBER and value == int(value):
            return int(value)
        case str() if _is_claim_text(value):
            return value
        case list() if len(value) <= MAX_CLAIM_ELEMENTS and all(map(_is_claim_text, value)):
            return tuple(value)
        case _:
            return None


def _is_claim_text(value: object) -> bool:
    return isinstance(value, str) and (not value or _fits(value, MAX_CLAIM_BYTES)) and not has_control(value)
