from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from sidecar.fastcgi.connection import MAX_RESPONSE_BYTES
from sidecar.fastcgi.records import Type, record
from sidecar.fastcgi.transport import Limits, Transport, Waiting
from sidecar.listening import listen
from sidecar.reasons import Reason
from tests.sidecar.fastcgi_client import deferral, parse, request
from tests.sidecar.surroundings import HandClock, Recorder, eventually

REQUEST = request(deferral("Bearer x"))
YES = b"Status: 200\r\n\r\n"
LIMITS = Limits(deadline_s=5)


class Later:
    """A request whose answer comes when `ready` is set, or never."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()

    def result(self) -> Coroutine[Any, Any, bytes]:
        return self._result()

    async def _result(self) -> bytes:
        await self.ready.wait()
        return YES

    def unavailable(self, reason: Reason) -> bytes:
        return b"Status: 503\r\nX-Reason: " + reason.value.encode() + b"\r\n\r\n"


class Setup:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.recorder = Recorder(HandClock().clock)

    def start(self, answer: Callable[[bytes], bytes | Waiting], limits: Limits = LIMITS) -> Transport:
        self.listening = listen(self.path)
        self.transport = Transport(
            self.listening.socket, answer, limits=limits, log=self.recorder.log, metrics=self.recorder.metrics
        )
        self.transport.start()
        return self.transport

    async def stop(self) -> None:
        if self.listening.socket.fileno() >= 0:
            await self.transport.stop(empty_backlog=True)
            self.listening.socket.close()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(str(self.path))

    async def exchange(self, data: bytes) -> bytes:
        reader, writer = await self.connect()
        try:
            writer.write(data)
            async with asyncio.timeout(10):
                return await reader.read()
        except (BrokenPipeError, ConnectionResetError):
            return b""  # closed before anything was sent
        finally:
            writer.close()

    def whys(self) -> list[Any]:
        return [
            event.get("why", event["event"])
            for event in self.recorder.events("protocol-error", "read-timeout")
        ]


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[Setup]:
    one = Setup(tmp_path / "a.sock")
    yield one
    await one.stop()


async def test_answers_and_closes(setup: Setup) -> None:
    setup.start(lambda params: b"Status: 401\r\n\r\n%d" % len(params))
    assert parse(await setup.exchange(REQUEST)).status == 401


async def test_a_request_in_pieces(setup: Setup) -> None:
    setup.start(lambda _params: YES)
    reader, writer = await setup.connect()
    for start in range(0, len(REQUEST), 100):
        writer.write(REQUEST[start : start + 100])
        await writer.drain()
        await asyncio.sleep(0)
    assert parse(await reader.read()).status == 200
    writer.close()


async def test_a_body_is_not_waited_for_and_does_not_break_the_answer__FCGI_07(setup: Setup) -> None:
    setup.start(lambda _params: YES)
    body = record(Type.STDIN, 1, b"x" * 60_000)
    assert parse(await setup.exchange(REQUEST[:-8] + body + body)).status == 200


async def test_a_hundred_at_once(setup: Setup) -> None:
    setup.start(lambda _params: YES)
    answers = await asyncio.gather(*(setup.exchange(REQUEST) for _ in range(100)))
    assert {parse(answer).status for answer in answers} == {200}


async def test_the_longest_answer_is_sent_whole(setup: Setup) -> None:
    longest = YES + b"x" * (MAX_RESPONSE_BYTES - len(YES))
    setup.start(lambda _params: longest)
    assert len(parse(await setup.exchange(REQUEST)).body) == len(longest) - len(YES)


async def test_an_answer_that_does_not_fit_the_buffer_is_finished_later(
    setup: Setup, monkeypatch: Any
) -> None:
    small = 4_608
    original = socket.socket.accept

    def accept(self: socket.socket) -> Any:
        connection, address = original(self)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, small)
        return connection, address

    monkeypatch.setattr(socket.socket, "accept", accept)
    longest = YES + b"x" * (MAX_RESPONSE_BYTES - len(YES))
    setup.start(lambda _params: longest)
    assert len(parse(await setup.exchange(REQUEST)).body) == len(longest) - len(YES)


async def test_waiting_does_not_hold_up_others(setup: Setup) -> None:
    later = Later()
    answers: list[bytes | Waiting] = [later, YES]
    setup.start(lambda _params: answers.pop(0))
    slow = asyncio.create_task(setup.exchange(REQUEST))
    await eventually(lambda: len(answers) == 1)
    assert parse(await setup.exchange(REQUEST)).status == 200
    assert not slow.done()
    later.ready.set()
    assert parse(await slow).status == 200


async def test_the_deadline_answers(setup: Setup) -> None:
    setup.start(lambda _params: Later(), Limits(deadline_s=0.05))
    answer = parse(await setup.exchange(REQUEST))
    assert (answer.status, answer.fields["X-Reason"]) == (503, "deadline")


async def test_too_many_that_wait_are_answered_at_once__FCGI_08(setup: Setup) -> None:
    later = Later()
    setup.start(lambda _params: later, Limits(deadline_s=5, max_waiting=2))
    waiting = [asyncio.create_task(setup.exchange(REQUEST)) for _ in range(2)]
    await eventually(lambda: len(setup.transport._waiting) == 2)
    answer = parse(await setup.exchange(REQUEST))
    assert (answer.status, answer.fields["X-Reason"]) == (503, "overloaded")
    later.ready.set()
    assert [parse(one).status for one in await asyncio.gather(*waiting)] == [200, 200]


async def test_a_slow_writer_is_closed__FCGI_08(setup: Setup) -> None:
    setup.start(lambda _params: YES, Limits(deadline_s=5, read_s=0.05))
    reader, writer = await setup.connect()
    writer.write(REQUEST[:50])
    assert await reader.read() == b""
    writer.close()
    assert setup.whys() == ["read-timeout"]


async def test_too_many_incomplete_requests_are_closed__FCGI_08(setup: Setup) -> None:
    setup.start(lambda _params: YES, Limits(deadline_s=5, max_reading=1))
    _, first = await setup.connect()
    first.write(REQUEST[:50])
    await eventually(lambda: len(setup.transport._reading) == 1)
    assert await setup.exchange(REQUEST[:50]) == b""
    with socket.socket(socket.AF_UNIX) as whole:  # a whole request needs no place among them
        whole.connect(str(setup.path))
        whole.sendall(REQUEST)
        whole.setblocking(False)
        answer = await asyncio.get_running_loop().sock_recv(whole, 65_536)
    assert parse(answer).status == 200
    assert setup.whys() == ["too many incomplete requests"]
    first.close()


async def test_garbage_and_silence(setup: Setup) -> None:
    setup.start(lambda _params: YES)
    assert await setup.exchange(b"GET / HTTP/1.1\r\n\r\n") == b""
    _, writer = await setup.connect()
    writer.close()
    await eventually(lambda: len(setup.whys()) == 2)
    assert setup.whys() == ["not FastCGI 1.0", "closed before the request was whole"]


async def test_another_role_gets_an_answer_that_denies(setup: Setup) -> None:
    setup.start(lambda _params: YES)
    assert b"Status: 503" in await setup.exchange(request(deferral(None), role=1))


async def test_a_client_that_has_gone_is_no_trouble(setup: Setup) -> None:
    later = Later()
    setup.start(lambda _params: later)
    _, writer = await setup.connect()
    writer.write(REQUEST)
    await eventually(lambda: len(setup.transport._waiting) == 1)
    writer.close()
    await writer.wait_closed()
    later.ready.set()
    await eventually(lambda: not setup.transport._waiting)


async def test_stopping_finishes_what_is_under_way(setup: Setup) -> None:
    later = Later()
    setup.start(lambda _params: later)
    under_way = asyncio.create_task(setup.exchange(REQUEST))
    await eventually(lambda: len(setup.transport._waiting) == 1)
    stopping = asyncio.create_task(setup.stop())
    await asyncio.sleep(0)
    later.ready.set()
    assert parse(await under_way).status == 200
    await stopping


async def test_stopping_waits_for_the_rest_of_a_request(setup: Setup) -> None:
    later = Later()
    setup.start(lambda _params: later)
    reader, writer = await setup.connect()
    writer.write(REQUEST[:50])
    await eventually(lambda: len(setup.transport._reading) == 1)
    stopping = asyncio.create_task(setup.stop())
    await asyncio.sleep(0)
    writer.write(REQUEST[50:])
    await eventually(lambda: len(setup.transport._waiting) == 1)
    later.ready.set()
    assert parse(await reader.read()).status == 200
    writer.close()
    await stopping


async def test_stopping_answers_what_does_not_finish(setup: Setup) -> None:
    transport = setup.start(lambda _params: Later())
    under_way = asyncio.create_task(setup.exchange(REQUEST))
    await eventually(lambda: len(setup.transport._waiting) == 1)
    transport.set_deadline(0.05)
    await setup.stop()
    answer = parse(await under_way)
    assert (answer.status, answer.fields["X-Reason"]) == (503, "stopping")


async def test_stopping_serves_who_has_connected(setup: Setup) -> None:
    setup.start(lambda _params: YES)
    clients = [socket.socket(socket.AF_UNIX) for _ in range(40)]
    for client in clients:  # they arrive while the event loop is busy: nothing is awaited here
        client.connect(str(setup.path))
        client.sendall(REQUEST)
    await setup.stop()
    for client in clients:
        with client:
            assert parse(client.recv(65_536)).status == 200


async def test_running_out_of_descriptors_is_survived__FCGI_08(setup: Setup, monkeypatch: Any) -> None:
    failures = [OSError(24, "Too many open files")] * 2
    original = socket.socket.accept

    def accept(self: socket.socket) -> Any:
        if failures:
            raise failures.pop()
        return original(self)

    monkeypatch.setattr(socket.socket, "accept", accept)
    setup.start(lambda _params: YES)
    assert parse(await setup.exchange(REQUEST)).status == 200
    assert [event["why"] for event in setup.recorder.events("accept-failed")] == ["Too many open files"] * 2
