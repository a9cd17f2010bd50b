"""The Docker daemon of this machine, and what one test session owns in it.

Everything that a session makes carries a label with the session's process; `close` removes it, and what a
session left that was killed is removed by the next. Images stay: they are caches, named by their content
(images.py). Nothing without our label is ever touched.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import docker
from docker.errors import DockerException, NotFound
from docker.models.containers import Container
from docker.models.networks import Network

from tests.system.processes import REPOSITORY

OWNER_LABEL = "org.lightgate.test.owner"
API_TIMEOUT_S = 900  # of one API call; the longest are builds and `make install`, bounded by their own limits
BASE_IMAGE_TIMEOUT_S = 720

#: where hosts put their control groups on machines with the hybrid layout (images/host/boot)
HYBRID_CGROUPS = Path("/sys/fs/cgroup/unified")

HELP = """\
error: no Docker daemon answers, and these tests need one ({reason})
  = help: apt-get install docker.io, then systemctl start docker (where nothing manages services: dockerd &);
          without Docker: pytest -m 'not docker'"""


class NoDocker(Exception):
    """Nobody answers; the message says what to do."""


class Engine:
    """A session with the daemon. Raises NoDocker."""

    def __init__(self) -> None:
        try:
            self.client = docker.from_env(timeout=API_TIMEOUT_S)
            self.client.ping()
        except DockerException as error:
            raise NoDocker(HELP.format(reason=str(error).splitlines()[0])) from error
        self.id = uuid4().hex[:8]
        self.labels = {OWNER_LABEL: process(os.getpid())}
        self._serial = 0
        self._sweep()
        self.network: Network = self.client.networks.create(f"lightgate-test-{self.id}", labels=self.labels)

    def name(self, role: str) -> str:
        """A name that no other container has."""
        self._serial += 1
        return f"lightgate-test-{self.id}-{role}-{self._serial}"

    def base_image(self, suite: str) -> None:
        """Makes debian:SUITE-slim available."""
        done = subprocess.run(
            [REPOSITORY / "scripts" / "base-image", suite],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BASE_IMAGE_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def close(self) -> None:
        self._remove(lambda owner: owner == self.labels[OWNER_LABEL])
        self.client.close()

    def _sweep(self) -> None:
        """Removes what sessions left whose process is gone."""
        self._remove(lambda owner: owner != process(int(owner.partition(".")[0])))

    def _remove(self, condemned: Callable[[str], bool]) -> None:
        """Containers and networks whose owner is `condemned`."""
        ours = {"label": OWNER_LABEL}
        for container in self.client.containers.list(all=True, ignore_removed=True, filters=ours):
            if condemned(container.labels[OWNER_LABEL]):
                remove(container)
        for network in self.client.networks.list(filters=ours):
            if condemned(network.attrs["Labels"][OWNER_LABEL]):
                with suppress(NotFound):
                    network.remove()


def remove(container: Container) -> None:
    """Ends a container at once and takes it away with its anonymous volumes and its control groups."""
    hostname = container.attrs["Config"]["Hostname"]
    with suppress(NotFound):
        container.remove(force=True, v=True)
    _remove_control_groups(HYBRID_CGROUPS / f"lightgate-test-{hostname}")


def _remove_control_groups(root: Path) -> None:
    for directory, _, _ in os.walk(root, topdown=False):
        with suppress(OSError):  # not ours to remove without root, and no harm: they are empty
            Path(directory).rmdir()


def process(pid: int) -> str:
    """A process for all time: its id and when it started, in clock ticks since boot."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return f"{pid}.gone"
    return f"{pid}.{fields[19]}"
