"""Do the services run, will they after a reboot, and can they take a burst?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from luagen.host import listening, systemd
from luagen.host.doctor.facts import Check, Facts
from luagen.host.doctor.finding import Finding, UnseenError, error, ok, warning
from luagen.host.listening import SocketState

BACKLOG = 4_096  # of both sockets; the kernel cuts it to somaxconn
_SOMAXCONN = Path("/proc/sys/net/core/somaxconn")

_UNITS = ("lightgate.socket", "lightgate.service", "lighttpd.service")


def _units(facts: Facts) -> Iterator[Finding]:
    if not facts.has_systemd:
        raise UnseenError("systemd does not run here: who starts lighttpd and the sidecar was not looked at")
    for name in _UNITS:
        unit = systemd.unit(name)
        if unit.load == "not-found":
            yield error(f"there is no unit {name}", "sudo make install, or apt-get install lightgate")
        elif unit.active != "active":
            yield error(
                f"{name} is {unit.active}", f"sudo systemctl start {name}; journalctl -u {name} says why"
            )
        elif unit.enabled not in ("enabled", "enabled-runtime", "static", "indirect", "generated"):
            yield warning(
                f"{name} does not start by itself ({unit.enabled})", f"sudo systemctl enable {name}"
            )
        else:
            yield ok(f"{name} is active and {unit.enabled}")


def _sockets(facts: Facts) -> Iterator[Finding]:
    settings = facts.settings
    mend = (
        "sudo systemctl restart lightgate.socket lightgate.service"
        if facts.has_systemd
        else "start the sidecar"
    )
    for path in (settings.authorizer_socket, settings.http_socket):
        match listening.state(path):
            case SocketState.LISTENING:
                yield ok(f"somebody listens on {path}")
            case SocketState.DEAD:
                yield error(f"{path} is there, and nobody listens on it", mend)
            case SocketState.ABSENT:
                yield error(f"{path} is not there", mend)
            case SocketState.OTHER:
                yield error(f"{path} is no socket", f"move it away, then {mend}")


def _bursts(facts: Facts) -> Iterator[Finding]:
    """lighttpd answers 500 at once when the backlog of the sidecar's socket is full."""
    limit = int(_SOMAXCONN.read_text())
    if limit >= BACKLOG:
        yield ok(f"the kernel queues up to {limit} connections for a socket")
    else:
        yield warning(
            f"the kernel queues only {limit} connections for a socket: more at once are a 500",
            f"sudo sysctl net.core.somaxconn={BACKLOG}, and that line in /etc/sysctl.d/60-lightgate.conf",
        )


CHECKS = (Check("units", _units), Check("sockets", _sockets), Check("bursts", _bursts))
