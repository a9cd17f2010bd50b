"""Owners and modes: does everybody reach what they need, and nothing else?"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from luagen.check_auth import CREDENTIAL_NAME
from luagen.host.access import READ, WRITE, Account, account, blocker, group_name, openings, user_name
from luagen.host.doctor.facts import Check, Facts, need
from luagen.host.doctor.finding import Finding, UnseenError, error, ok, warning
from luagen.host.settings import DEFAULT_PATH, HostSettings

_TMPFILES = "sudo systemd-tmpfiles --create lightgate.conf"
_ROOT = "root"


@dataclass(frozen=True, slots=True)
class _Expected:
    """How a path should be. `group`: None is any. `modes`: the first is the usual one. `remode`: what gives
    it the right mode where the sidecar's user may put links; None: root's chmod, for only root can there."""

    path: Path
    owner: str
    group: str | None
    modes: tuple[int, ...]
    make: str  # what makes it when it is not there
    remode: str | None = None


def _users(facts: Facts) -> Iterator[Finding]:
    settings = facts.settings
    for name, make in (
        (settings.sidecar_user, "sudo systemd-sysusers lightgate.conf"),
        (settings.lighttpd_user, "set `lighttpd_user` in the host file"),
    ):
        if account(name) is None:
            yield error(f"there is no user `{name}`", make)
        else:
            yield ok(f"there is a user `{name}`")


def _layout(facts: Facts) -> Iterator[Finding]:
    settings = facts.settings
    wrong = False
    for expected in _expected(settings, _account(settings.lighttpd_user)):
        for finding in _compare(expected):
            wrong = True
            yield finding
    if not wrong:
        yield ok("directories and files have the right owners and modes")


def _expected(settings: HostSettings, lighttpd: Account) -> Iterator[_Expected]:
    group = group_name(lighttpd.gid)
    yield _Expected(settings.state_directory, _ROOT, None, (0o755,), _TMPFILES)
    yield _Expected(settings.releases, _ROOT, None, (0o755,), _TMPFILES)
    if settings.current.exists():
        release = settings.current.resolve()
        yield _Expected(release, _ROOT, None, (0o755,), "sudo lightgate deploy")
        for path in sorted(release.iterdir()):
            yield _Expected(path, _ROOT, None, (0o644,), "sudo lightgate deploy")
    yield _Expected(settings.run_directory, settings.sidecar_user, group, (0o2750,), _TMPFILES)
    # In its own directory the sidecar's user can put a link in place of anything at any time: there root is
    # never told to use chmod, which follows links. systemd-tmpfiles does not, and the user can do no harm.
    secrets = settings.run_directory / "secrets"
    # Without setgid it is one that the sidecar has made itself.
    yield _Expected(secrets, settings.sidecar_user, group, (0o2750, 0o750), _TMPFILES, _TMPFILES)
    as_sidecar = f"sudo -u {settings.sidecar_user} chmod"
    keys = settings.run_directory / "keys"  # what the sidecar keeps over a restart
    if os.path.lexists(keys):
        yield _Expected(keys, settings.sidecar_user, None, (0o700, 0o2700), "", f"{as_sidecar} 0700 {keys}")
    for socket in (settings.authorizer_socket, settings.http_socket):
        if os.path.lexists(socket):
            remode = f"{as_sidecar} 0660 {socket}"
            yield _Expected(socket, settings.sidecar_user, group, (0o660,), "", remode)
    yield _Expected(settings.log_directory, _ROOT, None, (0o750,), _TMPFILES)
    if os.path.lexists(settings.audit_log):
        yield _Expected(settings.audit_log, _ROOT, None, (0o640,), "")


def _compare(expected: _Expected) -> Iterator[Finding]:
    path = expected.path
    try:
        status = path.lstat()
    except FileNotFoundError:
        yield error(f"{path} is not there", expected.make)
        return
    if stat.S_ISLNK(status.st_mode) and status.st_uid == 0 and expected.remode is None:
        path = path.resolve()  # root has moved it
        if not path.exists():
            yield error(f"{path} is not there", expected.make)
            return
        status = path.lstat()
    elif stat.S_ISLNK(status.st_mode):
        # Whoever can put links here chooses what a chown or chmod by root changes.
        yield error(
            f"{path} is a link of {user_name(status.st_uid)}'s, and lightgate makes none there",
            f"find out who put it there; sudo rm {path}{f'; {expected.make}' if expected.make else ''}",
        )
        return
    owner, group = user_name(status.st_uid), group_name(status.st_gid)
    if owner != expected.owner or expected.group not in (None, group):
        wanted = expected.owner if expected.group is None else f"{expected.owner}:{expected.group}"
        is_ = owner if expected.group is None else f"{owner}:{group}"
        yield error(f"{path} belongs to {is_}, not to {wanted}", f"sudo chown -h {wanted} {path}")
    mode = stat.S_IMODE(status.st_mode)
    if mode not in expected.modes:
        yield error(
            f"{path} has mode {mode:04o}, not {expected.modes[0]:04o}",
            expected.remode or f"sudo chmod {expected.modes[0]:04o} {path}",
        )


def _changed_by_others(facts: Facts) -> Iterator[Finding]:
    """Who can change the policy, or a directory above it, decides what the next deploy lets in; commands in
    the host file and in lighttpd's configuration run as root."""
    settings = facts.settings
    guarded = [
        ("the policy", settings.policy),
        ("the host file", settings.file or DEFAULT_PATH.parent),
        *((f"the key file {path}", path) for path in _key_files(settings.policy)),
        ("lighttpd's configuration", settings.lighttpd_config),
        ("the releases", settings.releases),
        ("credentials", settings.credentials_directory),
        ("credentials", settings.sealed_credentials_directory),
        ("the sockets", settings.run_directory.parent),  # itself it is the sidecar's
    ]
    found: dict[Path, tuple[os.stat_result, list[str]]] = {}
    for what, path in guarded:
        try:
            for place, status in openings(path):
                _, endangered = found.setdefault(place, (status, []))
                if what not in endangered:
                    endangered.append(what)
        except FileNotFoundError:
            continue  # that it is missing is another check's business
    for place, (status, endangered) in found.items():
        yield _opening(place, status, " and ".join(endangered))
    if not found:
        yield ok("only root can change the policy, its key files, the host file and lighttpd's configuration")


def _opening(place: Path, status: os.stat_result, endangered: str) -> Finding:
    if status.st_uid not in (0, os.geteuid()):
        owner = user_name(status.st_uid)
        return error(
            f"{place} belongs to {owner}, who can change {endangered}", f"sudo chown -h root {place}"
        )
    mode = stat.S_IMODE(status.st_mode)
    message = f"others than root can change {place} (mode {mode:04o}): {endangered}"
    if mode & stat.S_ISVTX:  # a directory for everybody, as /tmp is
        return error(message, f"move that out of {place}, below a directory that only root can change")
    return error(message, f"sudo chmod go-w {place}")


def _key_files(policy: Path) -> Iterator[Path]:
    """The files that are built into a release with the policy. None where it cannot be read as TOML."""
    try:
        auth = tomllib.loads(policy.read_text()).get("auth", {})
    except (FileNotFoundError, ValueError):
        return
    for issuer in auth.values() if isinstance(auth, dict) else ():
        for key in ("jwks_file", "pem_file"):
            name = issuer.get(key) if isinstance(issuer, dict) else None
            if isinstance(name, str) and "\0" not in name:
                yield policy.parent / name


def _credentials(facts: Facts) -> Iterator[Finding]:
    settings = facts.settings
    wrong = False
    for directory in (settings.credentials_directory, settings.sealed_credentials_directory):
        make = f"sudo install -d -o root -m 0700 {directory}, or the sidecar does not start (243/CREDENTIALS)"
        found = list(_compare(_Expected(directory, _ROOT, None, (0o700,), make)))
        if directory.is_dir():
            for path in sorted(directory.iterdir()):
                found += _credential(path, is_sealed=directory == settings.sealed_credentials_directory)
        wrong = wrong or bool(found)
        yield from found
    if not wrong:
        yield ok("only root reads credentials")


def _credential(path: Path, *, is_sealed: bool) -> Iterator[Finding]:
    if path.name.startswith("."):
        return  # systemd passes over these
    if CREDENTIAL_NAME.fullmatch(path.name) is None or not path.is_file():
        effect = "the sidecar may not start with it" if is_sealed else "no policy can name it"
        yield warning(f"{path} is no credential: {effect}", f"move it away: sudo mv {path} /root/")
        return
    yield from _compare(_Expected(path, _ROOT, None, (0o600,), ""))


def _kept_from_lighttpd(facts: Facts) -> Iterator[Finding]:
    """Every script and application of the site runs as this user, or as one that it can become."""
    settings = facts.settings
    user = _account(settings.lighttpd_user)
    if user.uid == 0:
        yield warning(
            "lighttpd runs as root: nothing on this host is kept from it and its applications",
            'set server.username = "www-data" in lighttpd\'s configuration',
        )
        return
    paths = [
        path
        for directory in (settings.credentials_directory, settings.sealed_credentials_directory)
        if directory.is_dir()
        for path in sorted(directory.iterdir())
    ]
    readable = [path for path in paths if blocker(user, path, READ) is None]
    for path in readable:
        yield error(
            f"lighttpd's user `{user.name}` can read {path}",
            f"sudo chmod 0600 {path} && sudo chmod 0700 {path.parent}; then rotate that secret",
        )
    if not readable:
        yield ok(f"lighttpd's user `{user.name}` reads no credential")


def _reached_by_lighttpd(facts: Facts) -> Iterator[Finding]:
    settings = facts.settings
    user = _account(settings.lighttpd_user)
    needed = [
        (settings.current / "request.lua", READ, "every request is a 500"),
        (settings.current / "response.lua", READ, "every request is a 500"),
        (settings.authorizer_socket, WRITE, "what needs the sidecar is a 503"),
    ]
    yield from _reached(user, needed)
    secrets = settings.run_directory / "secrets"
    if secrets.is_dir():
        for path in sorted(secrets.iterdir()):
            barrier = blocker(user, path, READ)
            if barrier is not None:
                yield warning(
                    f"`{user.name}` may not read {path} ({barrier} is in the way): "
                    "the sidecar has to verify these tokens",
                    f"sudo chgrp {group_name(user.gid)} {barrier}",
                )


def _reached_by_sidecar(facts: Facts) -> Iterator[Finding]:
    need(facts.release)
    user = _account(facts.settings.sidecar_user)
    yield from _reached(user, [(facts.settings.current / "sidecar.json", READ, "the sidecar does not start")])


def _reached(user: Account, needed: list[tuple[Path, int, str]]) -> Iterator[Finding]:
    for path, want, effect in needed:
        try:
            barrier = blocker(user, path, want)
        except FileNotFoundError:
            continue  # that it is missing is another check's business
        does = "connect to" if want == WRITE else "read"
        if barrier is None:
            yield ok(f"`{user.name}` can {does} {path}")
        else:
            yield error(
                f"`{user.name}` may not {does} {path}, {barrier} is in the way: {effect}",
                f"ls -ld {barrier} shows its owner and mode; right are 0755 for directories of releases, "
                f"0644 for their files, 2750 and the group of `{user.name}` for /run/lightgate",
            )


def _account(name: str) -> Account:
    found = account(name)
    if found is None:
        raise UnseenError(f"not looked at: there is no user `{name}`")
    return found


CHECKS = (
    Check("users", _users),
    Check("layout", _layout),
    Check("changed by others", _changed_by_others),
    Check("credentials", _credentials),
    Check("kept from lighttpd", _kept_from_lighttpd),
    Check("reached by lighttpd", _reached_by_lighttpd),
    Check("reached by sidecar", _reached_by_sidecar),
)
