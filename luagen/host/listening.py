"""Whether somebody listens, and who, found out without a connection: one that says nothing is an event in the
sidecar's log, and a stranger's answer is no evidence."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import stat
import sys
from enum import StrEnum
from pathlib import Path

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTEN = "0A"  # the kernel's TCP_LISTEN

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


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


def tcp_owners(host: str, port: int) -> frozenset[int] | None:
    """The users whose sockets take connections to this address: who opened them, for a server that gave up
    root since then too. Empty: nobody listens. None: it cannot be known, because the address is not this
    machine's or the kernel does not tell.

    Raises OSError when the name `host` has no address.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    local = [address for address in {str(one[4][0]) for one in found} if _is_local(address)]
    listeners = _listeners(port)
    if not local or listeners is None:
        return None
    owners: set[int] = set()
    for address in local:
        # Sockets that are bound to no address take connections to all; those of IPv6 to IPv4 addresses too.
        # The kernel lets nobody listen on less than what another user listens on.
        ways = (address, "::") if ":" in address else (address, "0.0.0.0", "::")  # noqa: S104 - compared only
        owners |= next((listeners[way] for way in map(ipaddress.ip_address, ways) if way in listeners), set())
    return frozenset(owners)


def _listeners(port: int) -> dict[_Address, set[int]] | None:
    """Who has TCP sockets open on this port, by the address that these are bound to. None: not told."""
    owners: dict[_Address, set[int]] = {}
    told = False
    for table in _TABLES:
        try:
            lines = table.read_text().splitlines()[1:]
        except OSError:  # no IPv6, or not for this user
            continue
        for line in lines:
            told = True
            _, local, _, state, _, _, _, uid, _ = line.split(maxsplit=8)
            if state == _LISTEN and int(local[-4:], 16) == port:
                owners.setdefault(_address(local[:-5]), set()).add(int(uid))
    return owners if told else None


def _is_local(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        try:
            trial.bind((address, 0))
        except OSError:
            return False
    return True


def _address(words: str) -> _Address:
    """`0100007F`: 32-bit words in this machine's byte order."""
    address = ipaddress.ip_address(
        b"".join(int(words[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(words), 8))
    )
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
