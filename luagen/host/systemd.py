"""systemd, where it runs: the state of units."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from luagen.failure import Failure
from luagen.host.settings import Command

_BOOTED = Path("/run/systemd/system")  # sd_booted(3)
_ASK_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as systemd knows it: `loaded` or `not-found`; `active`, `failed` …; `enabled`, `disabled` …,
    empty for a unit without a file."""

    load: str
    active: str
    enabled: str


def is_running() -> bool:
    """Whether systemd is this machine's init. In a container or chroot it usually is not."""
    return _BOOTED.is_dir()


def unit(name: str) -> Unit:
    """The state of a unit. Raises Failure when systemd does not answer."""
    fields = ("LoadState", "ActiveState", "UnitFileState")
    output = _run(("systemctl", "show", f"--property={','.join(fields)}", "--", name))
    found = dict(line.partition("=")[::2] for line in output.splitlines())
    return Unit(*(found.get(field, "") for field in fields))


def has_service(command: Command) -> bool:
    """Whether there is somebody to tell with a command of the host file.

    There is not for an empty command, and for systemctl where systemd does not run or does not know the unit.
    Raises Failure when systemd does not answer.
    """
    if not command:
        return False
    if Path(command[0]).name != "systemctl":
        return True
    return is_running() and unit(command[-1]).load != "not-found"


def _run(command: Command) -> str:
    """Its standard output."""
    text = " ".join(command)
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_ASK_TIMEOUT_S, check=False
        )
    except OSError as error:
        raise Failure(f"cannot run `{text}`: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise Failure(f"`{text}` does not end within {_ASK_TIMEOUT_S} s") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise Failure(f"`{text}` fails: {said[0] if said else f'exit code {done.returncode}'}")
    return done.stdout.decode(errors="replace")
