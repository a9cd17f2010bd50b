"""Owners and modes: does everybody reach what they need, and nothing else?"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from luagen.check_auth import CREDENTIAL_NAME
from luagen.host.access import READ, WRITE, Account, account, blocker, group_name, user_name
from luagen.host.doctor.facts import Check, Facts, need
from luagen.host.doctor.finding import Finding, UnseenError, error, ok, warning
from luagen.host.settings import HostSettings

_TMPFILES = "sudo systemd-tmpfiles --create lightgate.conf"
_ROOT = "root"


@dataclass(frozen=True, slots=True)
class _Expected:
    """How a path should be. `group`: None is any. `modes`: the first is the usual one."""

    path: Path
    owner: str
    group: str | None
    modes: tuple[int, ...]
    make: str  # what makes it when it is not there


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
    secrets = settings.run_directory / "secrets"
    # Without setgid it is one that the sidecar has made itself.
    yield _Expected(secrets, settings.sidecar_user, group, (0o2750, 0o750), _TMPFILES)
    keys = settings.run_directory / "keys"  # what the sidecar keeps over a restart
    if keys.exists():
        yield _Expected(keys, settings.sidecar_user, None, (0o700, 0o2700), "")
    for socket in (settings.authorizer_socket, settings.http_socket):
        if socket.exists():
            yield _Expected(socket, settings.sidecar_user, group, (0o660,), "")
    yield _Expected(settings.log_directory, _ROOT, None, (0o750,), _TMPFILES)
    if settings.audit_log.exists():
        yield _Expected(settings.audit_log, _ROOT, None, (0o640,), "")


def _compare(expected: _Expected) -> Iterator[Finding]:
    path = expected.path
    try:
        status = path.stat()
    except FileNotFoundError:
        yield error(f"{path} is not there", expected.make)
        return
    owner, group = user_name(status.st_uid), group_name(status.st_gid)
    if owner != expected.owner or expected.group not in (None, group):
        wanted = expected.owner if expected.group is None else f"{expected.owner}:{expected.group}"
        is_ = owner if expected.group is None else f"{owner}:{group}"
        yield error(f"{path} belongs to {is_}, not to {wanted}", f"sudo chown {wanted} {path}")
    mode = stat.S_IMODE(status.st_mode)
    if mode not in expected.modes:
        yield error(
            f"{path} has mode {mode:04o}, not {expected.modes[0]:04o}",
            f"sudo chmod {expected.modes[0]:04o} {path}",
        )


def _policy(facts: Facts) -> Iterator[Finding]:
    """Who can write the policy decides what the next deploy lets in."""
    path = facts.settings.policy
    if not path.exists():
        raise UnseenError(f"not looked at: {path} is not there")
    status = path.stat()
    if status.st_uid != 0:
        yield warning(f"{path} belongs to {user_name(status.st_uid)}", f"sudo chown root {path}")
    elif status.st_mode & 0o022:
        yield warning(
            f"others than root can change {path} (mode {stat.S_IMODE(status.st_mode):04o})",
            f"sudo chmod go-w {path}",
        )
    else:
        yield ok(f"only root can change {path}")


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
    Check("policy", _policy),
    Check("credentials", _credentials),
    Check("kept from lighttpd", _kept_from_lighttpd),
    Check("reached by lighttpd", _reached_by_lighttpd),
    Check("reached by sidecar", _reached_by_sidecar),
)
