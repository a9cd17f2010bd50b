"""A deploy that is killed between any two system calls leaves the old release in force or the new, whole."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from luagen import compile_policy
from luagen.host.deploy import Deployer
from luagen.host.release_store import ReleaseStore
from luagen.host.settings import HostSettings
from tests.host.site import POLICY
from tests.system.processes import REPOSITORY

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

#: every system call by which the state directory can change
CALLS = (
    "openat,write,pwrite64,ftruncate,fsync,fchmod,chmod,fchmodat,mkdir,mkdirat,rename,renameat,renameat2,symlink,"
    "symlinkat,link,linkat,unlink,unlinkat,rmdir,utimensat,utime,utimes,fchown,chown,fchownat"
)

DEPLOY = """
import sys
from pathlib import Path
from tests.host.test_deploy_killed import deploy
deploy(Path(sys.argv[1]))
"""


def settings(directory: Path) -> HostSettings:
    return HostSettings(
        policy=directory / "lightgate.toml",
        state_directory=directory / "state",
        run_directory=directory / "run",
        log_directory=directory / "log",
        lighttpd="/there/is/none",
        keep_releases=2,
    )


def deploy(directory: Path) -> str:
    """All of `lightgate deploy --offline` that touches the state directory. Returns what was pruned."""
    host = settings(directory)
    compilation = compile_policy(host.policy, host.deployment())
    assert compilation.release is not None
    assert compilation.policy is not None
    said: dict[str, str] = {}
    deployer = Deployer(host, said.__setitem__, comment="", offline=True)
    deployer.deploy(compilation.release, compilation.policy)
    return said.get("prune", "")


@dataclass(frozen=True, slots=True)
class Moment:
    """The `number`th system call of this name; `shown`: as strace shows it."""

    call: str
    number: int
    shown: str


def strace(directory: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["strace", "-f", "-qq", "-y", *options, sys.executable, "-c", DEPLOY, str(directory)],
        cwd=REPOSITORY,
        env={"PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        timeout=60,
        check=False,
    )


def moments(directory: Path) -> list[Moment]:
    """The calls of one deploy that change the state directory, in order."""
    log = directory / "strace"
    done = strace(directory, "-o", str(log), "-e", f"trace={CALLS}")
    assert done.returncode == 0, done.stderr
    counts: dict[str, int] = {}
    found = []
    for line in log.read_text(errors="replace").splitlines():
        call = re.match(r"(?:\d+ +)?(\w+)\(", line)
        assert call, line
        counts[call[1]] = counts.get(call[1], 0) + 1
        if str(directory / "state") in line and (call[1] != "openat" or "O_CREAT" in line):
            found.append(Moment(call[1], counts[call[1]], line))
    return found


def check_whole(directory: Path, allowed: set[str]) -> None:
    current = directory / "state" / "current"
    release = current.readlink().name
    assert release in allowed
    manifest = json.loads((current / "manifest.json").read_text())
    assert manifest["release"] == release
    assert {path.name for path in current.iterdir()} == {
        "manifest.json",
        *(file["name"] for file in manifest["files"]),
    }
    for file in manifest["files"]:
        assert sha256((current / file["name"]).read_bytes()).hexdigest() == file["sha256"]
    assert json.loads((current / "sidecar.json").read_text())["release"] == release
    assert f'"{release}"' in (current / "request.lua").read_text()
    assert (directory / "state" / "releases" / f"{release}.json").is_file()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A state directory in which `old` is in force, and the moments of a deploy of `new` to a copy of it.
    `way`: what was in force until then, `old` last."""

    directory: Path
    work: Path
    way: tuple[str, ...]
    old: str
    new: str
    moments: list[Moment]

    def reset(self) -> None:
        """Makes `work` such a copy. Its releases were built for other paths, which does not matter here."""
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.directory, self.work, symlinks=True)

    def in_force(self) -> str:
        return (self.work / "state" / "current").readlink().name

    def inject(self, moment: Moment, what: str) -> subprocess.CompletedProcess[bytes]:
        """A deploy to which `what` happens at this moment."""
        return strace(
            *(self.work, "-o", "/dev/null", "-e", f"trace={moment.call}"),
            *("-e", f"inject={moment.call}:{what}:when={moment.number}"),
        )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    assert shutil.which("strace"), "apt-get install strace"
    root = tmp_path_factory.mktemp("killed")
    directory, work = root / "prepared", root / "work"
    directory.mkdir()
    policy = directory / "lightgate.toml"
    policy.write_text(f"{POLICY}# 1\n")
    deploy(directory)
    first = (directory / "state" / "current").readlink().name
    policy.write_text(f"{POLICY}# 2\n")
    deploy(directory)
    old = (directory / "state" / "current").readlink().name
    policy.write_text(f"{POLICY}# new\n")
    shutil.copytree(directory, work, symlinks=True)
    found = moments(work)
    new = (work / "state" / "current").readlink().name
    assert new != old
    assert len(found) > 40
    assert {"rename", "symlink", "fsync", "write"} <= {moment.call for moment in found}
    return Prepared(directory, work, (first, old), old, new, found)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """The same where `new` was in force before: a policy that came back."""
    assert shutil.which("strace"), "apt-get install strace"
    root = tmp_path_factory.mktemp("known")
    directory, work = root / "prepared", root / "work"
    work.mkdir()
    way: list[str] = []
    for number in (1, 2, 3):
        (work / "lightgate.toml").write_text(f"{POLICY}# {number}\n")
        deploy(work)
        way.append((work / "state" / "current").readlink().name)
    (work / "lightgate.toml").write_text(f"{POLICY}# 2\n")
    shutil.copytree(work, directory, symlinks=True)
    found = moments(work)
    assert (work / "state" / "current").readlink().name == way[1]
    return Prepared(directory, work, tuple(way), way[-1], way[1], found)


def test_killed_at_any_moment(prepared: Prepared) -> None:
    work, new = prepared.work, prepared.new
    seen = set()
    for moment in prepared.moments:
        prepared.reset()
        done = prepared.inject(moment, "signal=KILL")
        assert done.returncode == -signal.SIGKILL, (moment, done)
        check_whole(work, {prepared.old, new})
        check_way(prepared)
        seen.add(prepared.in_force())
        deploy(work)
        check_whole(work, {new})
        assert [path.name for path in (work / "state").rglob(".*")] == [], moment
        assert len(list((work / "state" / "releases").glob("*.json"))) == 2, moment
    assert seen == {prepared.old, new}


def check_way(prepared: Prepared) -> None:
    """The way back is that of the release in force."""
    way = prepared.way if prepared.in_force() == prepared.old else (*prepared.way, prepared.new)
    assert ReleaseStore(prepared.work / "state").way() == way


def test_a_release_that_comes_back_keeps_the_way_when_it_is_killed(known: Prepared) -> None:
    seen = set()
    for moment in known.moments:
        if moment.call not in ("rename", "symlink", "fsync"):
            continue  # one in between each two of these is like another
        known.reset()
        assert known.inject(moment, "signal=KILL").returncode == -signal.SIGKILL
        check_whole(known.work, {known.old, known.new})
        check_way(known)
        seen.add(known.in_force())
        deploy(known.work)
        assert known.in_force() == known.new
        check_way(known)
    assert seen == {known.old, known.new}


def test_a_repair_that_is_killed(tmp_path: Path) -> None:
    """What was changed stands there, or what is right; never nothing."""
    assert shutil.which("strace"), "apt-get install strace"
    directory, work = tmp_path / "prepared", tmp_path / "work"
    work.mkdir()
    (work / "lightgate.toml").write_text(POLICY)
    deploy(work)
    release = (work / "state" / "current").readlink().name
    script = work / "state" / "current" / "request.lua"
    right, changed = script.read_text(), "return 0\n"
    script.write_text(changed)
    shutil.copytree(work, directory, symlinks=True)
    repaired = Prepared(directory, work, (release,), release, release, moments(work))
    assert script.read_text() == right
    seen = set()
    for moment in repaired.moments:
        if moment.call not in ("mkdir", "rename", "renameat2", "fsync", "unlinkat", "rmdir", "utimensat"):
            continue
        repaired.reset()
        assert repaired.inject(moment, "signal=KILL").returncode == -signal.SIGKILL
        assert repaired.in_force() == release
        seen.add(script.read_text())
        assert script.read_text() in (right, changed)
        deploy(work)
        check_whole(work, {release})
        assert script.read_text() == right
        assert [path.name for path in (work / "state").rglob(".*")] == [], moment
    assert seen == {right, changed}


@pytest.mark.parametrize("call", ["symlink", "rename"])
def test_a_release_that_did_not_come_back_keeps_its_record(known: Prepared, call: str) -> None:
    failed = 0
    for moment in (one for one in known.moments if one.call == call):
        known.reset()
        record = known.work / "state" / "releases" / f"{known.new}.json"
        before = record.read_bytes()
        if known.inject(moment, "error=ENOSPC").returncode == 0:
            continue
        failed += 1
        check_whole(known.work, {known.old})
        check_way(known)
        assert record.read_bytes() == before, moment
    assert failed


@pytest.mark.parametrize("call", ["mkdir", "symlink", "rename", "write"])
def test_a_disk_that_is_full_from_then_on(prepared: Prepared, call: str) -> None:
    """The old release stays in force and the command says why, or the new one is there and all is well."""
    failed = 0
    for moment in (one for one in prepared.moments if one.call == call):
        prepared.reset()
        done = prepared.inject(moment, "error=ENOSPC")
        said = done.stderr.decode()
        if done.returncode == 0:
            check_whole(prepared.work, {prepared.new})
        else:
            failed += 1
            check_whole(prepared.work, {prepared.old})
            assert re.search(r"Failure: error: cannot .*: no space left on device\n", said), (moment, said)
            assert "help: the disk is full" in said
        deploy(prepared.work)
        check_whole(prepared.work, {prepared.new})
    assert failed
