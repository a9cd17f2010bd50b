"""The lighttpd of this machine: where it is, whether it is one that lightgate runs on, starting it.

The rule for versions: one whose known behaviour would make a refusal wrong is refused here, before anything
is started.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from luagen.failure import Failure

INSTALL = "apt-get install lighttpd lighttpd-modules-lua"

MINIMUM = (1, 4, 69)  # Debian 12
# These discard the body and the fields that Lua sets on a 4xx or 5xx: a 401 would lose its challenge.
REFUSED = frozenset({(1, 4, 83), (1, 4, 84)})

_VERSION_OUTPUT = re.compile(r"^lighttpd/(\d+)\.(\d+)\.(\d+)")
_COMMAND_TIMEOUT_S = 20  # `lighttpd -v` and `-tt` answer in milliseconds; a busy machine gets some more

# Debian and others keep lighttpd where only root's PATH looks.
USUAL_PLACES = ("/usr/sbin/lighttpd", "/usr/local/sbin/lighttpd")


@dataclass(frozen=True, slots=True)
class Lighttpd:
    """An installed lighttpd that lightgate runs on: version supported, mod_magnet present."""

    executable: str
    version: tuple[int, int, int]

    @property
    def version_text(self) -> str:
        return ".".join(map(str, self.version))


def find(executable: str | None = None) -> Lighttpd:
    """The lighttpd at `executable`, or else the one on PATH or in a usual place, after checking that it will
    do.

    Raises Failure when there is none, its version is not supported, or it lacks mod_magnet.
    """
    path = locate(executable)
    if path is None:
        raise Failure(
            f"no lighttpd at `{executable}`" if executable else "lighttpd is not installed", INSTALL
        )
    status, output = _run([path, "-v"])
    found = _VERSION_OUTPUT.match(output)
    if status != 0 or not found:
        raise Failure(f"`{path} -v` does not answer like lighttpd", INSTALL)
    version = (int(found[1]), int(found[2]), int(found[3]))
    lighttpd = Lighttpd(path, version)
    _require_supported(lighttpd)
    _require_mod_magnet(lighttpd)
    return lighttpd


def locate(executable: str | None = None) -> str | None:
    """Where that lighttpd is, whatever its version; None when there is none."""
    if executable is not None:
        return executable if shutil.which(executable) else None
    return shutil.which("lighttpd") or next(filter(shutil.which, USUAL_PLACES), None)


def _require_supported(lighttpd: Lighttpd) -> None:
    if lighttpd.version < MINIMUM:
        minimum = ".".join(map(str, MINIMUM))
        raise Failure(
            f"lighttpd {lighttpd.version_text} is too old: lightgate needs {minimum} or newer", INSTALL
        )
    if lighttpd.version in REFUSED:
        raise Failure(
            f"lighttpd {lighttpd.version_text} drops the body and fields of refusals made in Lua",
            "install 1.4.82 or older, or 1.4.85 or newer",
        )


def _require_mod_magnet(lighttpd: Lighttpd) -> None:
    with tempfile.TemporaryDirectory(prefix="lightgate-") as directory:
        configuration = Path(directory) / "probe.conf"
        configuration.write_text(f'server.document-root = "{directory}"\nserver.modules = ("mod_magnet")\n')
        status, output = _run([lighttpd.executable, "-tt", "-f", str(configuration)])
    if status == 0:
        return
    if "mod_magnet" in output:
        raise Failure(
            f"lighttpd {lighttpd.version_text} has no mod_magnet", "apt-get install lighttpd-modules-lua"
        )
    raise Failure(f"`{lighttpd.executable}` refuses an empty configuration: {_last_line(output)}")


def check_configuration(lighttpd: Lighttpd, configuration: Path) -> None:
    """Lets lighttpd read its configuration with `-tt` (modules loaded, settings checked). Raises Failure with
    what it says."""
    said = refusal(lighttpd, configuration)
    if said is not None:
        raise Failure(f"lighttpd refuses its configuration: {_last_line(said)}")


def refusal(lighttpd: Lighttpd, configuration: Path) -> str | None:
    """All that lighttpd says against a configuration (`-tt`); None when it takes it."""
    status, output = _run([lighttpd.executable, "-tt", "-f", str(configuration)])
    return output if status != 0 else None


def command(lighttpd: Lighttpd, configuration: Path) -> list[str]:
    """What runs lighttpd in the foreground, its messages on standard error."""
    return [lighttpd.executable, "-D", "-f", str(configuration)]


def _run(arguments: list[str]) -> tuple[int, str]:
    try:
        done = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_COMMAND_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failure(f"cannot run `{' '.join(arguments)}`: {error}") from error
    return done.returncode, done.stdout.decode(errors="replace")


def _last_line(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "it gives no reason"
