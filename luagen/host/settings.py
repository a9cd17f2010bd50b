"""The host file: where this host keeps what lightgate needs, and how its services are told of changes.

Every key has a default that is right for a Debian host with `make install` or the package, so that most hosts
have no such file. Read like a policy: all mistakes at once, each with its place.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from luagen import document, text_file
from luagen.deployment import Deployment
from luagen.diagnostics import Bag, Code, Diagnostic, quoted
from luagen.document import Text
from luagen.schema import Key
from luagen.table_reader import TableReader, plain_text

DEFAULT_PATH = Path("/etc/lightgate/host.toml")

KEYS = (
    Key("policy", "a path", "the policy that `lightgate deploy` takes", '`"/etc/lightgate/lightgate.toml"`'),
    Key("state_directory", "a path", "releases, and which is in force", '`"/var/lib/lightgate"`'),
    Key("run_directory", "a path", "sockets, epoch file, published secrets", '`"/run/lightgate"`'),
    Key("log_directory", "a path", "the audit log", '`"/var/log/lightgate"`'),
    Key("credentials_directory", "a path", "one file a secret", '`"/etc/lightgate/credentials"`'),
    Key(
        "sealed_credentials_directory",
        "a path",
        "one file a secret, encrypted by systemd-creds",
        '`"/etc/lightgate/credentials.encrypted"`',
    ),
    Key("lighttpd", "a path", "the server", "the one on the PATH"),
    Key("lighttpd_config", "a path", "its configuration", '`"/etc/lighttpd/lighttpd.conf"`'),
    Key("lighttpd_user", "a name", "the user that it runs as", '`"www-data"`'),
    Key("sidecar_user", "a name", "the user that the sidecar runs as", '`"lightgate"`'),
    Key("health_url", "a URL", "a page of the site that must answer 2xx or 3xx after a deploy", "none"),
    Key(
        "lighttpd_url",
        "a URL",
        "scheme, address and port at which this machine reaches lighttpd",
        "found in its configuration",
    ),
    Key("log_decisions", "a boolean", "set LIGHTGATE_RULE, _DECISION, _WHERE for the access log", "`false`"),
    Key("keep_releases", "an integer, 2 to 1000", "older ones are removed by a deploy", "10"),
    Key(
        "reload_lighttpd",
        "a command",
        "makes lighttpd read its configuration again",
        '`["systemctl", "reload", "lighttpd.service"]`',
    ),
    Key(
        "reload_sidecar",
        "a command",
        "makes the sidecar read its configuration again",
        '`["systemctl", "reload", "lightgate.service"]`',
    ),
    Key(
        "restart_sidecar",
        "a command",
        "restarts the sidecar, so that it reads its credentials",
        '`["systemctl", "restart", "lightgate.service"]`',
    ),
)

MIN_RELEASES, MAX_RELEASES = 2, 1000

Command = tuple[str, ...]  # arguments, the program first; () does nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings:
    """The host as its file describes it. Paths are absolute; a command of no arguments is not run."""

    file: Path | None = field(default=None, compare=False)  # where this was read; None: all are defaults
    policy: Path = Path("/etc/lightgate/lightgate.toml")
    state_directory: Path = Path("/var/lib/lightgate")
    run_directory: Path = Path("/run/lightgate")
    log_directory: Path = Path("/var/log/lightgate")
    credentials_directory: Path = Path("/etc/lightgate/credentials")
    sealed_credentials_directory: Path = Path("/etc/lightgate/credentials.encrypted")
    lighttpd: str | None = None  # None: looked for, see lighttpd_host.find
    lighttpd_config: Path = Path("/etc/lighttpd/lighttpd.conf")
    lighttpd_user: str = "www-data"
    sidecar_user: str = "lightgate"
    health_url: str | None = None
    lighttpd_url: str | None = None
    log_decisions: bool = False
    keep_releases: int = 10
    reload_lighttpd: Command = ("systemctl", "reload", "lighttpd.service")
    reload_sidecar: Command = ("systemctl", "reload", "lightgate.service")
    restart_sidecar: Command = ("systemctl", "restart", "lightgate.service")

    @property
    def releases(self) -> Path:
        return self.state_directory / "releases"

    @property
    def current(self) -> Path:
        """The symlink to the release in force."""
        return self.state_directory / "current"

    @property
    def http_socket(self) -> Path:
        return self.run_directory / "http.sock"

    @property
    def authorizer_socket(self) -> Path:
        return self.run_directory / "authorizer.sock"

    @property
    def audit_log(self) -> Path:
        return self.log_directory / "audit.log"

    def deployment(self) -> Deployment:
        """Where a release for this host runs."""
        return Deployment.below(
            str(self.run_directory), release_directory=str(self.current), log_decisions=self.log_decisions
        )


def load(path: Path | None) -> tuple[HostSettings | None, tuple[Diagnostic, ...]]:
    """The settings in the host file, or what is wrong with it. None: DEFAULT_PATH, which may be absent."""
    if path is None:
        if not DEFAULT_PATH.exists():
            return HostSettings(), ()
        path = DEFAULT_PATH
    bag = Bag()
    file = text_file.read(path, bag)
    root = None if file is None else document.parse(file.source, bag)
    if root is None:
        return None, bag.sorted()
    settings = _Reader(TableReader(root, KEYS, "the host file", bag)).settings()
    return (None if bag.has_errors else replace(settings, file=path)), bag.sorted()


class _Reader:
    """Takes the values of the file, or the default where a key is absent or wrong."""

    def __init__(self, read: TableReader) -> None:
        self._read = read
        self._default = HostSettings()

    def settings(self) -> HostSettings:
        default = self._default
        lighttpd = self._read.string("lighttpd")
        if lighttpd is not None:
            self._absolute("lighttpd", lighttpd)
        return HostSettings(
            policy=self._path("policy", default.policy),
            state_directory=self._path("state_directory", default.state_directory),
            run_directory=self._path("run_directory", default.run_directory),
            log_directory=self._path("log_directory", default.log_directory),
            credentials_directory=self._path("credentials_directory", default.credentials_directory),
            sealed_credentials_directory=self._path(
                "sealed_credentials_directory", default.sealed_credentials_directory
            ),
            lighttpd=lighttpd,
            lighttpd_config=self._path("lighttpd_config", default.lighttpd_config),
            lighttpd_user=self._read.string("lighttpd_user") or default.lighttpd_user,
            sidecar_user=self._read.string("sidecar_user") or default.sidecar_user,
            health_url=self._url("health_url"),
            lighttpd_url=self._url("lighttpd_url"),
            log_decisions=self._read.boolean("log_decisions", default.log_decisions),
            keep_releases=self._read.integer(
                "keep_releases", MIN_RELEASES, MAX_RELEASES, default.keep_releases
            ),
            reload_lighttpd=self._command("reload_lighttpd", default.reload_lighttpd),
            reload_sidecar=self._command("reload_sidecar", default.reload_sidecar),
            restart_sidecar=self._command("restart_sidecar", default.restart_sidecar),
        )

    def _path(self, key: str, default: Path) -> Path:
        text = self._read.string(key)
        return default if text is None else self._absolute(key, text)

    def _absolute(self, key: str, text: str) -> Path:
        if not text.startswith("/"):
            self._wrong(key, f"`{key}` takes an absolute path, not {quoted(text)}")
        return Path(text)

    def _url(self, key: str) -> str | None:
        text = self._read.string(key)
        if text is not None and not text.startswith(("http://", "https://")):
            self._wrong(key, f"`{key}` takes a URL, not {quoted(text)}", help="http://127.0.0.1/ is one")
        return text

    def _command(self, key: str, default: Command) -> Command:
        """An array of strings, empty for nothing to run."""
        entry = self._read.entry(key)
        if entry is None:
            return default
        if not isinstance(entry.value, document.Array):
            self._read.wrong_type(key, "an array of strings", entry.value)
            return default
        arguments: list[str] = []
        for value in entry.value.values:
            if not isinstance(value, Text):
                self._read.wrong_type(key, "an array of strings", value)
            elif plain_text(value, self._read.bag) is not None:
                arguments.append(value.value)
        return tuple(arguments)

    def _wrong(self, key: str, message: str, *, help: str | None = None) -> None:
        entry = self._read.entry(key)
        assert entry is not None  # noqa: S101 - the value came from it
        self._read.error(Code.INVALID_VALUE, message, entry.value.span, help=help)
