"""`--host PATH`, which every command on a host takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from luagen.diagnostics_output import show_diagnostics
from luagen.host.settings import DEFAULT_PATH, HostSettings, load

EXIT_UNFIT = 1

_Command = TypeVar("_Command", bound=Callable[..., Any])


def host_option(command: _Command) -> _Command:
    """Gives the command an argument `settings`: HostSettings. A host file with mistakes ends it."""
    return click.option(
        "--host",
        "settings",
        type=click.Path(path_type=Path),
        envvar="LIGHTGATE_HOST",
        metavar="PATH",
        callback=_load,
        help=f"The host file.  [default: {DEFAULT_PATH}, which may be absent; env var: LIGHTGATE_HOST]",
    )(command)


def _load(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> HostSettings:
    settings, diagnostics = load(path)
    show_diagnostics(diagnostics)
    if settings is None:
        raise click.exceptions.Exit(EXIT_UNFIT)
    return settings
