"""Finding a port, and waiting until somebody listens."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from luagen.dev.children import Child
from luagen.failure import Failure

PREFERRED_PORT = 8080
START_DEADLINE_S = 20.0  # a cold Python start on a busy small machine
_POLL_INTERVAL_S = 0.02

Address = tuple[str, int] | Path  # TCP, or a Unix socket


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def choose_port(wanted: int | None) -> int:
    """`wanted` (0: any free one); without a wish PREFERRED_PORT, or any free one when that is taken.

    Raises Failure when `wanted` is taken or not allowed.
    """
    if wanted == 0:
        return free_port()
    try:
        _try_to_bind(wanted or PREFERRED_PORT)
    except OSError as error:
        if wanted is None:
            return free_port()
        if error.errno == errno.EACCES:
            raise Failure(
                f"port {wanted} is for root only", "--port 0 takes any free one, or name one above 1023"
            ) from error
        raise Failure(
            f"port {wanted} is in use",
            f"--port 0 takes any free one; `ss -ltnp sport = :{wanted}` shows by whom",
        ) from error
    return wanted or PREFERRED_PORT


def _try_to_bind(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as lighttpd does: TIME_WAIT is not "in use"
        probe.bind(("127.0.0.1", port))


async def wait_until(child: Child, ready: Callable[[], Awaitable[bool]]) -> None:
    """Returns when `ready` does with True.

    Raises Failure when `child` ends before, or does not get there within START_DEADLINE_S.
    """
    try:
        async with asyncio.timeout(START_DEADLINE_S):
            while not await ready():
                if child.ended.done():
                    raise died(child)
                await asyncio.sleep(_POLL_INTERVAL_S)
    except TimeoutError as error:
        raise Failure(
            f"{child.name} did not start within {START_DEADLINE_S:.0f} s{_quoted(child)}"
        ) from error
    if child.ended.done():  # then it was somebody else's doing
        raise died(child)


async def wait_until_accepts(child: Child, port: int) -> None:
    """As wait_until, for a TCP port of 127.0.0.1."""
    await wait_until(child, lambda: accepts(("127.0.0.1", port)))


def died(child: Child) -> Failure:
    """What to tell when a process has ended by itself: which one, how, and its last lines."""
    status = child.ended.result()
    how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    return Failure(f"{child.name} {how}{_quoted(child)}")


def _quoted(child: Child) -> str:
    if not child.last_lines:
        return "; it wrote nothing"
    return "; its last lines:" + "".join(f"\n    {line}" for line in child.last_lines)


async def accepts(address: Address) -> bool:
    """Whether somebody takes a connection there now."""
    try:
        if isinstance(address, Path):
            _, writer = await asyncio.open_unix_connection(address)
        else:
            _, writer = await asyncio.open_connection(*address)
    except OSError:
        return False
    writer.close()
    return True
