from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.notify import Notifier


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(5)
        listener.bind(str(tmp_path / "notify"))
        yield listener


def test_messages(systemd: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": systemd.getsockname()})
    notifier.ready("release r1")
    assert systemd.recv(1_000) == b"READY=1\nSTATUS=release r1"
    notifier.reloading()
    message = systemd.recv(1_000)
    assert message.startswith(b"RELOADING=1\nMONOTONIC_USEC=")
    assert message.rpartition(b"=")[2].isdigit()
    notifier.alive()
    assert systemd.recv(1_000) == b"WATCHDOG=1"
    notifier.stopping()
    assert systemd.recv(1_000) == b"STOPPING=1"


def test_an_abstract_address() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(5)
        name = f"lightgate-test-{os.getpid()}"
        listener.bind("\0" + name)
        Notifier({"NOTIFY_SOCKET": "@" + name}).alive()
        assert listener.recv(100) == b"WATCHDOG=1"


def test_nobody_listens(tmp_path: Path) -> None:
    Notifier({}).alive()
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).alive()


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog(environment: dict[str, str], watchdog_s: float | None) -> None:
    assert Notifier(environment).watchdog_s == watchdog_s
