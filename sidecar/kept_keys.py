"""Key sets that outlive the process, so that a restart during an issuer's outage is no outage here.

One file for each issuer and source, in a directory of this process's own; below `/run`, so that a boot starts
afresh. What is kept are public keys. Whatever is wrong with a file makes it one that is not there.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from sidecar.files import write_atomically
from sidecar.logs import Event, Log
from sidecar.strict_json import JsonError, JsonObject, parse_object

MAX_BYTES = 512 * 1024  # a document has at most half of it


@dataclass(frozen=True, slots=True)
class Kept:
    """A JWK set, and when it was fetched, in seconds since the epoch."""

    document: JsonObject
    fetched_at: float


@dataclass(frozen=True, slots=True)
class KeptKeys:
    """The key set of one issuer from one source. `max_age_s`: older ones are not there."""

    directory: Path
    issuer: str
    source: str
    max_age_s: float
    log: Log = field(repr=False)

    def load(self, now: float) -> Kept | None:
        """The set, if there is one that can be used at `now`, in seconds since the epoch."""
        try:
            if not _is_private(self.directory):
                return None
            with self._path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError:
            return None
        if len(data) > MAX_BYTES:
            return None
        try:
            found = parse_object(data)
        except JsonError:
            return None
        fetched_at, document = found.get("fetched_at"), found.get("keys")
        if (found.get("issuer"), found.get("source")) != (self.issuer, self.source):
            return None
        if type(fetched_at) is not int or type(document) is not dict:
            return None
        # One from the future: the clock has been set back, so that its age is anybody's guess.
        return Kept(document, fetched_at) if 0 <= now - fetched_at <= self.max_age_s else None

    def keep(self, document: JsonObject, fetched_at: float) -> None:
        """Replaces the set."""
        content = {
            "issuer": self.issuer,
            "source": self.source,
            "fetched_at": int(fetched_at),
            "keys": document,
        }
        try:
            self.directory.mkdir(mode=0o700, exist_ok=True)
            write_atomically(self._path, json.dumps(content).encode(), mode=0o600)
        except OSError as error:
            self.log(Event.KEYS_NOT_KEPT, why=error.strerror)

    @property
    def _path(self) -> Path:
        name = hashlib.sha256(f"{self.issuer}\0{self.source}".encode()).hexdigest()[:32]
        return self.directory / f"{name}.json"


def _is_private(directory: Path) -> bool:
    """Whether nobody else can have put a key into it."""
    found = directory.stat()
    return found.st_uid == os.getuid() and not stat.S_IMODE(found.st_mode) & 0o022
