"""The epoch file: when it changes, Lua forgets every verdict (docs/internals.md, "sidecar.json")."""

from __future__ import annotations

import os
from pathlib import Path

from sidecar.files import write_atomically


def renew(path: Path) -> None:
    """Makes the epoch file anew. Raises OSError.

    A rename alone stays unseen for up to 16 seconds by a lighttpd that watches directories with inotify;
    setting the times of the final name afterwards is seen by every `server.stat-cache-engine`.
    """
    write_atomically(path, b"", mode=0o644)
    os.utime(path)
