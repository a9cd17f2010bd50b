"""Whether files have changed: compares what `stat` says about a handful of names.

Polling twice a second costs a few microseconds, works on every file system and needs no wheel; a file watcher
would be worth it for thousands of files, and a policy names a few.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

INTERVAL_S = 0.5

_Signature = tuple[int, int, int] | None  # inode, size, modification time; None: not there


class Watch:
    """Remembers how files looked. Editors that write a new file and rename it are seen by the new inode."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._seen = {path: _signature(path) for path in paths}

    def changed(self) -> bool:
        """True when a file differs from what the last call (or the start) saw: changed, gone or there
        again."""
        now = {path: _signature(path) for path in self._seen}
        differs = now != self._seen
        self._seen = now
        return differs

    def follow(self, paths: Iterable[Path]) -> None:
        """Watches `paths` from now on. What is known of those watched already is kept, so that no edit made
        meanwhile is lost."""
        self._seen = {path: self._seen[path] if path in self._seen else _signature(path) for path in paths}


def named_files(policy: Path) -> tuple[Path, ...]:
    """The files that a policy names, by keys called `file` or `…_file` in any of its tables.

    A file that does not exist yet is seen when it appears. Nothing when the policy cannot be read as TOML:
    then the policy itself has to change first.
    """
    try:
        document = tomllib.loads(policy.read_text("utf-8"))
    except (OSError, ValueError):
        return ()
    return tuple(policy.parent / text for text in _file_names(document) if "\0" not in text)


def _file_names(value: object) -> Iterator[str]:
    match value:
        case list():
            for item in value:
                yield from _file_names(item)
        case dict():
            for key, item in value.items():
                if isinstance(item, str) and (key == "file" or key.endswith("_file")):
                    yield item
                else:
                    yield from _file_names(item)


def _signature(path: Path) -> _Signature:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
