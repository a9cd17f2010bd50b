"""Imports go one way, every module imports alone, and nothing of the compiler comes in."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "sidecar"
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    if path.name != "__main__.py"
)
# Pure modules: no sockets, no clocks, no files, no event loop.
PURE = {
    "sidecar.claims",
    "sidecar.decide",
    "sidecar.decision",
    "sidecar.identity",
    "sidecar.json_pointer",
    "sidecar.reasons",
    "sidecar.request",
    "sidecar.respond",
    "sidecar.strict_json",
    "sidecar.fastcgi.connection",
    "sidecar.fastcgi.records",
    "sidecar.jose.compact",
    "sidecar.jose.keys",
    "sidecar.jose.verify",
}
IMPURE = {"asyncio", "socket", "time", "os", "random", "secrets", "aiohttp", "threading", "subprocess"}


def imports(module: str) -> set[str]:
    path = PACKAGE.parent / Path(*module.split("."))
    source = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    found: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        match node:
            case ast.Import():
                found |= {alias.name for alias in node.names}
            case ast.ImportFrom(module=str() as name):
                found.add(name)
    return found


@pytest.mark.parametrize("module", MODULES)
def test_nothing_of_the_compiler(module: str) -> None:
    assert not {name for name in imports(module) if name.split(".")[0] == "luagen"}


@pytest.mark.parametrize("module", sorted(PURE))
def test_pure_modules_do_no_io(module: str) -> None:
    assert imports(module).isdisjoint(IMPURE)


def test_only_the_border_speaks_http() -> None:
    assert {module for module in MODULES if "aiohttp" in imports(module)} == {
        "sidecar.app",
        "sidecar.http",
        "sidecar.network",
    }


IMPORT_EACH_ALONE = """
import importlib, os, sys
for name in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        importlib.import_module(name)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, name
"""


def test_every_module_imports_alone() -> None:
    subprocess.run([sys.executable, "-c", IMPORT_EACH_ALONE, *MODULES], check=True, timeout=100)


def test_no_file_grows_beyond_reading() -> None:
    assert {
        path.name for path in PACKAGE.rglob("*.py") if len(path.read_text("utf-8").splitlines()) > 400
    } == set()
