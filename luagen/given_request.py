"""A request as a command line gives it: URL, header lines, and who calls."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from luagen import model
from luagen.model import Policy, SampleCaller, SampleRequest


@dataclass(frozen=True, slots=True)
class Presented:
    """A caller, and what has to be said about how they came to be one."""

    caller: SampleCaller
    remarks: tuple[str, ...] = ()


def sample(
    method: str,
    url: str,
    *,
    headers: Iterable[str],
    ip: str,
    country: str,
    http_version: str,
    content_length: int,
    now: int,
    caller: SampleCaller | None,
    origin_status: int,
) -> SampleRequest:
    """`url` may be a path, of https://localhost; `headers` are lines. Raises ValueError that says why not."""
    ip_address(ip)
    return SampleRequest(
        method=method,
        url=f"https://localhost{url}" if url.startswith("/") else url,
        http_version=http_version,
        headers=tuple(map(_header, headers)),
        ip=ip,
        country=country,
        content_length=content_length,
        now=now,
        variables=(),
        caller=caller,
        origin_status=origin_status,
    )


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip():
        raise ValueError(f"`{line}` is no header field, such as `Accept: text/html`")
    return name.strip(), value.strip()


def moment(text: str) -> int:
    """Seconds since the epoch of such, or of a date and time with an offset. Raises ValueError."""
    if text.isdecimal():
        return int(text)
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"`{text}` has no offset: end it with `Z` or such as `+01:00`")
    return int(found.timestamp())


def caller_of(text: str, policy: Policy) -> SampleCaller:
    """The caller that a JSON object describes, with the keys of a test's `identity`. Raises ValueError."""
    found = json.loads(text)
    if not isinstance(found, dict) or not isinstance(found.get("sub"), str):
        raise ValueError('an identity is a JSON object with a `sub`, such as {"sub": "alice"}')
    names = [auth.name for auth in policy.auths]
    provider = found.get("provider", names[0] if len(names) == 1 else None)
    if provider not in names:
        raise ValueError(
            f"`provider` is none of the policy's [auth] tables: {', '.join(names) or 'there are none'}"
        )
    roles = found.get("roles", [])
    return SampleCaller(
        provider=provider,
        sub=found["sub"],
        email=str(found.get("email", "")),
        roles=tuple([roles] if isinstance(roles, str) else roles),
        claims=found.get("claims", {}),
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
