"""Whether lighttpd takes its configuration with a release that is not in force yet."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from luagen import lighttpd_host
from luagen.failure import Failure
from luagen.host import file_errors, lighttpd_config
from luagen.host.includes import Expansion, expand
from luagen.host.lighttpd_config import MergedConfig
from luagen.host.settings import HostSettings
from luagen.lighttpd_host import Lighttpd

_DEBIAN_FILE = Path("/etc/lighttpd/conf-available/04-lightgate.conf")

_SOURCE = re.compile(r"source: (?P<file>\S+) line: (?P<line>\d+) pos: (?P<position>\d+)")
_STAMP = re.compile(r"^[-0-9]+ [:0-9]+: (\([a-z_-]+\.c\.\d+\) )?")


def test_configuration(lighttpd: Lighttpd, settings: HostSettings, conf: bytes) -> MergedConfig:
    """Lets lighttpd read its configuration with `conf` as the lightgate.conf in force; returns what it read.

    Raises Failure when lighttpd refuses it, and when it does not include lightgate at all.
    """
    main, included = settings.lighttpd_config, settings.current / "lightgate.conf"
    try:
        expansion = expand(main, instead_of=included, content=conf.decode())
    except OSError as error:
        raise file_errors.failure(error, f"read `{main}`") from error
    if expansion.replaced == 0:
        raise Failure(
            f"`{main}` does not include lightgate: no rule would be asked", _how_to_include(settings)
        )
    # In the state directory: what is left of a killed deploy is removed there by the next one.
    try:
        directory = tempfile.TemporaryDirectory(prefix=".candidate.", dir=settings.state_directory)
    except OSError as error:
        raise file_errors.failure(error, f"write to `{settings.state_directory}`") from error
    with directory as name:
        whole = Path(name) / main.name
        try:
            whole.write_text(expansion.text, "utf-8", "surrogateescape")
        except OSError as error:
            raise file_errors.failure(error, f"write to `{settings.state_directory}`") from error
        said = lighttpd_host.refusal(lighttpd, whole)
        if said is not None:
            raise Failure(
                f"lighttpd refuses its configuration: {_reason(said, whole, expansion)}",
                f"lighttpd -tt -f {main} says what it makes of the one in force",
            )
        return lighttpd_config.read(lighttpd, whole)


def _how_to_include(settings: HostSettings) -> str:
    if settings == HostSettings(policy=settings.policy) and _DEBIAN_FILE.exists():
        return "lighty-enable-mod lightgate"
    return f'put before everything that names modules: include "{settings.current}/lightgate.conf"'


def _reason(said: str, whole: Path, expansion: Expansion) -> str:
    """The first of what lighttpd said, and the first place that it named, in the operator's files."""
    lines = [_STAMP.sub("", line) for line in said.splitlines() if line.strip()]
    reason = lines[0] if lines else "it gives no reason"
    place = next((found for line in lines if (found := _SOURCE.search(line))), None)
    if place is None or not _is(place["file"], whole):
        return reason
    # Position 0 is the end of the line before.
    number = int(place["line"]) - (1 if place["position"] == "0" else 0)
    line = expansion.lines[max(0, min(number, len(expansion.lines)) - 1)]
    reason = _SOURCE.sub("", reason).strip()
    return f"{line.source}:{line.number}: {reason}"


def _is(named: str, path: Path) -> bool:
    """lighttpd shows paths relative to its working directory where that is shorter."""
    return Path(named).name == path.name
