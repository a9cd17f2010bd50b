"""`make install` on an ordinary Debian machine: what lies where, for whom, and what the services may do."""

from __future__ import annotations

import re
from http.client import HTTPException

import pytest

from tests.docker.gated import PARTNER_SECRET, POLICY_FILE, Gated
from tests.docker.host import CHECKOUT, INSTALL_TIMEOUT_S, NOT_INSTALLED, Host, mode_and_owner, snapshot
from tests.docker.tree import working_tree
from tests.system.processes import poll

#: path to mode, owner and group; docs/install.md has the table for operators
LAYOUT = {
    "/usr/lib/lightgate": "drwxr-xr-x root:root",
    "/usr/bin/lightgate": "lrwxrwxrwx root:root",
    "/usr/bin/lightgate-sidecar": "lrwxrwxrwx root:root",
    "/usr/lib/systemd/system/lightgate.socket": "-rw-r--r-- root:root",
    "/usr/lib/systemd/system/lightgate.service": "-rw-r--r-- root:root",
    "/usr/lib/sysusers.d/lightgate.conf": "-rw-r--r-- root:root",
    "/usr/lib/tmpfiles.d/lightgate.conf": "-rw-r--r-- root:root",
    "/usr/share/bash-completion/completions/lightgate": "-rw-r--r-- root:root",
    "/usr/share/bash-completion/completions/lightgate-sidecar": "-rw-r--r-- root:root",
    "/usr/share/zsh/vendor-completions/_lightgate": "-rw-r--r-- root:root",
    "/usr/share/fish/vendor_completions.d/lightgate.fish": "-rw-r--r-- root:root",
    "/usr/share/doc/lightgate/README.md": "-rw-r--r-- root:root",
    "/usr/share/doc/lightgate/docs/policy.md": "-rw-r--r-- root:root",
    "/etc/lightgate": "drwxr-xr-x root:root",
    "/etc/lightgate/lightgate.toml": "-rw-r--r-- root:root",
    "/etc/lightgate/credentials": "drwx------ root:root",
    "/etc/lightgate/credentials.encrypted": "drwx------ root:root",
    "/etc/logrotate.d/lightgate": "-rw-r--r-- root:root",
    "/etc/lighttpd/conf-available/04-lightgate.conf": "-rw-r--r-- root:root",
    "/var/lib/lightgate": "drwxr-xr-x root:root",
    "/var/lib/lightgate/releases": "drwxr-xr-x root:root",
    "/var/lib/lightgate/current": "lrwxrwxrwx root:root",
    "/var/log/lightgate": "drwxr-x--- root:adm",
    "/var/log/lightgate/audit.log": "-rw-r----- root:adm",
    "/run/lightgate": "drwxr-s--- lightgate:www-data",
    "/run/lightgate/secrets": "drwxr-s--- lightgate:www-data",
    "/run/lightgate/authorizer.sock": "srw-rw---- lightgate:www-data",
    "/run/lightgate/http.sock": "srw-rw---- lightgate:www-data",
    "/run/lightgate/epoch": "-rw-r--r-- lightgate:www-data",
}

#: where an installation may leave something; caches of the machine itself are not compared
ROOTS = ["/etc", "/usr", "/var/lib/lightgate", "/run/lightgate", "/var/log/lightgate"]
UNITS = ["lightgate.socket", "lightgate.service", "lighttpd.service"]
MAX_EXPOSURE = 1.5


def test_layout(gated: Gated) -> None:
    found = {path: mode_and_owner(gated.host, path) for path in LAYOUT}
    assert found == LAYOUT


def test_links_are_relative(gated: Gated) -> None:
    for name in ("lightgate", "lightgate-sidecar"):
        target = gated.host.run("readlink", f"/usr/bin/{name}").out.strip()
        assert target == f"../lib/lightgate/bin/{name}"


def test_include_stands_before_everything_else(gated: Gated) -> None:
    enabled = gated.host.run("ls", "/etc/lighttpd/conf-enabled").out.split()
    assert enabled[0] == "04-lightgate.conf"
    merged = gated.host.run("lighttpd", "-p", "-f", "/etc/lighttpd/lighttpd.conf").out
    modules = re.findall(r'"(mod_\w+)"', merged.partition("server.modules")[2].partition(")\n")[0])
    assert modules.index("mod_magnet") < modules.index("mod_fastcgi") < modules.index("mod_proxy")


def test_service_is_what_the_unit_says(gated: Gated) -> None:
    host = gated.host
    assert host.property("lightgate.service", "Type").startswith("notify")
    enabled = host.systemctl("is-enabled", "lightgate.service", "lightgate.socket").out.split()
    assert enabled == ["enabled", "enabled"]
    pid = host.property("lightgate.service", "MainPID")
    user = host.run("ps", "-o", "user=", "-p", pid).out.strip()
    assert user == "lightgate"
    groups = host.run("id", "-nG", "lightgate").out.split()
    assert groups == ["lightgate"]
    # the process's own files are root's alone: it is not dumpable, and leaves no core
    refused = host.run("runuser", "-u", "lightgate", "--", "cat", f"/proc/{pid}/environ", status=None)
    assert refused.status != 0
    limits = host.read(f"/proc/{pid}/limits")
    assert re.search(r"Max core file size\s+0\s+0\s", limits)


def test_sockets_are_systemds(gated: Gated) -> None:
    """A socket that outlives the service is what loses no request."""
    host = gated.host
    before = host.run("stat", "-c", "%i", "/run/lightgate/authorizer.sock", "/run/lightgate/http.sock").out
    for name in ("authorizer.sock", "http.sock"):
        assert '"systemd",pid=1,' in host.run("ss", "-Hxlp", "src", f"/run/lightgate/{name}").out
    host.systemctl("restart", "lightgate.service")
    after = host.run("stat", "-c", "%i", "/run/lightgate/authorizer.sock", "/run/lightgate/http.sock").out
    assert after == before
    assert gated.members(gated.fresh()).status == 200


def exposure(host: Host) -> float:
    """What systemd thinks of the sandbox: 0 is none at all to be seen, 10 is no sandbox."""
    said = host.run("systemd-analyze", "--no-pager", "security", "lightgate.service").out
    overall = re.search(r"Overall exposure level for lightgate\.service: ([\d.]+)", said)
    assert overall is not None, said
    return float(overall[1])


def test_exposure(gated: Gated) -> None:
    assert exposure(gated.host) <= MAX_EXPOSURE


#: run inside the service's own sandbox, before the sidecar: says what can be written, and to whom it belongs
PROBE = """\
[Service]
ExecStartPre=/bin/sh -c 'echo "probe user $(id -un) groups $(id -Gn)"; \
  for d in / /boot /etc /etc/lightgate /home /opt /root /run /run/lightgate /run/lightgate/secrets /run/lock \
    /srv /usr /usr/lib/lightgate /var /var/lib /var/lib/lightgate /var/log /var/log/lightgate /dev/shm; do \
    if touch "$d/probe" 2>/dev/null; then rm -f "$d/probe"; echo "probe writable $d"; fi; done; \
  ls /etc/lightgate/credentials >/dev/null 2>&1 && echo "probe credentials readable"; \
  unshare --user true 2>/dev/null && echo "probe namespaces"; \
  mknod /run/lightgate/probe c 1 3 2>/dev/null && echo "probe devices"; \
  chmod u+s /run/lightgate/epoch 2>/dev/null && echo "probe setuid"; true'
"""
DROP_IN = "/etc/systemd/system/lightgate.service.d/probe.conf"


def test_sandbox(gated: Gated) -> None:
    host = gated.host
    host.run("mkdir", "-p", "/etc/systemd/system/lightgate.service.d")
    host.write(DROP_IN, PROBE)
    host.systemctl("daemon-reload")
    try:
        host.systemctl("restart", "lightgate.service")
        invocation = host.property("lightgate.service", "InvocationID")
        said = host.run("journalctl", "--no-pager", "-o", "cat", f"_SYSTEMD_INVOCATION_ID={invocation}").out
    finally:
        host.sh("rm -r /etc/systemd/system/lightgate.service.d && systemctl daemon-reload")
        host.systemctl("restart", "lightgate.service")
    probed = [line.removeprefix("probe ") for line in said.splitlines() if line.startswith("probe ")]
    assert probed == [
        "user lightgate groups lightgate",
        "writable /run/lightgate",
        "writable /run/lightgate/secrets",
    ]


def test_watchdog_ends_a_sidecar_that_hangs(gated: Gated) -> None:
    host = gated.host
    host.run("mkdir", "-p", "/etc/systemd/system/lightgate.service.d")
    host.write(DROP_IN, "[Service]\nWatchdogSec=2\n")
    host.systemctl("daemon-reload")
    try:
        host.systemctl("restart", "lightgate.service")
        pid = host.property("lightgate.service", "MainPID")
        host.run("kill", "-STOP", pid)
        poll(
            "systemd starts another sidecar",
            lambda: host.property("lightgate.service", "MainPID") not in (pid, "0"),
            deadline_s=30,
        )
        poll("callers get in", lambda: gated.gets_in(gated.fresh()))
    finally:
        host.sh("rm -r /etc/systemd/system/lightgate.service.d && systemctl daemon-reload")
        host.systemctl("restart", "lightgate.service")


def test_manual_pages_render(gated: Gated) -> None:
    host = gated.host
    pages = host.sh("ls /usr/share/man/man[158]/lightgate*").out.split()
    names = {page.rpartition("/")[2] for page in pages}
    expected = {"lightgate.1.gz", "lightgate.toml.5.gz", "lightgate-host.toml.5.gz", "lightgate-sidecar.8.gz"}
    commands = ("explain", "test", "diff", "schema", "fmt", "import", "import-netlify")
    assert expected | {f"lightgate-{command}.1.gz" for command in commands} <= names
    for page in pages:
        said = host.run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page)
        assert said.err == "", page
        assert len(said.out) > 500, page
    assert host.run("man", "-w", "lightgate").out.strip() == "/usr/share/man/man1/lightgate.1.gz"


def test_completions_load(gated: Gated) -> None:
    host = gated.host
    for name in ("lightgate", "lightgate-sidecar"):
        path = f"/usr/share/bash-completion/completions/{name}"
        host.run("bash", "-n", path)
        library = "/usr/share/bash-completion/bash_completion"
        loaded = host.run("bash", "-c", f". {library}; . {path}; complete -p {name}")
        assert name in loaded.out
    for words, expected in {
        "lightgate depl": "deploy",
        "lightgate expl": "explain",
        "lightgate import net": "netlify",
    }.items():
        typed = {
            "COMP_WORDS": words,
            "COMP_CWORD": str(words.count(" ")),
            "_LIGHTGATE_COMPLETE": "bash_complete",
        }
        assert expected in host.run("lightgate", environment=typed, status=None).out


def test_logs_rotate(gated: Gated) -> None:
    said = gated.host.run("logrotate", "--debug", "/etc/logrotate.d/lightgate").said
    assert "error" not in said.lower(), said
    assert "/var/log/lightgate/audit.log" in said


@pytest.fixture
def operated(fresh_gated: Gated) -> Gated:
    """A host whose operator has changed what is the operator's."""
    fresh_gated.host.sh(f"echo '# the operator was here' >>{POLICY_FILE}")
    fresh_gated.host.lightgate("deploy", "--comment", "a remark")
    return fresh_gated


def _activations(host: Host) -> dict[str, str]:
    return {unit: host.property(unit, "ActiveEnterTimestampMonotonic") for unit in UNITS}


def test_second_install_changes_nothing(operated: Gated) -> None:
    host = operated.host
    host.checkout(working_tree(without=NOT_INSTALLED))
    before, activations = snapshot(host, *ROOTS), _activations(host)
    said = host.make("install").out
    after = snapshot(host, *ROOTS)
    assert {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)} == set()
    assert _activations(host) == activations
    assert "nothing had to be changed" in said
    assert operated.members(operated.fresh()).status == 200


def test_install_keeps_what_is_the_operators(operated: Gated) -> None:
    """… and puts right what is not."""
    host = operated.host
    host.checkout(working_tree(without=NOT_INSTALLED))
    policy = host.read(POLICY_FILE)
    host.sh("rm /usr/bin/lightgate-sidecar && echo broken >/usr/lib/systemd/system/lightgate.service")
    host.make("install")
    assert host.read(POLICY_FILE) == policy
    credentials = host.lightgate("credential", "list").out
    assert "partner" in credentials and "introspection" in credentials
    assert PARTNER_SECRET not in credentials
    assert "ExecStart=/usr/bin/lightgate-sidecar" in host.read("/usr/lib/systemd/system/lightgate.service")
    poll("callers get in", lambda: operated.gets_in(operated.fresh()))
    assert operated.members(operated.partner()).status == 200


LIGHTTPD = "/etc/lighttpd/lighttpd.conf"
INCLUDE = "/etc/lighttpd/conf-available/04-lightgate.conf"
ENABLED = "/etc/lighttpd/conf-enabled/04-lightgate.conf"

#: with which lighttpd does not start again: a configuration that it refuses, and one that it takes, with an
#: address that somebody else has
REFUSED = 'server.modules += ( "mod_nothere" )'
TAKEN = '$SERVER["socket"] == "127.0.0.1:8181" { }'
SOMEBODY_ELSE = "systemd-run --quiet --unit=other python3 -m http.server --bind 127.0.0.1 8181"


def _install_where_lighttpd_does_not_start(host: Host, line: str) -> str:
    """`make install` when its file for lighttpd is another one than before, as in an upgrade. Returns what it
    said; `_mend` makes lighttpd's configuration what it was."""
    host.checkout(working_tree(without=NOT_INSTALLED))
    host.sh(
        f"echo '# of the version before' >>{INCLUDE}; cp -p {LIGHTTPD} /root/; echo '{line}' >>{LIGHTTPD}"
    )
    done = host.run("make", "install", directory=CHECKOUT, timeout_s=INSTALL_TIMEOUT_S, status=None)
    assert done.status != 0
    return done.err


def _mend(host: Host) -> None:
    host.run("cp", "-p", "/root/lighttpd.conf", LIGHTTPD)


def _strangers_get(gated: Gated, status: int) -> bool:
    """Below /members/. False also while nobody answers."""
    try:
        return gated.members(None).status == status
    except (OSError, HTTPException):
        return False


def test_install_does_not_open_a_guarded_site(fresh_gated: Gated) -> None:
    """A configuration that lighttpd refuses: lighttpd runs on, with the gate."""
    host = fresh_gated.host
    activations = _activations(host)["lighttpd.service"]
    said = _install_where_lighttpd_does_not_start(host, REFUSED)
    assert host.run("readlink", "-e", ENABLED).out.strip() == INCLUDE
    assert _activations(host)["lighttpd.service"] == activations
    assert fresh_gated.members(None).status == 401
    assert "lighttpd refuses its configuration, so it was not restarted" in said
    assert "mod_nothere" in said
    _mend(host)
    host.make("install")
    assert _activations(host)["lighttpd.service"] != activations
    poll("lighttpd refuses strangers", lambda: _strangers_get(fresh_gated, 401))


def test_install_leaves_a_guarded_site_closed(fresh_gated: Gated) -> None:
    """A restart that fails: no lighttpd is better than one without the gate."""
    host = fresh_gated.host
    host.sh(SOMEBODY_ELSE)
    poll("somebody else listens", lambda: "8181" in host.run("ss", "-Hltn").out)
    said = _install_where_lighttpd_does_not_start(host, TAKEN)
    assert host.run("readlink", "-e", ENABLED).out.strip() == INCLUDE
    # Whether systemd has given up or tries again depends on how fast the machine is.
    poll("lighttpd is down", lambda: host.state("lighttpd.service") in ("failed", "activating"))
    assert "lighttpd does not start; lightgate was left in it, so the site is down and not open" in said
    assert "Address already in use" in said
    _mend(host)
    host.systemctl("stop", "lighttpd.service")
    host.systemctl("reset-failed", "lighttpd.service", status=None)
    host.systemctl("start", "lighttpd.service")
    poll("lighttpd refuses strangers", lambda: _strangers_get(fresh_gated, 401))


def test_install_takes_out_what_it_has_put_in(fresh_gated: Gated) -> None:
    """A lighttpd that was not guarded before runs on as it was."""
    host = fresh_gated.host
    host.sh("lighty-disable-mod lightgate && systemctl restart lighttpd.service")
    poll("lighttpd runs", lambda: _strangers_get(fresh_gated, 200))
    host.sh(SOMEBODY_ELSE)
    poll("somebody else listens", lambda: "8181" in host.run("ss", "-Hltn").out)
    host.checkout(working_tree(without=NOT_INSTALLED))
    host.sh(f"sed -i '$ a {TAKEN}' {CHECKOUT}/lighttpd/conf/04-lightgate.conf")
    done = host.run("make", "install", directory=CHECKOUT, timeout_s=INSTALL_TIMEOUT_S, status=None)
    assert done.status != 0
    assert "lighttpd does not start with lightgate in it, so it was taken out again" in done.err
    assert "Address already in use" in done.err
    assert host.run("test", "-e", ENABLED, status=None).status == 1
    assert host.state("lighttpd.service") == "active"
    assert _strangers_get(fresh_gated, 200)
