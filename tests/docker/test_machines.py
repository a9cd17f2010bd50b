"""The machines of this suite are what the other tests take them for: otherwise those would prove little."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.docker.engine import Engine
from tests.docker.host import Host, lighttpd_version
from tests.docker.images import host_image
from tests.docker.services import ISSUER, ApplicationMachine, ProviderMachine
from tests.system.identity_provider import Provider

VERSIONS = {"bookworm": (1, 4, 69), "trixie": (1, 4, 79), "forky": (1, 4, 85)}


@pytest.fixture
def machine(
    engine: Engine, start: Callable[[str], Host], suite: str, application: ApplicationMachine
) -> Host:
    return start(host_image(engine, suite))


def test_machine_is_an_ordinary_site(
    machine: Host, suite: str, provider_machine: ProviderMachine, provider: Provider
) -> None:
    version = lighttpd_version(machine)
    assert version == VERSIONS[suite] or (suite == "forky" and version > VERSIONS[suite])
    assert machine.systemctl("is-system-running").out.strip() == "running"
    assert machine.get("/members/page.txt").text == "the members page\n"
    assert machine.get("/members/echo.php").json()["origin"] == "php"
    assert machine.get("/members/app/x").json()["origin"] == "application"
    # systemd hands credentials over, which not every container lets it do
    unit = ["systemd-run", "--quiet", "--wait", "--pipe", "-p", "LoadCredential=x:/etc/hostname"]
    said = machine.run(*unit, "sh", "-c", 'cat "$CREDENTIALS_DIRECTORY/x"').out.strip()
    assert said == machine.container.name
    # the provider's certificate is trusted, and its name is the issuer's
    discovery = machine.run("curl", "-sS", f"{ISSUER}/.well-known/openid-configuration").json()
    assert discovery["issuer"] == ISSUER
    assert provider.token().count(".") == 2
