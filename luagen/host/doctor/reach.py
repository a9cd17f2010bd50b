"""Reaching issuers as the sidecar does: by name, over verified TLS, without redirects or proxies.

One look at each: its discovery document or its keys, whatever its `[auth]` table makes the sidecar fetch.
What goes wrong is told apart (name, connection, certificate, answer), because each has another remedy.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from luagen.host.in_force import Issuer

_TIMEOUT_S = 10.0
_MAX_BYTES = 256 * 1024  # as the sidecar's


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why an issuer cannot be used, and what to do."""

    message: str
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerSeen:
    """What came of one issuer. `offset_s`: its clock minus ours, None when it did not say; `expires_at`: when
    the first of its certificates ends, in seconds since the epoch; `keys`: those published."""

    name: str
    url: str | None  # what was asked first; None: nothing needs the network
    problem: Problem | None = None
    keys: int | None = None
    offset_s: float | None = None
    expires_at: float | None = None


class _Unusable(Exception):
    def __init__(self, message: str, help: str) -> None:
        super().__init__(message)
        self.problem = Problem(message=message, help=help)


async def look(issuers: Iterable[Issuer]) -> tuple[IssuerSeen, ...]:
    """All issuers at once, each for itself."""
    return tuple(await asyncio.gather(*map(_look, issuers)))


async def _look(issuer: Issuer) -> IssuerSeen:
    looker = _Looker()
    url = _first_url(issuer)
    if url is None:
        return IssuerSeen(name=issuer.name, url=None)
    problem = None
    keys = None
    # Proxy variables of this shell say nothing about the sidecar.
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S), trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        try:
            keys = await looker.issuer(session, issuer)
        except _Unusable as error:
            problem = error.problem
    return IssuerSeen(
        name=issuer.name,
        url=url,
        problem=problem,
        keys=keys,
        offset_s=looker.offset_s,
        expires_at=min(looker.expire_at, default=None),
    )


def _first_url(issuer: Issuer) -> str | None:
    if _needs_discovery(issuer):
        return _well_known(issuer.issuer)[0]
    return issuer.jwks_url or issuer.introspection_endpoint


def _needs_discovery(issuer: Issuer) -> bool:
    return issuer.keys_from == "discovery" or (issuer.introspects and issuer.introspection_endpoint is None)


def _well_known(issuer: str) -> tuple[str, str]:
    """As the sidecar looks: OpenID Connect's place, then RFC 8414's."""
    parts = urlsplit(issuer)
    path = "/.well-known/oauth-authorization-server" + parts.path.removesuffix("/")
    return (
        issuer.removesuffix("/") + "/.well-known/openid-configuration",
        urlunsplit(parts._replace(path=path)),
    )


class _Looker:
    def __init__(self) -> None:
        self.offset_s: float | None = None
        self.expire_at: list[float] = []

    async def issuer(self, session: aiohttp.ClientSession, issuer: Issuer) -> int | None:
        """The number of published keys, None where there are none to fetch. Raises _Unusable."""
        jwks_url = issuer.jwks_url
        endpoint = issuer.introspection_endpoint
        if _needs_discovery(issuer):
            metadata = await self._metadata(session, issuer.issuer)
            if issuer.keys_from == "discovery":
                jwks_url = _member(metadata, "jwks_uri")
            if issuer.introspects and endpoint is None:
                endpoint = _member(metadata, "introspection_endpoint")
        if endpoint is not None:
            # Any answer will do: it is for POST, with the sidecar's client secret.
            await self._fetch(session, endpoint)
        if jwks_url is None:
            return None
        status, body = await self._fetch(session, jwks_url)
        keys = _object(body).get("keys") if status == 200 else None
        if not isinstance(keys, list):
            raise _Unusable(
                f"`{jwks_url}` answers {status} and no key set", f"curl -i {jwks_url} shows what it says"
            )
        return sum(isinstance(key, dict) and "kty" in key for key in keys)

    async def _metadata(self, session: aiohttp.ClientSession, issuer: str) -> dict[str, Any]:
        first, second = _well_known(issuer)
        for url in (first, second):
            status, body = await self._fetch(session, url)
            document = _object(body)
            if status != 200 or not document:
                continue
            if document.get("issuer") != issuer:
                said = str(document.get("issuer"))[:200]
                raise _Unusable(
                    f"`{url}` is the document of `{said}`, not of `{issuer}`",
                    f'if that is the right one, set issuer = "{said}" in the policy, byte for byte',
                )
            return document
        raise _Unusable(
            f"`{first}` answers {status} and no discovery document",
            f"is `{issuer}` the issuer's URL? curl -i {first} shows what it says",
        )

    async def _fetch(self, session: aiohttp.ClientSession, url: str) -> tuple[int, bytes]:
        """Status and body; takes date and certificate from the answer. Raises _Unusable."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        place = f"{host} port {port}"
        before = time.time()
        try:
            async with session.get(url, allow_redirects=False) as answer:
                self._note_date(answer.headers.get("Date"), (before + time.time()) / 2)
                self._note_certificate(answer)
                return answer.status, await _body(answer)
        except aiohttp.ClientConnectorDNSError as error:
            raise _Unusable(
                f"the name `{host}` has no address", f"getent hosts {host}, and /etc/resolv.conf"
            ) from error
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
            reason = getattr(error.__cause__, "verify_message", None) or "TLS fails"
            raise _Unusable(
                f"the certificate of {place} is refused: {reason}"
                if isinstance(error, aiohttp.ClientConnectorCertificateError)
                else f"no TLS with {place}: {_reason(error)}",
                f"openssl s_client -connect {host}:{port} -servername {host} shows it; "
                "for an authority of your own: update-ca-certificates",
            ) from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise _Unusable(
                f"cannot reach {place}: {_reason(error)}",
                f"a firewall, or the issuer is down: curl -v {url}",
            ) from error

    def _note_date(self, field: str | None, now: float) -> None:
        try:
            # The field has whole seconds, cut off: half a second more is nearest to the truth.
            self.offset_s = parsedate_to_datetime(field).timestamp() + 0.5 - now if field else self.offset_s
        except ValueError:
            return

    def _note_certificate(self, answer: aiohttp.ClientResponse) -> None:
        connection = answer.connection
        transport = None if connection is None else connection.transport
        certificate = None if transport is None else transport.get_extra_info("peercert")
        if certificate and "notAfter" in certificate:
            self.expire_at.append(ssl.cert_time_to_seconds(certificate["notAfter"]))


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    while len(body) < _MAX_BYTES and (part := await answer.content.read(_MAX_BYTES - len(body))):
        body += part
    return bytes(body)


def _reason(error: BaseException) -> str:
    if isinstance(error, asyncio.TimeoutError):
        return f"no answer within {_TIMEOUT_S:.0f} s"
    number = getattr(error, "errno", None)
    # Not its own words: asyncio's quote the call.
    return os.strerror(number).lower() if number and number > 0 else type(error).__name__


def _object(body: bytes) -> dict[str, Any]:
    """A JSON object; empty when it is none."""
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _member(metadata: dict[str, Any], name: str) -> str:
    value = metadata.get(name)
    if isinstance(value, str) and value.startswith(("https://", "http://")):
        return value
    raise _Unusable(
        f"the issuer's discovery document names no `{name}`",
        "name the URL in the policy: `jwks_url`, or `endpoint` of `introspection`",
    )
