"""Wiring: every resource is opened and closed in one function of its own, in one order."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TextIO

from aiohttp import web

from sidecar import __version__, epoch, published
from sidecar.authorizer import Authorizer
from sidecar.clock import Clock
from sidecar.config import Settings
from sidecar.credentials import Credentials
from sidecar.fastcgi.transport import Limits, Transport
from sidecar.http import Operations, application
from sidecar.listening import Listening, listen, passed_sockets
from sidecar.logs import Event, Log
from sidecar.metrics import Metrics
from sidecar.network import Network
from sidecar.notify import Notifier
from sidecar.releases import Pool, Release, Releases, Surroundings
from sidecar.server import Signals


async def run(
    *,
    path: Path,
    settings: Settings,
    credentials: Credentials,
    environment: MutableMapping[str, str],
    stderr: TextIO,
) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises CredentialsError, listening.SocketError, or OSError for a directory that cannot be written, all
    before anything is served.
    """
    clock, log, metrics = Clock(), Log(stderr, time.time), Metrics()
    asyncio.get_running_loop().set_exception_handler(_to_log(log))
    logging.basicConfig(handlers=[_Libraries(log)], level=logging.WARNING, force=True)
    signals = Signals(notifier=Notifier(environment), log=log)
    epoch_file = _EpochFile(settings.epoch_file, log, metrics)
    async with AsyncExitStack() as stack:
        network = await stack.enter_async_context(_network())
        surroundings = Surroundings(
            network=network,
            clock=clock,
            log=log,
            metrics=metrics,
            jitter=random.SystemRandom().random,
            random_id=lambda: secrets.token_urlsafe(16),
            cache_secret=secrets.token_bytes(32),
            keys_directory=settings.keys_directory,
            on_keys_removed=epoch_file.renew,
        )
        pool = await stack.enter_async_context(_pool(surroundings))
        releases = Releases(
            path=path,
            settings=settings,
            credentials=credentials,
            pool=pool,
            clock=clock,
            log=log,
            metrics=metrics,
            on_change=_publisher(settings.secrets_directory, log),
        )
        stack.push_async_callback(releases.close)
        epoch.renew(settings.epoch_file)
        authorizer = Authorizer(releases=releases, clock=clock, log=log, metrics=metrics)
        passed = passed_sockets(environment, (settings.authorizer_socket, settings.http_socket))
        operations = Operations(releases=releases, metrics=metrics, stopping=lambda: signals.stopping)
        await stack.enter_async_context(_http(_listening(passed, settings.http_socket), operations))
        transport = await stack.enter_async_context(
            _transport(
                _listening(passed, settings.authorizer_socket),
                authorizer,
                settings.deadline_s,
                log,
                metrics,
            )
        )

        async def reload() -> None:
            await releases.reload()
            transport.set_deadline(releases.current.settings.deadline_s)
            pool.forget()
            epoch_file.renew()
            await pool.refresh()

        signals.install()
        log(Event.STARTED, release=settings.release, version=__version__)
        await signals.serve(reload, lambda: f"release {releases.current.settings.release}")
    log(Event.STOPPED)


class _EpochFile:
    """Renewing that is tried again by the next reason for it, and never raises in the middle of a refresh."""

    def __init__(self, path: Path, log: Log, metrics: Metrics) -> None:
        self._path = path
        self._log = log
        self._metrics = metrics

    def renew(self) -> None:
        try:
            epoch.renew(self._path)
        except OSError as error:
            self._log(Event.EPOCH_FAILED, why=error.strerror)
            # Without an epoch file Lua remembers nothing: dearer, but never wrong.
            try:
                self._path.unlink(missing_ok=True)
            except OSError:
                return
        else:
            self._metrics.epoch_renewals.inc()
            self._log(Event.EPOCH_RENEWED)


def _publisher(directory: Path, log: Log) -> Callable[[tuple[Release, ...]], None]:
    """Publishes the shared secrets of the releases at work; those of the current one win."""
    started = False

    def publish(releases: tuple[Release, ...]) -> None:
        nonlocal started
        at_start, started = not started, True
        wanted = {name: secret for release in reversed(releases) for name, secret in release.secrets.items()}
        if not wanted and not directory.exists():
            return
        try:
            if not published.publish(directory, wanted):
                log(Event.SECRETS_NOT_SHARED, why="may not give the files the directory's group")
        except OSError as error:
            if at_start:
                raise
            # Lua cannot read them and defers: the sidecar verifies these tokens as well.
            log(Event.SECRETS_NOT_SHARED, why=error.strerror)

    return publish


class _Libraries(logging.Handler):
    """Puts what libraries have to say into our log, without their texts, which may quote what they read."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0] if record.exc_info else None
        self._log(Event.LIBRARY_WARNING, logger=record.name, error=kind.__name__ if kind else None)


def _to_log(log: Log) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    def handler(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        log.bug(error if isinstance(error, BaseException) else RuntimeError())

    return handler


def _listening(passed: Mapping[Path, socket.socket], path: Path) -> Listening:
    return Listening(passed[path]) if path in passed else listen(path)


@asynccontextmanager
async def _network() -> AsyncIterator[Network]:
    network = Network()
    try:
        yield network
    finally:
        await network.close()


@asynccontextmanager
async def _pool(surroundings: Surroundings) -> AsyncIterator[Pool]:
    pool = Pool(surroundings)
    try:
        yield pool
    finally:
        await pool.keep_only(())


@asynccontextmanager
async def _http(listening: Listening, operations: Operations) -> AsyncIterator[None]:
    runner = web.AppRunner(
        application(operations), access_log=None, handle_signals=False, shutdown_timeout=1.0
    )
    await runner.setup()
    try:
        listening.socket.setblocking(False)
        await web.SockSite(runner, listening.socket).start()
        yield
    finally:
        listening.retire()
        await runner.cleanup()
        listening.socket.close()


@asynccontextmanager
async def _transport(
    listening: Listening, authorizer: Authorizer, deadline_s: float, log: Log, metrics: Metrics
) -> AsyncIterator[Transport]:
    limits = Limits(deadline_s=deadline_s)
    transport = Transport(listening.socket, authorizer.answer, limits=limits, log=log, metrics=metrics)
    transport.start()
    try:
        yield transport
    finally:
        listening.retire()
        await transport.stop(empty_backlog=listening.path is not None)
        listening.socket.close()
