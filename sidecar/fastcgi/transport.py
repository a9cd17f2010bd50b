"""The sockets around the codec. The only FastCGI file that does I/O.

The fast path is the listening socket's own reader callback: accept, read, decide, send, close, without a task
or a transport. Only what must wait (the rest of a request, a provider) is registered with the event loop.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from sidecar.fastcgi.connection import Connection, Refusal, RequestReceived, respond
from sidecar.fastcgi.records import ProtocolError
from sidecar.logs import Event, Log
from sidecar.metrics import Metrics
from sidecar.reasons import Reason

ACCEPTS_PER_CALLBACK = 32  # then the event loop looks at everything else
READ_BYTES = 128 * 1024  # more than lighttpd's whole request, so that one read takes it
ACCEPT_PAUSE_S = 0.25  # after running out of file descriptors
DRAIN_READS = 16


class Waiting(Protocol):
    """A request whose answer needs time."""

    async def result(self) -> bytes: ...

    def unavailable(self, reason: Reason) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`deadline_s`: from a whole request to its answer. `read_s`: from accepting to a whole request."""

    deadline_s: float
    read_s: float = 5.0  # lighttpd sends a request in one write; its own write timeout is 5 seconds
    write_s: float = 5.0
    max_waiting: int = 2_000  # decisions that wait for a provider; beyond, 503 at once
    max_reading: int = 1_000  # connections without a whole request; beyond, they are closed at once


class Transport:
    """Serves one listening Unix socket."""

    def __init__(
        self,
        listener: socket.socket,
        answer: Callable[[bytes], bytes | Waiting],
        *,
        limits: Limits,
        log: Log,
        metrics: Metrics,
    ) -> None:
        """`answer` gets the parameters of a whole request and must not raise."""
        self._listener = listener
        self._answer = answer
        self._limits = limits
        self._log = log
        self._metrics = metrics
        # Shared by all connections: allocating so much for every read would cost more than the read.
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._reading: dict[socket.socket, asyncio.TimerHandle] = {}
        self._writing: dict[socket.socket, asyncio.TimerHandle] = {}
        self._waiting: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._all_read = asyncio.Event()
        self._all_written = asyncio.Event()

    def set_deadline(self, deadline_s: float) -> None:
        self._limits = replace(self._limits, deadline_s=deadline_s)

    def start(self) -> None:
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener.fileno(), self._accept)

    async def stop(self, *, empty_backlog: bool) -> None:
        """Stops accepting, waits for decisions up to their deadline, answers the rest with a 503.

        `empty_backlog`: who has connected already is served too. A socket of systemd's keeps them for the
        next process.
        """
        self._stopping = True
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listener.fileno())
        while empty_backlog and self._accept():
            pass
        if self._reading:  # who has connected is about to send; each has its own timer
            self._all_read.clear()
            await self._all_read.wait()
        if self._waiting:
            _, late = await asyncio.wait(self._waiting, timeout=self._limits.deadline_s)
            for task in late:
                task.cancel()  # makes it answer 503
            if late:
                await asyncio.wait(late)
        if self._writing:
            self._all_written.clear()
            await self._all_written.wait()  # each has its own timer

    def _accept(self) -> bool:
        """Serves who is waiting. Returns whether there may be more."""
        for _ in range(ACCEPTS_PER_CALLBACK):
            try:
                connection, _address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return False
            except OSError as error:
                # Out of descriptors or memory: the listener stays readable, so look away for a moment.
                self._log(Event.ACCEPT_FAILED, why=error.strerror)
                if not self._stopping:
                    self._loop.remove_reader(self._listener.fileno())
                    self._pause = self._loop.call_later(ACCEPT_PAUSE_S, self._resume)
                return False
            connection.setblocking(False)
            self._read(connection, Connection())
        return True

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def _read(self, connection: socket.socket, codec: Connection) -> None:
        try:
            size = connection.recv_into(self._buffer)
            data = bytes(self._buffer[:size])
        except (BlockingIOError, InterruptedError):
            self._keep_reading(connection, codec)
            return
        except OSError:
            data = b""
        try:
            event = codec.receive_data(data) if data else None
        except ProtocolError as error:
            self._give_up(connection, Event.PROTOCOL_ERROR, str(error))
            return
        match event:
            case RequestReceived():
                self._stop_reading(connection)
                self._serve(connection, event)
            case Refusal():
                self._stop_reading(connection)
                self._metrics.protocol_errors.inc()
                self._log(Event.PROTOCOL_ERROR, why=event.why)
                self._send(connection, event.answer, drain=True)
            case None if data:
                self._keep_reading(connection, codec)
            case None:
                self._give_up(connection, Event.PROTOCOL_ERROR, "closed before the request was whole")

    def _serve(self, connection: socket.socket, event: RequestReceived) -> None:
        answer = self._answer(event.params)
        if not isinstance(answer, bytes):
            if len(self._waiting) < self._limits.max_waiting:
                task = self._loop.create_task(self._wait(connection, event, answer))
                self._waiting.add(task)
                task.add_done_callback(self._waiting.discard)
                return
            answer = answer.unavailable(Reason.OVERLOADED)
        self._send(connection, respond(event.request_id, answer), drain=not event.ended)

    async def _wait(self, connection: socket.socket, event: RequestReceived, waiting: Waiting) -> None:
        started = self._loop.time()
        with self._metrics.waiting.track_inprogress():
            try:
                async with asyncio.timeout(self._limits.deadline_s):
                    answer = await waiting.result()
            except TimeoutError:
                answer = waiting.unavailable(Reason.DEADLINE)
            except asyncio.CancelledError:  # only `stop` cancels; the client is still owed an answer
                answer = waiting.unavailable(Reason.STOPPING)
        self._metrics.wait_seconds.observe(self._loop.time() - started)
        self._send(connection, respond(event.request_id, answer), drain=not event.ended)

    def _send(self, connection: socket.socket, data: bytes, *, drain: bool) -> None:
        """Sends all of `data` and closes. A whole answer fits the socket's buffer, so this is one call."""
        try:
            sent = connection.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:  # lighttpd has gone: nobody is left to answer
            connection.close()
            return
        if sent < len(data):
            self._keep_writing(connection, data[sent:])
            return
        if drain:
            self._drain(connection)
        connection.close()

    def _drain(self, connection: socket.socket) -> None:
        """Takes what is unread: closing over it would reset the connection under the answer."""
        try:
            for _ in range(DRAIN_READS):
                if not connection.recv_into(self._buffer):
                    return
        except OSError:
            return

    def _keep_reading(self, connection: socket.socket, codec: Connection) -> None:
        if connection in self._reading:
            return
        if len(self._reading) >= self._limits.max_reading:
            self._give_up(connection, Event.PROTOCOL_ERROR, "too many incomplete requests")
            return
        self._loop.add_reader(connection.fileno(), self._read, connection, codec)
        self._reading[connection] = self._loop.call_later(
            self._limits.read_s, self._give_up, connection, Event.READ_TIMEOUT, None
        )

    def _stop_reading(self, connection: socket.socket) -> None:
        timer = self._reading.pop(connection, None)
        if timer is not None:
            timer.cancel()
            self._loop.remove_reader(connection.fileno())
            if not self._reading:
                self._all_read.set()

    def _give_up(self, connection: socket.socket, event: Event, why: str | None) -> None:
        """Closes without an answer; lighttpd makes a 500 of that."""
        self._stop_reading(connection)
        self._metrics.protocol_errors.inc()
        self._log(event, why=why)
        connection.close()

    def _keep_writing(self, connection: socket.socket, rest: bytes) -> None:
        timer = self._writing.pop(connection, None)
        if timer is None:
            timer = self._loop.call_later(self._limits.write_s, self._stop_writing, connection)
        self._writing[connection] = timer
        self._loop.add_writer(connection.fileno(), self._write, connection, rest)

    def _write(self, connection: socket.socket, rest: bytes) -> None:
        try:
            sent = connection.send(rest)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            sent = len(rest)
        if sent < len(rest):
            self._keep_writing(connection, rest[sent:])
        else:
            self._stop_writing(connection)

    def _stop_writing(self, connection: socket.socket) -> None:
        self._writing.pop(connection).cancel()
        self._loop.remove_writer(connection.fileno())
        self._drain(connection)
        connection.close()
        if not self._writing:
            self._all_written.set()
