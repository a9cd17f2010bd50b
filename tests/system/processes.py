"""Processes that tests start: each in its own group, with its output in a file, ended by pid.

Waiting is polling with a deadline; the one pause of the suite is in `poll`.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

START_DEADLINE_S = 20.0  # two cores under a full suite; an idle machine needs well under one second
STOP_DEADLINE_S = 10.0
POLL_INTERVAL_S = 0.02

REPOSITORY = Path(__file__).resolve().parents[2]


def poll(what: str, probe: Callable[[], T | None], deadline_s: float = START_DEADLINE_S) -> T:
    """The first result of `probe` that is neither None nor False.

    Raises AssertionError, naming `what`, when there is none within `deadline_s`.
    """
    end = time.monotonic() + deadline_s
    while True:
        result = probe()
        if result is not None and result is not False:
            return result
        assert time.monotonic() < end, f"not within {deadline_s} s: {what}"
        time.sleep(POLL_INTERVAL_S)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


class Process:
    """A running child and everything it started.

    `log` gets its standard output and standard error, appended; a second Process may share it.
    """

    def __init__(
        self, argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None, cwd: Path = REPOSITORY
    ) -> None:
        self.name = Path(argv[0]).name
        self.log = log
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                start_new_session=True,  # so that its own children can be ended with it
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child.poll() is None

    def check_running(self) -> None:
        """Raises AssertionError with the log when the process has ended by itself."""
        assert self.running, f"{self.name} ended with {self._child.returncode}:\n{self.output()}"

    def output(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def printed_port(self) -> int:
        """The number in the line `ready PORT` of the output, waiting for it."""

        def ready() -> int | None:
            self.check_running()
            for line in self.output().splitlines():
                if line.startswith("ready "):
                    return int(line.removeprefix("ready "))
            return None

        return poll(f"`ready PORT` from {self.name}", ready)

    def kill(self) -> None:
        """SIGKILL to the process alone, as a crash would look; returns when it is gone."""
        self._child.kill()
        self._child.wait(STOP_DEADLINE_S)

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> int:
        """Ends the process as an init system would (SIGTERM, then SIGKILL); returns its exit status."""
        if self.running:
            self.thaw()
            self._child.terminate()
            try:
                self._child.wait(STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait(STOP_DEADLINE_S)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # what outlived its parent, such as PHP workers
        assert self._child.returncode is not None
        return self._child.returncode
