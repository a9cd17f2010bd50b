"""A file of text, or why it cannot be read, as a diagnostic."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from luagen.diagnostics import Bag, Code, quoted
from luagen.source import Source, Span

MAX_BYTES = 64 * 1024 * 1024  # far more than 100,000 rules of a person or a generator


@dataclass(frozen=True, slots=True)
class TextFile:
    """The text with its file name, and the bytes that it was decoded from."""

    source: Source
    content: bytes = field(repr=False)


def read(path: Path, bag: Bag) -> TextFile | None:
    """The file when it is UTF-8 and not larger than MAX_BYTES; else None, and the reason is in the bag.

    Never raises on what a user can name.
    """
    content = _read(path, bag)
    if content is None:
        return None
    source = decode(content, str(path), bag)
    return None if source is None else TextFile(source, content)


def decode(content: bytes, name: str, bag: Bag) -> Source | None:
    """The text of a file that is shown as `name` when it is UTF-8; else None, and why is in the bag."""
    try:
        return Source(name, content.decode("utf-8"))
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        source = Source(name, before)
        bag.error(
            Code.INVALID_ENCODING,
            f"the byte 0x{content[error.start]:02x} is not UTF-8",
            Span(source, len(before), len(before)),
            help="save the file as UTF-8",
        )
        return None


def _read(path: Path, bag: Bag) -> bytes | None:
    name = quoted(str(path), 200)
    try:
        if path.is_dir():
            bag.error(Code.UNREADABLE_FILE, f"{name} is a directory", None, help="name the file in it")
            return None
        with path.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        bag.error(Code.UNREADABLE_FILE, f"{name} does not exist", None)
        return None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        message = f"{name} cannot be read: {(reason or 'its name is impossible').lower()}"
        bag.error(Code.UNREADABLE_FILE, message, None)
        return None
    if len(content) > MAX_BYTES:
        bag.error(Code.LIMIT_EXCEEDED, f"{name} is larger than {MAX_BYTES // 1024 // 1024} MiB", None)
        return None
    return content
