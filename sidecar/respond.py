"""From a decision to the CGI response that lighttpd reads (docs/internals.md, "Deferral"). Pure.

The client learns what RFC 6750 says it must: never which check failed, and never any text of its own.
"""

from __future__ import annotations

import json
from typing import NamedTuple, assert_never

from sidecar.decision import Allow, BadRequest, Challenge, Decision, Forbidden, Healthy, Unavailable
from sidecar.reasons import Reason

RETRY_AFTER_S = 2  # about the time until lighttpd tries a restarted sidecar again

_WITHOUT_TOKEN = frozenset({Reason.NO_CREDENTIAL, Reason.NOT_BEARER})
_MALFORMED = "the token is malformed"
_UNTRUSTED = "the token's issuer or algorithm is not accepted here"
_UNSIGNED = "the token's signature is not valid"
_UNFIT = "the token's claims are not acceptable here"
# The same texts as in Lua's tokens.lua and claims.lua: a client cannot tell where its token was examined.
_DESCRIPTIONS = {
    Reason.TOKEN_TOO_LONG: _MALFORMED,
    Reason.MALFORMED_TOKEN: _MALFORMED,
    Reason.CRITICAL_HEADER: _MALFORMED,
    Reason.MALFORMED_KID: _MALFORMED,
    Reason.UNKNOWN_ISSUER: _UNTRUSTED,
    Reason.ALGORITHM_NOT_ALLOWED: _UNTRUSTED,
    Reason.UNKNOWN_KEY: _UNSIGNED,
    Reason.REFUSED_KEY: _UNSIGNED,
    Reason.BAD_SIGNATURE: _UNSIGNED,
    Reason.EXPIRED: "the token has expired",
    Reason.INACTIVE: "the token is not active",
    Reason.TWO_CREDENTIALS: "more than one credential was presented",
    Reason.MALFORMED_CREDENTIAL: "the credential is malformed",
}


# The page of lighttpd/lua/lightgate/pages.lua.
_STYLE = (
    "body{font:1.1em/1.5 system-ui,sans-serif;max-width:36em;margin:15vh auto;padding:0 1em;"
    "color-scheme:light dark}"
)
_HTML = f"""\
<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>%d %s</title>
<style>{_STYLE}</style>
<h1>%s</h1><p>%s</p></html>
"""


class _Answer(NamedTuple):
    status: int
    title: str
    error: str | None  # a code of RFC 6750 section 3.1
    description: str
    fields: tuple[str, ...]


def respond(decision: Decision, *, release: str, nonce: str, accept: bytes) -> bytes:
    """Header fields, empty line, body. `release` and `nonce` are the request's, "" when unknown."""
    if isinstance(decision, Allow):
        current = decision.current_identity
        return (
            "Status: 200\r\n"
            f"Variable-LIGHTGATE_ANSWER: {release} {nonce}\r\n"
            f"Variable-LIGHTGATE_IDENTITY: {decision.identity}\r\n"
            + (f"Variable-LIGHTGATE_CURRENT_IDENTITY: {current}\r\n" if current else "")
            + f"Variable-LIGHTGATE_EXPIRES: {decision.expires}\r\n"
            "\r\n"
        ).encode("ascii")
    if isinstance(decision, Healthy):
        return (
            "Status: 204\r\n"
            f"Lightgate-Answer: {release} {nonce}\r\n"
            f"Lightgate-Release: {release}\r\n"
            "Cache-Control: no-store\r\n"
            "\r\n"
        ).encode("ascii")
    answer = _refusal(decision)
    as_html = b"text/html" in accept.lower()
    lines = [f"Status: {answer.status}"]  # first: lighttpd drops fields before it
    if release and nonce:
        lines.append(f"Lightgate-Answer: {release} {nonce}")
    lines.extend(answer.fields)
    lines.append("Cache-Control: no-store")
    lines.append(f"Content-Type: {'text/html; charset=utf-8' if as_html else 'application/json'}")
    return ("\r\n".join(lines) + "\r\n\r\n" + (_html(answer) if as_html else _json(answer))).encode("ascii")


def status_of(decision: Decision) -> int:
    match decision:
        case Allow():
            return 200
        case Healthy():
            return 204
        case _:
            return _refusal(decision).status


def _refusal(decision: BadRequest | Challenge | Forbidden | Unavailable) -> _Answer:
    match decision:
        case Challenge(reason=reason, realm=realm) if reason in _WITHOUT_TOKEN:
            # RFC 6750 section 3.1: no error code when the request had no token.
            return _Answer(401, "Unauthorized", None, "a bearer token is required", (_challenge(realm),))
        case Challenge(reason=reason, realm=realm):
            error, description = "invalid_token", _DESCRIPTIONS.get(reason, _UNFIT)
            return _Answer(401, "Unauthorized", error, description, (_challenge(realm, error, description),))
        case BadRequest(reason=reason, realm=realm):
            error, description = "invalid_request", _DESCRIPTIONS[reason]
            return _Answer(400, "Bad Request", error, description, (_challenge(realm, error, description),))
        case Forbidden():
            return _Answer(403, "Forbidden", None, "this is not permitted", ())
        case Unavailable():
            description = "the request could not be checked, try again"
            return _Answer(503, "Service Unavailable", None, description, (f"Retry-After: {RETRY_AFTER_S}",))
        case _:
            assert_never(decision)


def _challenge(realm: str, error: str | None = None, description: str | None = None) -> str:
    value = f'WWW-Authenticate: Bearer realm="{realm}"'  # an issuer's name: no character that needs quoting
    return value if error is None else f'{value}, error="{error}", error_description="{description}"'


def _json(answer: _Answer) -> str:
    error = {} if answer.error is None else {"error": answer.error}
    members = {"status": answer.status, **error, "error_description": answer.description}
    return json.dumps(members, separators=(",", ":")) + "\n"


def _html(answer: _Answer) -> str:
    sentence = answer.description[0].upper() + answer.description[1:] + "."
    return _HTML % (answer.status, answer.title, answer.title, sentence)
