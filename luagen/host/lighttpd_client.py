"""What lighttpd says about lightgate: its pages for clients of this machine, below `/.lightgate/`."""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from luagen.host.http_get import Answer, get
from luagen.host.lighttpd_config import MergedConfig
from luagen.host.local_url import base_urls, loopback_source
from luagen.host.probe import HEALTH
from luagen.host.settings import HostSettings

STATUS = "/.lightgate/status"
_TIMEOUT_S = 12.0  # lighttpd gives the sidecar 10 s
_MAX_BYTES = 64 * 1024


class LighttpdSilentError(Exception):
    """lighttpd does not answer, or not as lightgate's Lua does. The message says which, in a few words."""


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """What the worker that answered says: its release and version, and its verdict cache's figures by name,
    None where the release has no cache."""

    url: str
    release: str
    lighttpd: str
    lua: str
    verdicts: Mapping[str, int] | None


def urls(settings: HostSettings, configuration: MergedConfig) -> tuple[str, ...]:
    """Where to ask: as the host file says, or every listener of lighttpd."""
    if settings.lighttpd_url is not None:
        return (settings.lighttpd_url.rstrip("/"),)
    return base_urls(configuration)


async def status(bases: tuple[str, ...]) -> WorkerStatus:
    """Raises LighttpdSilentError."""
    base, answer = await _first(bases, STATUS, (200,))
    try:
        document = json.loads(answer.body)
        verdicts = document["verdicts"]
        return WorkerStatus(
            url=base,
            release=str(document["release"]),
            lighttpd=str(document["lighttpd"]),
            lua=str(document["lua"]),
            verdicts=None if verdicts is None else {str(name): int(n) for name, n in verdicts.items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise LighttpdSilentError(f"{base}{STATUS} is not as this version knows it") from None


async def health(bases: tuple[str, ...]) -> str:
    """The release that lighttpd, Lua and the sidecar answer for together. Raises LighttpdSilentError."""
    base, answer = await _first(bases, HEALTH, (204,))
    release = answer.fields.get("lightgate-release")
    if release is None:
        raise LighttpdSilentError(f"{base}{HEALTH} does not name a release")
    return release


async def _first(bases: tuple[str, ...], path: str, expected: tuple[int, ...]) -> tuple[str, Answer]:
    """The first listener that answers as expected: a site may redirect everything on one of them."""
    if not bases:
        raise LighttpdSilentError("it listens on no TCP port, and the host file has no `lighttpd_url`")
    said: list[str] = []
    for base in bases:
        source = loopback_source(urlsplit(base).hostname or "")
        try:
            answer = await get(
                base + path,
                timeout_s=_TIMEOUT_S,
                source=source,
                verify=source is None,  # a certificate is for the site's name, not for this address
                body_bytes=_MAX_BYTES,
            )
        except OSError as error:
            refused = error.errno == errno.ECONNREFUSED
            reason = "nobody listens" if refused else str(error.strerror or error or "no connection").lower()
            said.append(f"{base}{path}: {reason}")
            continue
        if answer.status in expected:
            return base, answer
        said.append(f"{base}{path} answers {answer.status}")
    raise LighttpdSilentError(said[0])
