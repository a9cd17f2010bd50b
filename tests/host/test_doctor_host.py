"""The doctor on release, permissions, services, sidecar and clock: each fault is planted, then named."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from luagen.host.doctor import services
from luagen.host.doctor.facts import Check, Facts
from luagen.host.doctor.finding import Level
from luagen.host.doctor.reach import IssuerSeen
from luagen.host.doctor.run import GROUPS, findings
from tests.host.doctor_at import examine, facts_of, put_in_force, roots_site
from tests.host.site import Site, with_issuer

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other users")


@pytest.fixture
def site() -> Iterator[Site]:
    """With a release, and everything owned by the right users, which are root and root. Nothing runs."""
    with roots_site() as site:
        site.configure(
            lighttpd_user="root",
            sidecar_user="root",
            sealed_credentials_directory=str(site.directory / "credentials.encrypted"),
        )
        put_in_force(site)
        (site.directory / "credentials.encrypted").mkdir(mode=0o700)
        (site.directory / "log").mkdir(mode=0o750)
        (site.directory / "run").chmod(0o2750)
        yield site


# --- checks never raise ------------------------------------------------------------------------------


def raises(error: Exception) -> Check:
    def run(_: Facts) -> Iterator[object]:
        raise error
        yield

    return Check("trial", run)  # type: ignore[arg-type]


def test_an_exception_is_a_finding(site: Site) -> None:
    (found,) = findings(raises(ValueError("secret details")), facts_of(site))
    assert found.level is Level.ERROR
    assert found.message.startswith("trial: cannot be checked, ValueError at test_doctor_host.py:")
    assert "secret details" not in found.message
    assert found.help


def test_what_this_user_may_not_see_is_no_error(site: Site) -> None:
    (found,) = findings(raises(PermissionError(13, "no", "/secret")), facts_of(site))
    assert (found.level, found.message, found.help) == (
        Level.UNSEEN,
        "trial: this user may not look at /secret",
        "sudo lightgate doctor",
    )


def test_nothing_is_there_at_all(site: Site) -> None:
    """Every check ends in findings, none in an exception of its own."""
    shutil.rmtree(site.state)
    shutil.rmtree(site.directory / "run")
    site.lighttpd_config.unlink()
    for group, _ in GROUPS:
        found = examine(site, group)
        assert found.findings
        assert not [message for _, message, _ in found.bad if "cannot be checked" in message]


# --- release -----------------------------------------------------------------------------------------


def test_release_is_well(site: Site) -> None:
    found = examine(site, "release")
    assert found.bad == []
    assert found.messages(Level.OK)[0] == (
        f"release {site.in_force()} is in force, deployed 2026-01-02T03:04:05Z by alice"
    )


def test_no_release(site: Site) -> None:
    site.current.unlink()
    found = examine(site, "release")
    assert found.only() == (
        "error",
        f"no release is in force: there is no link `{site.current}`",
        "sudo lightgate deploy; while lighttpd is down: sudo lightgate deploy --offline",
    )
    assert len(found.messages(Level.UNSEEN)) == 4


def test_a_link_to_nothing(site: Site) -> None:
    shutil.rmtree(site.current.resolve())
    level, message, _ = examine(site, "release").only()
    assert level == "error"
    assert message.endswith("which is not there")


def test_a_link_to_elsewhere(site: Site) -> None:
    elsewhere = site.directory / site.in_force()
    shutil.copytree(site.current.resolve(), elsewhere)
    site.current.unlink()
    site.current.symlink_to(elsewhere)
    level, message, _ = examine(site, "release", "in force").only()
    assert level == "error"
    assert message == f"{site.current} leads to {elsewhere}, which is not a release of this host"


def test_a_file_changed_by_hand(site: Site) -> None:
    script = site.current / "request.lua"
    script.write_text(script.read_text() + "\n-- mine\n")
    release = site.current.resolve()
    level, message, help = examine(site, "release").only()
    assert (level, message) == ("error", f"{release}/request.lua has been changed since it was deployed")
    assert "sudo lightgate deploy writes it anew" in help
    assert "rollback" not in help  # which would put another policy in force, and could open the site


def test_files_too_few_and_too_many(site: Site) -> None:
    (site.current / "response.lua").unlink()
    (site.current / "notes.txt").touch()
    release = site.current.resolve()
    assert [message for _, message, _ in examine(site, "release").bad] == [
        f"{release}/response.lua is missing",
        f"{release}/notes.txt is not part of the release",
    ]


def test_built_by_another_version(site: Site) -> None:
    path = site.current / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["lightgate"] = "0.0.1"
    path.write_text(json.dumps(manifest))
    level, message, help = examine(site, "release").only()
    assert (level, help) == ("warning", "sudo lightgate deploy")
    assert message.startswith("it was built by lightgate 0.0.1, and ")


def test_a_policy_that_has_changed(site: Site) -> None:
    site.policy_file.write_text('default = "deny"\n')
    assert examine(site, "release").only() == (
        "warning",
        f"{site.policy_file} has changed since it was deployed",
        "sudo lightgate deploy",
    )


def test_a_host_file_that_has_changed(site: Site) -> None:
    site.configure(log_decisions=True)
    assert examine(site, "release").only() == (
        "warning",
        "the host file has changed since the deploy: log_decisions",
        "sudo lightgate deploy",
    )


def test_a_release_that_nobody_is_on_record_for(site: Site) -> None:
    (site.state / "releases" / f"{site.in_force()}.json").unlink()
    level, message, _ = examine(site, "release").only()
    assert (level, message) == (
        "warning",
        f"release {site.in_force()} is in force, and nobody is on record for it",
    )


# --- permissions -------------------------------------------------------------------------------------


@as_root
def test_permissions_are_well(site: Site) -> None:
    assert [message for _, message, _ in examine(site, "permissions").bad] == [
        "lighttpd runs as root: nothing on this host is kept from it and its applications"
    ]


def test_users_that_are_not_there(site: Site) -> None:
    site.configure(sidecar_user="no-such-user", lighttpd_user="no-such-user-either")
    assert examine(site, "permissions", "users").bad == [
        ("error", "there is no user `no-such-user`", "sudo systemd-sysusers lightgate.conf"),
        ("error", "there is no user `no-such-user-either`", "set `lighttpd_user` in the host file"),
    ]


@as_root
@pytest.mark.parametrize(
    ("path", "mode", "right"),
    [
        ("state", 0o777, 0o755),
        ("state/releases", 0o700, 0o755),
        ("state/current/request.lua", 0o600, 0o644),
        ("state/current", 0o775, 0o755),
        ("run", 0o755, 0o2750),
        ("log", 0o755, 0o750),
    ],
)
def test_a_wrong_mode(site: Site, path: str, mode: int, right: int) -> None:
    place = (site.directory / path).resolve()
    place.chmod(mode)
    assert examine(site, "permissions", "layout").only() == (
        "error",
        f"{place} has mode {mode:04o}, not {right:04o}",
        f"sudo chmod {right:04o} {place}",
    )


@as_root
def test_a_wrong_owner(site: Site) -> None:
    script = (site.current / "request.lua").resolve()
    shutil.chown(script, "www-data")
    shutil.chown(site.directory / "run", group="www-data")
    assert examine(site, "permissions", "layout").bad == [
        ("error", f"{script} belongs to www-data, not to root", f"sudo chown -h root {script}"),
        (
            "error",
            f"{site.directory}/run belongs to root:www-data, not to root:root",
            f"sudo chown -h root:root {site.directory}/run",
        ),
    ]


@as_root
def test_a_directory_that_is_not_there(site: Site) -> None:
    shutil.rmtree(site.directory / "run")
    assert examine(site, "permissions", "layout").bad == [
        ("error", f"{site.directory}/{name} is not there", "sudo systemd-tmpfiles --create lightgate.conf")
        for name in ("run", "run/secrets")
    ]


@as_root
def test_wrong_modes_where_the_sidecar_may_plant_links(site: Site) -> None:
    """Between the doctor's look and root's chmod, a directory there may become a link to /etc/shadow."""
    keys, secrets = site.directory / "run" / "keys", site.directory / "run" / "secrets"
    keys.mkdir()
    keys.chmod(0o770)
    secrets.chmod(0o755)
    assert examine(site, "permissions", "layout").bad == [
        (
            "error",
            f"{secrets} has mode 0755, not 2750",
            "sudo systemd-tmpfiles --create lightgate.conf",
        ),
        ("error", f"{keys} has mode 0770, not 0700", f"sudo -u root chmod 0700 {keys}"),
    ]


@as_root
@pytest.mark.parametrize("name", ["secrets", "keys", "http.sock"])
@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_that_the_sidecars_user_has_planted(site: Site, name: str, dangling: bool) -> None:
    path = site.directory / "run" / name
    if path.is_dir():
        path.rmdir()
    target = site.directory / "htdocs" / "target"
    if not dangling:
        target.touch(mode=0o644)
    path.symlink_to(target)
    os.chown(path, 54_321, -1, follow_symlinks=False)
    level, message, help = examine(site, "permissions", "layout").only()
    assert (level, message) == ("error", f"{path} is a link of 54321's, and lightgate makes none there")
    assert help.startswith(f"find out who put it there; sudo rm {path}")
    assert "chmod" not in help and "chown" not in help


@as_root
def test_a_directory_that_root_has_moved(site: Site) -> None:
    moved = site.directory / "moved"
    (site.directory / "log").rename(moved)
    (site.directory / "log").symlink_to(moved)
    assert examine(site, "permissions", "layout").bad == []
    moved.chmod(0o700)
    assert examine(site, "permissions", "layout").only() == (
        "error",
        f"{moved} has mode 0700, not 0750",
        f"sudo chmod 0750 {moved}",
    )


# --- what others can change --------------------------------------------------------------------------


@as_root
def test_only_root_can_change_it(site: Site) -> None:
    found = examine(site, "permissions", "changed by others")
    assert found.bad == []
    assert len(found.messages(Level.OK)) == 1


@as_root
@pytest.mark.parametrize(
    ("path", "mode", "endangered"),
    [
        ("lightgate.toml", 0o664, "the policy"),
        ("host.toml", 0o666, "the host file"),
        ("lighttpd.conf", 0o646, "lighttpd's configuration"),
        ("keys/corp.json", 0o620, "the key file {directory}/keys/corp.json"),
        ("keys", 0o777, "the key file {directory}/keys/corp.json"),
        (
            ".",
            0o775,
            "the policy and the host file and the key file {directory}/keys/corp.json and "
            "lighttpd's configuration and the releases and credentials and the sockets",
        ),
    ],
)
def test_what_others_can_change(site: Site, path: str, mode: int, endangered: str) -> None:
    (site.directory / "keys").mkdir(mode=0o755)
    (site.directory / "keys" / "corp.json").touch(mode=0o644)
    site.policy_file.write_text('[auth.corp]\njwks_file = "keys/corp.json"\n')
    place = site.directory / path
    place.chmod(mode)
    assert examine(site, "permissions", "changed by others").only() == (
        "error",
        f"others than root can change {place} (mode {mode:04o}): "
        + endangered.format(directory=site.directory),
        f"sudo chmod go-w {place}",
    )


@as_root
def test_a_directory_for_everybody(site: Site) -> None:
    """In a sticky directory nobody may replace root's file; when that is away, anybody may take its name."""
    with tempfile.NamedTemporaryFile("w", dir="/tmp", suffix=".toml") as policy:
        site.configure(policy=policy.name)
        level, message, help = examine(site, "permissions", "changed by others").only()
    assert (level, message) == ("error", "others than root can change /tmp (mode 1777): the policy")
    assert "chmod" not in help
    assert help == "move that out of /tmp, below a directory that only root can change"


@as_root
def test_what_belongs_to_somebody_else(site: Site) -> None:
    shutil.chown(site.policy_file, "www-data")
    assert examine(site, "permissions", "changed by others").only() == (
        "error",
        f"{site.policy_file} belongs to www-data, who can change the policy",
        f"sudo chown -h root {site.policy_file}",
    )


@as_root
def test_links_on_the_way(site: Site) -> None:
    """The way to a policy goes through the link's own directory, and through those of what it names."""
    links, real = site.directory / "links", site.directory / "real"
    links.mkdir(mode=0o755)
    real.mkdir(mode=0o755)
    (real / "lightgate.toml").touch(0o644)
    (links / "here").symlink_to("../links/../real")
    site.configure(policy=str(links / "here" / "lightgate.toml"))
    check = ("permissions", "changed by others")
    assert examine(site, *check).bad == []
    real.chmod(0o777)
    assert examine(site, *check).only()[1].startswith(f"others than root can change {real} (mode 0777)")
    real.chmod(0o755)
    links.chmod(0o777)
    assert examine(site, *check).only()[1].startswith(f"others than root can change {links} (mode 0777)")
    links.chmod(0o755)
    os.chown(links / "here", 54_321, -1, follow_symlinks=False)
    assert examine(site, *check).only() == (
        "error",
        f"{links}/here belongs to 54321, who can change the policy",
        f"sudo chown -h root {links}/here",
    )


@as_root
def test_links_in_a_circle_end(site: Site) -> None:
    (site.directory / "loop").symlink_to("loop")
    site.configure(policy=str(site.directory / "loop" / "lightgate.toml"))
    assert examine(site, "permissions", "changed by others").only()[0] == "error"


@as_root
def test_a_credential_that_others_read(site: Site) -> None:
    site.credential("partner", "x" * 40)
    path = site.directory / "credentials" / "partner"
    path.chmod(0o644)
    path.parent.chmod(0o755)
    site.configure(
        lighttpd_user="www-data",
        sealed_credentials_directory=str(site.directory / "credentials.encrypted"),
    )
    assert examine(site, "permissions", "credentials", "kept from lighttpd").bad == [
        ("error", f"{path.parent} has mode 0755, not 0700", f"sudo chmod 0700 {path.parent}"),
        ("error", f"{path} has mode 0644, not 0600", f"sudo chmod 0600 {path}"),
        (
            "error",
            f"lighttpd's user `www-data` can read {path}",
            f"sudo chmod 0600 {path} && sudo chmod 0700 {path.parent}; then rotate that secret",
        ),
    ]
    path.parent.chmod(0o700)  # now the directory keeps it
    assert examine(site, "permissions", "kept from lighttpd").bad == []


@as_root
def test_credentials_without_their_directory(site: Site) -> None:
    (site.directory / "credentials.encrypted").rmdir()
    level, message, help = examine(site, "permissions", "credentials").only()
    assert (level, message) == ("error", f"{site.directory}/credentials.encrypted is not there")
    assert help.startswith("sudo install -d -o root -m 0700 ")


@as_root
def test_what_is_no_credential_among_them(site: Site) -> None:
    path = site.directory / "credentials.encrypted" / "README"
    path.touch(0o600)
    assert examine(site, "permissions", "credentials").only() == (
        "warning",
        f"{path} is no credential: the sidecar may not start with it",
        f"move it away: sudo mv {path} /root/",
    )


@as_root
@pytest.mark.parametrize(
    ("shut", "path", "does", "effect"),
    [
        ("state", "state/current/request.lua", "read", "every request is a 500"),
        ("run", "run/authorizer.sock", "connect to", "what needs the sidecar is a 503"),
    ],
)
def test_what_lighttpd_does_not_reach(site: Site, shut: str, path: str, does: str, effect: str) -> None:
    sealed = str(site.directory / "credentials.encrypted")
    site.configure(lighttpd_user="www-data", sealed_credentials_directory=sealed)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(site.directory / "run" / "authorizer.sock"))
        (site.directory / "run" / "authorizer.sock").chmod(0o660)
        for place in (site.directory / "run", site.directory / "run" / "authorizer.sock"):
            shutil.chown(place, group="www-data")
        assert examine(site, "permissions", "reached by lighttpd").bad == []
        barrier = site.directory / shut
        barrier.chmod(0o700)
        found = examine(site, "permissions", "reached by lighttpd").bad
    assert found[0][:2] == (
        "error",
        f"`www-data` may not {does} {site.directory}/{path}, {barrier} is in the way: {effect}",
    )


# --- services ----------------------------------------------------------------------------------------

SYSTEMCTL = """\
#!/bin/sh
case "$4" in
  lightgate.socket) echo LoadState=loaded; echo ActiveState=active; echo UnitFileState=disabled;;
  lightgate.service) echo LoadState=loaded; echo ActiveState=failed; echo UnitFileState=enabled;;
  *) echo LoadState=not-found; echo ActiveState=inactive; echo UnitFileState=;;
esac
"""


def test_units(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "systemctl"
    program.write_text(SYSTEMCTL)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def booted(facts: Facts) -> None:
        facts.__dict__["has_systemd"] = True

    assert examine(site, "services", "units", prepare=booted).bad == [
        (
            "warning",
            "lightgate.socket does not start by itself (disabled)",
            "sudo systemctl enable lightgate.socket",
        ),
        (
            "error",
            "lightgate.service is failed",
            "sudo systemctl start lightgate.service; journalctl -u lightgate.service says why",
        ),
        ("error", "there is no unit lighttpd.service", "sudo make install, or apt-get install lightgate"),
    ]


def test_without_systemd(site: Site) -> None:
    def not_booted(facts: Facts) -> None:
        facts.__dict__["has_systemd"] = False

    found = examine(site, "services", "units", prepare=not_booted)
    assert found.messages(Level.UNSEEN)[0].startswith("units: systemd does not run here")


def test_sockets(site: Site) -> None:
    authorizer, http = (site.directory / "run" / name for name in ("authorizer.sock", "http.sock"))
    assert [message for _, message, _ in examine(site, "services", "sockets").bad] == [
        f"{authorizer} is not there",
        f"{http} is not there",
    ]
    http.write_text("no socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(authorizer))
        listener.listen()
        listener.setblocking(False)
        found = examine(site, "services", "sockets")
        assert found.messages(Level.OK) == [f"somebody listens on {authorizer}"]
        with pytest.raises(BlockingIOError):  # whoever listens was left alone
            listener.accept()
    assert [message for _, message, _ in examine(site, "services", "sockets").bad] == [
        f"{authorizer} is there, and nobody listens on it",
        f"{http} is no socket",
    ]


def test_a_short_queue(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "somaxconn"
    limit.write_text("128\n")
    monkeypatch.setattr(services, "_SOMAXCONN", limit)
    level, message, help = examine(site, "services", "bursts").only()
    assert (level, message) == (
        "warning",
        "the kernel queues only 128 connections for a socket: more at once are a 500",
    )
    assert help.startswith("sudo sysctl net.core.somaxconn=4096")


# --- credentials of the sidecar, its files -----------------------------------------------------------


def test_a_credential_that_is_missing(site: Site) -> None:
    put_in_force(site, with_issuer("https://login.example.org", secret="partner"))
    level, message, help = examine(site, "sidecar", "credentials").only()
    assert (level, message) == (
        "error",
        "the policy names credential `partner`, which is not there: the sidecar does not start",
    )
    assert help.startswith("sudo lightgate credential set partner, then ")
    site.credential("partner", "x" * 40)
    assert examine(site, "sidecar", "credentials").bad == []


def test_a_credential_that_is_there_twice(site: Site) -> None:
    site.credential("x", "y")
    (site.directory / "credentials.encrypted" / "x").touch()
    level, message, help = examine(site, "sidecar", "credentials").only()
    assert level == "error"
    assert message.startswith("credential `x` is there twice")
    assert help.startswith(f"rm {site.directory}/credentials/x, then ")


def test_no_epoch_file(site: Site) -> None:
    level, message, _ = examine(site, "sidecar", "epoch file").only()
    assert (level, message) == (
        "warning",
        f"{site.directory}/run/epoch is not there: every request with a token asks the sidecar",
    )


# --- clock -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset", "message"),
    [
        (31.0, "this host's clock is 31 s behind that of issuer `corp`"),
        (-90.0, "this host's clock is 90 s ahead of that of issuer `corp`"),
    ],
)
def test_a_wrong_clock(site: Site, offset: float, message: str) -> None:
    def with_offset(facts: Facts) -> None:
        facts.__dict__["issuers"] = (IssuerSeen(name="corp", url="https://x", offset_s=offset),)

    level, said, help = examine(site, "clock", "against issuers", prepare=with_offset).only()
    assert (level, said) == ("error", message)
    assert help.startswith("sudo timedatectl set-ntp true")


@pytest.mark.parametrize(("said", "level"), [("yes", Level.OK), ("no", Level.WARNING), ("", Level.UNSEEN)])
def test_synchronised(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, level: Level
) -> None:
    program = tmp_path / "timedatectl"
    program.write_text(f"#!/bin/sh\necho {said}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def booted(facts: Facts) -> None:
        facts.__dict__["has_systemd"] = True

    (found,) = examine(site, "clock", "synchronised", prepare=booted).findings
    assert found.level is level
