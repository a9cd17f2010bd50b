"""lighttpd's configuration for a development session, from `lighttpd/conf/dev.conf.j2`. Does no I/O but read
the template."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from luagen import resources, skeleton
from luagen.artifacts import ConfText
from luagen.dev import trace
from luagen.dev.upstream import Upstream
from luagen.failure import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a session serves, and where: files below `root`, or `upstream`."""

    port: int
    root: Path
    upstream: Upstream | None
    php_socket: Path | None  # where php-cgi listens, when *.php is to run


def render(site: Site, *, directory: Path, requests: Path) -> str:
    """The configuration's text. The release in force is `directory`/current; `requests` is the FIFO of the
    request log.

    Raises Failure when a path holds what lighttpd's configuration cannot.
    """
    return skeleton.render(
        resources.lighttpd_directory() / "conf" / "dev.conf.j2",
        ConfText,
        release_configuration=_quoted(str(directory / "current" / "lightgate.conf")),
        directory=_quoted(str(directory)),
        port=ConfText(str(site.port)),
        root=_quoted(str(site.root)),
        log_command=_quoted(f"|exec cat > {shlex.quote(str(requests))}"),
        log_format=_quoted(trace.FORMAT),
        upstream_host=_quoted(site.upstream.host) if site.upstream else None,
        upstream_port=ConfText(str(site.upstream.port)) if site.upstream else None,
        php_socket=_quoted(str(site.php_socket)) if site.php_socket else None,
    )


def _quoted(text: str) -> ConfText:
    """A string of lighttpd's configuration. Raises Failure for characters that its parser would read
    differently."""
    if "\\" in text or not text.isprintable():
        raise Failure(f"lighttpd's configuration cannot hold the name {text!r}", "rename the file or folder")
    return ConfText('"' + text.replace('"', '\\"') + '"')
