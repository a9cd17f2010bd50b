"""Files that belong to lightgate but are no Python: found in a checkout and in an installed wheel alike."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path

_PACKAGE = Path(__file__).parent


@cache
def lighttpd_directory() -> Path:
    """The directory with the Lua runtime, configuration templates and units for lighttpd's side.

    Beside the packages in a checkout, inside `luagen` in a wheel (pyproject.toml puts it there).
    """
    for directory in (_PACKAGE / "_lighttpd", _PACKAGE.parent / "lighttpd"):
        if (directory / "lua" / "lightgate").is_dir():
            return directory
    raise FileNotFoundError("the installation of lightgate is incomplete: its Lua runtime is missing")


def runtime_module(name: str) -> str:
    """The source text of a module of the Lua runtime."""
    return (lighttpd_directory() / "lua" / "lightgate" / f"{name}.lua").read_text(encoding="utf-8")


@cache
def version() -> str:
    """The version of lightgate: a checkout's own, whatever may be installed beside it."""
    project = _PACKAGE.parent / "pyproject.toml"
    if not (_PACKAGE / "_lighttpd").is_dir() and project.is_file():
        text = project.read_text(encoding="utf-8")
        return str(tomllib.loads(text)["project"]["version"])
    return metadata.version("lightgate")
