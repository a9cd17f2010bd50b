"""The releases that deferrals may come from: the current one and the one before.

lighttpd and sidecar learn of a new release at different moments. A deferral that names an unknown one makes
the sidecar read its file again; those of the previous release are still answered.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import assert_never

from sidecar.clock import Clock
from sidecar.config import (
    DiscoveredKeys,
    InlineJwks,
    Introspection,
    Issuer,
    JwksUrl,
    PemKey,
    Settings,
    SharedSecret,
    load,
)
from sidecar.config_reader import ConfigError
from sidecar.credentials import Credentials, CredentialsError
from sidecar.decide import Answer
from sidecar.discovery import Discovery
from sidecar.introspection import ClientAuthenticator, Introspector
from sidecar.jose.keys import KeyRefused, KeySet, parse_jwks, parse_pem, shared_secret
from sidecar.kept_keys import KeptKeys
from sidecar.keysets import MAX_STALE_S, FixedKeys, KeyStore, RemoteKeys
from sidecar.logs import Event, Log
from sidecar.metrics import Metrics
from sidecar.network import Network
from sidecar.single_flight import SingleFlight
from sidecar.strict_json import parse_object

MIN_RELOAD_S = 1.0  # at least between two readings of the file for unknown releases


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What everything that fetches needs."""

    network: Network
    clock: Clock
    log: Log
    metrics: Metrics
    jitter: Callable[[], float]
    random_id: Callable[[], str]
    cache_secret: bytes = field(repr=False)
    keys_directory: Path
    on_keys_removed: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One release at work. Implements decide.Knowledge."""

    settings: Settings
    secrets: Mapping[str, bytes] = field(repr=False)  # of shared-secret issuers, by credential
    stores: Mapping[str, KeyStore]  # by issuer name, as is `introspectors`
    introspectors: Mapping[str, Introspector]

    def keys(self, issuer: str) -> KeySet | None:
        return self.stores[issuer].current()

    def introspection(self, issuer: str, token: bytes) -> Answer | None:
        return self.introspectors[issuer].remembered(token)


class Pool:
    """Key stores, metadata and introspectors, shared by releases that configure them alike.

    So a new release starts with the keys that the previous one had. Background refreshing starts with a store
    and ends with `keep_only`, which must be called with nothing at the end.
    """

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._discoveries: dict[str, Discovery] = {}
        self._remote: dict[tuple[str, str, object], tuple[RemoteKeys, asyncio.Task[None]]] = {}
        self._introspectors: dict[tuple[object, ...], Introspector] = {}

    def build(self, settings: Settings, credentials: Credentials) -> Release:
        """A release of these settings. Raises CredentialsError: everything that is wrong with them."""
        found = credentials.find(name for issuer in settings.issuers for name in issuer.credentials())
        mistakes: list[str] = []
        stores: dict[str, KeyStore] = {}
        introspectors: dict[str, Introspector] = {}
        secrets: dict[str, bytes] = {}
        # What does not touch the pool comes first: a release with mistakes must leave nothing running.
        authenticators: dict[str, ClientAuthenticator] = {}
        for issuer in settings.issuers:
            if isinstance(issuer.keys, SharedSecret):
                secret = secrets[issuer.keys.credential] = found[issuer.keys.credential]
                try:
                    stores[issuer.name] = FixedKeys(shared_secret(secret, issuer.algorithms))
                except KeyRefused as error:
                    mistakes.append(f"credential `{issuer.keys.credential}`: {error}")
            if issuer.introspection is not None:
                credential = found[issuer.introspection.credential]
                try:
                    authenticators[issuer.name] = self._authenticator(
                        issuer, issuer.introspection, credential
                    )
                except KeyRefused as error:
                    mistakes.append(f"credential `{issuer.introspection.credential}`: {error}")
        if mistakes:
            raise CredentialsError(tuple(mistakes))
        for issuer in settings.issuers:
            if issuer.keys is not None and issuer.name not in stores:
                stores[issuer.name] = self._store(issuer)
            if issuer.introspection is not None:
                credential = found[issuer.introspection.credential]
                introspectors[issuer.name] = self._introspector(
                    issuer, issuer.introspection, authenticators[issuer.name], credential
                )
        return Release(settings=settings, secrets=secrets, stores=stores, introspectors=introspectors)

    async def keep_only(self, releases: tuple[Release, ...]) -> None:
        """Ends what none of `releases` uses."""
        stores = {id(store) for release in releases for store in release.stores.values()}
        for key, (remote, task) in tuple(self._remote.items()):
            if id(remote) not in stores:
                self._remote.pop(key, None)
                task.cancel()
                await asyncio.wait([task])
        used = {id(one) for release in releases for one in release.introspectors.values()}
        for introspector_key, introspector in tuple(self._introspectors.items()):
            if id(introspector) not in used:
                self._introspectors.pop(introspector_key, None)
                await introspector.close()
        issuers = {issuer.issuer for release in releases for issuer in release.settings.issuers}
        for url, discovery in tuple(self._discoveries.items()):
            if url not in issuers:
                self._discoveries.pop(url, None)
                await discovery.close()

    def forget(self) -> None:
        """Forgets what issuers said about tokens."""
        for introspector in self._introspectors.values():
            introspector.forget()

    async def refresh(self) -> None:
        """Fetches every key set anew."""
        await asyncio.gather(*(remote.refresh() for remote, _ in tuple(self._remote.values())))

    def _store(self, issuer: Issuer) -> KeyStore:
        keys = issuer.keys
        match keys:
            case InlineJwks():
                return FixedKeys(parse_jwks(parse_object(keys.text.encode()))[0])
            case PemKey():
                return FixedKeys(parse_pem(keys.text))
            case DiscoveredKeys():
                return self._remote_keys(issuer, self._discovery(issuer))
            case JwksUrl():
                return self._remote_keys(issuer, keys)
            case SharedSecret() | None:
                raise AssertionError("bug in sidecar: no store for these keys")
            case _:
                assert_never(keys)

    def _remote_keys(self, issuer: Issuer, source: JwksUrl | Discovery) -> RemoteKeys:
        key = (issuer.name, issuer.issuer, issuer.keys)
        if key not in self._remote:
            around = self._surroundings
            remote = RemoteKeys(
                name=issuer.name,
                source=source,
                network=around.network,
                clock=around.clock,
                jitter=around.jitter,
                log=around.log,
                metrics=around.metrics,
                kept=KeptKeys(
                    directory=around.keys_directory,
                    issuer=issuer.issuer,
                    source=source.url if isinstance(source, JwksUrl) else "discovery",
                    max_age_s=MAX_STALE_S,
                    log=around.log,
                ),
                on_removed=around.on_keys_removed,
            )
            self._remote[key] = remote, asyncio.create_task(remote.run())
        return self._remote[key][0]

    def _discovery(self, issuer: Issuer) -> Discovery:
        around = self._surroundings
        if issuer.issuer not in self._discoveries:
            self._discoveries[issuer.issuer] = Discovery(issuer.issuer, around.network, around.clock)
        return self._discoveries[issuer.issuer]

    def _authenticator(
        self, issuer: Issuer, introspection: Introspection, credential: bytes
    ) -> ClientAuthenticator:
        return ClientAuthenticator(
            method=introspection.client_authentication,
            client_id=introspection.client_id,
            credential=credential,
            issuer=issuer.issuer,
            clock=self._surroundings.clock,
            random_id=self._surroundings.random_id,
        )

    def _introspector(
        self,
        issuer: Issuer,
        introspection: Introspection,
        authenticator: ClientAuthenticator,
        credential: bytes,
    ) -> Introspector:
        around = self._surroundings
        key = (issuer.name, issuer.issuer, introspection, hashlib.sha256(credential).digest())
        if key not in self._introspectors:
            self._introspectors[key] = Introspector(
                name=issuer.name,
                settings=introspection,
                authenticator=authenticator,
                discovery=self._discovery(issuer) if introspection.endpoint is None else None,
                network=around.network,
                clock=around.clock,
                secret=around.cache_secret,
                log=around.log,
                metrics=around.metrics,
            )
        return self._introspectors[key]


class Releases:
    """The current release and the one before."""

    def __init__(
        self,
        *,
        path: Path,
        settings: Settings,
        credentials: Credentials,
        pool: Pool,
        clock: Clock,
        log: Log,
        metrics: Metrics,
        on_change: Callable[[tuple[Release, ...]], None],
    ) -> None:
        """Raises CredentialsError. `on_change` is called with the releases at work whenever those change."""
        self._path = path
        self._credentials = credentials
        self._pool = pool
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._on_change = on_change
        self._releases: tuple[Release, ...] = (pool.build(settings, credentials),)
        self._read_at = clock.monotonic() - MIN_RELOAD_S
        # Reading, swapping and ending what is unused are one step: `keep_only` waits in the middle, and must
        # not end what a newer release has taken up meanwhile.
        self._changing = asyncio.Lock()
        self._looking = SingleFlight(partial(self._read, anew=False))
        self._reloading = SingleFlight(partial(self._read, anew=True))
        self._changed()

    @property
    def current(self) -> Release:
        return self._releases[0]

    def find(self, release: str) -> Release | None:
        for candidate in self._releases:
            if candidate.settings.release == release:
                return candidate
        return None

    def may_look_again(self) -> bool:
        """Whether reading the file for an unknown release is due, or in progress."""
        return self._looking.running or self._clock.monotonic() - self._read_at >= MIN_RELOAD_S

    async def look_again(self) -> None:
        """Reads the file for a release that is not known yet; nothing happens when it names none."""
        await self._looking.join()

    async def reload(self) -> None:
        """Reads the file and the credentials anew; what is wrong with them is logged and changes nothing."""
        await self._reloading.join()

    async def close(self) -> None:
        """Ends reading in progress."""
        await self._looking.close()
        await self._reloading.close()

    async def _read(self, *, anew: bool) -> None:
        async with self._changing:
            if self._swap(anew=anew):
                await self._pool.keep_only(self._releases)

    def _swap(self, *, anew: bool) -> bool:
        """Makes the file's release the current one. Returns whether it did."""
        self._read_at = self._clock.monotonic()
        try:
            settings = load(self._path)
            if not anew and settings == self.current.settings:
                return False
            release = self._pool.build(settings, self._credentials)
        except (ConfigError, CredentialsError) as error:
            self._metrics.reloads.labels("failed").inc()
            for mistake in error.mistakes:
                self._log(Event.RELOAD_FAILED, why=mistake)
            return False
        before = self._releases
        # The same release again (its credentials may be new) does not push out the previous one.
        others = tuple(one for one in before if one.settings.release != settings.release)
        self._releases = (release, *others[:1])
        self._metrics.reloads.labels("ok").inc()
        self._log(Event.RELOADED, release=settings.release)
        self._changed()
        return True

    def _changed(self) -> None:
        self._metrics.release.clear()
        self._metrics.release.labels(self.current.settings.release).set(1)
        self._on_change(self._releases)
