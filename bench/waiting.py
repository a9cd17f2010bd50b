"""A provider that takes a second to answer, and callers who wait for it.

python -m bench.waiting provider SECONDS
    prints `ready PORT`; introspection (RFC 7662) by which every token is active
python -m bench.waiting callers PORT COUNT
    keeps COUNT requests with new opaque tokens waiting, until it is ended
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time

from bench.minting import AUDIENCE

PATH = "/members/page.txt"


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = next(
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.startswith(b"content-length:")
            )
            await reader.readexactly(length)
            await asyncio.sleep(seconds)
            claims = {"active": True, "sub": "caller", "aud": AUDIENCE, "exp": int(time.time()) + 600}
            body = json.dumps(claims).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
                + body
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()  # the sidecar has ended the connection


async def provide(seconds: float) -> None:
    server = await asyncio.start_server(lambda r, w: _answer(r, w, seconds), "127.0.0.1", 0, backlog=1024)
    print(f"ready {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


async def _wait(port: int) -> None:
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        token = secrets.token_urlsafe(32)
        writer.write(
            f"GET {PATH} HTTP/1.1\r\nHost: gate.example\r\nConnection: close\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode()
        )
        await reader.read()
        writer.close()


async def call(port: int, count: int) -> None:
    async with asyncio.TaskGroup() as callers:
        for _ in range(count):
            callers.create_task(_wait(port))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["provider", seconds]:
            asyncio.run(provide(float(seconds)))
        case ["callers", port, count]:
            asyncio.run(call(int(port), int(count)))
        case _:
            sys.exit(__doc__)
