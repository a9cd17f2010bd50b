"""Writes what shells need to complete both commands, with click's own sources: completions.py DIRECTORY.

Runs in the environment that is installed. DIRECTORY gets bash/NAME, zsh/_NAME and fish/NAME.fish.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from luagen.cli import lightgate
from sidecar.cli import cli as sidecar

COMMANDS: dict[str, click.Command] = {"lightgate": lightgate, "lightgate-sidecar": sidecar}
FILES = {"bash": "{}", "zsh": "_{}", "fish": "{}.fish"}


def main(directory: Path) -> None:
    for shell, file in FILES.items():
        (directory / shell).mkdir(parents=True, exist_ok=True)
        kind = get_completion_class(shell)
        if kind is None:
            raise SystemExit(f"error: this click knows no completion for {shell}")
        for name, command in COMMANDS.items():
            # The variable that click looks for when a shell asks.
            variable = f"_{name}_COMPLETE".replace("-", "_").upper()
            source = kind(command, {}, name, variable).source()
            (directory / shell / file.format(name)).write_text(source.rstrip("\n") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
