from __future__ import annotations

import errno
import json
import os
import pwd
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from luagen.failure import Failure
from luagen.host import audit, file_errors, operator
from luagen.host.lock import exclusive
from tests.system.processes import poll

HOLD = """
import sys, time
from pathlib import Path
from luagen.host.lock import exclusive
with exclusive(Path(sys.argv[1]), "deploy"):
    print("ready", flush=True)
    time.sleep(60)
"""


def test_the_second_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    first = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE)
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == b"ready\n"
        with (
            pytest.raises(Failure, match=rf"`lightgate deploy` of \S+, pid {first.pid}, 20"),
            exclusive(tmp_path, "rollback", wait_s=0.1),
        ):
            pytest.fail("two at once")
    finally:
        first.kill()
        first.wait()
    with exclusive(tmp_path, "rollback", wait_s=0.1):  # a lock dies with its process
        assert "rollback" in (tmp_path / "lock").read_text()


def test_the_second_waits_for_a_while(tmp_path: Path) -> None:
    first = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE)
    assert first.stdout is not None
    first.stdout.readline()
    ending = subprocess.Popen(["sh", "-c", f"sleep 0.3; kill -9 {first.pid}"])
    with exclusive(tmp_path, "deploy", wait_s=20):
        poll("the first has ended", lambda: first.poll() is not None)
    ending.wait()


def test_nobody_else_can_hold_the_lock(tmp_path: Path) -> None:
    """Whoever can open the file can lock it."""
    with exclusive(tmp_path / "new" / "state", "deploy"):
        assert stat.S_IMODE((tmp_path / "new" / "state" / "lock").stat().st_mode) == 0o600


def test_lines_are_added_to_the_audit_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log" / "audit.log"
    monkeypatch.delenv("SUDO_USER", raising=False)
    audit.append(log, "deploy", release="r1", previous=None, comment="two\nlines")
    audit.append(log, "rollback", release="r2", previous="r1")
    first, second = map(json.loads, log.read_text().splitlines())
    assert first.pop("time") <= second.pop("time")
    me = pwd.getpwuid(os.geteuid()).pw_name
    assert first == {
        "event": "deploy",
        "release": "r1",
        "previous": None,
        "comment": "two\nlines",
        "by": me,
    }
    assert second == {"event": "rollback", "release": "r2", "previous": "r1", "by": me}
    assert stat.S_IMODE(log.stat().st_mode) & 0o007 == 0


def test_the_person_behind_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "alice")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert operator.name() == "alice"
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)  # only root is started by sudo
    assert operator.name() == "4000000"


@pytest.mark.parametrize(
    ("number", "help"), [(errno.EACCES, "sudo"), (errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only")]
)
def test_what_the_file_system_refuses(number: int, help: str) -> None:
    failure = file_errors.failure(OSError(number, os.strerror(number), "/var/x"), "deploy")
    assert failure.message == f"cannot deploy: `/var/x`: {os.strerror(number).lower()}"
    assert failure.help is not None
    assert help in failure.help
