"""The processes of a session: started by us, ended by us, and by nobody's name but their pid."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from luagen.dev.lines import read_lines

_KEPT_LINES = 20  # of each process, shown when it dies
_LAST_WORDS_S = 1.0  # how long the lines of an ended process are waited for
STOP_TIMEOUT_S = 5.0  # then SIGKILL


@dataclass(slots=True)
class Child:
    """A running process and the last lines it wrote to standard error.

    `ended` is done, with the exit status, when the process has ended and its lines are read.
    """

    name: str
    process: asyncio.subprocess.Process
    last_lines: deque[str]
    reading: asyncio.Task[None]
    ended: asyncio.Task[int] = field(init=False)

    def __post_init__(self) -> None:
        self.ended = asyncio.create_task(self._wait(), name=f"{self.name} ({self.process.pid})")

    async def _wait(self) -> int:
        status = await self.process.wait()
        # Not until the end of its output: a process that it has started may hold standard error open.
        await asyncio.wait([self.reading], timeout=_LAST_WORDS_S)
        return status

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal; a process that has just ended is no error."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    async def stop(self) -> None:
        """Ends the process and what it has started: SIGTERM, and SIGKILL for what is there after
        STOP_TIMEOUT_S."""
        self.signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self.process.wait()
        # Its process group is its own (see `start`): PHP workers of a lighttpd that was killed are in it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()
        self.reading.cancel()
        self.ended.cancel()
        await asyncio.gather(self.reading, self.ended, return_exceptions=True)


async def start(
    name: str, arguments: list[str], environment: dict[str, str], show: Callable[[str], None] | None = None
) -> Child:
    """A child in a session of its own, so that a Ctrl-C in the terminal reaches only us.

    `show` gets every line that it writes to standard error, as it comes.
    """
    # A pipe of our own: with asyncio's, waiting for the process would wait for everybody who holds it.
    ours, theirs = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=theirs,
            env=environment,
            start_new_session=True,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    last_lines: deque[str] = deque(maxlen=_KEPT_LINES)

    def keep(line: str) -> None:
        last_lines.append(line)
        if show is not None:
            show(line)

    return Child(name, process, last_lines, asyncio.create_task(read_lines(ours, keep)))
