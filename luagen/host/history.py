"""Which releases were in force one after another: the way that `lightgate rollback` goes back.

    <state directory>/history.json    {"format": 1, "releases": [ids, the latest last]}

A release stands in it as often as it came into force, so the way has an end. It is written before the link
moves, and says where the way goes from the release that the link names: from its latest place. So a command
that is killed between the two, and one that goes back, has nothing to make good here.
"""

from __future__ import annotations

import json
from pathlib import Path

from luagen import durable
from luagen.release import is_id

FORMAT = 1
_MODE = 0o644
_MOST = 100  # that are written down

Way = tuple[str, ...]  # ids, the latest last


class History:
    def __init__(self, directory: Path) -> None:
        """`directory`: the state directory."""
        self._path = directory / "history.json"

    def until(self, release: str) -> Way | None:
        """The way to a release that is in force, which is its last. None when that is not written down.
        Raises OSError."""
        way = self._read()
        while way and way[-1] != release:
            way = way[:-1]
        return way or None

    def write(self, way: Way) -> None:
        """Raises OSError."""
        if self._read() != way[-_MOST:]:
            document = {"format": FORMAT, "releases": list(way[-_MOST:])}
            durable.replace(self._path, (json.dumps(document) + "\n").encode(), _MODE)

    def _read(self) -> Way:
        try:
            document = json.loads(self._path.read_bytes())
            if document["format"] == FORMAT:
                return tuple(filter(is_id, document["releases"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            pass  # the records have it
        return ()
