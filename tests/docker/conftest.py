"""Fixtures of the Docker suite: Debian machines with systemd, what they talk to, lightgate installed on them.

Every test that takes `suite` (or a host) runs once for each Debian release. Hosts that tests share are left
as they were found; a test that cannot promise that takes `fresh_host`. Fixtures bound their own waits, so the
time limit of a test is for the test alone.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.docker.engine import Engine, NoDocker
from tests.docker.gated import MARK, Gated, gate_in_force
from tests.docker.host import Host, Installation, installation
from tests.docker.images import host_image, services_image
from tests.docker.machine import Machine
from tests.docker.services import ApplicationMachine, ProviderMachine
from tests.docker.trust import Authority
from tests.system.identity_provider import Provider

SUITES = ("bookworm", "trixie", "forky")
DIRECTORY = Path(__file__).parent
TEST_TIMEOUT_S = 300

#: hosts that run, for the report of a failure
_hosts: list[Host] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if DIRECTORY in item.path.parents:
            item.add_marker(pytest.mark.docker)
            item.add_marker(pytest.mark.timeout(TEST_TIMEOUT_S, func_only=True))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the logs of the hosts that a failing test used."""
    report = yield
    if report.failed and "docker" in item.keywords:
        suite = getattr(item, "callspec", None)
        report.sections.extend(
            (f"host {host.container.name}", host.logs())
            for host in _hosts
            if suite is None or host.suite == suite.params.get("suite")
        )
    return report


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    try:
        engine = Engine()
    except NoDocker as error:
        pytest.fail(str(error), pytrace=False)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority("lightgate test session")


@pytest.fixture(scope="session", params=SUITES)
def suite(request: pytest.FixtureRequest) -> str:
    suite: str = request.param
    return suite


@pytest.fixture(scope="session")
def services(engine: Engine) -> str:
    return services_image(engine)


@pytest.fixture(scope="session")
def application(engine: Engine, services: str) -> Iterator[ApplicationMachine]:
    machine = ApplicationMachine(engine, services)
    yield machine
    machine.remove()


@pytest.fixture(scope="session")
def provider_machine(engine: Engine, services: str, authority: Authority) -> Iterator[ProviderMachine]:
    machine = ProviderMachine(engine, services, authority)
    yield machine
    machine.remove()


@pytest.fixture
def provider(provider_machine: ProviderMachine) -> Provider:
    """The session's identity provider. Keys may be rotated; delays and holds are ended by the test."""
    return provider_machine.provider


@pytest.fixture(scope="session")
def installations(
    request: pytest.FixtureRequest, engine: Engine, authority: Authority, application: ApplicationMachine
) -> Iterator[dict[str, Future[Installation]]]:
    """`make install` on every release that this run asks for, side by side."""
    wanted = [suite for suite in SUITES if any(f"[{suite}" in item.name for item in request.session.items)]
    with ThreadPoolExecutor(len(wanted)) as pool:
        yield {suite: pool.submit(_install, engine, authority, suite) for suite in wanted}


def _install(engine: Engine, authority: Authority, suite: str) -> Installation:
    return installation(engine, suite, host_image(engine, suite), authority.certificate)


@pytest.fixture(scope="session")
def installed(installations: dict[str, Future[Installation]], suite: str) -> Installation:
    return installations[suite].result()


@pytest.fixture
def start(engine: Engine, authority: Authority, suite: str) -> Iterator[Callable[[str], Host]]:
    """Starts hosts from an image; they end with the test."""
    hosts: list[Host] = []

    def start_one(image: str) -> Host:
        host = Host(engine, suite, image, authority.certificate)
        hosts.append(host)
        _hosts.append(host)
        return host

    yield start_one
    for host in hosts:
        _hosts.remove(host)
        host.remove()


@pytest.fixture
def idle(engine: Engine) -> Iterator[Callable[[str], Machine]]:
    """Starts machines that do nothing until they are told to; they end with the test."""
    machines: list[Machine] = []

    def start_one(image: str) -> Machine:
        container = engine.client.containers.run(
            image,
            ["sleep", "infinity"],
            detach=True,
            init=True,
            name=engine.name("idle"),
            labels=engine.labels,
            network=engine.network.name,
        )
        machines.append(Machine(container))
        return machines[-1]

    yield start_one
    for machine in machines:
        machine.remove()


@pytest.fixture
def bare_host(start: Callable[[str], Host], installed: Installation) -> Host:
    """A host that has never seen lightgate, for this test alone."""
    return start(installed.base)


@pytest.fixture
def fresh_host(start: Callable[[str], Host], installed: Installation) -> Host:
    """A host directly after `make install`, for this test alone."""
    return start(installed.image)


@pytest.fixture(scope="session")
def shared(
    engine: Engine,
    authority: Authority,
    installed: Installation,
    suite: str,
    provider_machine: ProviderMachine,
) -> Iterator[Gated]:
    """The release's host with the gate in force, shared by tests that leave it as they found it."""
    host = Host(engine, suite, installed.image, authority.certificate)
    _hosts.append(host)
    yield gate_in_force(host, provider_machine.provider)
    _hosts.remove(host)
    host.remove()


@pytest.fixture
def gated(shared: Gated) -> Iterator[Gated]:
    """The shared host. A test that leaves another release in force, or a service down, fails."""
    yield shared
    assert shared.members(shared.fresh()).field(MARK) == "nosniff", "the test left another policy in force"
    for unit in ("lightgate.socket", "lightgate.service", "lighttpd.service"):
        assert shared.host.state(unit) == "active", f"the test left {unit} as it is"


@pytest.fixture
def fresh_gated(fresh_host: Host, provider: Provider) -> Gated:
    """A host with the gate in force, for this test alone."""
    return gate_in_force(fresh_host, provider)
