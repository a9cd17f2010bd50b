"""A clock that is moved by hand, and the things that fetchers need."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from typing import Any

from sidecar.clock import Clock
from sidecar.logs import Log
from sidecar.metrics import Metrics
from tests.sidecar.tokens import NOW


class HandClock:
    """Time stands still until `advance`. Sleepers wake when their time has come."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self.clock = Clock(
            wall=lambda: NOW + self.elapsed_s, monotonic=lambda: 1_000 + self.elapsed_s, sleep=self.sleep
        )

    async def sleep(self, delay_s: float) -> None:
        if delay_s <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.elapsed_s + delay_s, future))
        await future

    def advance(self, seconds: float) -> None:
        self.elapsed_s += seconds
        due = [one for one in self._sleepers if one[0] <= self.elapsed_s]
        self._sleepers = [one for one in self._sleepers if one not in due]
        for _, future in due:
            if not future.done():
                future.set_result(None)


class Recorder:
    """A log that can be read, and metrics."""

    def __init__(self, clock: Clock) -> None:
        self._stream = io.StringIO()
        self.log = Log(self._stream, clock.wall)
        self.metrics = Metrics()

    def events(self, *names: str) -> list[dict[str, Any]]:
        """The events so far (of these names), without time and level."""
        found = [json.loads(line) for line in self._stream.getvalue().splitlines()]
        return [
            {name: value for name, value in event.items() if name not in ("time", "level")}
            for event in found
            if not names or event["event"] in names
        ]


async def eventually(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Returns once `condition` holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - a condition of the outside world
            await asyncio.sleep(0.001)
