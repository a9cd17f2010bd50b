"""A lighttpd host: a Debian machine with systemd as PID 1 and, once installed, lightgate.

lighttpd's port 80 is reached at 127.0.0.1:`port`. No machine is privileged: systemd needs CAP_SYS_ADMIN,
the tests need CAP_NET_ADMIN to cut the network.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.docker.engine import Engine
from tests.docker.images import cached, commit, digest_of
from tests.docker.machine import Done, Machine
from tests.docker.tree import working_tree
from tests.system.processes import poll
from tests.system.wire import Fields, Response, request

BOOT_DEADLINE_S = 60
INSTALL_TIMEOUT_S = 600  # a virtual environment with wheels from the index, on two busy cores
CHECKOUT = "/root/lightgate"
#: what `make install` reads nothing of: a change there installs nothing anew
NOT_INSTALLED = (".ci/", "bench/", "tests/")
CA_FILE = "/usr/local/share/ca-certificates/session.crt"

#: `degraded` is up as well: what failed is for tests to say
UP = ("running", "degraded")


class Host(Machine):
    """A host that runs. Ended by `remove`."""

    def __init__(self, engine: Engine, suite: str, image: str, authority: bytes, role: str = "host") -> None:
        self.engine = engine
        self.suite = suite
        name = engine.name(f"{role}-{suite}")
        container = engine.client.containers.run(
            image,
            detach=True,
            name=name,
            hostname=name,
            labels=engine.labels,
            network=engine.network.name,
            ports={"80/tcp": ("127.0.0.1", None)},
            cap_add=["SYS_ADMIN", "NET_ADMIN"],
            security_opt=["seccomp=unconfined", "apparmor=unconfined"],
            cgroupns="host",
            volumes={"/sys/fs/cgroup": {"bind": "/sys/fs/cgroup", "mode": "rw"}},
            tmpfs={"/run": "", "/run/lock": ""},
        )
        super().__init__(container)
        self.wait_until_up()
        self.write(CA_FILE, authority)
        self.run("update-ca-certificates")

    # --- the machine ---

    def wait_until_up(self) -> None:
        poll("systemd is up", self._is_up, BOOT_DEADLINE_S)
        self.port = self.published(80)

    def _is_up(self) -> bool:
        self.container.reload()
        assert self.container.status == "running", self.container.logs().decode("utf-8", "replace")
        return self.run("systemctl", "is-system-running", status=None).out.strip() in UP

    def reboot(self) -> None:
        """As after a power cut: nothing but the disk is left. The published port can change."""
        self.container.restart(timeout=20)
        self.wait_until_up()

    def systemctl(self, *arguments: str, status: int | None = 0) -> Done:
        return self.run("systemctl", *arguments, status=status)

    def property(self, unit: str, name: str) -> str:
        return self.systemctl("show", "--value", "--property", name, unit).out.strip()

    def state(self, unit: str) -> str:
        """`active`, `inactive`, `failed` …"""
        return self.property(unit, "ActiveState")

    def journal(self, unit: str, lines: int = 200) -> str:
        return self.run(
            "journalctl", "--no-pager", "-o", "cat", "-n", str(lines), "-u", unit, status=None
        ).out

    def logs(self) -> str:
        """What a failing test's report shows."""
        parts = [self.run("systemctl", "--failed", "--no-legend", status=None).said]
        for unit in ("lightgate.service", "lighttpd.service"):
            lines = self.journal(unit, 2000).splitlines()
            told = [line for line in lines if '"event": "refused"' not in line]  # a load has thousands
            parts.append("\n".join([f"--- {unit}", *told[-60:]]))
        errors = self.run("tail", "-n", "60", "/var/log/lighttpd/error.log", status=None).said
        return "\n".join([*parts, f"--- lighttpd's error log\n{errors}"])

    # --- lightgate ---

    def checkout(self, tree: bytes) -> None:
        """Unpacks a tree (tree.py) as CHECKOUT, in place of an earlier one."""
        self.sh(f"rm -rf {CHECKOUT} && mkdir {CHECKOUT}")
        self.unpack(CHECKOUT, tree)

    def make(self, *arguments: str, timeout_s: float = INSTALL_TIMEOUT_S) -> Done:
        return self.run("make", "--no-print-directory", *arguments, directory=CHECKOUT, timeout_s=timeout_s)

    def lightgate(self, *arguments: str, status: int | None = 0, stdin: bytes | None = None) -> Done:
        return self.run("lightgate", *arguments, status=status, stdin=stdin)

    # --- what is asked of it ---

    def get(self, target: str, fields: Fields = ()) -> Response:
        return request(self.port, target, fields)

    def get_inside(self, target: str) -> Response:
        """A request from the host itself, as an operator sends it with curl."""
        done = self.run("curl", "-sS", "-i", "--max-time", "10", f"http://127.0.0.1{target}")
        head, _, body = done.out.replace("\r\n", "\n").partition("\n\n")
        status, *lines = head.split("\n")
        pairs = (line.partition(":") for line in lines)
        fields = tuple((name, value.strip()) for name, _, value in pairs)
        return Response(int(status.split()[1]), fields, body.encode())


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a host. `content` is a digest, the target of a link, or empty."""

    mode: str
    owner: str
    modified: str
    content: str


_SNAPSHOT = """\
import hashlib, os, sys, json, stat, pwd, grp
def name(lookup, number):
    try: return lookup(number)[0]
    except KeyError: return str(number)
def look(path):
    s = os.lstat(path)
    kind = stat.S_IFMT(s.st_mode)
    content = ""
    if kind == stat.S_IFREG: content = hashlib.sha256(open(path, "rb").read()).hexdigest()
    if kind == stat.S_IFLNK: content = os.readlink(path)
    owner = name(pwd.getpwuid, s.st_uid) + ":" + name(grp.getgrgid, s.st_gid)
    return [stat.filemode(s.st_mode), owner, str(s.st_mtime_ns), content]
found = {}
for root in sys.argv[1:]:
    if os.path.lexists(root): found[root] = look(root)
    for directory, directories, files in os.walk(root):
        if "__pycache__" in directories: directories.remove("__pycache__")
        for name_ in directories + files:
            path = os.path.join(directory, name_)
            found[path] = look(path)
json.dump(found, sys.stdout)
"""


def snapshot(host: Machine, *roots: str) -> dict[str, Entry]:
    """Everything below these paths, the paths themselves included; compiled Python left out."""
    found = host.run("python3", "-c", _SNAPSHOT, *roots, timeout_s=120).json()
    return {path: Entry(*fields) for path, fields in found.items()}


def mode_and_owner(host: Machine, path: str) -> str:
    """Such as `drwxr-xr-x root:root`."""
    return host.run("stat", "--format", "%A %U:%G", path).out.strip()


def lighttpd_version(host: Machine) -> tuple[int, ...]:
    match = re.search(r"lighttpd/(\d+)\.(\d+)\.(\d+)", host.run("lighttpd", "-v").out)
    assert match is not None
    return tuple(int(part) for part in match.groups())


@dataclass(frozen=True, slots=True)
class Installation:
    """Names of images: a machine before `make install`, and after."""

    base: str
    image: str


def installation(engine: Engine, suite: str, base: str, authority: bytes) -> Installation:
    """Runs `make install` of this tree, unless that very tree was installed on that very machine before."""
    tree = working_tree(without=NOT_INSTALLED)
    digest = digest_of(base, tree)
    image = cached(engine, "installed", suite, digest)
    if image is None:
        host = Host(engine, suite, base, authority)
        host.checkout(tree)
        host.make("install")
        image = commit(engine, host.container, "installed", suite, digest)
        host.remove()
    return Installation(base, image)
