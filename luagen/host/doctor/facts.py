"""What several checks need to know, each found out once, when it is first asked for.

A fact that cannot be had is the business of one check, which says why. All others that need it end in
UnseenError, so that one cause is one error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from luagen import lighttpd_host
from luagen.failure import Failure
from luagen.host import in_force, lighttpd_client, lighttpd_config, sidecar_client, systemd
from luagen.host.doctor import reach
from luagen.host.doctor.finding import Finding, UnseenError
from luagen.host.doctor.reach import IssuerSeen
from luagen.host.in_force import Release
from luagen.host.lighttpd_client import LighttpdSilentError, WorkerStatus
from luagen.host.lighttpd_config import MergedConfig
from luagen.host.settings import HostSettings
from luagen.host.sidecar_client import Metrics, Readiness, SidecarOutOfReachError, SidecarSilentError
from luagen.lighttpd_host import Lighttpd

T = TypeVar("T")

_SIDECAR_S = 3.0  # a socket that is up without a sidecar behind it takes connections and says nothing


class Facts:
    """`settings` name everything. Values are the fact, or the exception that says why there is none."""

    def __init__(self, settings: HostSettings) -> None:
        self.settings = settings

    @cached_property
    def has_systemd(self) -> bool:
        return systemd.is_running()

    @cached_property
    def lighttpd(self) -> Lighttpd | Failure:
        return _try(lambda: lighttpd_host.find(self.settings.lighttpd))

    @cached_property
    def configuration(self) -> MergedConfig | Failure:
        lighttpd = self.lighttpd
        if isinstance(lighttpd, Failure):
            return lighttpd
        return _try(lambda: lighttpd_config.read(lighttpd, self.settings.lighttpd_config))

    @cached_property
    def release(self) -> Release | Failure:
        return _try(lambda: in_force.read(self.settings))

    @cached_property
    def sidecar_version(self) -> str | SidecarSilentError:
        return self._from_sidecar(sidecar_client.version)

    @cached_property
    def readiness(self) -> Readiness | SidecarSilentError:
        return self._from_answering_sidecar(sidecar_client.readiness)

    @cached_property
    def metrics(self) -> Metrics | SidecarSilentError:
        return self._from_answering_sidecar(sidecar_client.metrics)

    @cached_property
    def worker(self) -> WorkerStatus | LighttpdSilentError:
        """What Lua in lighttpd says. Raises UnseenError without a configuration."""
        return self._from_lighttpd(lighttpd_client.status)

    @cached_property
    def health(self) -> str | LighttpdSilentError:
        """The release that answers for the whole way. Raises UnseenError without a configuration, and when
        the sidecar is silent, for which lighttpd would wait."""
        silent = self.sidecar_version
        if isinstance(silent, SidecarSilentError) and not isinstance(silent, SidecarOutOfReachError):
            raise UnseenError(f"not looked at: the sidecar does not answer: {silent}")
        return self._from_lighttpd(lighttpd_client.health)

    @cached_property
    def issuers(self) -> tuple[IssuerSeen, ...]:
        """Each issuer of the release, as this machine reaches it. Raises UnseenError without a release."""
        return asyncio.run(reach.look(need(self.release).issuers))

    def _from_answering_sidecar(
        self, ask: Callable[[Path], Coroutine[Any, Any, T]]
    ) -> T | SidecarSilentError:
        # One wait for a sidecar that says nothing is enough.
        version = self.sidecar_version
        return version if isinstance(version, SidecarSilentError) else self._from_sidecar(ask)

    def _from_sidecar(self, ask: Callable[[Path], Coroutine[Any, Any, T]]) -> T | SidecarSilentError:
        async def bounded() -> T:
            try:
                async with asyncio.timeout(_SIDECAR_S):
                    return await ask(self.settings.http_socket)
            except TimeoutError:
                raise SidecarSilentError(f"no answer within {_SIDECAR_S:.0f} s") from None

        try:
            return asyncio.run(bounded())
        except SidecarSilentError as error:
            return error

    def _from_lighttpd(
        self, ask: Callable[[tuple[str, ...]], Coroutine[Any, Any, T]]
    ) -> T | LighttpdSilentError:
        bases = lighttpd_client.urls(self.settings, need(self.configuration))
        try:
            return asyncio.run(ask(bases))
        except LighttpdSilentError as error:
            return error


@dataclass(frozen=True, slots=True)
class Check:
    """`name`: what it looks at, in one to four words."""

    name: str
    run: Callable[[Facts], Iterable[Finding]]


def need(fact: T | Exception) -> T:
    """The fact. Raises UnseenError when there is none; another check says why."""
    if isinstance(fact, Failure):
        raise UnseenError(f"not looked at: {fact.message}")
    if isinstance(fact, SidecarOutOfReachError):
        raise UnseenError(str(fact), "sudo lightgate doctor")
    if isinstance(fact, Exception):
        raise UnseenError(f"not looked at: {fact}")
    return fact


def _try(find: Callable[[], T]) -> T | Failure:
    try:
        return find()
    except Failure as failure:
        return failure
