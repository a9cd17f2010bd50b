"""What is in force on this host, on each side, and whether all agree. Looks, changes nothing, judges little:
`lightgate doctor` says why."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import stat
import subprocess
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from luagen import lighttpd_host, resources
from luagen.failure import Failure
from luagen.host import clock, in_force, lighttpd_client, lighttpd_config, listening, sidecar_client, systemd
from luagen.host.in_force import Release
from luagen.host.lighttpd_client import LighttpdSilentError, WorkerStatus
from luagen.host.listening import SocketState
from luagen.host.settings import HostSettings
from luagen.host.sidecar_client import (
    READY,
    Metrics,
    Readiness,
    SidecarOutOfReachError,
    SidecarSilentError,
)
from luagen.host.terminal import printable

LAST_ERRORS = 5  # of each side

_JOURNAL_LINES = 2_000  # looked at: most are refusals, which are no errors
_JOURNAL_TIMEOUT_S = 10
_LOG_TAIL_BYTES = 256 * 1024
_LUA_LINE = "lightgate:"
_BAD_LEVELS = frozenset({"warning", "error"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Each part, or in words why there is none of it. `problems`: why the whole is not well; none: it is."""

    lightgate: str
    release: Release | None
    policy_changed: bool | None
    lighttpd: str | None  # version installed
    worker: WorkerStatus | None
    sidecar: str | None  # version running
    readiness: Readiness | None
    metrics: Metrics | None
    sockets: Mapping[Path, SocketState | None]  # None: this user may not look
    sidecar_errors: tuple[str, ...]
    lighttpd_errors: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Sidecar:
    version: str
    readiness: Readiness
    metrics: Metrics


def look(settings: HostSettings) -> Status:
    """Asks everybody; never raises for what is not well."""
    problems: list[str] = []
    release = _release(settings, problems)
    lighttpd, configuration = _lighttpd(settings, problems)
    # Before the sidecar: asked about a new release, it takes it up.
    worker = None if configuration is None else _worker(settings, configuration, problems)
    sidecar = _sidecar(settings, problems)
    sockets = {path: _socket(path) for path in (settings.authorizer_socket, settings.http_socket)}
    problems += [
        f"{path}: {state}" for path, state in sockets.items() if state not in (SocketState.LISTENING, None)
    ]
    if release is not None:
        if worker is not None and worker.release != release.id:
            problems.append(f"lighttpd runs release {worker.release}, and {release.id} is in force")
        if sidecar is not None and sidecar.readiness.release != release.id:
            problems.append(
                f"the sidecar answers for release {sidecar.readiness.release}, and {release.id} is in force"
            )
    if sidecar is not None and sidecar.readiness.status != READY:
        problems.append(f"the sidecar is {sidecar.readiness.status}")
    return Status(
        lightgate=resources.version(),
        release=release,
        policy_changed=None if release is None else _policy_changed(settings, release),
        lighttpd=lighttpd,
        worker=worker,
        sidecar=None if sidecar is None else sidecar.version,
        readiness=None if sidecar is None else sidecar.readiness,
        metrics=None if sidecar is None else sidecar.metrics,
        sockets=sockets,
        sidecar_errors=_sidecar_errors(),
        lighttpd_errors=() if configuration is None else _lighttpd_errors(configuration),
        problems=tuple(problems),
    )


def as_json(status: Status) -> dict[str, object]:
    """The same for programs."""
    release, record = status.release, None if status.release is None else status.release.record
    return {
        "ok": not status.problems,
        "problems": list(status.problems),
        "lightgate": status.lightgate,
        "release": None
        if release is None
        else {
            "id": release.id,
            "built_by": release.lightgate,
            "policy": {
                "file": release.policy_file,
                "sha256": release.policy_sha256,
                "changed": status.policy_changed,
            },
            "deployed_at": None if record is None else clock.text(record.deployed_at),
            "deployed_by": None if record is None else record.deployed_by,
            "comment": None if record is None else record.comment,
        },
        "lighttpd": {
            "installed": status.lighttpd,
            "running": None if status.worker is None else status.worker.lighttpd,
            "lua": None if status.worker is None else status.worker.lua,
            "release": None if status.worker is None else status.worker.release,
            "verdicts": None
            if status.worker is None or status.worker.verdicts is None
            else dict(status.worker.verdicts),
            "errors": list(status.lighttpd_errors),
        },
        "sidecar": {
            "running": status.sidecar,
            "status": None if status.readiness is None else status.readiness.status,
            "release": None if status.readiness is None else status.readiness.release,
            "issuers": None
            if status.readiness is None
            else {
                name: {"keys": issuer.keys, "age_s": issuer.age_s, "ready": issuer.ready}
                for name, issuer in status.readiness.issuers.items()
            },
            "decisions": None if status.metrics is None else decisions(status.metrics),
            "errors": list(status.sidecar_errors),
        },
        "sockets": {str(path): state for path, state in status.sockets.items()},
    }


def as_text(status: Status) -> str:
    """One screen."""
    lines = [*_release_lines(status), "", *_lighttpd_lines(status), "", *_sidecar_lines(status), ""]
    lines += [
        f"{_label('socket')}{path}  {state or 'not to be seen'}" for path, state in status.sockets.items()
    ]
    for side, errors in (("sidecar", status.sidecar_errors), ("lighttpd", status.lighttpd_errors)):
        lines += ["", f"last errors of {side}"] if errors else []
        lines += [f"  {error}" for error in errors]
    lines.append("")
    if status.problems:
        lines += [f"error: {problem}" for problem in status.problems]
        lines.append("  = help: as root, `lightgate doctor` says what to do")
    else:
        lines.append("all agree, all is well")
    return "\n".join(lines)


def decisions(metrics: Metrics) -> dict[str, int]:
    """Answers of the sidecar since it started, by outcome."""
    found = metrics.by_label("lightgate_decisions_total", "outcome")
    return {outcome: int(found.get(outcome, 0)) for outcome in ("allow", "refuse", "unavailable")}


# --- looking -----------------------------------------------------------------------------------------


def _release(settings: HostSettings, problems: list[str]) -> Release | None:
    try:
        return in_force.read(settings)
    except Failure as failure:
        problems.append(failure.message)
        return None


def _policy_changed(settings: HostSettings, release: Release) -> bool | None:
    try:
        return hashlib.sha256(settings.policy.read_bytes()).hexdigest() != release.policy_sha256
    except OSError:
        return None


def _lighttpd(
    settings: HostSettings, problems: list[str]
) -> tuple[str | None, lighttpd_config.MergedConfig | None]:
    try:
        lighttpd = lighttpd_host.find(settings.lighttpd)
    except Failure as failure:
        problems.append(failure.message)
        return None, None
    try:
        return lighttpd.version_text, lighttpd_config.read(lighttpd, settings.lighttpd_config)
    except Failure as failure:
        problems.append(failure.message)
        return lighttpd.version_text, None


def _worker(
    settings: HostSettings, configuration: lighttpd_config.MergedConfig, problems: list[str]
) -> WorkerStatus | None:
    bases = lighttpd_client.urls(settings, configuration)
    try:
        asyncio.run(lighttpd_client.health(bases))
    except LighttpdSilentError as silent:
        problems.append(f"no answer through lighttpd and the sidecar: {silent}")
    try:
        return asyncio.run(lighttpd_client.status(bases))
    except LighttpdSilentError as silent:
        problems.append(f"lighttpd does not say what it runs: {silent}")
        return None


def _sidecar(settings: HostSettings, problems: list[str]) -> _Sidecar | None:
    async def ask() -> _Sidecar:
        socket = settings.http_socket
        return _Sidecar(
            await sidecar_client.version(socket),
            await sidecar_client.readiness(socket),
            await sidecar_client.metrics(socket),
        )

    try:
        return asyncio.run(ask())
    except SidecarOutOfReachError as silent:
        problems.append(f"the sidecar cannot be asked: {silent}")
        return None
    except SidecarSilentError as silent:
        problems.append(f"the sidecar does not answer: {silent}")
        return None


def _socket(path: Path) -> SocketState | None:
    try:
        return listening.state(path)
    except PermissionError:
        return None


def _sidecar_errors() -> tuple[str, ...]:
    """The last events of level warning or error in the journal; () where there is none."""
    if not systemd.is_running() or shutil.which("journalctl") is None:
        return ()
    command = ["journalctl", "--unit=lightgate.service", "--output=cat", f"--lines={_JOURNAL_LINES}"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_JOURNAL_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return last_events(done.stdout.decode(errors="replace"))


def last_events(journal: str) -> tuple[str, ...]:
    """The last lines of the sidecar's log that are warnings or errors, each `TIME EVENT name=value …`."""
    kept: deque[str] = deque(maxlen=LAST_ERRORS)
    for line in journal.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # systemd's own lines about the unit
        if isinstance(event, dict) and event.get("level") in _BAD_LEVELS:
            rest = " ".join(
                f"{name}={value}" for name, value in event.items() if name not in ("time", "level", "event")
            )
            kept.append(printable(f"{event.get('time')} {event.get('event')} {rest}".rstrip()))
    return tuple(kept)


def _lighttpd_errors(configuration: lighttpd_config.MergedConfig) -> tuple[str, ...]:
    """The last lines that lightgate's Lua wrote to the error log; () when this user may not read it.

    Its directory belongs to lighttpd's user: a FIFO there is not waited for, a link not followed.
    """
    path = configuration.string("server.errorlog")
    if not path:
        return ()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return ()
            file.seek(max(0, file.seek(0, 2) - _LOG_TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ()
    return tuple(printable(line) for line in text.splitlines() if _LUA_LINE in line)[-LAST_ERRORS:]


# --- showing -----------------------------------------------------------------------------------------


def _label(text: str) -> str:
    return f"{text:<12}"


def _release_lines(status: Status) -> list[str]:
    release = status.release
    if release is None:
        return [f"{_label('release')}none in force"]
    lines = [f"{_label('release')}{release.id}, built by lightgate {release.lightgate}"]
    if release.record is not None:
        record = release.record
        lines.append(f"{_label('deployed')}{clock.text(record.deployed_at)} by {record.deployed_by}")
        if record.comment:
            lines.append(f"{_label('comment')}{record.comment}")
    lines.append(f"{_label('policy')}{release.policy_file}, sha256 {release.policy_sha256[:16]}…")
    if status.policy_changed:
        lines.append(f"{_label('')}the policy file has changed since the deploy")
    return lines


def _lighttpd_lines(status: Status) -> list[str]:
    worker = status.worker
    if worker is None:
        return [f"{_label('lighttpd')}{status.lighttpd or 'not'} installed; what it runs is not known"]
    lines = [f"{_label('lighttpd')}{worker.lighttpd}, {worker.lua}, runs release {worker.release}"]
    if worker.lighttpd != status.lighttpd:
        lines.append(f"{_label('')}{status.lighttpd} is installed, and runs after a restart")
    if worker.verdicts is None:
        lines.append(f"{_label('verdicts')}this release remembers none")
    else:
        figures = ", ".join(f"{number} {name}" for name, number in worker.verdicts.items())
        lines.append(f"{_label('verdicts')}{figures} (of the worker that answered)")
    return lines


def _sidecar_lines(status: Status) -> list[str]:
    readiness, metrics = status.readiness, status.metrics
    if readiness is None or metrics is None:
        return [f"{_label('sidecar')}not known; lightgate {status.lightgate} is installed"]
    lines = [
        f"{_label('sidecar')}{status.sidecar}, {readiness.status}, answers for release {readiness.release}"
    ]
    if status.sidecar != status.lightgate:
        lines.append(f"{_label('')}lightgate {status.lightgate} is installed, and runs after a restart")
    for name, issuer in readiness.issuers.items():
        keys = "no keys to fetch" if issuer.keys is None else f"{issuer.keys} keys"
        age = "" if issuer.age_s is None else f", fetched {issuer.age_s} s ago"
        lines.append(f"{_label('issuer')}{name}: {keys}{age}{'' if issuer.ready else '; not ready'}")
    counted = ", ".join(f"{number} {outcome}" for outcome, number in decisions(metrics).items())
    lines.append(f"{_label('decisions')}{counted} (since its start)")
    return lines
