"""A real OAuth provider on a free loopback port: discovery, keys and introspection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from sidecar.strict_json import JsonObject
from tests.sidecar.tokens import private_key, public_jwk

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Provider:
    """What it answers may be changed while it runs. `requests` are the paths asked for, in order."""

    def __init__(self) -> None:
        self.url = ""
        self.issuer: str | None = None  # in the discovery document; None: its own URL
        self.jwks: Any = {"keys": [public_jwk(private_key("RSA"), kid="one")]}
        self.headers: dict[str, str] = {}
        self.status = 200
        self.answers: dict[str, JsonObject] = {}  # introspection responses by token
        self.forms: list[dict[str, str]] = []  # of introspection calls
        self.authorizations: list[str | None] = []
        self.requests: list[str] = []
        self.overrides: dict[str, Handler] = {}  # by path
        self.gate = asyncio.Event()  # answers wait while it is not set
        self.gate.set()
        self._loop = asyncio.get_running_loop()

    def open_gate(self) -> None:
        """Lets answers through; from any thread."""
        self._loop.call_soon_threadsafe(self.gate.set)

    def count(self, path: str) -> int:
        return self.requests.count(path)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request.path)
        await self.gate.wait()
        if request.path in self.overrides:
            return await self.overrides[request.path](request)
        match request.path:
            case "/.well-known/openid-configuration":
                return web.json_response(
                    {
                        "issuer": self.issuer or self.url,
                        "jwks_uri": self.url + "/jwks",
                        "introspection_endpoint": self.url + "/introspect",
                    }
                )
            case "/jwks":
                return web.json_response(self.jwks, status=self.status, headers=self.headers)
            case "/introspect":
                self.forms.append(dict(await request.post()))  # type: ignore[arg-type]
                self.authorizations.append(request.headers.get("Authorization"))
                token = self.forms[-1]["token"]
                return web.json_response(self.answers.get(token, {"active": False}), status=self.status)
        return web.Response(status=404)


@asynccontextmanager
async def running_provider(port: int = 0) -> AsyncIterator[Provider]:
    provider = Provider()
    runner = web.ServerRunner(web.Server(provider.handle), handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield provider
    finally:
        provider.gate.set()
        await runner.cleanup()
