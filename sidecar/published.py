"""Shared secrets where Lua can read them, so that HS256 tokens are verified inside lighttpd."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

from sidecar.files import adopt_group, write_atomically


def publish(directory: Path, secrets: Mapping[str, bytes]) -> bool:
    """Writes each secret to a file of its credential's name and removes files of other names. Raises OSError.

    The directory gets mode 0750, the files 0640, both the group of the directory above (lighttpd's, as
    packaged). Returns whether that group could be given: when not, Lua cannot read them and defers instead.
    """
    directory.mkdir(mode=0o750, exist_ok=True)
    shared = adopt_group(directory, directory.parent)
    if stat.S_IMODE(directory.stat().st_mode) & 0o777 != 0o750:
        directory.chmod(0o750)  # only then: it would take away the setgid bit that the packaging sets
    for name, secret in secrets.items():
        path = directory / name
        if not _holds(path, secret):  # Lua re-reads when the time changes; do not make it
            shared = write_atomically(path, secret, mode=0o640) and shared
    for path in directory.iterdir():
        if path.name not in secrets:
            path.unlink()
    return shared


def _holds(path: Path, secret: bytes) -> bool:
    try:
        return path.stat().st_mode & 0o777 == 0o640 and path.read_bytes() == secret
    except FileNotFoundError:
        return False
