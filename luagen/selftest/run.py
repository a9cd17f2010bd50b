"""Plays every mode against the installed lighttpd and judges what a client gets. Each mode has a lighttpd of
its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from luagen.dev.rundir import session_directory
from luagen.lighttpd_host import Lighttpd
from luagen.selftest import stand
from luagen.selftest.authorizer import listening
from luagen.selftest.modes import HONEST_ALLOW, MODES, Mode

AT_ONCE = 6  # lighttpds running at the same time; most of a slow mode is waiting
ANSWER_DEADLINE_S = 15.0  # a client that waits longer than every timeout together has been forgotten


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one mode. `got`: status of the client's response, or what happened instead."""

    mode: str
    expected: str
    got: str
    passed: bool


async def run(lighttpd: Lighttpd, modes: Sequence[Mode] = MODES) -> list[Result]:
    """The results in the order of `modes`. Raises Failure when lighttpd cannot be started."""
    places = asyncio.Semaphore(AT_ONCE)
    with session_directory() as directory:

        async def one(number: int, mode: Mode) -> Result:
            async with places:
                place = directory / str(number)
                place.mkdir()
                return await _play(lighttpd, place, mode)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(number, mode)) for number, mode in enumerate(modes)]
        return [task.result() for task in tasks]


async def _play(lighttpd: Lighttpd, directory: Path, mode: Mode) -> Result:
    async with stand.stand(lighttpd, directory) as running, listening(mode, running.authorizer_socket):
        now_s = int(time.time())
        tokens = [stand.token(now_s) for _ in range(2 if mode.pairs else 1)]
        try:
            async with asyncio.timeout(ANSWER_DEADLINE_S):
                answers = await asyncio.gather(*(stand.ask(running.port, token) for token in tokens))
        except TimeoutError:
            return Result(mode.name, mode.expected, "no answer", False)
        crashed = running.server.ended.done()
    worst = max((judge(mode, status, received) for status, received in answers), key=lambda r: not r.passed)
    return Result(mode.name, mode.expected, "lighttpd crashed", False) if crashed else worst


def judge(mode: Mode, status: int | None, received: bytes) -> Result:
    """Whether a response is the expected one. The protected file's content decides before any status does."""
    leaked = stand.CONTENT.strip() in received
    if leaked and mode.name != HONEST_ALLOW:
        return Result(mode.name, mode.expected, f"{status}, the protected file", False)
    if status is None:
        return Result(mode.name, mode.expected, "connection closed", False)
    text = str(status)
    fits = (
        text[0] + "xx" == mode.expected and len(text) == 3
        if mode.expected.endswith("xx")
        else text == mode.expected
    )
    return Result(mode.name, mode.expected, text, fits and leaked == (mode.name == HONEST_ALLOW))
