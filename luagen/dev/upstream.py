"""`--upstream`: the address of the origin that a development session proxies to."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Upstream:
    host: str  # name, IPv4 address, or IPv6 address without brackets
    port: int

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, url: str) -> Upstream:
        """Raises ValueError with the reason (shown to people) when the URL cannot be an upstream."""
        no_url = ValueError(f"`{url}` is not a URL such as http://127.0.0.1:3000")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:  # brackets that do not pair, a port that is no number
            raise no_url from None
        if parts.scheme == "https":
            raise ValueError(
                f"`{url}` is https, and lighttpd's mod_proxy speaks only http: name the origin's http port"
            )
        if parts.scheme != "http" or not parts.hostname:
            raise no_url
        if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
            raise ValueError(
                f"`{url}` has more than scheme, host and port: requests keep their own path at the upstream"
            )
        return cls(parts.hostname, 80 if port is None else port)
