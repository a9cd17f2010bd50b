"""Where this machine reaches its own lighttpd."""

from __future__ import annotations

import ipaddress
import re

from luagen.host.lighttpd_config import MergedConfig, Settings

_ANY = {"": "127.0.0.1", "*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
_ADDRESS = re.compile(r"(?:\[(?P<v6>[^]]*)\]|(?P<host>[^:]*))(?::(?P<port>\d+))?")


def base_urls(configuration: MergedConfig) -> tuple[str, ...]:
    """`scheme://host:port` of every TCP listener, the global one first.

    More than one, because a site may redirect everything on the first before lightgate sees it.
    """
    secure = configuration.enabled("ssl.engine") or False
    port = configuration.integer("server.port") or 80
    found = [_url(configuration.string("server.bind") or "", port, secure)]
    for block in configuration.sockets:
        if block.condition is not None:
            found.append(_url(block.condition.text, port, _is_secure(block, secure)))
    return tuple(dict.fromkeys(url for url in found if url is not None))


def loopback_source(host: str) -> str | None:
    """The address to speak from, so that lighttpd sees a client of this machine whatever it listens on."""
    try:
        return "127.0.0.1" if ipaddress.ip_address(host).version == 4 else "::1"
    except ValueError:
        return None


def _is_secure(block: Settings, otherwise: bool) -> bool:
    secure = block.enabled("ssl.engine")
    return otherwise if secure is None else secure


def _url(address: str, port: int, secure: bool) -> str | None:
    if address.count(":") > 1 and not address.startswith("["):
        address = f"[{address}]"
    found = _ADDRESS.fullmatch(address)
    if found is None or address.startswith("/"):  # a Unix socket
        return None
    host = found["host"] if found["v6"] is None else found["v6"]
    host = _ANY.get(host, host)
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if secure else 'http'}://{shown}:{found['port'] or port}"
