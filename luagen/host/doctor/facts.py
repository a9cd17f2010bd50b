"""What several checks need to know, each found out once, when it is first asked for.

A fact that cannot be had is the business of one check, which says why. All others that need it end in
UnseenError, so that one cause is one error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from functools import cached_property
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
from luagen.host.sidecar_client import Readiness, SidecarOutOfReachError, SidecarSilentError
from luagen.lighttpd_host import Lighttpd

T = TypeVar("T")


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
    def readiness(self) -> Readiness | SidecarSilentError:
        try:
            return asyncio.run(sidecar_client.readiness(self.settings.http_socket))
        except SidecarSilentError as error:
            return error

    @cached_property
    def worker(self) -> WorkerStatus | LighttpdSilentError:
        """What Lua in lighttpd says. Raises UnseenError without a configuration."""
        return self._from_lighttpd(lighttpd_client.status)

    @cached_property
    def health(self) -> str | LighttpdSilentError:
        """The release that answers for the whole way. Raises UnseenError without a configuration."""
        return self._from_lighttpd(lighttpd_client.health)

    @cached_property
    def issuers(self) -> tuple[IssuerSeen, ...]:
        """Each issuer of the release, as this machine reaches it. Raises UnseenError without a release."""
        return asyncio.run(reach.look(need(self.release).issuers))

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
