"""A request as a command line gives it: URL, header lines, and who calls."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

from luagen import model, urls
from luagen.diagnostics import quoted
from luagen.model import Policy, SampleCaller
from luagen.names import is_token

_FIRST_YEAR = 1970
_MAX_SECONDS_DIGITS = 11  # the year 5138; Python's calendar ends in 9999
_IDENTITY = 'an identity is a JSON object with a `sub`, such as {"sub": "alice", "roles": ["admin"]}'


@dataclass(frozen=True, slots=True)
class Presented:
    """A caller, and what has to be said about how they came to be one."""

    caller: SampleCaller
    remarks: tuple[str, ...] = ()


def url_of(text: str) -> str:
    """The URL; a path is one of https://localhost. Raises ValueError that says why it is none."""
    url = f"https://localhost{text}" if text.startswith("/") else text
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        reason = "this is not a URL"
    except ValueError:
        is_good, reason = False, urls.not_a_url(url)
    if not is_good:
        raise ValueError(f"{quoted(text)}: {reason}, such as `https://shop.example.org/x?y=1`, or a path")
    return url


def header(line: str) -> tuple[str, str]:
    """Name and value of a header field. Raises ValueError."""
    name, colon, value = line.partition(":")
    if not colon or not is_token(name.strip()):
        raise ValueError(f"{quoted(line)} is no header field, such as `Accept: text/html`")
    return name.strip(), value.strip()


def address(text: str) -> str:
    """An IP address as written. Raises ValueError."""
    try:
        ip_address(text)
        is_good = "%" not in text
    except ValueError:
        is_good = False
    if not is_good:
        raise ValueError(f"{quoted(text)} is not an IP address, such as `192.0.2.7` or `2001:db8::7`")
    return text


def moment(text: str) -> int:
    """Seconds since the epoch of such, or of a date and time with an offset. Raises ValueError."""
    if text.isascii() and text.isdecimal() and len(text) <= _MAX_SECONDS_DIGITS:
        return int(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is not None and found.tzinfo is None:
        raise ValueError(f"{quoted(text)} has no offset, as `2026-12-24T18:00:00+01:00` or `…Z` has")
    if found is None or found.year < _FIRST_YEAR:
        raise ValueError(
            f"{quoted(text)} is no point in time since {_FIRST_YEAR}, such as `2026-12-24T18:00:00Z`"
        )
    return int(found.timestamp())


def caller_of(text: str, policy: Policy) -> SampleCaller:
    """The caller that a JSON object describes, with the keys of a test's `identity`. Raises ValueError."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno} is not JSON: {_IDENTITY}") from error
    if not isinstance(found, dict) or not isinstance(found.get("sub"), str):
        raise ValueError(_IDENTITY)
    names = [auth.name for auth in policy.auths]
    provider = found.get("provider", names[0] if len(names) == 1 else None)
    if provider not in names:
        raise ValueError(
            f"`provider` is none of the policy's [auth] tables: {', '.join(names) or 'there are none'}"
        )
    roles, claims = found.get("roles", []), found.get("claims", {})
    if isinstance(roles, str):
        roles = [roles]
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise ValueError('`roles` is a string or an array of strings, such as ["admin", "staff"]')
    if not isinstance(claims, dict):
        raise ValueError('`claims` is an object, such as {"plan": "pro"}')
    return SampleCaller(
        provider=provider,
        sub=found["sub"],
        email=str(found.get("email", "")),
        roles=tuple(roles),
        claims=claims,
    )


def presented(token: str, policy: Policy, now: int) -> Presented:
    """Whom a JWT is for if all in it is true: nothing is verified.

    Raises ValueError for what is no JWT, or is of an issuer that the policy does not have.
    """
    claims = _payload(token)
    issuer = claims.get("iss")
    auth = next((auth for auth in policy.auths if auth.issuer == issuer), None)
    if auth is None:
        raise ValueError(f"the policy has no [auth] table for the token's issuer `{issuer}`")
    remarks = ["the token's signature was not verified: its claims are taken as if it were valid"]
    expires = claims.get("exp")
    if isinstance(expires, int | float) and expires + auth.leeway_s <= now:
        remarks.append(f"the token expired {now - int(expires)} s before: lighttpd would answer 401")
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if not set(auth.audience) & {name for name in named if isinstance(name, str)}:
        remarks.append(
            f"the token is for {audience!r}, not for {', '.join(auth.audience)}: lighttpd would answer 401"
        )
    return Presented(_caller(claims, auth), tuple(remarks))


def _caller(claims: Mapping[str, object], auth: model.Auth) -> SampleCaller:
    roles: object = claims
    for name in auth.roles:
        roles = roles.get(name) if isinstance(roles, dict) else None
    verified = claims.get("email_verified") is True
    return SampleCaller(
        provider=auth.name,
        sub=str(claims.get("sub", "")),
        email=str(claims.get("email", "")) if verified else "",
        roles=tuple(dict.fromkeys(map(str, roles))) if isinstance(roles, list) else (),
        claims=claims,
    )


def _payload(token: str) -> dict[str, object]:
    segments = token.split(".")
    try:
        if len(segments) == 3:
            found = json.loads(base64.urlsafe_b64decode(segments[1] + "=" * (-len(segments[1]) % 4)))
            if isinstance(found, dict):
                return found
    except ValueError:
        pass
    raise ValueError("the token is no JWT: what an opaque one says only its issuer knows, use --identity")
