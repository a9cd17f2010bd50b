"""One call at a time, shared by everyone who asks meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Runs `call` as a task of its own, so that a caller that gives up does not end it for the others."""

    def __init__(self, call: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._call = call
        self._task: asyncio.Task[T] | None = None

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    async def join(self) -> T:
        """The result of the call in flight, or of a new one. Raises what the call raises."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._call())
            # Everyone may have given up when it fails; the result counts as seen all the same.
            self._task.add_done_callback(_retrieve)
        return await asyncio.shield(self._task)

    async def close(self) -> None:
        """Cancels the call in flight and waits for its end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])


def _retrieve(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
