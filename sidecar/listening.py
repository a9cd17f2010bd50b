"""Listening Unix sockets: systemd's, or our own."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from sidecar.files import adopt_group

BACKLOG = 4_096  # lighttpd answers 500 at once when it is full; the kernel caps it at net.core.somaxconn
_FIRST_FD = 3  # sd_listen_fds(3)


class SocketError(Exception):
    """A socket cannot be listened on. The message says which and why."""


@dataclass(frozen=True, slots=True)
class Listening:
    """`path` and `file` (device and inode at the path) None: systemd's, outlives this process."""

    socket: socket.socket
    path: Path | None = None
    file: tuple[int, int] | None = None

    def retire(self) -> None:
        """Removes the file of a socket of our own, unless another's has taken its place: nobody new connects.

        The kernel keeps the inode of a bound socket, so that its number cannot have been given to another
        file.
        """
        if self.path is None:
            return
        try:
            if _file(self.path) == self.file:
                self.path.unlink()
        except FileNotFoundError:
            return


def passed_sockets(
    environment: MutableMapping[str, str], wanted: Iterable[Path]
) -> dict[Path, socket.socket]:
    """The sockets that systemd passed to this process, by the path that they are bound to.

    Removes the variables: no child sees them. Raises SocketError: one of them is not a listening Unix stream
    socket, or is bound to none of the `wanted` paths, so that lighttpd would ask where nobody answers.
    """
    pid = environment.pop("LISTEN_PID", "")
    count = environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_FDNAMES", "")
    if pid != str(os.getpid()) or not count.isdigit():
        return {}
    paths = {str(path): path for path in wanted}
    sockets: dict[Path, socket.socket] = {}
    for index in range(int(count)):
        passed = socket.socket(fileno=_FIRST_FD + index)
        passed.set_inheritable(False)
        listens = passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if passed.family != socket.AF_UNIX or passed.type != socket.SOCK_STREAM or not listens:
            number = _FIRST_FD + index
            raise SocketError(f"file descriptor {number} from systemd is not a listening unix stream socket")
        name = str(passed.getsockname())
        if name not in paths:
            listed = " and ".join(f"`{path}`" for path in paths)
            raise SocketError(f"systemd listens on `{name}`, the release names {listed}")
        sockets[paths[name]] = passed
    return sockets


def listen(path: Path) -> Listening:
    """A socket of our own at `path`, with mode 0660 and its directory's group. Raises SocketError.

    The file of a process that is gone is replaced; one that somebody listens on is not.
    """
    _refuse_if_alive(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        temporary.unlink(missing_ok=True)
        previous = os.umask(0o177)  # from its first moment nobody else may connect
        try:
            listener.bind(str(temporary))
        finally:
            os.umask(previous)
        adopt_group(temporary, path.parent)
        temporary.chmod(0o660)
        listener.listen(BACKLOG)
        temporary.replace(path)  # appears complete: nobody meets a socket that does not listen yet
    except OSError as error:
        listener.close()
        temporary.unlink(missing_ok=True)
        raise SocketError(f"cannot listen on `{path}`: {error.strerror or error}") from None
    return Listening(listener, path, _file(path))


def _refuse_if_alive(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise SocketError(f"cannot listen on `{path}`: {error.strerror}") from None
    if not stat.S_ISSOCK(mode):
        raise SocketError(f"cannot listen on `{path}`: something else than a socket is there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return
        except OSError as error:
            raise SocketError(f"cannot listen on `{path}`: {error.strerror or error}") from None
    raise SocketError(f"cannot listen on `{path}`: another process is listening there")


def _file(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino
