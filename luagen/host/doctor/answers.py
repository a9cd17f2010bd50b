"""Who answers, and for which release? Lua in lighttpd, the whole way through it, and the sidecar itself,
which may also lack what it needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from luagen import resources
from luagen.host import credentials
from luagen.host.doctor.facts import Check, Facts, need
from luagen.host.doctor.finding import Finding, error, ok, warning
from luagen.host.lighttpd_client import LighttpdSilentError
from luagen.host.sidecar_client import STOPPING, SidecarOutOfReachError, SidecarSilentError

_RESTART = "sudo systemctl restart lightgate"
_LOG = "journalctl -u lightgate -n 50"
_LOOK = "lightgate status; journalctl -u lighttpd -u lightgate"
OLD_KEYS_S = 6 * 3600  # most issuers are asked every ten minutes, none less than daily


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


def _up(facts: Facts) -> Iterator[Finding]:
    running = facts.sidecar_version
    if isinstance(running, SidecarSilentError) and not isinstance(running, SidecarOutOfReachError):
        yield error(f"the sidecar does not answer: {running}", f"{_RESTART}; {_LOG} says why it stopped")
        return
    running = need(running)
    installed = resources.version()
    if running == installed:
        yield ok(f"the sidecar runs, version {running}")
    else:
        yield warning(f"sidecar {running} runs, and {installed} is installed", _RESTART)


def _ready(facts: Facts) -> Iterator[Finding]:
    readiness = need(facts.readiness)
    if readiness.status == STOPPING:
        yield warning("the sidecar is stopping", f"systemctl status lightgate; {_LOG}")
    lacking = [name for name, issuer in readiness.issuers.items() if not issuer.ready]
    for name in lacking:
        yield error(f"it has no keys of issuer `{name}`: tokens of that issuer are a 503", _LOG)
    if not lacking:
        yield ok(f"it can decide for all its issuers ({len(readiness.issuers)})")


def _release(facts: Facts) -> Iterator[Finding]:
    runs, in_force = need(facts.readiness).release, need(facts.release).id
    if runs == in_force:
        yield ok(f"it answers for release {runs}")
    else:
        yield error(
            f"it answers for release {runs}, and {in_force} is in force", "sudo systemctl reload lightgate"
        )


def _key_age(facts: Facts) -> Iterator[Finding]:
    """Old keys that could not be fetched anew work for a day; then tokens are a 503."""
    readiness = need(facts.readiness)
    ages = {name: state.age_s for name, state in readiness.issuers.items() if state.age_s is not None}
    if not ages:
        return
    metrics = need(facts.metrics)
    old = [
        name
        for name, age in ages.items()
        if age > OLD_KEYS_S and metrics.value("lightgate_key_fetches_total", issuer=name, outcome="failed")
    ]
    for name in old:
        yield warning(
            f"the keys of issuer `{name}` are {ages[name] // 3600} hours old; fetching them anew fails",
            f"{_LOG} says why; after a day tokens of that issuer are a 503",
        )
    if not old:
        oldest = max(ages.values())
        yield ok(f"the oldest keys were fetched {_span(oldest)} ago")


def _has_credentials(facts: Facts) -> Iterator[Finding]:
    """What the policy names, each once."""
    needed = need(facts.release).credentials
    stored = [one.name for one in credentials.stored(facts.settings)]
    missing = [name for name in needed if name not in stored]
    for name in missing:
        yield error(
            f"the policy names credential `{name}`, which is not there: the sidecar does not start",
            f"sudo lightgate credential set {name}, then {_RESTART}",
        )
    twice = sorted({name for name in stored if stored.count(name) > 1})
    for name in twice:
        yield error(
            f"credential `{name}` is there twice, encrypted and not: which one counts is not obvious",
            f"rm {facts.settings.credentials_directory / name}, then {_RESTART}",
        )
    if not missing and not twice:
        yield ok(f"all credentials that the policy names are there ({len(needed)})")


def _epoch(facts: Facts) -> Iterator[Finding]:
    path = Path(str(need(facts.release).deployment["epoch_file"]))
    if path.exists():
        yield ok("Lua may remember verdicts: the epoch file is there")
    else:
        yield warning(
            f"{path} is not there: every request with a token asks the sidecar", f"{_RESTART}; {_LOG}"
        )


def _span(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


END_TO_END = (Check("Lua", _lua), Check("end to end", _health))
SIDECAR = (
    Check("up", _up),
    Check("ready", _ready),
    Check("release", _release),
    Check("keys", _key_age),
    Check("credentials", _has_credentials),
    Check("epoch file", _epoch),
)
