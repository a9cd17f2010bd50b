"""The proxied application of the system tests: says back what reached it.

    python -m tests.origins.application [ADDRESS:PORT]

Listens on a free loopback port unless told where, and prints `ready PORT`. Every request gets 200 and a JSON
object: origin, method, target, headers (array of pairs, as received), body_bytes, body_sha256. Nothing is
kept of a body. Parameters of the query: `status` is another status, each `field` a field of the response,
such as `field=Vary: Accept`.
"""

from __future__ import annotations

import asyncio
import hashlib
import signal
import sys

from aiohttp import web


async def say_back(request: web.Request) -> web.Response:
    digest = hashlib.sha256()
    body_bytes = 0
    async for chunk in request.content.iter_any():
        digest.update(chunk)
        body_bytes += len(chunk)
    response = web.json_response(
        {
            "origin": "application",
            "method": request.method,
            "target": request.raw_path,
            "headers": [
                [name.decode("latin-1"), value.decode("latin-1")] for name, value in request.raw_headers
            ],
            "body_bytes": body_bytes,
            "body_sha256": digest.hexdigest(),
        },
        status=int(request.query.get("status", "200")),
    )
    for field in request.query.getall("field", []):
        name, _, value = field.partition(": ")
        response.headers.add(name, value)
    return response


async def serve(address: str, port: int) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", say_back)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, address, port)
    await site.start()
    print(f"ready {runner.addresses[0][1]}", flush=True)
    await stopped.wait()
    await runner.cleanup()


if __name__ == "__main__":
    address, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:0").rpartition(":")
    asyncio.run(serve(address, int(port)))
