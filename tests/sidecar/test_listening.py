from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.listening import SocketError, listen, passed_sockets


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def refusal(path: Path) -> str:
    with pytest.raises(SocketError) as caught:
        listen(path)
    return str(caught.value)


@pytest.mark.parametrize("mask", [0o000, 0o077, 0o777])
def test_the_mode_is_0660_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        listening = listen(tmp_path / "a.sock")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.sock").stat().st_mode) == 0o660
    listening.socket.close()


def test_one_can_connect(tmp_path: Path) -> None:
    listening = listen(tmp_path / "a.sock")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "a.sock"))
    assert names(tmp_path) == ["a.sock"]
    listening.retire()
    listening.socket.close()
    assert names(tmp_path) == []


def test_the_socket_of_a_process_that_is_gone_is_replaced(tmp_path: Path) -> None:
    listen(tmp_path / "a.sock").socket.close()
    listening = listen(tmp_path / "a.sock")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "a.sock"))
    listening.socket.close()


def test_the_socket_of_a_live_process_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    listening = listen(path)
    assert refusal(path) == f"cannot listen on `{path}`: another process is listening there"
    listening.socket.close()


def test_what_is_no_socket_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    path.write_text("precious")
    assert refusal(path) == f"cannot listen on `{path}`: something else than a socket is there"
    assert path.read_text() == "precious"


def test_a_missing_directory(tmp_path: Path) -> None:
    path = tmp_path / "none" / "a.sock"
    assert refusal(path) == f"cannot listen on `{path}`: No such file or directory"


def test_another_process_socket_is_not_removed(tmp_path: Path) -> None:
    listening = listen(tmp_path / "a.sock")
    (tmp_path / "a.sock").unlink()
    other = listen(tmp_path / "a.sock")
    listening.retire()
    assert (tmp_path / "a.sock").exists()
    for one in (listening, other):
        one.socket.close()


PASSED = """
import os, sys
from pathlib import Path
os.dup2({fd}, 3)
os.environ["LISTEN_PID"] = str(os.getpid())
from sidecar.listening import passed_sockets, SocketError
try:
    found = passed_sockets(os.environ, [Path({wanted!r}), Path("/elsewhere")])
    print({{path.name: one.family.name for path, one in found.items()}}, "LISTEN_FDS" in os.environ)
except SocketError as error:
    print(error)
"""


def passed(one: socket.socket, wanted: Path) -> str:
    """What a process says that systemd would have passed this socket to, and that wants one at `wanted`."""
    return subprocess.run(
        [sys.executable, "-c", PASSED.format(fd=one.fileno(), wanted=str(wanted))],
        env={**os.environ, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "authorizer"},
        pass_fds=[one.fileno()],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout.strip()


def test_sockets_passed_by_systemd(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "a.sock"))
        path = tmp_path / "a.sock"
        assert passed(one, path) == "file descriptor 3 from systemd is not a listening unix stream socket"
        one.listen()
        assert passed(one, path) == "{'a.sock': 'AF_UNIX'} False"
        other = tmp_path / "b.sock"
        assert (
            passed(one, other) == f"systemd listens on `{path}`, the release names `{other}` and `/elsewhere`"
        )
    with socket.socket(socket.AF_INET) as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        path = tmp_path / "a.sock"
        assert passed(one, path) == "file descriptor 3 from systemd is not a listening unix stream socket"


def test_sockets_for_another_process_are_not_taken() -> None:
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "authorizer"}
    assert passed_sockets(environment, []) == {}
    assert environment == {}
