"""The system suite against the lighttpd, PHP, Node.js and Python of the newer Debian releases."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.docker.engine import Engine
from tests.docker.host import CHECKOUT, Installation
from tests.docker.images import system_suite_image
from tests.docker.machine import Machine
from tests.docker.tree import archive, working_tree
from tests.system.identity_provider import DIRECTORY as PROVIDER_DIRECTORY
from tests.system.identity_provider import install as install_provider

SUITE_TIMEOUT_S = 600


@pytest.mark.timeout(SUITE_TIMEOUT_S + 60, func_only=True)
@pytest.mark.parametrize("suite", ["trixie", "forky"], indirect=True)
def test_system_suite(
    engine: Engine, installed: Installation, suite: str, idle: Callable[[str], Machine]
) -> None:
    install_provider()
    machine = idle(system_suite_image(engine, suite, installed.base))
    machine.run("mkdir", CHECKOUT)
    machine.unpack(CHECKOUT, working_tree())
    modules = PROVIDER_DIRECTORY / "node_modules"
    names = [path for path in modules.rglob("*") if path.is_file()]
    content = {str(path.relative_to(PROVIDER_DIRECTORY)): path.read_bytes() for path in names}
    machine.unpack(f"{CHECKOUT}/tests/identity_provider", archive(content))
    options = ("-q", "-m", "system", "-p", "no:cacheprovider")
    said = machine.run(
        *("/opt/tests/bin/python", "-m", "pytest", *options, "tests/system"),
        directory=CHECKOUT,
        status=None,
        timeout_s=SUITE_TIMEOUT_S,
    )
    assert said.status == 0, said.said[-20_000:]
    assert " passed" in said.out and "skipped" not in said.out
