"""The broken sidecar: listens on a Unix socket and answers as its mode says."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from luagen.selftest import wire
from luagen.selftest.modes import Listening, Mode, Question, Then


@contextlib.asynccontextmanager
async def listening(mode: Mode, path: Path) -> AsyncIterator[None]:
    """Plays `mode` on the socket `path` until left."""
    match mode.listening:
        case Listening.MISSING:
            yield
        case Listening.REFUSING:
            with socket.socket(socket.AF_UNIX) as bound:  # bound, never listening: connections are refused
                bound.bind(str(path))
                yield
        case Listening.ANSWERING:
            authorizer = _Authorizer(mode)
            server = await asyncio.start_unix_server(authorizer.serve, path)
            try:
                yield
            finally:
                server.close()
                await authorizer.end()


class _Authorizer:
    """Connections end by themselves: cancelling the tasks that asyncio makes for them would be logged as a
    failure."""

    def __init__(self, mode: Mode) -> None:
        self._mode = mode
        self._over = asyncio.Event()
        self._served: set[asyncio.Task[None]] = set()
        self._transports: set[asyncio.WriteTransport] = set()
        self._first: tuple[Question, asyncio.Future[Question]] | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: one question, one answer."""
        task = asyncio.current_task()
        if task is not None:
            self._served.add(task)
        self._transports.add(writer.transport)
        try:
            question = await _question(reader)
            other = await self._partner(question) if self._mode.pairs else question
            reply = self._mode.reply(question, other)
            if reply.after_s:
                await self._silence(reply.after_s)
            writer.write(reply.content)
            await writer.drain()
            if reply.then is Then.HANG:
                await self._over.wait()
            elif reply.then is Then.RESET:
                writer.transport.abort()
        except (OSError, asyncio.IncompleteReadError):
            return  # lighttpd has closed the connection; what the client got is what is judged
        finally:
            writer.close()

    async def _silence(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()

    async def _partner(self, question: Question) -> Question:
        """The question that is open at the same time; the first to come waits for the second."""
        if self._first is None:
            mine: asyncio.Future[Question] = asyncio.get_running_loop().create_future()
            self._first = (question, mine)
            return await mine
        first, theirs = self._first
        self._first = None
        theirs.set_result(question)
        return first

    async def end(self) -> None:
        """Ends all connections."""
        self._over.set()
        if self._first is not None:
            self._first[1].set_exception(ConnectionAbortedError())
        for transport in self._transports:
            transport.abort()
        await asyncio.gather(*self._served)


async def _question(reader: asyncio.StreamReader) -> Question:
    """Reads to the end of PARAMS; STDIN is not waited for (it never ends on some versions)."""
    content = b""
    while True:
        _, kind, _, length, padding = wire.HEADER.unpack(await reader.readexactly(wire.HEADER.size))
        part = await reader.readexactly(length + padding)
        if kind == wire.PARAMS:
            if length == 0:
                break
            content += part[:length]
    found = wire.parameters(content)
    return Question(
        found.get("LIGHTGATE_RELEASE", b""),
        found.get("LIGHTGATE_NONCE", b""),
        found.get("HTTP_AUTHORIZATION", b""),
    )
