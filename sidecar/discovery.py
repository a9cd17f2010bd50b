"""An issuer's published metadata (OpenID Connect Discovery section 4, RFC 8414 section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from sidecar.clock import Clock
from sidecar.network import FetchFailed, Network, UrlRefused, check_url
from sidecar.single_flight import SingleFlight
from sidecar.strict_json import JsonObject

MAX_AGE_S = 3_600
MAX_STALE_S = 86_400  # as for keys: an outage of a day changes nothing
RETRY_S = 1.0  # at least between two attempts that fail: introspection would try for every token
TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    jwks_uri: str | None
    introspection_endpoint: str | None


class Discovery:
    """The metadata of one issuer, kept for an hour, through an outage for a day."""

    def __init__(self, issuer: str, network: Network, clock: Clock) -> None:
        self._issuer = issuer
        self._network = network
        self._clock = clock
        self._metadata: Metadata | None = None
        self._fetched_at = 0.0
        self._failed_at: float | None = None
        self._flight = SingleFlight(self._fetch)

    async def metadata(self) -> Metadata:
        """Raises FetchFailed when there is none that is less than a day old."""
        now = self._clock.monotonic()
        known = self._metadata
        if known is not None and now - self._fetched_at < MAX_AGE_S:
            return known
        throttled = self._failed_at is not None and now - self._failed_at < RETRY_S
        try:
            if throttled and not self._flight.running:
                raise FetchFailed("discovery failed a moment ago")
            return await self._flight.join()
        except FetchFailed:
            if known is not None and now - self._fetched_at < MAX_STALE_S:
                return known
            raise

    def expire(self) -> None:
        """Fetch anew next time: what the metadata named did not answer."""
        if self._metadata is not None:
            self._fetched_at = min(self._fetched_at, self._clock.monotonic() - MAX_AGE_S)

    async def close(self) -> None:
        await self._flight.close()

    async def _fetch(self) -> Metadata:
        failure = FetchFailed("no discovery document")
        for url in well_known_urls(self._issuer):
            try:
                fetched = await self._network.get(url, timeout_s=TIMEOUT_S)
                metadata = parse(fetched.document, self._issuer)
            except FetchFailed as error:
                failure = FetchFailed(f"discovery: {error}")
                continue
            self._metadata, self._fetched_at, self._failed_at = metadata, self._clock.monotonic(), None
            return metadata
        self._failed_at = self._clock.monotonic()
        raise failure


def well_known_urls(issuer: str) -> tuple[str, str]:
    """Where the metadata may be: OpenID Connect appends to the path, RFC 8414 puts itself before it."""
    parts = urlsplit(issuer)
    path = parts.path.removesuffix("/")
    oauth = urlunsplit(parts._replace(path="/.well-known/oauth-authorization-server" + path))
    return issuer.removesuffix("/") + "/.well-known/openid-configuration", oauth


def parse(document: JsonObject, issuer: str) -> Metadata:
    """The metadata in a document. Raises FetchFailed: of another issuer, or it names unusable URLs.

    `issuer` must be the configured one byte for byte (RFC 8414 section 3.3), or one server could pass its
    keys off as another's.
    """
    if document.get("issuer") != issuer:
        raise FetchFailed("document is of another issuer")
    return Metadata(
        jwks_uri=_url(document, "jwks_uri"), introspection_endpoint=_url(document, "introspection_endpoint")
    )


def _url(document: JsonObject, name: str) -> str | None:
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise FetchFailed(f"`{name}` is not a string")
    try:
        check_url(value)
    except UrlRefused as error:
        raise FetchFailed(f"`{name}` {error}") from None
    return value
