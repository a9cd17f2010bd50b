"""Files that a policy names: what is in them becomes part of the release."""

from __future__ import annotations

from pathlib import Path

from luagen.diagnostics import Code, quoted


class FileRefused(Exception):
    """The file cannot be used."""

    def __init__(self, message: str, code: Code) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def read(name: str, directory: Path, max_bytes: int) -> bytes:
    """The content of a regular file; relative names begin in the policy's directory. Raises FileRefused."""
    if "\0" in name or not name:
        raise FileRefused("this is not a path", Code.INVALID_VALUE)
    try:
        file = directory / name
        if not file.is_file():  # a device or pipe would make reading it wait
            message = "is no regular file" if file.exists() else "does not exist"
            raise FileRefused(f"{quoted(name)} {message}", Code.UNREADABLE_FILE)
        with file.open("rb") as opened:
            content = opened.read(max_bytes + 1)
    except OSError as error:
        reason = (error.strerror or "input or output failed").lower()
        raise FileRefused(f"{quoted(name)} cannot be read: {reason}", Code.UNREADABLE_FILE) from None
    if len(content) > max_bytes:
        size = f"{max_bytes // 1024} KiB" if max_bytes < 2**20 else f"{max_bytes // 2**20} MiB"
        raise FileRefused(f"{quoted(name)} is larger than {size}", Code.UNREADABLE_FILE)
    return content
