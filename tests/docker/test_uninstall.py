"""`make uninstall` takes away all that `make install` brought, but for what is the operator's."""

from __future__ import annotations

from tests.docker.gated import Gated
from tests.docker.host import NOT_INSTALLED, Entry, Host, snapshot
from tests.docker.tree import working_tree

ROOTS = ["/etc", "/usr", "/var/lib/lightgate", "/var/log/lightgate", "/run/lightgate"]

#: the machine's own, rewritten by tools for users and certificates
MACHINES = (
    "/etc/.pwd.lock",
    "/etc/group",
    "/etc/gshadow",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/subgid",
    "/etc/subuid",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/machine-id",
    "/etc/ssl/",
    "/usr/local/share/ca-certificates",
    "/etc/ld.so.cache",
)


def difference(before: dict[str, Entry], after: dict[str, Entry]) -> set[str]:
    """Paths that are there in one only, or with other content, mode or owner; times of modification aside:
    a directory that had a file of ours has a new one."""

    def of_interest(found: dict[str, Entry], path: str) -> tuple[str, str, str] | None:
        entry = found.get(path)
        return None if entry is None else (entry.mode, entry.owner, entry.content)

    paths = {path for path in before.keys() | after.keys() if not path.startswith(MACHINES)}
    return {path for path in paths if of_interest(before, path) != of_interest(after, path)}


def test_uninstall(fresh_gated: Gated, bare_host: Host) -> None:
    host = fresh_gated.host
    host.checkout(working_tree(without=NOT_INSTALLED))
    said = host.make("uninstall").said
    assert "/etc/lightgate" in said

    assert host.exists("/etc/lightgate/lightgate.toml")
    kept = set(host.run("find", "/etc/lightgate", "-type", "f").out.split())
    assert len([path for path in kept if "/credentials" in path]) == 2

    changed = difference(snapshot(bare_host, *ROOTS), snapshot(host, *ROOTS))
    assert {path for path in changed if not path.startswith("/etc/lightgate")} == set()
    assert host.run("getent", "passwd", "lightgate", status=None).status == 2
    assert host.run("systemctl", "cat", "lightgate.service", status=None).status == 1
    assert host.systemctl("--failed", "--no-legend").out == ""

    # lighttpd serves on, without a gate
    assert host.state("lighttpd.service") == "active"
    assert host.get("/members/page.txt").text == "the members page\n"

    # and an installation finds the operator's policy and credentials again
    host.make("install")
    assert fresh_gated.members(fresh_gated.fresh()).status == 200
    assert fresh_gated.members(fresh_gated.partner()).status == 200
    assert fresh_gated.members(None).status == 401
