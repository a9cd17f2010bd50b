from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sidecar import epoch
from sidecar.files import write_atomically
from sidecar.published import publish


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_writes_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "a"
    (tmp_path / f".a.{os.getpid()}.new").write_bytes(b"left over")
    assert write_atomically(path, b"one", mode=0o640)
    assert write_atomically(path, b"two", mode=0o640)
    assert (path.read_bytes(), mode(path), names(tmp_path)) == (b"two", 0o640, ["a"])


def test_leaves_nothing_behind_when_it_fails(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError):
        write_atomically(tmp_path / "a", b"x", mode=0o600)
    assert names(tmp_path) == ["a"]


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as failure:
        write_atomically(tmp_path / "run" / "epoch", b"", mode=0o600)
    assert (failure.value.filename, failure.value.strerror) == (str(tmp_path / "run"), "no such directory")


def test_the_epoch_file_is_a_new_one_each_time(tmp_path: Path) -> None:
    path = tmp_path / "epoch"
    epoch.renew(path)
    with path.open() as first:
        epoch.renew(path)
        assert os.fstat(first.fileno()).st_ino != path.stat().st_ino
    assert mode(path) == 0o644


def test_publishes_secrets(tmp_path: Path) -> None:
    directory = tmp_path / "secrets"
    assert publish(directory, {"a": b"one", "b": b"two"})
    assert (mode(directory), mode(directory / "a")) == (0o750, 0o640)
    unchanged = (directory / "a").stat()
    assert publish(directory, {"a": b"one", "c": b"three"})
    assert names(directory) == ["a", "c"]
    assert (directory / "a").stat() == unchanged
    assert publish(directory, {"a": b"changed"})
    assert (directory / "a").read_bytes() == b"changed"


def test_the_setgid_bit_of_the_directory_stays(tmp_path: Path) -> None:
    """As packaged: without it, secrets would get a group that lighttpd is not in."""
    directory = tmp_path / "secrets"
    directory.mkdir()
    for found, becomes in ((0o2750, 0o2750), (0o2755, 0o750), (0o777, 0o750)):
        directory.chmod(found)
        publish(directory, {"a": b"one"})
        assert mode(directory) & 0o6777 == becomes, oct(found)


def test_a_secret_that_too_many_can_read_is_written_anew(tmp_path: Path) -> None:
    directory = tmp_path / "secrets"
    publish(directory, {"a": b"one"})
    (directory / "a").chmod(0o644)
    publish(directory, {"a": b"one"})
    assert mode(directory / "a") == 0o640


def test_the_group_is_the_directorys(tmp_path: Path) -> None:
    groups = [group for group in os.getgroups() if group != os.getgid()] if os.getuid() != 0 else [12345]
    for group in groups[:1]:
        os.chown(tmp_path, -1, group)
        assert publish(tmp_path / "secrets", {"a": b"one"})
        assert (tmp_path / "secrets" / "a").stat().st_gid == group
