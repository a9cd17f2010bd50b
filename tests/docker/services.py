"""The other machines of the session's network: the identity provider and the proxied application."""

from __future__ import annotations

from docker.models.containers import Container

from tests.docker.engine import Engine
from tests.docker.machine import Machine
from tests.docker.trust import Authority
from tests.system.identity_provider import Provider
from tests.system.processes import poll

PROVIDER_NAME = "login.lightgate.test"
APPLICATION_NAME = "application.lightgate.test"
ISSUER = f"https://{PROVIDER_NAME}"
APPLICATION_PORT = 8000


def _start(engine: Engine, image: str, name: str, command: list[str], **options: object) -> Container:
    container = engine.client.containers.create(
        image, command, name=engine.name(name.partition(".")[0]), labels=engine.labels, init=True, **options
    )
    engine.client.api.disconnect_container_from_network(container.id, "bridge", force=True)
    engine.network.connect(container, aliases=[name])
    return container


class ProviderMachine(Machine):
    """The certified provider as ISSUER; this process reaches it on a loopback port, as `provider`."""

    def __init__(self, engine: Engine, image: str, authority: Authority) -> None:
        command = ["node", "tests/identity_provider/server.mjs", "443", ISSUER, "certificate.pem", "key.pem"]
        container = _start(engine, image, PROVIDER_NAME, command, ports={"443/tcp": ("127.0.0.1", None)})
        super().__init__(container)
        issued = authority.issue(PROVIDER_NAME, "127.0.0.1")
        self.write("/srv/certificate.pem", issued.certificate)
        self.write("/srv/key.pem", issued.key, mode=0o600)
        container.start()
        _wait_ready(container)
        url = f"https://127.0.0.1:{self.published(443)}"
        self.provider = Provider(ISSUER, url, authority.context())


class ApplicationMachine(Machine):
    """tests/origins/application.py, which says back what reached it."""

    def __init__(self, engine: Engine, image: str) -> None:
        command = ["python3", "-m", "tests.origins.application", f"0.0.0.0:{APPLICATION_PORT}"]
        super().__init__(_start(engine, image, APPLICATION_NAME, command))
        self.container.start()
        _wait_ready(self.container)


def _wait_ready(container: Container) -> None:
    def ready() -> bool:
        said = container.logs().decode("utf-8", "replace")
        container.reload()
        assert container.status == "running", said
        return "ready " in said

    poll(f"{container.name} is ready", ready)
