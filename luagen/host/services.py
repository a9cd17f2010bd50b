"""What lighttpd and the sidecar have to be told when another release comes into force.

Of rules, and everything else that is only Lua, nobody: lighttpd looks at its scripts once a second, and the
sidecar reads its file when it is asked about a release that it does not know.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from luagen.failure import Failure
from luagen.host import named_credentials
from luagen.host.settings import Command, HostSettings

READ_ONCE = ("lightgate.conf", "sidecar.json")  # services do not notice that they have changed

COMMAND_TIMEOUT_S = 60  # a restart waits for requests under way, at most the sidecar's deadline

# What the sidecar opens or makes once, when it starts.
_AT_START = ("authorizer_socket", "http_socket", "epoch_file", "secrets_directory", "keys_directory")

_NOT_KNOWN = "which release it runs is not known"

Files = Mapping[str, bytes]  # of a release, by name


@dataclass(frozen=True, slots=True)
class Message:
    """A command for a service and why; the empty command is not run."""

    service: str
    verb: str
    command: Command
    why: str

    def send(self) -> None:
        """Raises Failure when the command fails."""
        if not self.command:
            return
        shown = " ".join(self.command)
        try:
            done = subprocess.run(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=COMMAND_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Failure(f"`{shown}` did not end within {COMMAND_TIMEOUT_S} s") from None
        except OSError as error:
            raise Failure(f"cannot run `{shown}`: {(error.strerror or str(error)).lower()}") from error
        if done.returncode != 0:
            said = " ".join(done.stdout.decode(errors="replace").split())[:500]
            raise Failure(f"`{shown}` failed ({done.returncode}){': ' + said if said else ''}")

    def __str__(self) -> str:
        doing = (
            f"{self.service}: {self.verb}"
            if self.command
            else f"{self.service}: no command to {self.verb} it"
        )
        return f"{doing} ({self.why})"


def needed(
    after: Files, running: Iterable[Files | None], settings: HostSettings, *, is_known: bool
) -> tuple[Message, ...]:
    """What has to be said when `after` comes into force.

    `running`: the releases that lighttpd or the sidecar may have read last, None for what is not known. What
    somebody has changed so that it cannot be read is not known either.
    `is_known`: `after` has been in force before.
    """
    before = tuple(files if files is not None and _is_readable(files) else None for files in running)
    if not _is_readable(after):  # changed by hand, and gone back to
        before = (None,)
    messages = [
        _sidecar(after, before, settings, is_known=is_known),
        _lighttpd(after, before, settings),
    ]
    return tuple(message for message in messages if message is not None)


def _sidecar(
    after: Files, before: tuple[Files | None, ...], settings: HostSettings, *, is_known: bool
) -> Message | None:
    why = _reason_to_restart(after, before)
    if why is not None:
        return Message("sidecar", "restart", settings.restart_sidecar, why)
    new = _sidecar_settings(after)
    if any(files is not None and _sidecar_settings(files) != new for files in before):
        return Message("sidecar", "reload", settings.reload_sidecar, "its settings have changed")
    if is_known:
        # It answers for two releases, the current and the one before, and reads its file only for a third.
        why = "it may know this release as the one before"
        return Message("sidecar", "reload", settings.reload_sidecar, why)
    return None


def _reason_to_restart(after: Files, before: tuple[Files | None, ...]) -> str | None:
    for files in before:
        if files is None:
            return _NOT_KNOWN
        old, new = _sidecar_settings(files), _sidecar_settings(after)
        if named_credentials.names(old) != named_credentials.names(new):
            return "its credentials are other ones"
        if any(old.get(key) != new.get(key) for key in _AT_START):
            return "its sockets and files are elsewhere"
    return None


def _lighttpd(after: Files, before: tuple[Files | None, ...], settings: HostSettings) -> Message | None:
    if any(files is None for files in before):
        why = _NOT_KNOWN
    elif any(directives(files) != directives(after) for files in before if files is not None):
        why = "its directives have changed"
    else:
        return None
    return Message("lighttpd", "reload", settings.reload_lighttpd, why)


def directives(files: Files) -> tuple[str, ...]:
    """The lines of lightgate.conf that lighttpd acts on."""
    lines = (line.strip() for line in files["lightgate.conf"].decode().splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def _sidecar_settings(files: Files) -> dict[str, Any]:
    """What sidecar.json says beside the release's id."""
    document: dict[str, Any] = json.loads(files["sidecar.json"])
    del document["release"]
    return document


def _is_readable(files: Files) -> bool:
    try:
        named_credentials.names(_sidecar_settings(files))
        directives(files)
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    return True
