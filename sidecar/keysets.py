"""Where an issuer's keys come from: fixed ones, and those a provider publishes and changes.

A provider's set is refreshed in the background, and at once (but at most every ten seconds) when a token
names a key that it lacks. The last good set is kept through an outage of up to a day, even when this process
ends meanwhile, and never replaced by a broken one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sidecar.clock import Clock
from sidecar.config import JwksUrl
from sidecar.discovery import Discovery
from sidecar.jose.keys import KeyRefused, KeySet, parse_jwks
from sidecar.kept_keys import KeptKeys
from sidecar.logs import Event, Log
from sidecar.metrics import Metrics
from sidecar.network import FetchFailed, Network
from sidecar.single_flight import SingleFlight

MIN_REFRESH_S = 60  # whatever Cache-Control says: a provider must not be asked in a loop
MAX_REFRESH_S = 86_400  # nor be trusted with a removed key for longer
DEFAULT_REFRESH_S = 600  # without Cache-Control
FORCED_REFRESH_S = 10  # at least between two refreshes for unknown keys
MAX_STALE_S = 86_400  # without a successful fetch for so long, keys are no longer trusted
FIRST_RETRY_S, MAX_RETRY_S = 1.0, 300.0
TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyState:
    """For /readyz. `age_s`: since the last successful fetch, None for fixed keys and before the first."""

    usable: int
    age_s: float | None


class KeyStore(Protocol):
    def current(self) -> KeySet | None:
        """The usable keys."""

    async def demand(self) -> None:
        """Keys are wanted that `current` does not have: returns when there is no more to wait for."""

    def may_demand(self) -> bool:
        """Whether `demand` could change anything."""

    def state(self) -> KeyState: ...


class FixedKeys:
    """Keys of the configuration: inline, PEM, or a shared secret."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys

    def current(self) -> KeySet:
        return self._keys

    def may_demand(self) -> bool:
        return False

    async def demand(self) -> None:
        return

    def state(self) -> KeyState:
        return KeyState(usable=len(self._keys.keys), age_s=None)


class RemoteKeys:
    """Keys that a provider publishes. `run` keeps them fresh; `jitter` is a random number of [0, 1)."""

    def __init__(
        self,
        *,
        name: str,
        source: JwksUrl | Discovery,
        network: Network,
        clock: Clock,
        jitter: Callable[[], float],
        log: Log,
        metrics: Metrics,
        kept: KeptKeys,
        on_removed: Callable[[], None],
    ) -> None:
        self._name = name
        self._source = source
        self._network = network
        self._clock = clock
        self._jitter = jitter
        self._log = log
        self._metrics = metrics
        self._kept = kept
        self._on_removed = on_removed
        self._keys: KeySet | None = None
        self._skipped: tuple[str, ...] = ()
        self._fetched_at = 0.0
        self._forced_at: float | None = None
        self._failures = 0
        self._due_at = clock.monotonic()
        self._flight = SingleFlight(self._refresh)
        self._take_up_kept()

    def current(self) -> KeySet | None:
        if self._keys is None or self._clock.monotonic() - self._fetched_at > MAX_STALE_S:
            return None
        return self._keys

    def state(self) -> KeyState:
        keys = self.current()
        age_s = None if self._keys is None else self._clock.monotonic() - self._fetched_at
        return KeyState(usable=0 if keys is None else len(keys.keys), age_s=age_s)

    def may_demand(self) -> bool:
        throttled = self._forced_at is not None and (
            self._clock.monotonic() - self._forced_at < FORCED_REFRESH_S
        )
        return self._flight.running or not throttled

    async def demand(self) -> None:
        if not self.may_demand():
            return
        if not self._flight.running:
            self._forced_at = self._clock.monotonic()
        await self._flight.join()

    @property
    def due_in_s(self) -> float:
        """Seconds until the next refresh in the background; 0 when it is due."""
        return max(0.0, self._due_at - self._clock.monotonic())

    async def run(self) -> None:
        """Refreshes whenever it is due. Ends only when cancelled."""
        try:
            while True:
                await self._clock.sleep(self.due_in_s)
                if self.due_in_s == 0:  # a forced refresh may have moved it meanwhile
                    await self._flight.join()
        finally:
            await self._flight.close()

    async def refresh(self) -> None:
        """One refresh now, shared with those in flight. Never raises for anything the provider does."""
        await self._flight.join()

    async def _refresh(self) -> None:
        try:
            url = await self._url()
            fetched = await self._network.get(url, timeout_s=TIMEOUT_S)
            keys, skipped = parse_jwks(fetched.document)
        except (FetchFailed, KeyRefused) as error:
            self._failed(str(error))
            return
        except asyncio.CancelledError:
            raise
        except Exception as error:  # a bug of ours must not end the refreshing for good
            self._log.bug(error, issuer=self._name)
            self._failed("bug")
            return
        self._succeeded(keys, skipped, fetched.max_age_s)
        self._kept.keep(fetched.document, self._clock.wall())

    def _take_up_kept(self) -> None:
        """Starts with what the process before has left. It is refreshed at once all the same."""
        now = self._clock.wall()
        found = self._kept.load(now)
        if found is None:
            return
        try:
            self._keys, _ = parse_jwks(found.document)
        except KeyRefused:
            return
        self._fetched_at = self._clock.monotonic() - (now - found.fetched_at)
        self._metrics.keys.labels(self._name).set(len(self._keys.keys))
        self._metrics.keys_loaded_timestamp.labels(self._name).set(found.fetched_at)
        self._log(Event.KEYS_TAKEN_UP, issuer=self._name, keys=len(self._keys.keys))

    async def _url(self) -> str:
        if isinstance(self._source, JwksUrl):
            return self._source.url
        url = (await self._source.metadata()).jwks_uri
        if url is None:
            raise FetchFailed("discovery: no `jwks_uri`")
        return url

    def _failed(self, why: str) -> None:
        if isinstance(self._source, Discovery):
            self._source.expire()
        backoff = min(MAX_RETRY_S, FIRST_RETRY_S * 2 ** min(self._failures, 16))
        self._failures += 1
        # Between half and all of it, so that many hosts do not come back at the same moment.
        self._due_at = self._clock.monotonic() + backoff * (0.5 + 0.5 * self._jitter())
        self._metrics.key_fetches.labels(self._name, "failed").inc()
        self._metrics.keys.labels(self._name).set(self.state().usable)
        self._log(Event.KEYS_FETCH_FAILED, issuer=self._name, why=why, retry_s=round(self.due_in_s, 1))

    def _succeeded(self, keys: KeySet, skipped: tuple[str, ...], max_age_s: int | None) -> None:
        before = frozenset() if self._keys is None else self._keys.fingerprints()
        removed = before - keys.fingerprints()
        self._keys, self._fetched_at, self._failures = keys, self._clock.monotonic(), 0
        wanted = DEFAULT_REFRESH_S if max_age_s is None else max_age_s
        self._due_at = self._fetched_at + min(MAX_REFRESH_S, max(MIN_REFRESH_S, wanted))
        self._metrics.key_fetches.labels(self._name, "ok").inc()
        self._metrics.keys.labels(self._name).set(len(keys.keys))
        self._metrics.keys_loaded_timestamp.labels(self._name).set(self._clock.wall())
        self._log(Event.KEYS_FETCHED, issuer=self._name, keys=len(keys.keys), next_s=round(self.due_in_s))
        if skipped != self._skipped:
            self._skipped = skipped
            for what in skipped:
                self._log(Event.KEY_SKIPPED, issuer=self._name, why=what)
        if removed:
            self._log(Event.KEYS_REMOVED, issuer=self._name, removed=len(removed))
            self._on_removed()
