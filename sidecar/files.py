"""Writing small files whole or not at all, with the group of their directory."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def write_atomically(path: Path, content: bytes, *, mode: int) -> bool:
    """Writes through a temporary file and a rename. Raises OSError.

    Returns whether the file has its directory's group: False when this process may not give it away.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()  # of a run that was killed in the middle
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileNotFoundError as error:
        # Named for the directory: nobody knows the temporary file.
        raise FileNotFoundError(error.errno, "no such directory", str(path.parent)) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            shared = adopt_group(temporary, path.parent)
            os.fchmod(descriptor, mode)  # after the group: no moment in which another group can read it
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return shared


def adopt_group(path: Path, directory: Path) -> bool:
    """Gives `path` the group of `directory`. Returns whether it has it; False when this process may not."""
    group = directory.stat().st_gid
    if path.stat().st_gid == group:
        return True
    try:
        os.chown(path, -1, group)
    except PermissionError:
        return False
    return True
