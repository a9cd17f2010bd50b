"""Which issuers the sidecar has no keys of, shortly after a change."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from luagen.host import sidecar_client
from luagen.host.sidecar_client import SidecarSilentError

PATIENCE_S = 3.0  # a fetch of discovery document and key set takes less, where the issuer answers
_POLL_S = 0.2


def without(http_socket: Path) -> tuple[str, ...]:
    """The names of issuers whose keys the sidecar wants and does not get within PATIENCE_S; () as soon as it
    has all.

    () as well where it cannot be asked: its HTTP socket need not be here.
    """
    return asyncio.run(_without(http_socket))


async def _without(http_socket: Path) -> tuple[str, ...]:
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            readiness = await sidecar_client.readiness(http_socket)
        except SidecarSilentError:
            return ()
        waiting = tuple(name for name, state in readiness.issuers.items() if not state.ready)
        if not waiting or time.monotonic() >= end:
            return waiting
        await asyncio.sleep(_POLL_S)
