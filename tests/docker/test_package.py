"""`make deb`: the package builds, passes lintian, and comes and goes as Debian's packages do."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest

from tests.docker.engine import Engine
from tests.docker.gated import PARTNER_SECRET, POLICY_FILE, gate_in_force
from tests.docker.host import CHECKOUT, NOT_INSTALLED, Host, Installation, mode_and_owner, snapshot
from tests.docker.images import packager_image
from tests.docker.load import load, mixed
from tests.docker.machine import Machine
from tests.docker.test_install import LAYOUT, MAX_EXPOSURE, ROOTS, exposure
from tests.docker.test_uninstall import difference
from tests.docker.tree import working_tree
from tests.system.identity_provider import Provider
from tests.system.processes import REPOSITORY, poll

BUILD_TIMEOUT_S = 400
OLD_VERSION = "0.0.1"
PACKAGE = "/root/lightgate.deb"
#: prints libraries that came without the text of their license, which debian/copyright says they have
WITHOUT_LICENSE = """\
for library in /usr/lib/lightgate/lib/python3.*/site-packages/*.dist-info; do
  find "$library" -iname '*licen*' -type f -size +0 | grep -q . || echo "$library"
done
"""


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, timeout=60, check=False)
    return done.stdout if done.returncode == 0 else b""


def previous_release() -> bytes | None:
    """The latest release tag's source that can build a package, as a tar archive; None before the first."""
    for tag in _git("tag", "--list", "v*", "--sort=-version:refname", "--merged", "HEAD").decode().split():
        is_this = _git("rev-parse", f"{tag}^{{commit}}") == _git("rev-parse", "HEAD")
        if not is_this and _git("ls-tree", tag, "scripts/build-deb"):
            return _git("archive", "--format=tar", tag)
    return None


def build(machine: Machine, tree: bytes) -> bytes:
    """The package of a source tree, as bytes. lintian has nothing to say about it."""
    machine.run("rm", "-rf", CHECKOUT)
    machine.run("mkdir", CHECKOUT)
    machine.unpack(CHECKOUT, tree)
    said = machine.run("make", "deb", directory=CHECKOUT, timeout_s=BUILD_TIMEOUT_S).said
    assert re.findall(r"^[EW]: lightgate: .*", said, re.M) == []
    return _only_package(machine, f"{CHECKOUT}/dist")


def older(machine: Machine, package: bytes) -> bytes:
    """The same package under a lower version."""
    machine.write("/root/new.deb", package)
    machine.sh(
        "rm -rf /root/old && mkdir /root/old && dpkg-deb -R /root/new.deb /root/old/tree && "
        f"sed -i 's/^Version: .*/Version: {OLD_VERSION}/' /root/old/tree/DEBIAN/control && "
        "dpkg-deb --root-owner-group -b /root/old/tree /root/old/old.deb"
    )
    return _only_package(machine, "/root/old")


def _only_package(machine: Machine, directory: str) -> bytes:
    (path,) = machine.sh(f"ls {directory}/*.deb").out.split()
    return machine.read_bytes(path)


@pytest.fixture(scope="module")
def package_builds(engine: Engine) -> dict[str, tuple[bytes, bytes]]:
    """Release to the package of this tree and one before it; filled by `packages`."""
    return {}


@pytest.fixture
def packages(
    engine: Engine,
    installed: Installation,
    suite: str,
    idle: Callable[[str], Machine],
    package_builds: dict[str, tuple[bytes, bytes]],
) -> tuple[bytes, bytes]:
    """The package of this tree, and of the release before it."""
    if suite not in package_builds:
        machine = idle(packager_image(engine, suite, installed.base))
        new = build(machine, working_tree(without=NOT_INSTALLED))
        before = previous_release()
        package_builds[suite] = (new, older(machine, new) if before is None else build(machine, before))
    return package_builds[suite]


def apt(host: Host, *arguments: str) -> str:
    done = host.run(
        *("apt-get", "-y", "-qq", "--no-install-recommends", *arguments),
        environment={"DEBIAN_FRONTEND": "noninteractive"},
        timeout_s=180,
    )
    return done.said


def install(host: Host, package: bytes) -> str:
    host.write(PACKAGE, package)
    return apt(host, "install", PACKAGE)


def test_package_comes_and_goes(
    packages: tuple[bytes, bytes], start: Callable[[str], Host], installed: Installation, provider: Provider
) -> None:
    host = start(installed.base)
    before = snapshot(host, *ROOTS)
    install(host, packages[0])
    assert {path: mode_and_owner(host, path) for path in LAYOUT} == LAYOUT
    assert exposure(host) <= MAX_EXPOSURE
    assert host.run("dpkg", "--verify", "lightgate").out == ""
    assert host.sh(WITHOUT_LICENSE).out == ""
    assert host.get_inside("/.lightgate/health").status == 204
    assert host.get("/members/page.txt").status == 200  # the policy that comes with it refuses nobody
    assert host.lightgate("doctor", status=None).status == 0

    gated = gate_in_force(host, provider)
    assert gated.members(None).status == 401
    policy = host.read(POLICY_FILE)

    # removed: the rules stay in force, without a sidecar that could let anybody in anew
    assert "the rules stay in force" in apt(host, "remove", "lightgate")
    assert gated.members(None).status == 401
    assert gated.members(gated.fresh()).status in (500, 503)
    assert host.get("/public/page.txt").status == 200
    assert host.read(POLICY_FILE) == policy
    assert not host.exists("/usr/lib/lightgate")

    install(host, packages[0])
    poll("callers get in", lambda: gated.gets_in(gated.fresh()))
    assert gated.members(gated.partner()).status == 200
    assert gated.members(None).status == 401

    assert "no longer guards" in apt(host, "purge", "lightgate")
    for path in ("/etc/lightgate", "/var/lib/lightgate", "/var/log/lightgate", "/run/lightgate"):
        assert not host.exists(path)
    assert host.systemctl("--failed", "--no-legend").out == ""
    assert difference(before, snapshot(host, *ROOTS)) <= {PACKAGE}
    assert host.get("/members/page.txt").status == 200


def lighttpd_and_socket(host: Host) -> tuple[str, str]:
    """lighttpd's process and the inode of the sidecar's socket."""
    pid = host.systemctl("show", "--property", "MainPID", "--value", "lighttpd.service").out
    return pid, host.run("stat", "-c", "%i", "/run/lightgate/authorizer.sock").out


def test_what_the_administrator_has_done_to_lighttpd_stays(
    packages: tuple[bytes, bytes], start: Callable[[str], Host], installed: Installation
) -> None:
    host = start(installed.base)
    broken = "/etc/lighttpd/conf-enabled/91-broken.conf"
    link = "/etc/lighttpd/conf-enabled/04-lightgate.conf"
    host.write(broken, b"server.tag = (\n")
    pid = host.systemctl("show", "--property", "MainPID", "--value", "lighttpd.service").out
    assert "NOTHING IS GUARDED: lighttpd refuses its configuration" in install(host, packages[1])
    assert not host.exists(link)
    assert host.systemctl("show", "--property", "MainPID", "--value", "lighttpd.service").out == pid
    host.run("rm", broken)

    # disabled, which an upgrade respects
    install(host, packages[0])
    assert not host.exists(link)
    host.run("lighty-enable-mod", "lightgate")
    host.systemctl("stop", "lighttpd.service")
    apt(host, "install", "--reinstall", PACKAGE)
    assert host.exists(link)
    assert host.systemctl("is-active", "lighttpd.service", status=None).out.strip() == "inactive"


def test_upgrade_under_load(
    packages: tuple[bytes, bytes], start: Callable[[str], Host], installed: Installation, provider: Provider
) -> None:
    new, old = packages
    host = start(installed.base)
    install(host, old)
    gated = gate_in_force(host, provider)
    release = host.run("readlink", "/var/lib/lightgate/current").out
    version = host.run("dpkg-query", "-W", "-f", "${Version}", "lightgate").out
    policy = host.read(POLICY_FILE)
    untouched = lighttpd_and_socket(host)
    shots = mixed(gated.fresh_shots(3000), gated.known_shots(), gated.forged_shots(), gated.public_shots())
    with load(host.port, shots, per_second=200) as running:
        install(host, new)
    assert host.run("dpkg-query", "-W", "-f", "${Version}", "lightgate").out != version
    for kind, expected in {"fresh": 200, "known": 200, "public": 200, "forged": 401}.items():
        assert set(running.count(kind)) == {expected}, running.count(kind)
    assert lighttpd_and_socket(host) == untouched
    assert host.read(POLICY_FILE) == policy
    assert host.run("readlink", "/var/lib/lightgate/current").out == release
    assert gated.members(gated.partner(secret=PARTNER_SECRET)).status == 200
    host.lightgate("deploy", "--comment", "compiled anew")
    gated.wait_until("nosniff")
