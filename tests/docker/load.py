"""Requests at a steady, bounded rate from this process to a loopback port, and what became of each."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

#: no request takes longer than the gate's own limits allow; what takes this long is lost
REQUEST_TIMEOUT_S = 15
MAX_SECONDS = 60  # a load ends by itself, whatever becomes of its test


@dataclass(frozen=True, slots=True)
class Shot:
    """A request to send. `kind` is the test's word for what it expects of it."""

    kind: str
    target: str
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one. `status` None: no whole response came, `error` says what instead."""

    kind: str
    status: int | None
    error: str
    at_s: float
    took_s: float


class Load:
    """A load that runs, or has run."""

    def __init__(self, port: int, shots: Iterable[Shot], *, per_second: int, connections: int) -> None:
        self._port = port
        self._shots = iter(shots)
        self._interval_s = 1 / per_second
        self._connections = connections
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.outcomes: list[Outcome] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Sends nothing more, and waits for what is under way."""
        self._stopped.set()
        self._thread.join(REQUEST_TIMEOUT_S + 5)
        assert not self._thread.is_alive(), "the load does not end"

    def count(self, kind: str) -> Counter[int | str]:
        """How often a request of this kind ended with which status, or with which error."""
        return Counter(
            outcome.error if outcome.status is None else outcome.status
            for outcome in self.outcomes
            if outcome.kind == kind
        )

    def slowest_s(self) -> float:
        return max(outcome.took_s for outcome in self.outcomes)

    async def _run(self) -> None:
        started = time.monotonic()
        self._next_s = started
        async with (
            ClientSession(
                f"http://127.0.0.1:{self._port}",
                connector=TCPConnector(limit=self._connections),
                timeout=ClientTimeout(total=REQUEST_TIMEOUT_S),
            ) as session,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(self._connections):
                group.create_task(self._work(session, started))

    async def _work(self, session: ClientSession, started: float) -> None:
        for shot in self._shots:
            due, self._next_s = self._next_s, max(self._next_s, time.monotonic() - 1) + self._interval_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if self._stopped.is_set() or time.monotonic() - started > MAX_SECONDS:
                return
            self.outcomes.append(await self._send(session, shot, started))

    async def _send(self, session: ClientSession, shot: Shot, started: float) -> Outcome:
        sent = time.monotonic()
        headers = {} if shot.token is None else {"Authorization": f"Bearer {shot.token}"}
        status, error = None, ""
        try:
            async with session.get(shot.target, headers=headers, allow_redirects=False) as response:
                await response.read()
                status = response.status
        except (ClientError, OSError, TimeoutError) as problem:
            error = f"{type(problem).__name__}: {problem}"
        now = time.monotonic()
        return Outcome(shot.kind, status, error, sent - started, now - sent)


@contextmanager
def load(port: int, shots: Iterable[Shot], *, per_second: int, connections: int = 16) -> Iterator[Load]:
    """A load while the block runs. Where `shots` end, it ends."""
    running = Load(port, shots, per_second=per_second, connections=connections)
    running.start()
    try:
        yield running
    finally:
        running.stop()


def mixed(*kinds: Iterable[Shot]) -> Iterator[Shot]:
    """One of each in turn, until one of them has no more."""
    streams = [iter(kind) for kind in kinds]
    for stream in cycle(streams):
        try:
            yield next(stream)
        except StopIteration:
            return
