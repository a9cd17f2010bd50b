"""The servers under load: lighttpd alone, and the same lighttpd with lightgate; all on one processor core."""

from __future__ import annotations

import http.client
import os
import re
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from luagen import compile_policy
from luagen.deployment import Deployment
from luagen.release import activate, write_release
from luagen.render import full
from tests.system.processes import Process, accepts, free_port, poll

PAGE_BYTES = 1024

CONFIGURATION = """\
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{directory}/htdocs"
server.errorlog = "{directory}/lighttpd.log"
server.max-keep-alive-requests = 65535
server.max-fds = 4096
server.max-connections = 2048
mimetype.assign = ( ".txt" => "text/plain" )
{lightgate}
server.modules += ( "mod_staticfile" )
"""


class Bare:
    """lighttpd alone, with the file that all servers of a run serve."""

    def __init__(self, directory: Path, core: int) -> None:
        self.directory = directory
        self._core = core
        for area in ("public", "members"):
            folder = directory / "htdocs" / area
            folder.mkdir(parents=True)
            (folder / "page.txt").write_bytes(b"x" * (PAGE_BYTES - 1) + b"\n")
        self._processes: list[Process] = []

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    def start(self) -> None:
        self._start_lighttpd("")

    def _start(self, argv: list[str], log: str) -> Process:
        process = Process(["taskset", "-c", str(self._core), *argv], log=self.directory / log)
        self._processes.append(process)
        return process

    def _start_lighttpd(self, lightgate: str) -> None:
        self._port = free_port()
        configuration = self.directory / "lighttpd.conf"
        configuration.write_text(
            CONFIGURATION.format(port=self._port, directory=self.directory, lightgate=lightgate)
        )
        self.lighttpd = process = self._start(["lighttpd", "-D", "-f", str(configuration)], "lighttpd.out")

        def ready() -> bool:
            process.check_running()
            return accepts(self._port)

        poll("lighttpd accepts connections", ready)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}{path}"

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.stop()


class Gated(Bare):
    """lighttpd with a policy in force, and its sidecar."""

    def __init__(
        self,
        directory: Path,
        core: int,
        policy: str,
        *,
        files: Mapping[str, str],
        credentials: Mapping[str, str],
    ) -> None:
        """`files` lie beside the policy; `credentials` are the sidecar's."""
        super().__init__(directory, core)
        self._deployment = Deployment.below(str(directory), release_directory=str(directory / "current"))
        for name in ("policy", "credentials", "releases", "secrets"):
            (directory / name).mkdir(mode=0o700)
        for name, text in files.items():
            (directory / "policy" / name).write_text(text)
        for name, secret in credentials.items():
            path = directory / "credentials" / name
            path.touch(mode=0o600)
            path.write_text(secret)
        self._compile(policy)

    def _compile(self, policy: str) -> None:
        path = self.directory / "policy" / "lightgate.toml"
        path.write_text(policy)
        before = time.process_time()
        compilation = compile_policy(path, self._deployment)
        self.build_s = time.process_time() - before
        if compilation.release is None:
            raise SystemExit("\n".join(full(diagnostic) for diagnostic in compilation.diagnostics))
        write_release(compilation.release, self.directory / "releases")
        activate(self.directory / "releases", compilation.release.id, self.directory / "current")

    def start(self) -> None:
        current = self._deployment.release_directory
        argv = [sys.executable, "-m", "sidecar", "run", "--config", f"{current}/sidecar.json"]
        self.sidecar = self._start(
            [*argv, "--credentials", str(self.directory / "credentials")], "sidecar.log"
        )

        def ready() -> bool:
            self.sidecar.check_running()
            return self.metric("lightgate_release_info") is not None

        poll("the sidecar is up", ready)
        self._start_lighttpd(f'include "{current}/lightgate.conf"')

    def forget(self) -> None:
        """Makes Lua forget all verdicts: a new epoch, and the two seconds in which lighttpd notices it."""
        os.utime(self._deployment.epoch_file)
        time.sleep(2.1)

    def metric(self, name: str) -> float | None:
        """The sum of one of the sidecar's metrics over its labels; None while nobody answers."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(5)
                client.connect(self._deployment.http_socket)
                client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                answer = http.client.HTTPResponse(client)
                answer.begin()
                lines = answer.read().decode().splitlines()
        except OSError:
            return None
        return sum(float(line.split()[-1]) for line in lines if re.match(rf"{name}(\{{| )", line))
