"""`lightgate token`: a signed token from the development identity provider, by the provider's own HTTP
interface.

The user's claims are stored (`PUT /users/SUB`), then an authorization-code flow is played (OpenID Connect
Core section 3.1), as any client would; what is printed is the ID token, whose `aud` is the client identifier.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from typing import IO
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from luagen.failure import Failure

START = "lightgate dev POLICY --idp"

_TIMEOUT_S = 10
_ANSWER_LIMIT_BYTES = 1 << 20
_CALLBACK = "http://localhost/callback"  # never called: the code is read from the redirect to it


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None


# Straight to the provider: it is on this machine, and a proxy from the environment is not.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


def with_roles(
    claims: Mapping[str, object], path: tuple[str, ...], roles: tuple[str, ...]
) -> dict[str, object]:
    """`claims` with `roles` as an array at `path`, made where it does not exist; no roles: `claims` as they
    are.

    Raises Failure when something other than an object is in the way.
    """
    if not roles:
        return dict(claims)
    name, *rest = path
    if not rest:
        return {**claims, name: list(roles)}
    inner = claims.get(name, {})
    if not isinstance(inner, dict):
        raise Failure(f"the roles belong into claim `{name}`, which is given as something else")
    return {**claims, name: with_roles(inner, tuple(rest), roles)}


def mint(provider: str, *, sub: str, audience: str, claims: Mapping[str, object]) -> str:
    """An ID token of the provider at `provider` (its issuer URL) in compact form.

    Raises Failure when nobody answers there, or not like the development provider.
    """
    provider = provider.rstrip("/")
    claims_json = json.dumps(claims).encode()
    _ask(provider, "PUT", f"/users/{quote(sub, safe='')}", claims_json, "application/json", 204)
    grant = {
        "client_id": audience,
        "redirect_uri": _CALLBACK,
        "response_type": "code",
        "scope": "openid email",
    }
    form = "application/x-www-form-urlencoded"
    location, _ = _ask(
        provider, "POST", f"/oauth2/authorize?{urlencode(grant)}", urlencode({"sub": sub}).encode(), form, 302
    )
    codes = parse_qs(urlsplit(location).query).get("code", [])
    if len(codes) != 1:
        raise _unexpected(provider)
    exchange = {
        "grant_type": "authorization_code",
        "code": codes[0],
        "redirect_uri": _CALLBACK,
        "client_id": audience,
        "client_secret": "any",  # the provider takes any secret of an unregistered client
    }
    _, body = _ask(provider, "POST", "/oauth2/token", urlencode(exchange).encode(), form, 200)
    try:
        token = json.loads(body)["id_token"]
    except (ValueError, KeyError, TypeError) as error:
        raise _unexpected(provider) from error
    if not isinstance(token, str) or token.count(".") != 2:
        raise _unexpected(provider)
    return token


def _ask(
    provider: str, method: str, target: str, body: bytes, content_type: str, expected: int
) -> tuple[str, bytes]:
    """Location field and body of the answer, which must have the status `expected`."""
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked where the URL enters
        provider + target, body, {"Content-Type": content_type}, method=method
    )
    try:
        with _OPENER.open(request, timeout=_TIMEOUT_S) as answer:
            status, fields, content = answer.status, answer.headers, answer.read(_ANSWER_LIMIT_BYTES)
    except urllib.error.HTTPError as error:  # every status but 2xx, the expected 302 among them
        with error:
            status, fields, content = error.code, error.headers, error.read(_ANSWER_LIMIT_BYTES)
    except OSError as error:
        raise Failure(f"no identity provider answers at `{provider}`", f"start one: {START}") from error
    if status != expected:
        raise _unexpected(provider, f"{method} {urlsplit(target).path} is answered with {status}")
    return fields.get("Location", ""), content


def _unexpected(provider: str, what: str = "it issues no token") -> Failure:
    return Failure(f"`{provider}` is not the development provider: {what}", f"start one: {START}")
