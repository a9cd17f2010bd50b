"""Reading lines from a pipe without waiting for them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

LIMIT_BYTES = 1 << 20  # of a line; longer ones are left out


async def read_lines(descriptor: int, take: Callable[[str], None]) -> None:
    """Gives each line (text, without line end) to `take` until the end of the pipe; closes the descriptor."""
    reader = asyncio.StreamReader(limit=LIMIT_BYTES)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    try:
        while True:
            try:
                raw = await reader.readline()
            except ValueError:  # over the limit: the reader has dropped it
                continue
            if not raw:
                return
            take(raw.decode(errors="replace").rstrip("\n"))
    finally:
        transport.close()
