"""Whether somebody has a Unix socket open, found out without a connection: one that says nothing is an event
in the sidecar's log."""

from __future__ import annotations

import errno
import os
import socket
import stat
from enum import StrEnum
from pathlib import Path


class SocketState(StrEnum):
    LISTENING = "listening"
    DEAD = "dead"  # the file is there, nobody has it open
    ABSENT = "absent"
    OTHER = "other"  # something else has this name


def state(path: Path) -> SocketState:
    """Of a stream socket. Raises PermissionError when this user may not connect to it or look for it."""
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            return SocketState.OTHER
    except (FileNotFoundError, NotADirectoryError):
        return SocketState.ABSENT
    # A datagram socket never gets through to a stream socket: the kernel refuses with one error when somebody
    # has that open, and with another when nobody has. The other side notices nothing.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(os.fsencode(path))
        except PermissionError as error:
            raise PermissionError(error.errno, error.strerror, str(path)) from error
        except OSError as error:
            return SocketState.LISTENING if error.errno == errno.EPROTOTYPE else SocketState.DEAD
    return SocketState.OTHER
