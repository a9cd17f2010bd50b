"""Releases: their content hash, and putting them on disk whole or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from luagen import durable, model
from luagen.artifacts import render_files
from luagen.deployment import Deployment

ID_LENGTH = 20  # hexadecimal digits, 80 bits: no collisions by accident, and short in logs and file names

_ID = re.compile(rf"[0-9a-f]{{{ID_LENGTH}}}")

# Stands for the id while the id is computed; of its length, so that line breaks fall alike.
_PLACEHOLDER = "0" * ID_LENGTH

_DIRECTORY_MODE = 0o755  # lighttpd reads the scripts as the user that it drops to
_FILE_MODE = 0o644


class ReleaseConflictError(Exception):
    """A release of this id exists with other content: one of the two has been changed by hand."""


@dataclass(frozen=True, slots=True)
class Release:
    """The files of a release by name, and the id that their content gives them."""

    id: str
    files: Mapping[str, bytes]


def is_id(name: str) -> bool:
    """Whether this could be the id of a release."""
    return _ID.fullmatch(name) is not None


def build_release(policy: model.Policy, deployment: Deployment) -> Release:
    """The release of a policy for a deployment; raises `artifacts.UnsafePathError`."""
    digest = hashlib.sha256()
    for name, content in render_files(policy, deployment, _PLACEHOLDER).items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    release_id = digest.hexdigest()[:ID_LENGTH]
    return Release(release_id, render_files(policy, deployment, release_id))


def write_release(release: Release, directory: Path) -> Path:
    """Writes `directory/<id>/` whole or not at all and returns its path.

    A release that is there already with the same content is left alone. Raises ReleaseConflictError when it
    has other content, OSError when the file system refuses.
    """
    target = directory / release.id
    if _exists_as(release, target):
        return target
    if not directory.is_dir():
        directory.mkdir(parents=True)
        directory.chmod(_DIRECTORY_MODE)
    temporary = Path(tempfile.mkdtemp(prefix=f".{release.id}.", dir=directory))
    try:
        for name, content in release.files.items():
            durable.write_new(temporary / name, content, _FILE_MODE)
        temporary.chmod(_DIRECTORY_MODE)
        durable.flush_directory(temporary)
        try:
            temporary.rename(target)
        except OSError:
            # Somebody else may have written the same release meanwhile.
            if not _exists_as(release, target):
                raise
            return target
        durable.flush_directory(directory)
        return target
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def activate(releases: Path, release_id: str, link: Path) -> None:
    """Points the symlink `link` at a written release, in one step, so that lighttpd takes it up.

    lighttpd notices within a second: a script's inode is another one, and its new modification time reaches
    servers that watch files by inotify, which a renamed link alone does not. Raises FileNotFoundError when
    there is no such release, OSError when the file system refuses.
    """
    target = releases / release_id
    if not is_id(release_id) or not (target / "manifest.json").is_file():
        raise FileNotFoundError(f"no release `{release_id}` in {releases}")
    destination = Path(os.path.relpath(target, link.parent.resolve()) if _is_beside(target, link) else target)
    with tempfile.TemporaryDirectory(prefix=f".{link.name}.", dir=link.parent) as directory:
        temporary = Path(directory) / link.name
        temporary.symlink_to(destination)
        temporary.replace(link)
    durable.flush_directory(link.parent)
    for script in ("request.lua", "response.lua"):
        os.utime(link / script)


def _is_beside(target: Path, link: Path) -> bool:
    """Whether target and link share a parent closely enough for a relative link to survive a move of both."""
    return target.parent.parent.resolve() == link.parent.resolve()


def _exists_as(release: Release, target: Path) -> bool:
    """Whether the release is on disk; raises ReleaseConflictError when something else is."""
    if not target.exists():
        return False
    found = {path.name: path.read_bytes() for path in target.iterdir()}
    if found != dict(release.files):
        raise ReleaseConflictError(f"`{target}` exists with other content")
    return True
