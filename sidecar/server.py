"""The process around the application: signals, reload, graceful stop, systemd."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

from sidecar.logs import Event, Log
from sidecar.notify import Notifier


class Signals:
    """SIGTERM and SIGINT end `serve`, SIGHUP reloads. Reloads never overlap."""

    def __init__(self, *, notifier: Notifier, log: Log) -> None:
        self._notifier = notifier
        self._log = log
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def install(self) -> None:
        """Takes over the signals; before this they have their default effect."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)

    async def serve(self, reload: Callable[[], Awaitable[None]], status: Callable[[], str]) -> None:
        """Returns when the process is asked to stop. `status`: one line for `systemctl status`."""
        self._notifier.ready(status())
        stop = asyncio.create_task(self._stop.wait())
        reloading = asyncio.create_task(self._reload_on_demand(reload, status))
        watchdog = asyncio.create_task(self._keep_alive())
        try:
            await asyncio.wait((stop, reloading, watchdog), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stop.set()
            self._notifier.stopping()
            self._log(Event.STOPPING)
            for task in (stop, reloading, watchdog):
                task.cancel()
            await asyncio.gather(stop, reloading, watchdog, return_exceptions=True)

    async def _reload_on_demand(
        self, reload: Callable[[], Awaitable[None]], status: Callable[[], str]
    ) -> None:
        while True:
            await self._reload.wait()
            self._reload.clear()
            self._notifier.reloading()
            try:
                await reload()
            except Exception as error:  # what runs keeps running
                self._log.bug(error)
            self._notifier.ready(status())

    async def _keep_alive(self) -> None:
        """Tells systemd that the event loop turns, when it wants to know."""
        while True:
            if self._notifier.watchdog_s is None:
                await asyncio.Event().wait()
            else:
                self._notifier.alive()
                await asyncio.sleep(self._notifier.watchdog_s)
