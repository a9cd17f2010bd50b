"""The development identity provider: `oidc-provider-mock` on a free loopback port, with a key of its own each
time.

It signs for whoever asks. That is its purpose, and the reason why it is only ever bound to 127.0.0.1 and why
a release that trusts it exists nowhere but in the session's directory.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys

from luagen.dev.children import Child, start
from luagen.dev.ports import free_port, wait_until_accepts
from luagen.failure import Failure

MODULE = "oidc_provider_mock"
INSTALL = "in the checkout: pip install '.[dev]'"


async def start_provider() -> tuple[Child, str]:
    """The running provider and its issuer URL. Raises Failure when the library is missing or does not
    start."""
    if importlib.util.find_spec(MODULE) is None:
        raise Failure("the development identity provider is not installed", INSTALL)
    port = free_port()
    child = await start(
        "identity provider",
        # -W ignore: deprecation warnings of the provider's own libraries would be its last lines
        [sys.executable, "-W", "ignore", "-m", MODULE, "--host", "127.0.0.1", "--port", str(port)],
        dict(os.environ),
    )
    try:
        await wait_until_accepts(child, port)
    except (Failure, asyncio.CancelledError):
        await child.stop()
        raise
    # The provider puts the Host it is asked by into `iss`, so this name is part of the contract, not only
    # an address.
    return child, f"http://localhost:{port}"
