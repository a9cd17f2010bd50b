"""The private directories of sessions, and finding the running ones."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from luagen.dev import rundir
from luagen.dev.rundir import AuthRecord, SessionRecord
from luagen.failure import Failure

RECORD = SessionRecord(
    pid=os.getpid(),
    policy="/etc/lightgate/lightgate.toml",
    url="http://127.0.0.1:8080",
    auths=(AuthRecord("corp", ("shop",), ("realm_access", "roles"), "http://localhost:9400"),),
)


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(
        prefix="lg", dir="/tmp"
    ) as directory:  # pytest's own is too long for sockets
        monkeypatch.setenv("XDG_RUNTIME_DIR", directory)
        yield Path(directory)


def test_a_session_directory_is_private_and_gone_afterwards(runtime: Path) -> None:
    with rundir.session_directory() as directory:
        assert directory.parent == runtime / "lightgate"
        assert [path.stat().st_mode & 0o777 for path in (directory, directory.parent)] == [0o700, 0o700]
        (directory / "file").write_text("x")
    assert list(runtime.iterdir()) == []


def test_the_users_directory_stays_while_another_session_lives_there(runtime: Path) -> None:
    with rundir.session_directory() as first:
        with rundir.session_directory():
            pass
        assert list((runtime / "lightgate").iterdir()) == [first]


def test_a_running_session_is_found() -> None:
    with rundir.session_directory() as directory:
        rundir.write_record(directory, RECORD)
        assert rundir.running_sessions() == [RECORD]
    assert rundir.running_sessions() == []


def test_what_is_left_of_an_ended_session_is_passed_over() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    with rundir.session_directory() as directory:
        rundir.write_record(directory, SessionRecord(pid=ended.pid, policy="", url="", auths=()))
        assert rundir.running_sessions() == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}', '{"format": 1, "pid": "x"}'])
def test_a_damaged_record_is_passed_over(text: str) -> None:
    with rundir.session_directory() as directory:
        (directory / rundir.RECORD).write_text(text)
        assert rundir.running_sessions() == []


def test_a_directory_that_others_can_read_is_refused(runtime: Path) -> None:
    directory = runtime / "lightgate"
    directory.mkdir()
    directory.chmod(0o755)
    with pytest.raises(Failure) as caught:
        rundir.user_directory()
    assert str(caught.value) == f"error: others can read `{directory}`\n  = help: chmod 700 {directory}"


def test_a_link_in_place_of_the_directory_is_refused(runtime: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (runtime / "lightgate").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Failure) as caught:
        rundir.user_directory()
    assert str(caught.value) == (
        f"error: `{runtime}/lightgate` is not a directory of yours\n"
        "  = help: remove it, or set XDG_RUNTIME_DIR"
    )


def test_a_long_or_unusable_runtime_directory_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for unusable in ("/" + "x" * 100, "relative", "/proc/none", '/tmp/"', "/tmp/a b"):
        monkeypatch.setenv("XDG_RUNTIME_DIR", unusable)
        assert rundir.user_directory() == Path(f"/tmp/lightgate-{os.getuid()}")
