"""One running installation: a compiled policy, a sidecar and a real lighttpd with directories of its own.

Everything lies in one short directory (a socket path has 105 bytes), nothing is shared with another Gate, and
only what a Gate started is ended by it. Under `htdocs` are the same files twice, below `public/` and
`members/`: `page.txt`, `echo.php`, `admin/page.txt`; below `…/app/` the proxied application answers.
"""

from __future__ import annotations

import http.client
import re
import shutil
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from luagen import compile_policy, lighttpd_host
from luagen.deployment import Deployment
from luagen.release import activate, write_release
from luagen.render import full
from tests.system.processes import REPOSITORY, Process, accepts, free_port, poll
from tests.system.wire import Fields, Response, request

TEMPLATE = Path(__file__).with_name("lighttpd.conf.in")
SIDECAR = (sys.executable, "-m", "sidecar", "run")
ORIGINS = REPOSITORY / "tests" / "origins"

#: as on a real host: lightgate's file comes first and names its own modules, the site's follow
MODULES = """\
include "$release/lightgate.conf"
server.modules += (
    "mod_indexfile", "mod_access", "mod_alias", "mod_rewrite", "mod_setenv", "mod_fastcgi", "mod_proxy",
    "mod_openssl", "mod_staticfile"
)
"""

#: what mod_magnet writes when a script fails, and what it writes when a script returns nonsense
LUA_ERROR = re.compile(
    r"lua script failed|non-integer return|\[string \"|stack traceback|lua-error", re.IGNORECASE
)

START_ATTEMPTS = 3  # another process can take a free port between the probe and lighttpd's bind


def lighttpd_version() -> tuple[int, int, int]:
    """Of the lighttpd that the gates of this session run."""
    return lighttpd_host.find().version


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What every Gate of a session shares: a certificate for the TLS listener and the proxied application."""

    certificate: Path
    application_port: int


class Gate:
    """A policy in force on 127.0.0.1. `port` is cleartext, `tls_port` TLS; both speak HTTP/1.1 and HTTP/2."""

    def __init__(
        self,
        host: Host,
        directory: Path,
        policy: str,
        *,
        files: Mapping[str, str] | None = None,
        credentials: Mapping[str, str] | None = None,
        modules: str = MODULES,
        options: str = "",
    ) -> None:
        """`files` lie beside the policy, `credentials` are the sidecar's, `options` end lighttpd.conf."""
        self._host = host
        self._modules = modules
        self._options = options
        self.directory = directory
        self.htdocs = directory / "htdocs"
        self.deployment = Deployment.below(
            str(directory),
            release_directory=str(directory / "current"),
            connect_timeout_s=1,
            write_timeout_s=2,
            read_timeout_s=4,
            deadline_s=3,
        )
        self.port = self.tls_port = 0
        self._log_lines_seen = 0
        self.sidecar: Process | None = None
        self.lighttpd: Process | None = None
        for name in ("uploads", "secrets", "releases", "policy", "credentials"):
            (directory / name).mkdir(mode=0o700)
        self._make_htdocs()
        for name, text in (files or {}).items():
            (directory / "policy" / name).write_text(text, "utf-8")
        for name, secret in (credentials or {}).items():
            path = directory / "credentials" / name
            path.touch(mode=0o600)
            path.write_text(secret, "utf-8")
        self.release_id = self.deploy(policy)

    # --- the policy ---

    def deploy(self, policy: str) -> str:
        """Compiles and activates a policy; returns the release id. lighttpd notices within about a second."""
        path = self.directory / "policy" / "lightgate.toml"
        path.write_text(policy, "utf-8")
        compilation = compile_policy(path, self.deployment)
        assert compilation.release is not None, "\n".join(full(d) for d in compilation.diagnostics)
        releases = self.directory / "releases"
        write_release(compilation.release, releases)
        activate(releases, compilation.release.id, self.directory / "current")
        return compilation.release.id

    # --- processes ---

    def start(self) -> None:
        self.start_sidecar()
        self.start_lighttpd()

    def start_sidecar(self) -> None:
        """Starts the daemon and returns when it says it is ready."""
        configuration = f"{self.deployment.release_directory}/sidecar.json"
        self.sidecar = Process(
            [*SIDECAR, "--config", configuration, "--credentials", str(self.directory / "credentials")],
            log=self.directory / "sidecar.log",
        )
        poll("the sidecar's health page", self._sidecar_is_up)

    def _sidecar_is_up(self) -> bool:
        assert self.sidecar is not None
        self.sidecar.check_running()
        try:
            return self.ask_sidecar("/healthz").status == 200
        except OSError:
            return False

    def start_lighttpd(self) -> None:
        for attempt in range(1, START_ATTEMPTS + 1):
            self.port, self.tls_port = free_port(), free_port()
            configuration = self.directory / "lighttpd.conf"
            configuration.write_text(self._configuration())
            self.lighttpd = Process(
                ["lighttpd", "-D", "-f", str(configuration)], log=self.directory / "lighttpd.out"
            )
            poll("lighttpd accepts connections or ends", self._lighttpd_is_settled)
            if self.lighttpd.running:
                return
            said = self.lighttpd.output() + self.lighttpd_log()
            assert "Address already in use" in said and attempt < START_ATTEMPTS, said

    def _lighttpd_is_settled(self) -> bool:
        assert self.lighttpd is not None
        return not self.lighttpd.running or accepts(self.tls_port)

    def _configuration(self) -> str:
        names = {
            "directory": str(self.directory),
            "release": self.deployment.release_directory,
            "port": str(self.port),
            "tls_port": str(self.tls_port),
            "application_port": str(self._host.application_port),
            "certificate": str(self._host.certificate),
        }
        return Template(TEMPLATE.read_text()).substitute(
            names,
            modules=Template(self._modules).substitute(names),
            options=Template(self._options).safe_substitute(names),
        )

    def stop(self) -> None:
        for process in (self.lighttpd, self.sidecar):
            if process is not None:
                process.stop()

    # --- what is asked of it ---

    def get(self, target: str, fields: Fields = ()) -> Response:
        return request(self.port, target, fields)

    def url(self, target: str, *, tls: bool = False) -> str:
        return f"{'https' if tls else 'http'}://127.0.0.1:{self.tls_port if tls else self.port}{target}"

    def ask_sidecar(self, path: str) -> Response:
        """GET on the sidecar's own HTTP socket. Raises OSError when nobody listens."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(self.deployment.http_socket)
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            answer = http.client.HTTPResponse(client)
            answer.begin()
            return Response(answer.status, tuple(answer.getheaders()), answer.read())

    def metric(self, name: str) -> float:
        """The sum of one of the sidecar's metrics over its labels; 0 while it has no samples."""
        lines = self.ask_sidecar("/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if re.match(rf"{name}(\{{| )", line))

    def deferrals(self) -> int:
        """How many deferrals the sidecar has answered since it started."""
        return int(self.metric("lightgate_decisions_total"))

    # --- logs ---

    def lighttpd_log(self) -> str:
        path = self.directory / "lighttpd.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def new_lua_errors(self) -> list[str]:
        """Lines since the last call in lighttpd's error log that say that Lua failed."""
        lines = self.lighttpd_log().splitlines()
        new, self._log_lines_seen = lines[self._log_lines_seen :], len(lines)
        return [line for line in new if LUA_ERROR.search(line)]

    def logs(self) -> str:
        """All logs, for a failing test's report."""
        parts = []
        for name in ("lighttpd.out", "lighttpd.log", "sidecar.log"):
            path = self.directory / name
            text = path.read_text("utf-8", "replace") if path.exists() else "(none)\n"
            parts.append(f"--- {name}\n{text[-20_000:]}")
        return "\n".join(parts)

    def _make_htdocs(self) -> None:
        for area in ("public", "members"):
            folder = self.htdocs / area
            (folder / "admin").mkdir(parents=True)
            (folder / "page.txt").write_text(f"the {area} page\n")
            (folder / "admin" / "page.txt").write_text(f"the {area} admin page\n")
            shutil.copy(ORIGINS / "echo.php", folder / "echo.php")
