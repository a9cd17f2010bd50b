"""An installation in a temporary directory: host file, lighttpd, sidecar, as ordinary processes.

`lightgate` runs as a command of its own, as an operator would run it. The commands that tell the services
write down that they were called before they do it.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.system.processes import REPOSITORY, Process, accepts, free_port, poll
from tests.system.wire import Response, request

COMMAND_TIMEOUT_S = 90

POLICY = """\
default = "pass"

[[rule]]
name    = "moved"
when    = 'request.path == "/old"'
respond = { status = 410 }
"""


def with_issuer(issuer: str, *, secret: str | None = None) -> str:
    """A policy whose members' area trusts `issuer`; with `secret` that credential signs its tokens."""
    keys = 'jwks_file = "keys.json"' if secret is None else f'algorithms = ["HS256"]\nsecret = "{secret}"'
    return f"""{POLICY}
[auth.corp]
issuer   = "{issuer}"
audience = ["shop"]
{keys}

[[rule]]
name    = "members"
when    = 'request.path.startswith("/members/")'
require = {{ auth = "corp" }}
"""


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    def steps(self) -> dict[str, str]:
        """What was said for each step; the last of one name."""
        lines = (line.partition(" ") for line in self.out.splitlines())
        return {name: said.strip() for name, _, said in lines}


class Site:
    """`directory` is short (a socket path has 105 bytes) and empty."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.host_file = directory / "host.toml"
        self.policy_file = directory / "lightgate.toml"
        self.state = directory / "state"
        self.current = self.state / "current"
        self.audit_log = directory / "log" / "audit.log"
        self.told_log = directory / "told"
        self.lighttpd_config = directory / "lighttpd.conf"
        self.lighttpd: Process | None = None
        self.sidecar: Process | None = None
        self.port = 0
        self.extra = ""  # lines that end lighttpd.conf
        for name in ("run", "htdocs/members", "conf-enabled", "credentials"):
            (directory / name).mkdir(parents=True, mode=0o755)
        directory.chmod(0o755)
        (directory / "run" / "secrets").mkdir(mode=0o750)
        (directory / "credentials").chmod(0o700)
        (directory / "htdocs" / "page.txt").write_text("the page\n")
        self.policy_file.write_text(POLICY)
        self.told_log.touch()
        self.configure()

    # --- files ---

    def configure(self, **keys: object) -> None:
        """Writes the host file; `keys` are added to those that every site has."""
        told = ["/bin/sh", "-c", f'echo "$0" >> {self.told_log}; [ ! -s $1 ] || kill -$2 $(cat $1)']
        lighttpd, sidecar = self.directory / "lighttpd.pid", self.directory / "sidecar.pid"
        values: dict[str, object] = {
            "policy": str(self.policy_file),
            "state_directory": str(self.state),
            "run_directory": str(self.directory / "run"),
            "log_directory": str(self.audit_log.parent),
            "credentials_directory": str(self.directory / "credentials"),
            "lighttpd_config": str(self.lighttpd_config),
            "reload_lighttpd": [*told, "reload lighttpd", str(lighttpd), "USR1"],
            "reload_sidecar": [*told, "reload sidecar", str(sidecar), "HUP"],
            "restart_sidecar": [*told, "restart sidecar", str(sidecar), "HUP"],
            **keys,
        }
        self.host_file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))

    def write_lighttpd_config(self) -> None:
        """As Debian has it: the main file includes a directory, in which a file includes the release."""
        self.lighttpd_config.write_text(
            f"""\
server.document-root = "{self.directory}/htdocs"
server.upload-dirs   = ( "{self.directory}" )
server.errorlog      = "{self.directory}/error.log"
server.pid-file      = "{self.directory}/lighttpd.pid"
server.bind          = "127.0.0.1"
server.port          = {self.port}
mimetype.assign      = ( ".txt" => "text/plain" )
include "conf-enabled/*.conf"
{self.extra}
"""
        )
        enabled = self.directory / "conf-enabled" / "04-lightgate.conf"
        enabled.write_text(f'include "{self.current}/lightgate.conf"\n')

    def credential(self, name: str, value: str) -> None:
        path = self.directory / "credentials" / name
        path.touch(mode=0o600)
        path.write_text(value)

    def told(self) -> list[str]:
        """What services were told since the last call."""
        lines = self.told_log.read_text().splitlines()
        self.told_log.write_text("")
        return lines

    def in_force(self) -> str:
        return self.current.readlink().name

    def releases(self) -> set[str]:
        return {path.name for path in (self.state / "releases").iterdir() if path.is_dir()}

    def audit(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.audit_log.read_text().splitlines()]

    # --- commands ---

    def run(self, *arguments: str, stdin: str | None = None, **environment: str) -> Done:
        """`lightgate ARGUMENTS`."""
        done = subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
            cwd=REPOSITORY,
            env=self.environment(**environment),
        )
        assert done.returncode != 70, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "luagen", *arguments]

    def environment(self, **environment: str) -> dict[str, str]:
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LIGHTGATE_HOST": str(self.host_file), **environment}

    def deploy(self, policy: str | None = None, *arguments: str) -> Done:
        """Deploys `policy`, or the policy file as it is."""
        if policy is not None:
            self.policy_file.write_text(policy)
        return self.run("deploy", *arguments)

    # --- processes ---

    def start(self) -> None:
        """The release in force, in a lighttpd and a sidecar."""
        self.start_sidecar()
        self.start_lighttpd()

    def start_sidecar(self) -> None:
        self.sidecar = Process(
            [
                *(sys.executable, "-m", "sidecar", "run", "--config", str(self.current / "sidecar.json")),
                *("--credentials", str(self.directory / "credentials")),
            ],
            log=self.directory / "sidecar.log",
        )
        (self.directory / "sidecar.pid").write_text(str(self.sidecar.pid))
        poll("the sidecar listens", (self.directory / "run" / "authorizer.sock").exists)

    def start_lighttpd(self) -> None:
        self.port = free_port()
        self.write_lighttpd_config()
        self.lighttpd = Process(
            ["lighttpd", "-D", "-f", str(self.lighttpd_config)], log=self.directory / "lighttpd.out"
        )

        def listens() -> bool:
            assert self.lighttpd is not None
            self.lighttpd.check_running()
            return accepts(self.port)

        poll("lighttpd listens", listens)

    def stop(self) -> None:
        for process in (self.lighttpd, self.sidecar):
            if process is not None:
                process.stop()

    def get(self, target: str) -> Response:
        return request(self.port, target)

    def sidecars_release(self) -> str:
        """The release that the sidecar counts as the current one."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(str(self.directory / "run" / "http.sock"))
            client.sendall(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
            with client.makefile("r") as answer:
                found = re.search(r'lightgate_release\w*\{release="(\w+)"\}', answer.read())
        assert found is not None
        return found[1]

    def errors(self) -> str:
        """lighttpd's error log."""
        path = self.directory / "error.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def logs(self) -> str:
        """What lighttpd and the sidecar wrote, for a failing test's report."""
        assert self.sidecar is not None
        events = [line for line in self.sidecar.output().splitlines() if '"refused"' not in line]
        return "\n".join([self.errors()[-5_000:], *events[-50:]])
