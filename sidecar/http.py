"""The HTTP socket, for operators: is it up, is it ready, how is it doing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from sidecar import __version__
from sidecar.metrics import CONTENT_TYPE, Metrics
from sidecar.releases import Releases

MAX_REQUEST_BYTES = 1_024  # nothing here reads a body


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """What the pages show. `stopping`: whether the process is on its way out."""

    releases: Releases
    metrics: Metrics
    stopping: Callable[[], bool] = field(repr=False)


_OPERATIONS = web.AppKey("operations", Operations)


def application(operations: Operations) -> web.Application:
    """The application behind the HTTP socket."""
    app = web.Application(client_max_size=MAX_REQUEST_BYTES)
    app[_OPERATIONS] = operations
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz)
    app.router.add_get("/metrics", _metrics)
    return app


async def _healthz(_request: web.Request) -> web.Response:
    """The process is up and its event loop turns."""
    return web.json_response({"status": "ok", "version": __version__})


async def _readyz(request: web.Request) -> web.Response:
    """Whether every issuer of the current release can be decided on; 503 when not."""
    operations = request.app[_OPERATIONS]
    current = operations.releases.current
    issuers = {}
    for issuer in current.settings.issuers:
        store = current.stores.get(issuer.name)
        state = None if store is None else store.state()
        issuers[issuer.name] = {
            "keys": None if state is None else state.usable,
            "age_s": None if state is None or state.age_s is None else round(state.age_s),
            "introspection": issuer.introspection is not None,
            "ready": state is None or state.usable > 0,
        }
    stopping = operations.stopping()
    ready = not stopping and all(issuer["ready"] for issuer in issuers.values())
    document = {
        "status": "ready" if ready else "stopping" if stopping else "not-ready",
        "release": current.settings.release,
        "issuers": issuers,
    }
    return web.json_response(document, status=200 if ready else 503)


async def _metrics(request: web.Request) -> web.Response:
    body = request.app[_OPERATIONS].metrics.render()
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})
