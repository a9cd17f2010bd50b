"""Which releases running services may have read: several after a deploy that was killed, or with --offline.

A service is told of what changed against all of these, so that nothing that was missed stays missed.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path

from luagen import durable
from luagen.release import ID_LENGTH, is_id

FORMAT = 1
_MODE = 0o644

# The id of no release: they may have read anything, or nothing.
UNKNOWN = "0" * ID_LENGTH


class InUse:
    def __init__(self, directory: Path) -> None:
        """`directory`: the state directory."""
        self._path = directory / "in-use.json"

    def read(self, in_force: str | None) -> frozenset[str]:
        """Their ids, or UNKNOWN among them. `in_force`: the release that is, which is it where nothing is
        written down. Raises OSError."""
        return self._read() or frozenset({in_force or UNKNOWN})

    def add(self, release: str, in_force: str | None, *, offline: bool) -> None:
        """Before the release comes into force. Raises OSError.

        `offline`: without any release before, the services start later, and with this one.
        """
        before = self._read()
        if not before and in_force is None and offline:
            self._write(frozenset({release}))
        else:
            self._write(self.read(in_force) | {release})

    def wait_since_settled(self, seconds: float) -> None:
        """Returns when the last change here is so long ago. Raises OSError."""
        with suppress(FileNotFoundError):
            age_s = time.time() - self._path.stat().st_mtime
            time.sleep(min(seconds, max(0.0, seconds - age_s)))

    def settle(self, release: str) -> None:
        """When all services are known to be at this release. Raises OSError."""
        if self._read() != {release}:
            self._write(frozenset({release}))

    def _read(self) -> frozenset[str]:
        try:
            document = json.loads(self._path.read_bytes())
            if document["format"] == FORMAT:
                return frozenset(filter(is_id, document["releases"]))
        except FileNotFoundError:
            return frozenset()
        except (ValueError, KeyError, TypeError):
            pass
        return frozenset({UNKNOWN})

    def _write(self, releases: frozenset[str]) -> None:
        document = {"format": FORMAT, "releases": sorted(releases)}
        durable.replace(self._path, (json.dumps(document) + "\n").encode(), _MODE)
