"""The releases on this host: which there are, which is in force, and those that are no longer kept.

    <state directory>/releases/<id>/       as `luagen.release` writes them
                      releases/<id>.json   their records
    <state directory>/current              symlink to the one in force
                      history.json         those that were in force, one after another

What has a dot in front is a temporary of the command that holds the lock, or of one that was killed.
What changes something here needs the lock.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from luagen.artifacts import MANIFEST_FORMAT, SIDECAR_FORMAT
from luagen.failure import Failure
from luagen.host import records
from luagen.host.history import History, Way
from luagen.host.records import Record
from luagen.release import Release, activate, is_changed, is_id, repair_release, write_release

LIST = "lightgate releases"


@dataclass(frozen=True, slots=True)
class Stored:
    """A release on disk. What is known about it comes from its record, and without one from its manifest."""

    release: str
    record: Record | None
    lightgate: str | None
    policy_sha256: str | None


class ReleaseStore:
    def __init__(self, directory: Path) -> None:
        """`directory`: the state directory, which need not exist."""
        self._directory = directory
        self._releases = directory / "releases"
        self._link = directory / "current"
        self._history = History(directory)

    # --- reading ---------------------------------------------------------------------------------------

    def in_force(self) -> str | None:
        """The id of the release in force; None when there is none. Raises OSError."""
        try:
            target = self._link.readlink()
        except FileNotFoundError:
            return None
        return target.name if self.has(target.name) else None

    def has(self, release: str) -> bool:
        return is_id(release) and (self._releases / release / "manifest.json").is_file()

    def stored(self) -> tuple[Stored, ...]:
        """All releases, the latest deployed first, those without a record last. Raises OSError."""
        found = [self._stored(name) for name in sorted(self._ids())]
        found.sort(key=_age, reverse=True)
        return tuple(found)

    def record(self, release: str) -> Record | None:
        return records.read(self._record_path(release))

    def way(self) -> Way:
        """Those that were in force one after another, the one that is last; () when there is none.

        They need not be kept any more. Raises OSError.
        """
        current = self.in_force()
        return () if current is None else self._history.until(current) or self._way_of_records(current)

    def one_before(self) -> str | None:
        """The id of the release that was in force before the one that is. Raises OSError."""
        way = self.way()
        return way[-2] if len(way) > 1 else None

    def find(self, prefix: str) -> str:
        """The one release whose id begins with `prefix`. Raises Failure, naming those that there are."""
        ids = [stored.release for stored in self.stored()]
        found = [release for release in ids if prefix and release.startswith(prefix)]
        if len(found) == 1:
            return found[0]
        if found:
            raise Failure(
                f"several releases begin with `{prefix}`: {', '.join(found)}", "give more of its id"
            )
        there = f"there are {', '.join(ids)}" if len(ids) > 1 else f"there is only {ids[0]}" if ids else None
        raise Failure(
            f"there is no release `{prefix}`", f"{there}; `{LIST}` says more" if there else "deploy a policy"
        )

    def load(self, release: str) -> Release:
        """The files of a release, after comparing them with its manifest.

        Raises Failure when it is not as it was written, or was written for another version; OSError.
        """
        directory = self._releases / release
        files = {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}
        try:
            manifest = json.loads(files["manifest.json"])
            listed = {entry["name"]: entry["sha256"] for entry in manifest["files"]}
            is_whole = manifest["release"] == release and listed == {
                name: hashlib.sha256(content).hexdigest()
                for name, content in files.items()
                if name != "manifest.json"
            }
        except (ValueError, KeyError, TypeError):
            raise _changed(directory) from None
        if not is_whole or len(files) != len(list(directory.iterdir())):
            raise _changed(directory)
        if (
            manifest["format"] != MANIFEST_FORMAT
            or json.loads(files["sidecar.json"])["format"] != SIDECAR_FORMAT
        ):
            raise Failure(
                f"release {release} was built by lightgate {manifest['lightgate']} in a format of its own",
                "deploy its policy again with this version",
            )
        return Release(release, files)

    def files(self, release: str) -> Mapping[str, bytes] | None:
        """The files of a release as they are; None when there is no such release."""
        if not self.has(release):
            return None
        paths = (self._releases / release).iterdir()
        return {path.name: path.read_bytes() for path in paths if path.is_file()}

    def is_changed(self, release: Release) -> bool:
        """Whether something else than this release stands in its place. Raises OSError."""
        return is_changed(release, self._releases)

    # --- changing --------------------------------------------------------------------------------------

    def write(self, release: Release) -> Path:
        """Raises release.ReleaseConflictError, OSError."""
        return write_release(release, self._releases)

    def repair(self, release: Release) -> None:
        """Puts the release in the place of what `is_changed`. Raises OSError."""
        repair_release(release, self._releases)

    def write_record(self, record: Record) -> None:
        """Raises OSError."""
        records.write(record, self._record_path(record.release))

    def activate(self, release: str, *, back: bool = False) -> None:
        """Puts a release in force, in one step: as the next on the way, or `back` at its place on the way,
        if it has one. Raises OSError."""
        way = self.way()
        self._history.write(way if back and release in way else (*way, release))
        activate(self._releases, release, self._link)

    def restore(self, release: str) -> None:
        """Takes back an `activate` of another release: puts the one before it in force again, in one step.
        Writes nothing else, for a disk that is full. Raises OSError."""
        activate(self._releases, release, self._link)

    def discard(self, release: str) -> None:
        """Removes a release and its record. Raises OSError."""
        # Out of sight in one step: a release is there whole or not at all.
        with tempfile.TemporaryDirectory(prefix=f".{release}.", dir=self._releases) as grave:
            with suppress(FileNotFoundError):
                (self._releases / release).rename(Path(grave) / release)
            self._record_path(release).unlink(missing_ok=True)

    def prune(self, keep: int) -> tuple[str, ...]:
        """Removes all but the `keep` latest releases, never the one in force nor the one before it.

        Returns what was removed. Raises OSError.
        """
        kept = list(dict.fromkeys(reversed(self.way()[-2:])))
        kept += [stored.release for stored in self.stored() if stored.release not in kept]
        removed = tuple(name for name in kept[max(keep, 2) :] if self.has(name))
        for name in removed:
            self.discard(name)
        for path in self._releases.glob("*.json"):
            if is_id(path.stem) and not self.has(path.stem):
                path.unlink(missing_ok=True)
        return removed

    def clean(self) -> None:
        """Removes the temporaries of commands that were killed, and what the history has after the release
        in force. Raises OSError."""
        if way := self.way():
            self._history.write(way)
        for directory in (self._directory, self._releases):
            for path in directory.glob(".*") if directory.is_dir() else ():
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()

    # ---------------------------------------------------------------------------------------------------

    def _ids(self) -> set[str]:
        if not self._releases.is_dir():
            return set()
        return {path.name for path in self._releases.iterdir() if self.has(path.name)}

    def _way_of_records(self, release: str) -> Way:
        """The way to a release that no history tells of: versions before wrote records only, which can lead
        in a circle."""
        way = [release]
        while (record := self.record(way[0])) is not None and record.previous is not None:
            if record.previous in way:
                break
            way.insert(0, record.previous)
        return tuple(way)

    def _record_path(self, release: str) -> Path:
        return self._releases / f"{release}.json"

    def _stored(self, release: str) -> Stored:
        record = self.record(release)
        if record is not None:
            return Stored(release, record, record.lightgate, record.policy_sha256)
        try:
            manifest = json.loads((self._releases / release / "manifest.json").read_bytes())
            return Stored(release, None, str(manifest["lightgate"]), str(manifest["policy"]["sha256"]))
        except (ValueError, KeyError, TypeError):
            return Stored(release, None, None, None)


def _age(stored: Stored) -> float:
    return 0.0 if stored.record is None else stored.record.deployed_at.timestamp()


def _changed(directory: Path) -> Failure:
    return Failure(
        f"`{directory}` is not as it was written: its files do not match its manifest",
        "find out who changed it; deploying its policy again writes it anew",
    )
