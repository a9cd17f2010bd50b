"""Whose answers a deploy believes: those of a listener that root or lighttpd's user has opened."""

from __future__ import annotations

import os
import pwd
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from luagen.failure import Failure
from luagen.host import listening, probe
from luagen.host.listening import tcp_owners
from tests.host.site import POLICY, Site
from tests.system.processes import free_port

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="opens ports as other users")

NOBODY = pwd.getpwnam("nobody").pw_uid
OTHER_POLICY = POLICY.replace("/old", "/older")


@contextmanager
def listener(address: str = "127.0.0.1", port: int = 0, user: int | None = None) -> Iterator[socket.socket]:
    """Opened by that user; None: the one that runs the tests."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    before = os.geteuid()
    os.seteuid(before if user is None else user)
    try:
        opened = socket.socket(family)
    finally:
        os.seteuid(before)
    with opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        opened.bind((address, port))
        opened.listen()
        yield opened


@contextmanager
def impostor(site: Site, port: int) -> Iterator[None]:
    """Answers for whatever release is in force, as lighttpd's health page does; anybody may read which."""

    def serve(opened: socket.socket) -> None:
        while True:
            try:
                client, _ = opened.accept()
            except OSError:
                return  # shut down
            with client:
                client.recv(4096)
                release = site.in_force()
                client.sendall(f"HTTP/1.1 204 No Content\r\nLightgate-Release: {release}\r\n\r\n".encode())

    with listener(port=port, user=NOBODY) as opened:
        thread = threading.Thread(target=serve, args=(opened,))
        thread.start()
        try:
            yield
        finally:
            opened.shutdown(socket.SHUT_RDWR)
            thread.join(10)


# --- who listens -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bound", "asked"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("::", "127.0.0.1"),
        ("::", "::1"),
        ("::1", "::1"),
        ("127.0.0.1", "localhost"),
    ],
)
def test_ones_own_listener(bound: str, asked: str) -> None:
    with listener(bound) as opened:
        assert tcp_owners(asked, opened.getsockname()[1]) == {os.geteuid()}


@as_root
def test_somebody_elses_listener() -> None:
    with listener(user=NOBODY) as opened:
        assert tcp_owners("127.0.0.1", opened.getsockname()[1]) == {NOBODY}


def test_nobody_listens() -> None:
    with listener("127.0.0.1") as opened:  # on another address, which is no listener for this one
        assert tcp_owners("127.0.0.2", opened.getsockname()[1]) == frozenset()
    assert tcp_owners("127.0.0.1", free_port()) == frozenset()


def test_another_machine_is_not_judged() -> None:
    assert tcp_owners("192.0.2.1", 80) is None


def test_a_kernel_that_does_not_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(listening, "_TABLES", (tmp_path / "absent",))
    with listener() as opened:
        assert tcp_owners("127.0.0.1", opened.getsockname()[1]) is None


# --- who is believed ---------------------------------------------------------------------------------


@as_root
def test_a_stranger_is_no_listener_lighttpds_user_is_one(site: Site) -> None:
    site.deploy(None, "--offline")
    port = free_port()
    base = (f"http://127.0.0.1:{port}",)
    with impostor(site, port):
        with pytest.raises(Failure) as refused:
            probe.require_listener(probe.Site(base, None, "www-data"))
        probe.require_listener(probe.Site(base, None, "nobody"))
    assert refused.value.message == (
        f"lighttpd does not answer at {base[0]}/.lightgate/status: "
        "a program of user nobody listens there, not root's or www-data's"
    )


@as_root
def test_no_deploy_believes_a_stranger(running: Site) -> None:
    """lighttpd has stopped, and another user's program has taken its port."""
    assert running.lighttpd is not None
    running.lighttpd.stop()
    before = running.in_force()
    with impostor(running, running.port):
        done = running.deploy(OTHER_POLICY)
    assert done.status == 1
    assert "a program of user nobody listens there" in done.err
    assert running.in_force() == before
