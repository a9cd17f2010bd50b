"""`lightgate-sidecar`: the only file that prints or exits."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from pathlib import Path
from typing import NoReturn

import click

from sidecar import __version__
from sidecar.app import run
from sidecar.config import Settings, load
from sidecar.config_reader import ConfigError
from sidecar.credentials import DEFAULT_DIRECTORY, Credentials, CredentialsError
from sidecar.listening import SocketError
from sidecar.memory import keep_private

EXIT_CONFIGURATION = 1
EXIT_BUG = 70

_CONFIG = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The sidecar.json of the current release.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
def cli() -> None:
    """Answer what lighttpd defers: who is the caller behind this token?

    \b
    Example:
      lightgate-sidecar run --config /var/lib/lightgate/current/sidecar.json

    Exit codes: 0 fine, 1 the configuration is wrong, 2 usage, 70 a bug.
    """


@cli.command("run")
@_CONFIG
@click.option(
    "--credentials",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DIRECTORY,
    show_default=True,
    help="Where credentials are looked for after systemd's directory and before the environment.",
)
def run_command(path: Path, directory: Path) -> None:
    """Serve until SIGTERM. SIGHUP reads the configuration again and forgets what is remembered."""
    keep_private()
    settings = _load(path)
    credentials = Credentials(environment=dict(os.environ), directory=directory)
    try:
        asyncio.run(
            run(
                path=path,
                settings=settings,
                credentials=credentials,
                environment=os.environ,
                stderr=sys.stderr,
            )
        )
    except CredentialsError as error:
        _fail(*error.mistakes, help="lightgate credential set NAME, or a file each in --credentials DIR")
    except SocketError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"`{error.filename}`: {error.strerror}" if error.filename else str(error))


@cli.command("check-config")
@_CONFIG
def check_config(path: Path) -> None:
    """Say whether a sidecar.json is right. Looks for no credentials and opens no sockets."""
    settings = _load(path)
    click.echo(f"{path}: ok, release {settings.release}, {_counted(len(settings.issuers), 'issuer')}")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _load(path: Path) -> Settings:
    try:
        return load(path)
    except ConfigError as error:
        _fail(*(f"{path}: {mistake}" for mistake in error.mistakes))


def _fail(*lines: str, help: str | None = None) -> NoReturn:
    for line in lines:
        click.echo(f"error: {line}", err=True)
    if help is not None:
        click.echo(f"  = help: {help}", err=True)
    sys.exit(EXIT_CONFIGURATION)


def main() -> None:
    """The console script."""
    try:
        cli(prog_name="lightgate-sidecar")
    except Exception:
        traceback.print_exc()
        click.echo(f"bug in lightgate-sidecar {__version__}", err=True)
        sys.exit(EXIT_BUG)
