"""Fetching JSON from a provider: time limit, size limit, no redirects, https only (http on this machine).

The one file that speaks HTTP as a client. Foreign exceptions end here, as FetchFailed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

from sidecar.strict_json import JsonError, JsonObject, parse_object

MAX_BODY_BYTES = 256 * 1024  # of a document, after decompression


class UrlRefused(ValueError):
    """A URL that is not fetched. The message says why, without the URL."""


class FetchFailed(Exception):
    """No usable answer came. The message is one of a few fixed texts or a status: safe to log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """`max_age_s`: what Cache-Control allows (RFC 9111 section 5.2.2), None when it says nothing."""

    document: JsonObject
    max_age_s: int | None


def check_url(url: str) -> None:
    """Raises UrlRefused unless `url` is absolute https, or http to a loopback address."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        raise UrlRefused("not a URL") from None
    if not re.fullmatch(r"[!-~]+", url) or not host:
        raise UrlRefused("not a URL")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise UrlRefused("has credentials or a fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise UrlRefused("must be https, or http on this machine")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Network:
    """A client for providers. `close` it; calls in progress then fail with FetchFailed."""

    def __init__(self) -> None:
        # Apart, so that a flood of tokens to ask about cannot keep keys and metadata from being fetched.
        # Neither has a bound, which would let one issuer hold up others: of key sets and metadata one call
        # each is under way, and `introspection` bounds its own for each issuer.
        self._publications = _session()
        self._introspections = _session()

    async def close(self) -> None:
        await self._publications.close()
        await self._introspections.close()

    async def get(self, url: str, *, timeout_s: float) -> Fetched:
        """The JSON object at `url`: keys or metadata. Raises FetchFailed."""
        return await self._fetch(self._publications, "GET", url, timeout_s=timeout_s)

    async def post(
        self, url: str, form: Mapping[str, str], headers: Mapping[str, str], *, timeout_s: float
    ) -> Fetched:
        """The JSON object that answers a form (`application/x-www-form-urlencoded`). Raises FetchFailed.

        Callers bound how many of these are under way.
        """
        return await self._fetch(
            self._introspections, "POST", url, form=form, headers=headers, timeout_s=timeout_s
        )

    async def _fetch(
        self,
        session: aiohttp.ClientSession,
        method: str,
        url: str,
        *,
        timeout_s: float,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Fetched:
        try:
            check_url(url)  # discovered ones have not been checked before
            async with (
                asyncio.timeout(timeout_s),
                session.request(
                    method,
                    url,
                    data=form,
                    headers={"Accept": "application/json", **(headers or {})},
                    allow_redirects=False,  # a redirect would move the trust in the configured host elsewhere
                ) as response,
            ):
                if response.status != 200:
                    raise FetchFailed(f"status {response.status}")
                body = await _read(response)
                max_age_s = _max_age(response.headers.get("Cache-Control", ""))
        except UrlRefused as error:
            raise FetchFailed(f"url {error}") from None
        except TimeoutError:
            raise FetchFailed("no answer in time") from None
        # RuntimeError: the session was closed under the call.
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError) as error:
            raise FetchFailed(f"no connection ({type(error).__name__})") from None
        try:
            return Fetched(document=parse_object(body), max_age_s=max_age_s)
        except JsonError as error:
            raise FetchFailed(f"answer is {error}") from None


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),  # a provider has no business remembering us
        auto_decompress=False,  # bounded decompression is below
        headers={"User-Agent": "lightgate", "Accept-Encoding": "identity"},
    )


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise FetchFailed("answer is too long")
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "identity":
        return bytes(body)
    if encoding != "gzip":  # we asked for none; some servers compress all the same
        raise FetchFailed("answer has an unknown content encoding")
    try:
        plain = zlib.decompressobj(wbits=31).decompress(bytes(body), MAX_BODY_BYTES + 1)
    except zlib.error:
        raise FetchFailed("answer is not gzip") from None
    if len(plain) > MAX_BODY_BYTES:
        raise FetchFailed("answer is too long")
    return plain


def _max_age(cache_control: str) -> int | None:
    directives = [directive.strip().lower() for directive in cache_control.split(",")]
    if "no-store" in directives or "no-cache" in directives:
        return 0
    for directive in directives:
        if match := re.fullmatch(r'max-age="?(\d{1,9})"?', directive):
            return int(match[1])
    return None
