"""The suite itself: without a daemon it says what to do, and what it makes it takes away again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.docker.engine import OWNER_LABEL, Engine, NoDocker, process
from tests.system.processes import REPOSITORY


def test_no_daemon_is_told_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(NoDocker, match=r"error: no Docker daemon answers.*\n  = help: apt-get install"):
        Engine()


def test_base_image_script_says_what_is_missing() -> None:
    environment = {**os.environ, "DOCKER_HOST": "unix:///nowhere/docker.sock"}
    script = REPOSITORY / "scripts" / "base-image"
    done = subprocess.run([script, "trixie"], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("error: no Docker daemon answers\n  = help: ")
    assert subprocess.run([script], capture_output=True, timeout=60).returncode == 2


#: a session that makes a container and waits to be ended
SESSION = """
import time
from tests.docker.engine import Engine
engine = Engine()
image = engine.client.images.list(name="debian:bookworm-slim")[0]
command, name = ["sleep", "600"], engine.name("test")
engine.client.containers.run(image.id, command, detach=True, labels=engine.labels, name=name)
print("ready", flush=True)
time.sleep(600)
"""


def _owned(engine: Engine, owner: str) -> int:
    found = {"label": f"{OWNER_LABEL}={owner}"}
    containers = engine.client.containers.list(all=True, filters=found)
    return len(containers) + len(engine.client.networks.list(filters=found))


def test_what_a_killed_session_left_is_removed_by_the_next(engine: Engine) -> None:
    engine.base_image("bookworm")
    session = subprocess.Popen(
        [sys.executable, "-c", SESSION], cwd=REPOSITORY, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert session.stdout is not None
    assert session.stdout.readline() == b"ready\n"
    owner = process(session.pid)
    assert _owned(engine, owner) == 2
    Engine().close()  # another session leaves it alone while it lives
    assert _owned(engine, owner) == 2
    session.send_signal(signal.SIGKILL)
    session.wait(10)
    Engine().close()
    assert _owned(engine, owner) == 0
