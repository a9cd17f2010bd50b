"""`releases/<id>.json`: who put a release in force, when, from which policy, and what was in force before."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from luagen import durable
from luagen.host import clock

FORMAT = 1
_MODE = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    release: str
    policy_file: str
    policy_sha256: str
    lightgate: str  # version
    deployed_at: datetime
    deployed_by: str
    comment: str  # empty: none
    previous: str | None  # the release that was in force until then

    def as_json(self) -> dict[str, object]:
        return {
            "format": FORMAT,
            "release": self.release,
            "policy": {"file": self.policy_file, "sha256": self.policy_sha256},
            "lightgate": self.lightgate,
            "deployed_at": clock.text(self.deployed_at),
            "deployed_by": self.deployed_by,
            "comment": self.comment,
            "previous": self.previous,
        }


def write(record: Record, path: Path) -> None:
    """Writes the record in one step. Raises OSError."""
    durable.replace(path, (json.dumps(record.as_json(), indent=2) + "\n").encode(), _MODE)


def read(path: Path) -> Record | None:
    """The record; None when there is none that this version understands. Raises OSError."""
    try:
        document = json.loads(path.read_bytes())
        if document["format"] != FORMAT:
            return None
        previous = document["previous"]
        return Record(
            release=str(document["release"]),
            policy_file=str(document["policy"]["file"]),
            policy_sha256=str(document["policy"]["sha256"]),
            lightgate=str(document["lightgate"]),
            deployed_at=clock.parse(document["deployed_at"]),
            deployed_by=str(document["deployed_by"]),
            comment=str(document["comment"]),
            previous=None if previous is None else str(previous),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return None
