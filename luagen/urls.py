"""URLs of issuers and their endpoints: keys and verdicts come only over TLS, or from this host."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from luagen.diagnostics import Bag, Code, quoted
from luagen.document import Text

MAX_LENGTH = 2000  # characters
MAX_PORT = 65535
_PORT = re.compile(r"[a-z]+://[^/?#]*:([0-9]+)(?:[/?#]|$)")


def check(text: Text, bag: Bag, *, query_allowed: bool) -> str | None:
    """The URL as written, or None when mistakes were reported.

    `https`, or `http` to a loopback host. Without user information and fragment; an issuer has no query
    either (OIDC Discovery section 3, RFC 8414 section 2).
    """
    problem = _problem(text.value, query_allowed)
    if problem is None:
        return text.value
    message, help_text = problem
    bag.error(Code.INVALID_URL, f"{quoted(text.value)}: {message}", text.span, help=help_text)
    return None


def not_a_url(url: str) -> str:
    """Why `urlsplit`, or the port of what it gives, refuses a URL."""
    port = _PORT.match(url)
    if port is not None and (len(port[1]) > 5 or int(port[1]) > MAX_PORT):
        return f"a port is at most {MAX_PORT}"
    return "this is not a URL"


def _problem(url: str, query_allowed: bool) -> tuple[str, str | None] | None:
    example = "such as `https://login.example.org/realms/corp`"
    if len(url) > MAX_LENGTH:
        return f"the URL is longer than {MAX_LENGTH} characters", None
    if not url.isascii() or any(char <= " " or char in '\x7f"<>\\^`{|}' for char in url):
        return (
            "a URL has printable ASCII characters only",
            "percent-encode the others",
        )
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return not_a_url(url), example
    if not host or parts.netloc.endswith(":"):
        return "this is not an absolute URL", example
    if "@" in parts.netloc:
        return "a URL holds no user name or password", "name a credential instead"
    if "#" in url:
        return "the URL has a fragment", "leave out the `#` and what follows it"
    if "?" in url and not query_allowed:
        return "an issuer has no query", "leave out the `?` and what follows it"
    return _scheme_problem(parts, host, example)


def _scheme_problem(parts: SplitResult, host: str, example: str) -> tuple[str, str | None] | None:
    match parts.scheme:
        case "https":
            return None
        case "http" if _is_loopback(host):
            return None
        case "http":
            return "the answer could be forged on its way", "use `https`; `http` is only for this host itself"
        case _:
            return "the scheme is `https`", example


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
