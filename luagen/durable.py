"""Files that are on disk whole, and stay there, before anybody is pointed at them."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Writes a file that does not exist yet. Readers may see a part: for directories nobody looks into."""
    with path.open("xb") as file:
        _fill(file.fileno(), content, mode)


def replace(path: Path, content: bytes, mode: int) -> None:
    """Writes a file in one step: readers see the content before or the new one.

    A process that is killed on the way leaves `.NAME.XXXXXXXX` behind. Raises OSError when the file system
    refuses; the file is then as before.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        try:
            _fill(descriptor, content, mode)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    flush_directory(path.parent)


def flush_directory(path: Path) -> None:
    """Brings the names in a directory to disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fill(descriptor: int, content: bytes, mode: int) -> None:
    with os.fdopen(descriptor, "wb", closefd=False) as file:
        file.write(content)
    os.fchmod(descriptor, mode)
    os.fsync(descriptor)
