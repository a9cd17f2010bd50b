"""Releases: their content hash, and putting them on disk whole or not at all."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from luagen import durable, model
from luagen.artifacts import draft
from luagen.deployment import Deployment

ID_LENGTH = 20  # hexadecimal digits, 80 bits: no collisions by accident, and short in logs and file names

_ID = re.compile(rf"[0-9a-f]{{{ID_LENGTH}}}")

# Stands for the id while the id is computed; of its length, so that line breaks fall alike.
_PLACEHOLDER = "0" * ID_LENGTH

_DIRECTORY_MODE = 0o755  # lighttpd reads the scripts as the user that it drops to
_FILE_MODE = 0o644

_SCRIPTS = ("request.lua", "response.lua")

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # renameat2(2)


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
    release = draft(policy, deployment)
    for name, content in release.files(_PLACEHOLDER).items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    release_id = digest.hexdigest()[:ID_LENGTH]
    return Release(release_id, release.files(release_id))


def write_release(release: Release, directory: Path) -> Path:
    """Writes `directory/<id>/` whole or not at all and returns its path.

    A release that is there already with the same content is left alone. Raises ReleaseConflictError when it
    has other content, OSError when the file system refuses.
    """
    target = directory / release.id
    if _exists_as(release, target):
        return target
    with _written(release, directory) as temporary:
        try:
            temporary.rename(target)
        except OSError:
            # Somebody else may have written the same release meanwhile.
            if not _exists_as(release, target):
                raise
            return target
        durable.flush_directory(directory)
    return target


def is_changed(release: Release, directory: Path) -> bool:
    """Whether `directory/<id>` is there and is not what its id says. Raises OSError."""
    target = directory / release.id
    return os.path.lexists(target) and not _is(release, target)


def repair_release(release: Release, directory: Path) -> None:
    """Puts the whole release in the place of a `directory/<id>` that has other content, so that lighttpd
    takes it up. A link to it never points to nothing, or not for longer than a rename where the file system
    cannot exchange two names.

    Killed on the way this leaves temporaries, whose names start with a dot. Raises OSError when the file
    system refuses.
    """
    target = directory / release.id
    with _written(release, directory) as temporary:
        if not _exchange(temporary, target):
            _replace(temporary, target)
        durable.flush_directory(directory)
        # Only now: servers that watch files by inotify did not watch these.
        for script in _SCRIPTS:
            os.utime(target / script)


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
    for script in _SCRIPTS:
        os.utime(link / script)


def _is_beside(target: Path, link: Path) -> bool:
    """Whether target and link share a parent closely enough for a relative link to survive a move of both."""
    return target.parent.parent.resolve() == link.parent.resolve()


def _exists_as(release: Release, target: Path) -> bool:
    """Whether the release is on disk; raises ReleaseConflictError when something else is."""
    if not target.exists():
        return False
    if not _is(release, target):
        raise ReleaseConflictError(f"`{target}` exists with other content")
    return True


def _is(release: Release, target: Path) -> bool:
    """Whether `target` is a directory of these files and nothing else; links to such files can change."""
    if target.is_symlink() or not target.is_dir():
        return False
    paths = list(target.iterdir())
    if any(path.is_symlink() or not path.is_file() for path in paths):
        return False
    return {path.name: path.read_bytes() for path in paths} == dict(release.files)


@contextmanager
def _written(release: Release, directory: Path) -> Iterator[Path]:
    """A temporary directory in `directory` that holds the release, on disk. What has its name in the end is
    removed."""
    if not directory.is_dir():
        directory.mkdir(parents=True)
        directory.chmod(_DIRECTORY_MODE)
    temporary = Path(tempfile.mkdtemp(prefix=f".{release.id}.", dir=directory))
    try:
        for name, content in release.files.items():
            durable.write_new(temporary / name, content, _FILE_MODE)
        temporary.chmod(_DIRECTORY_MODE)
        durable.flush_directory(temporary)
        yield temporary
    finally:
        _remove(temporary)


def _exchange(first: Path, second: Path) -> bool:
    """Exchanges two names in one step. False, and nothing has changed, where the C library, the kernel or the
    file system cannot."""
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError):
        return False
    status: int = renameat2(
        _AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), ctypes.c_uint(_RENAME_EXCHANGE)
    )
    return status == 0


def _replace(new: Path, target: Path) -> None:
    """Renames `new` to `target`, which is there: in two steps, as a directory cannot be replaced."""
    aside = new.with_name(f"{new.name}.changed")
    target.rename(aside)
    try:
        new.rename(target)
    except OSError:
        aside.rename(target)
        raise
    _remove(aside)


def _remove(path: Path) -> None:
    """A directory, or what somebody put in its place. What cannot be removed stays: its name says that it is
    a temporary."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
