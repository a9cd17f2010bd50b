"""Does a request go the whole way: lighttpd, Lua, socket, sidecar, and all with the release in force?"""

from __future__ import annotations

from collections.abc import Iterator

from luagen.host.doctor.facts import Check, Facts, need
from luagen.host.doctor.finding import Finding, error, ok
from luagen.host.lighttpd_client import LighttpdSilentError

_LOOK = "lightgate status; journalctl -u lighttpd -u lightgate"


def _lua(facts: Facts) -> Iterator[Finding]:
    worker, release = facts.worker, need(facts.release).id
    if isinstance(worker, LighttpdSilentError):
        yield error(
            f"lighttpd does not say what it runs: {worker}",
            "is it started, and does it include lightgate? sudo systemctl restart lighttpd",
        )
    elif worker.release != release:
        yield error(
            f"lighttpd runs release {worker.release}, and {release} is in force",
            "sudo systemctl reload lighttpd",
        )
    else:
        yield ok(f"lighttpd runs release {worker.release} ({worker.lua})")


def _health(facts: Facts) -> Iterator[Finding]:
    health, release = facts.health, need(facts.release).id
    if isinstance(health, LighttpdSilentError):
        yield error(f"no answer of the whole: {health}", _LOOK)
    elif health != release:
        yield error(
            f"the whole answers for release {health}, and {release} is in force", "sudo lightgate deploy"
        )
    else:
        yield ok(f"lighttpd, Lua and the sidecar answer together for release {health}")


CHECKS = (Check("Lua", _lua), Check("end to end", _health))
