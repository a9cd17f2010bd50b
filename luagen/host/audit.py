"""The audit log: one JSON line for everything that changed what is in force. Never a secret."""

from __future__ import annotations

import json
import os
from pathlib import Path

from luagen.host import clock, operator

_MODE = 0o640  # for root and the log directory's group
_DIRECTORY_MODE = 0o750


def append(log: Path, event: str, **fields: str | None) -> None:
    """Adds a line with the time, `event`, who did it, and `fields`. Raises OSError.

    One write to a file opened for appending: lines of commands that run at once do not mix.
    """
    line = json.dumps({"time": clock.text(clock.now()), "event": event, **fields, "by": operator.name()})
    if not log.parent.is_dir():
        log.parent.mkdir(mode=_DIRECTORY_MODE)
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
    try:
        os.write(descriptor, line.encode() + b"\n")
    finally:
        os.close(descriptor)
