"""One container and what is done in it from outside: commands, files, its end."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from docker.models.containers import Container

from tests.docker.engine import remove

COMMAND_TIMEOUT_S = 60
STDIN = "/var/lightgate-test-stdin"


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ended."""

    command: str
    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err

    def json(self) -> Any:
        return json.loads(self.out)

    def __str__(self) -> str:
        return f"{self.command}\nended with {self.status}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Machine:
    """A running container that this session owns."""

    def __init__(self, container: Container) -> None:
        self.container = container

    def run(
        self,
        *argv: str,
        status: int | None = 0,
        user: str = "root",
        directory: str | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        timeout_s: float = COMMAND_TIMEOUT_S,
    ) -> Done:
        """Runs a command in the container. Raises AssertionError unless it ends with `status` (None: any)."""
        bounded = ["timeout", "--kill-after=5", f"{timeout_s:g}", *argv]
        if stdin is not None:
            self.write(STDIN, stdin)
            bounded = ["sh", "-c", 'exec "$@" <"$0"', STDIN, *bounded]
        answer = self.container.exec_run(
            bounded, user=user, workdir=directory, environment=dict(environment or {}), demux=True
        )
        out, err = (part.decode("utf-8", "replace") if part else "" for part in answer.output)
        done = Done(" ".join(argv), answer.exit_code, out, err)
        assert status is None or done.status == status, str(done)
        return done

    def sh(self, script: str, **options: Any) -> Done:
        """Runs a shell script that ends at its first failure; `options` are those of `run`."""
        return self.run("sh", "-euc", script, **options)

    def read(self, path: str) -> str:
        return self.run("cat", path).out

    def read_bytes(self, path: str) -> bytes:
        """The content of a file. Not below a mount (/run, /tmp)."""
        stream, _ = self.container.get_archive(path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
            extracted = tar.extractfile(tar.next() or path)
            assert extracted is not None, path
            return extracted.read()

    def write(self, path: str, content: bytes | str, *, mode: int = 0o644) -> None:
        """Writes a file of root's. Not below a mount (/run, /tmp): Docker does not see them."""
        data = content if isinstance(content, bytes) else content.encode()
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            entry = tarfile.TarInfo(PurePosixPath(path).name)
            entry.size, entry.mode = len(data), mode
            tar.addfile(entry, io.BytesIO(data))
        self.unpack(str(PurePosixPath(path).parent), buffer.getvalue())

    def unpack(self, directory: str, archive: bytes) -> None:
        """Unpacks a tar archive into a directory that is there."""
        assert self.container.put_archive(directory, archive)

    def exists(self, path: str) -> bool:
        return self.run("test", "-e", path, status=None).status == 0

    def published(self, port: int) -> int:
        """The port of this machine's loopback interface at which the container's `port` is reached."""
        self.container.reload()
        return int(self.container.ports[f"{port}/tcp"][0]["HostPort"])

    def remove(self) -> None:
        remove(self.container)
