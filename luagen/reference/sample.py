"""The request of a `[[test]]` as lighttpd would hand it to the policy."""

from __future__ import annotations

import re
import socket
from urllib.parse import unquote_to_bytes, urlsplit

from luagen import model
from luagen.paths import simplified
from luagen.reference.request import Caller, Request

DEFAULT_PORTS = {"http": 80, "https": 443}

_UNRESERVED = re.compile(rb"[A-Za-z0-9._~/-]")  # `/` as well: `url-path-2f-decode` is lighttpd's default
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_FOREIGN = re.compile(rb'[\x00-\x20"<>\\^`{|}\x7f-\xff]|%(?![0-9A-Fa-f]{2})')


def request_of(sample: model.SampleRequest, country: model.Country | None) -> Request:
    """Raises ValueError for a URL without a host, with the reason in words."""
    url = urlsplit(sample.url)
    if url.scheme not in DEFAULT_PORTS or not url.hostname:
        raise ValueError(f"`{sample.url}` is not a URL of the form `https://host/path`")
    path, raw_path = normalised(url.path.encode())
    headers = [(name.encode(), value.encode()) for name, value in sample.headers]
    variables = [(name.encode(), value.encode()) for name, value in sample.variables]
    if sample.country and country is not None and country.variable is not None:
        variables.append((country.variable.encode(), sample.country.encode()))
    elif sample.country and country is not None and country.header is not None:
        headers.append((country.header.encode(), sample.country.encode()))
    return Request(
        method=sample.method.encode(),
        scheme=url.scheme.encode(),
        authority=_authority(url.hostname, url.port, url.scheme).encode(),
        path=path,
        raw_path=raw_path,
        query=_FOREIGN.sub(_encode, url.query.encode()),
        port=url.port or DEFAULT_PORTS[url.scheme],
        ip=_address(sample.ip).encode(),
        http_version=sample.http_version.encode(),
        content_length=sample.content_length,
        headers=tuple(headers),
        variables=tuple(variables),
        now=sample.now,
        caller=None if sample.caller is None else _caller(sample.caller),
        origin_status=sample.origin_status,
    )


def _caller(sample: model.SampleCaller) -> Caller:
    return Caller(
        provider=sample.provider.encode(),
        sub=sample.sub.encode(),
        email=sample.email.encode(),
        roles=tuple(role.encode() for role in sample.roles),
        claims=sample.claims,
    )


def _authority(host: str, port: int | None, scheme: str) -> str:
    """As http_request_host_normalize of lighttpd leaves it: without one dot at the end and without the port
    that the scheme implies. `host` is in lower case, as urlsplit gives it."""
    host = f"[{_address(host)}]" if ":" in host else host.removesuffix(".")
    return host if port in (None, DEFAULT_PORTS[scheme]) else f"{host}:{port}"


def _address(text: str) -> str:
    """An IP address as inet_ntop spells it; what is none stays as it is."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, text))
    except OSError:
        return text


def normalised(path: bytes) -> tuple[bytes, bytes]:
    """The path of a URL decoded, and still encoded, in the form that lighttpd gives it.

    By server.http-parseopts: unreserved characters decoded, others encoded in upper case, no dot segments, no
    empty segments.
    """
    encoded = _FOREIGN.sub(_encode, _ESCAPE.sub(_decode, path or b"/"))
    raw = simplified(encoded)
    return simplified(unquote_to_bytes(raw)), raw


def _encode(found: re.Match[bytes]) -> bytes:
    return b"".join(b"%%%02X" % byte for byte in found[0])


def _decode(found: re.Match[bytes]) -> bytes:
    byte = bytes([int(found[1], 16)])
    return byte if _UNRESERVED.fullmatch(byte) else found[0].upper()
