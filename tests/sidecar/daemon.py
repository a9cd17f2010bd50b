"""The real daemon as a process of its own, and real providers in threads beside the test."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.sidecar import fastcgi_client, settings
from tests.sidecar.fastcgi_client import Response
from tests.sidecar.provider import Provider, running_provider
from tests.sidecar.tokens import claims, private_key, token

TIMEOUT_S = 20.0


def poll(what: str, condition: Callable[[], bool], timeout_s: float = TIMEOUT_S) -> None:
    """Returns once `condition` holds; fails the test when it does not in time."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.01)


@contextmanager
def provider_in_a_thread(port: int = 0) -> Iterator[Provider]:
    started = threading.Event()
    stop: list[Callable[[], None]] = []
    found: list[Provider] = []

    async def serve() -> None:
        loop, end = asyncio.get_running_loop(), asyncio.Event()
        stop.append(lambda: loop.call_soon_threadsafe(end.set))
        async with running_provider(port) as provider:
            found.append(provider)
            started.set()
            await end.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(TIMEOUT_S)
    try:
        yield found[0]
    finally:
        stop[0]()
        thread.join(TIMEOUT_S)


def bearer(key_number: int = 0, *, kid: str = "one", **changes: Any) -> bytes:
    """An Authorization value that is good now."""
    now = int(time.time())
    payload = claims(iat=now - 1, exp=now + 300, **changes)
    return b"Bearer " + token(payload, private_key("RSA", key_number), kid=kid)


class Daemon:
    """One `lightgate-sidecar run` with a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.config = directory / "sidecar.json"
        self.credentials = directory / "credentials"
        self.log = directory / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def write(self, *issuers: dict[str, Any], **changes: Any) -> None:
        temporary = self.config.with_suffix(".new")
        temporary.write_text(json.dumps(settings.document(*issuers, directory=self.directory, **changes)))
        temporary.replace(self.config)

    def credential(self, name: str, secret: bytes) -> None:
        self.credentials.mkdir(exist_ok=True)
        path = self.credentials / name
        path.touch(mode=0o600)
        path.write_bytes(secret)

    def spawn(self, *, environment: dict[str, str] | None = None, pass_fds: tuple[int, ...] = ()) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "sidecar", "run"),
                    *("--config", str(self.config), "--credentials", str(self.credentials)),
                ],
                stderr=log,
                env={**os.environ, **(environment or {})},
                pass_fds=pass_fds,
            )

    def start(self, **options: Any) -> None:
        self.spawn(**options)
        poll(
            "the daemon has started or ended", lambda: bool(self.events("started")) or self.code() is not None
        )
        assert self.code() is None, self.log.read_text()

    def code(self) -> int | None:
        assert self.process is not None
        return self.process.poll()

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(TIMEOUT_S)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> None:
        """Ends it however it is; for the end of a test."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(TIMEOUT_S)

    def events(self, *names: str) -> list[dict[str, Any]]:
        text = self.log.read_text() if self.log.exists() else ""
        found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return [event for event in found if event["event"] in names]

    def ask(self, authorization: bytes | str | None, **changes: str) -> Response:
        return fastcgi_client.ask(self.directory / "a.sock", authorization, **changes)

    def get(self, path: str) -> tuple[int, str]:
        """A page of the HTTP socket."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(TIMEOUT_S)
            client.connect(str(self.directory / "h.sock"))
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            answer = http.client.HTTPResponse(client)
            answer.begin()
            return answer.status, answer.read().decode()

    def metric(self, sample: str) -> float:
        """The value of one sample, such as `lightgate_keys{issuer="corp"}`; 0 when absent."""
        for line in self.get("/metrics")[1].splitlines():
            if re.match(re.escape(sample) + " ", line):
                return float(line.split()[-1])
        return 0.0
