"""Fixtures of the system tests: the identity provider, the proxied application, running gates.

The fixtures start nothing until a test asks for them. After each test every gate that is running is asked
whether Lua failed in it; a failure that the client never saw is a failure all the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import settings

from tests.system.identity_provider import IdentityProvider
from tests.system.processes import Process

if TYPE_CHECKING:
    from tests.system.gate import Gate, Host

# The same examples in every run, so that a run that fails is one that a change has made fail. Others are
# drawn with HYPOTHESIS_PROFILE=random.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.register_profile("random", deadline=None)
settings.load_profile("random" if os.environ.get("HYPOTHESIS_PROFILE") == "random" else "repeatable")

VERSION_COMMANDS = {
    "lighttpd": ["lighttpd", "-v"],
    "php": ["php-cgi", "-v"],
    "node": ["node", "--version"],
    "curl": ["curl", "--version"],
}

OPENSSL_REQUEST = [
    "openssl",
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-days",
    "2",
    "-subj",
    "/CN=127.0.0.1",
    "-addext",
    "subjectAltName=IP:127.0.0.1",
    "-keyout",
    "key.pem",
    "-out",
    "certificate.pem",
]


def pytest_report_header() -> list[str]:
    return [f"{name}: {_first_line(command)}" for name, command in VERSION_COMMANDS.items()] + [
        f"lua: {_lua()}"
    ]


def _first_line(command: list[str]) -> str:
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout
    except OSError as error:
        return f"not there ({error.strerror})"
    return output.splitlines()[0] if output else "?"


def _lua() -> str:
    """The Lua library that the installed mod_magnet is linked with."""
    for module in Path("/usr/lib/lighttpd/mod_magnet.so"), Path("/usr/local/lib/mod_magnet.so"):
        if module.exists():
            libraries = subprocess.run(
                ["ldd", module], capture_output=True, text=True, timeout=10, check=False
            ).stdout
            return next(
                (line.split()[0] for line in libraries.splitlines() if "liblua" in line), "linked statically"
            )
    return "mod_magnet not found"


@pytest.fixture(scope="session")
def log_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="session")
def identity_provider(log_directory: Path) -> Iterator[IdentityProvider]:
    """The session's provider: tests leave its keys and delays as they found them."""
    provider = IdentityProvider(log_directory / "identity_provider.log")
    yield provider
    provider.stop()


@pytest.fixture
def own_identity_provider(tmp_path: Path) -> Iterator[IdentityProvider]:
    """A provider for one test, which may rotate its keys, hold it or kill it."""
    provider = IdentityProvider(tmp_path / "identity_provider.log")
    yield provider
    provider.stop()


@pytest.fixture(scope="session")
def http_origin(log_directory: Path) -> Iterator[int]:
    """The port of the proxied application (tests/origins/application.py)."""
    process = Process(
        [sys.executable, "-m", "tests.origins.application"], log=log_directory / "application.log"
    )
    yield process.printed_port()
    process.stop()


@pytest.fixture(scope="session")
def gate_host(tmp_path_factory: pytest.TempPathFactory, http_origin: int) -> Host:
    """A self-signed certificate for 127.0.0.1, and the proxied application."""
    from tests.system.gate import Host

    directory = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        OPENSSL_REQUEST,
        cwd=directory,
        check=True,
        capture_output=True,
        timeout=30,
    )
    pem = directory / "both.pem"
    pem.write_text((directory / "key.pem").read_text() + (directory / "certificate.pem").read_text())
    return Host(certificate=pem, application_port=http_origin)


class Gates:
    """Starts gates and ends them. `all` that run are known, so that their logs can be read after a test."""

    all: ClassVar[list[Gate]] = []

    def __init__(self, host: Host, stack: ExitStack) -> None:
        self._host = host
        self._stack = stack

    def __call__(self, policy: str, **options: Any) -> Gate:
        """A running gate for `policy`; `options` are those of tests.system.gate.Gate."""
        from tests.system.gate import Gate

        directory = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="lg", dir="/tmp"))
        gate = Gate(self._host, Path(directory), policy, **options)
        self.all.append(gate)
        self._stack.callback(self.all.remove, gate)
        self._stack.callback(gate.stop)
        gate.start()
        return gate


@pytest.fixture(scope="module")
def module_gate(gate_host: Host) -> Iterator[Gates]:
    """Starts gates that live as long as a test module."""
    with ExitStack() as stack:
        yield Gates(gate_host, stack)


@pytest.fixture
def gate(gate_host: Host) -> Iterator[Gates]:
    """Starts gates that live as long as one test."""
    with ExitStack() as stack:
        yield Gates(gate_host, stack)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the logs of the running gates to the report of a failure, and fails a test in which Lua failed."""
    report = yield
    if report.when == "call" and "system" in item.keywords:
        lua_errors = [line for gate in Gates.all for line in gate.new_lua_errors()]
        if lua_errors and report.passed:
            report.outcome = "failed"
            report.longrepr = "Lua failed inside lighttpd:\n" + "\n".join(lua_errors)
    if report.failed:
        report.sections.extend((f"gate {number}", gate.logs()) for number, gate in enumerate(Gates.all, 1))
    return report
