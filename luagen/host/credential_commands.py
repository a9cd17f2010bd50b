"""`lightgate credential`: set, rotate, remove and list the secrets that a policy names. A secret comes in by
standard input and goes to its file and nowhere else."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime

import click

from luagen.failure import Failure
from luagen.host import (
    audit,
    clock,
    credentials,
    file_errors,
    named_credentials,
    published_secrets,
    sidecar_client,
    systemd,
)
from luagen.host.credentials import Stored
from luagen.host.option import EXIT_UNFIT, host_option
from luagen.host.private_memory import keep_private
from luagen.host.services import Message
from luagen.host.settings import HostSettings
from luagen.host.sidecar_client import SidecarSilentError


@click.group(short_help="Set, rotate, remove and list the secrets that a policy names.")
def credential() -> None:
    """Set, rotate, remove and list the secrets that a policy names.

    A policy holds names only. The sidecar reads the secrets when it starts.

    \b
    Examples:
      lightgate credential set partner-hs256 < secret
      lightgate credential rotate partner-hs256
      lightgate credential remove partner-hs256
      lightgate credential list
    """


@credential.command("set", short_help="Store a new secret, from standard input.")
@click.argument("name")
@click.option("--plain", is_flag=True, help="Never encrypt it: a file of mode 0600.")
@host_option
def set_command(name: str, plain: bool, settings: HostSettings) -> None:
    """Store a new secret as NAME; from a pipe, or typed twice without being shown.

    Encrypted by systemd-creds where this machine has a TPM 2 or a host key, else a file that only root reads.
    One line end at its end is not part of it.

    \b
    Examples:
      openssl rand -base64 48 | lightgate credential set partner-hs256
      lightgate credential set corp-client < client-secret.txt
    """
    keep_private()
    credentials.check_name(name)
    stored = credentials.set_new(settings, name, _secret(settings, name), plain=plain)
    _record(settings, "credential-set", stored)
    click.echo(_stored_line(stored))
    if name in _named(settings):
        click.echo(
            f"the policy in force names it; the sidecar reads it at its next start: {_restart(settings)}"
        )


@credential.command("rotate", short_help="Give a secret a new value, from standard input.")
@click.argument("name")
@host_option
def rotate_command(name: str, settings: HostSettings) -> None:
    """Give NAME another secret, from standard input as with `set`, and restart the sidecar.

    The old secret ends at once, whether the sidecar comes back or not. systemd hands credentials over at the
    start of a service. Its sockets stay open meanwhile, so the restart loses no request.

    \b
    Examples:
      openssl rand -base64 48 | lightgate credential rotate partner-hs256
    """
    keep_private()
    credentials.check_name(name)
    stored = credentials.replace(settings, name, _secret(settings, name))
    click.echo(_stored_line(stored))
    try:
        # Before all else: the old secret may be in the wrong hands.
        told = _end(settings, name, "the new secret is stored", old="the old one")
    finally:
        _record(settings, "credential-rotate", stored)
    if told:
        click.echo("restarted the sidecar: it has the new secret, and no request was lost")
    else:
        click.echo("no sidecar of this host was told; restart yours, which takes the old secret until then")


@credential.command("remove", short_help="Remove a secret.")
@click.argument("name")
@click.option("--force", is_flag=True, help="Even when the release in force names it.")
@host_option
def remove_command(name: str, force: bool, settings: HostSettings) -> None:
    """Remove the secret NAME.

    Refused when the release in force names it: the sidecar does not start without. With --force it is removed
    all the same, and the sidecar is restarted, so that the secret ends at once.

    \b
    Examples:
      lightgate credential remove partner-hs256
    """
    credentials.check_name(name)
    named = name in _named(settings)
    if named and not force:
        raise Failure(
            f"the release in force names `{name}`: the sidecar does not start without it",
            "deploy a policy that does not name it; --force if it must go at once",
        )
    removed = credentials.remove(settings, name)
    for one in removed:
        click.echo(f"removed {one.path}")
    try:
        if named:
            told = _end(settings, name, "the secret is removed", old="it")
        else:
            published_secrets.withdraw(settings, name)
    finally:
        for one in removed:
            _record(settings, "credential-remove", one)
    if named and told:
        click.echo("restarted the sidecar, which held it in memory")
    else:
        click.echo(f"a sidecar that has read it holds it in memory until it restarts: {_restart(settings)}")


@credential.command("list", short_help="Show which secrets are there, and which are missing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
@host_option
def list_command(as_json: bool, settings: HostSettings) -> None:
    """Show which secrets are there and which the policy in force misses; never what is in them.

    A policy that is not deployed yet is not looked at. Exit code 1 when one is missing, or there twice.
    """
    stored = credentials.stored(settings)
    named = _named(settings)
    there = [one.name for one in stored]
    missing = [name for name in named if name not in there]
    twice = sorted({name for name in there if there.count(name) > 1})
    if as_json:
        report = {
            "ok": not missing and not twice,
            "credentials": [
                {
                    "name": one.name,
                    "file": str(one.path),
                    "sealed": one.sealed,
                    "bytes": one.size,
                    "modified": _time(one.modified),
                    "used": one.name in named,
                }
                for one in stored
            ],
            "missing": missing,
            "twice": twice,
        }
        click.echo(json.dumps(report, indent=2))
    else:
        _show_table(stored, named)
        for name in missing:
            click.echo(f"error: the policy in force names `{name}`, which is not there", err=True)
            click.echo(f"  = help: lightgate credential set {name}", err=True)
        for name in twice:
            click.echo(f"error: `{name}` is there twice, encrypted and not", err=True)
            click.echo("  = help: remove one of the two files", err=True)
    if missing or twice:
        raise click.exceptions.Exit(EXIT_UNFIT)


def _show_table(stored: tuple[Stored, ...], named: tuple[str, ...]) -> None:
    if not stored:
        click.echo("no credentials")
        return
    rows = [("name", "kept", "bytes", "modified", "policy in force", "file")]
    rows += [
        (
            one.name,
            "encrypted" if one.sealed else "plain",
            str(one.size),
            _time(one.modified),
            "names it" if one.name in named else "not in the release in force",
            str(one.path),
        )
        for one in stored
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(map(str.ljust, row, widths)).rstrip())


def _secret(settings: HostSettings, name: str) -> bytes:
    """From a pipe, or asked for twice on a terminal. Raises Failure when it is unfit for what the release in
    force uses it for."""
    secret = _given()
    for named in named_credentials.in_force(settings):
        if named.name == name:
            named_credentials.require_length(named, len(secret))
    return secret


def _given() -> bytes:
    if sys.stdin.isatty():
        typed: str = click.prompt("Secret", hide_input=True, confirmation_prompt="The same again", err=True)
        return credentials.without_line_end(typed.encode())
    # Two bytes more than fit: a line end, and the one that shows that there is more.
    return credentials.without_line_end(sys.stdin.buffer.read(credentials.MAX_BYTES + 3))


def _named(settings: HostSettings) -> tuple[str, ...]:
    """What the release in force names; nothing while there is none."""
    return tuple(one.name for one in named_credentials.in_force(settings))


def _record(settings: HostSettings, event: str, stored: Stored) -> None:
    """In the audit log; a log that cannot be written is a warning, as the secret is stored already."""
    kept = "encrypted" if stored.sealed else "plain"
    try:
        audit.append(settings.audit_log, event, name=stored.name, kept=kept)
    except OSError as error:
        said = file_errors.failure(error, f"write the audit log `{settings.audit_log}`").message
        click.echo(f"warning: {said}", err=True)


def _stored_line(stored: Stored) -> str:
    return (
        f"stored `{stored.name}`{', encrypted for this machine,' if stored.sealed else ''} in {stored.path}"
    )


def _end(settings: HostSettings, name: str, done: str, *, old: str) -> bool:
    """Ends the secret that was called so until now: Lua forgets it, and the sidecar is restarted. False when
    there is no sidecar to restart.

    Raises Failure when one of the two fails, after the other; it says what is `done` and what
    becomes of the `old` secret.
    """
    withdrawal: Failure | None = None
    try:
        published_secrets.withdraw(settings, name)
    except Failure as failure:
        withdrawal = failure
    try:
        told = _restart_sidecar(settings)
    except Failure as failure:
        raise _without_restart(settings, failure, withdrawal, done, old) from failure
    if withdrawal is not None and not told:
        raise Failure(
            f"{withdrawal.message}; {done}, and Lua goes on with {old}",
            f"restart the sidecar: {_restart(settings)}",
        )
    return told  # a sidecar that starts publishes its secrets anew, and makes Lua forget


def _without_restart(
    settings: HostSettings, restart: Failure, withdrawal: Failure | None, done: str, old: str
) -> Failure:
    help = f"`journalctl -u lightgate` says why; once that is mended: {_restart(settings)}"
    if withdrawal is not None:
        return Failure(f"{restart.message}; {withdrawal.message}; {done}, and Lua goes on with {old}", help)
    if _sidecar_answers(settings):
        return Failure(
            f"{restart.message}; {done}, but a sidecar still runs, and goes on with {old}",
            f"stop it at once: systemctl stop lightgate.service; {help}",
        )
    # What the sidecar said on its way out may have been remembered.
    published_secrets.forget(settings)
    return Failure(
        f"{restart.message}; {done}, and {old} is no longer accepted: callers who present tokens get "
        "a 5xx until the sidecar runs",
        help,
    )


def _sidecar_answers(settings: HostSettings) -> bool:
    try:
        asyncio.run(sidecar_client.version(settings.http_socket))
    except SidecarSilentError:
        return False
    return True


def _restart_sidecar(settings: HostSettings) -> bool:
    """False when there is none to restart. Raises Failure when that fails."""
    if not systemd.has_service(settings.restart_sidecar):
        return False
    Message("sidecar", "restart", settings.restart_sidecar, "it reads credentials when it starts").send()
    return True


def _restart(settings: HostSettings) -> str:
    return " ".join(settings.restart_sidecar) or "restart it"


def _time(seconds: float) -> str:
    return clock.text(datetime.fromtimestamp(seconds, UTC))
