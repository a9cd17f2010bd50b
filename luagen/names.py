"""Which names header fields and variables may have, and which of them a policy may set."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")  # RFC 9110 section 5.6.2; the length is ours
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")

# lighttpd and its backends frame messages by these (RFC 9110 section 7.6.1), or ignore them when set from
# Lua (src/mod_magnet.c).
_FRAMING = "lighttpd frames messages by it and sets it alone"
_HOP = "it belongs to one connection and not to the message (RFC 9110 section 7.6.1)"
_FIELDS = {
    "content-length": _FRAMING,
    "transfer-encoding": _FRAMING,
    "connection": _HOP,
    "keep-alive": _HOP,
    "upgrade": _HOP,
    "te": _HOP,
    "trailer": _HOP,
    "http2-settings": _HOP,
}
_REQUEST_FIELDS = {
    "host": "it decides which site answers, and lighttpd has already decided that",
    "set-cookie": "it belongs in responses, and lighttpd ignores it here",
}
_RESPONSE_FIELDS = {
    "set-cookie": "it would replace the cookies that the application sets",
    "host": "it belongs in requests",
}
_KEPT_RESPONSE_FIELDS = {
    "set-cookie": "it holds the cookies that the application sets",
    "host": "it belongs in requests",
}
# A second one of these would make a message that recipients read in different ways (RFC 9110 section 5.3).
_SINGLE = "a message has one of it: set it instead"
_SINGLE_REQUEST_FIELDS = {
    **_REQUEST_FIELDS,
    "cookie": "its parts are joined by `; `: set it instead (RFC 6265 section 5.4)",
    **dict.fromkeys(
        (
            "authorization",
            "content-type",
            "content-location",
            "date",
            "from",
            "if-modified-since",
            "if-range",
            "if-unmodified-since",
            "origin",
            "range",
            "referer",
            "user-agent",
        ),
        _SINGLE,
    ),
}
_SINGLE_RESPONSE_FIELDS = {
    "host": "it belongs in requests",
    **dict.fromkeys(
        (
            "access-control-allow-credentials",
            "access-control-allow-origin",
            "access-control-max-age",
            "age",
            "content-range",
            "content-type",
            "content-location",
            "cross-origin-embedder-policy",
            "cross-origin-opener-policy",
            "cross-origin-resource-policy",
            "date",
            "etag",
            "expires",
            "last-modified",
            "location",
            "retry-after",
            "server",
            "strict-transport-security",
            "x-content-type-options",
            "x-frame-options",
        ),
        _SINGLE,
    ),
}
_RESPOND_FIELDS = {
    "content-type": "the key `content_type` of `respond` sets it",
    "host": "it belongs in requests",
}

_SERVER = "lighttpd gives applications this variable itself"
_LOADER = "it changes how applications are loaded or configured"
_VARIABLES = {
    "REMOTE_ADDR": _SERVER,
    "REMOTE_PORT": _SERVER,
    "REMOTE_HOST": _SERVER,
    "REMOTE_IDENT": _SERVER,
    "QUERY_STRING": _SERVER,
    "REQUEST_URI": _SERVER,
    "REQUEST_METHOD": _SERVER,
    "REQUEST_SCHEME": _SERVER,
    "DOCUMENT_ROOT": _SERVER,
    "DOCUMENT_URI": _SERVER,
    "HTTPS": _SERVER,
    "GATEWAY_INTERFACE": _SERVER,
    "AUTH_TYPE": _SERVER,
    "SCGI": _SERVER,
    "PATH": _LOADER,
    "IFS": _LOADER,
    "ENV": _LOADER,
    "BASH_ENV": _LOADER,
    "PHP_VALUE": _LOADER,
    "PHP_ADMIN_VALUE": _LOADER,
}
_VARIABLE_PREFIXES = {
    "HTTP_": "applications read request header fields under such names; use `set_request_headers`",
    "SCRIPT_": _SERVER,
    "SERVER_": _SERVER,
    "CONTENT_": _SERVER,
    "PATH_": _SERVER,
    "REDIRECT_": _SERVER,
    "FCGI_": _SERVER,
    "SSL_": _SERVER,
    "LD_": _LOADER,
}
_OWN = frozenset(
    f"LIGHTGATE_{name}"
    for name in (
        "RELEASE",
        "NONCE",
        "ASK",
        "PATH",
        "HOST",
        "STATE",
        "ANSWER",
        "IDENTITY",
        "CURRENT_IDENTITY",
        "EXPIRES",
        "RESPONSE",
        "RULE",
        "DECISION",
        "WHERE",
        "PASSED",
        "NOTED",
        "FALLBACK",
        "REWRITTEN",
        "COUNTED",
        "LOG",
    )
)


def is_token(name: str) -> bool:
    """Whether `name` is a header field name (RFC 9110 section 5.6.2) of at most 128 characters."""
    return _TOKEN.fullmatch(name) is not None


def is_variable(name: str) -> bool:
    """Whether `name` is an environment variable's name of at most 64 characters."""
    return _ENV_NAME.fullmatch(name) is not None


def normal_form(name: str) -> str:
    """Names with one normal form reach CGI applications as one name: case and punctuation are lost there.

    `name` is ASCII, as a policy has it, or what a client sent, read as Latin-1.
    """
    return re.sub(r"[^a-z0-9]", "-", name.lower())


def why_no_request_field(name: str) -> str | None:
    """Why a policy may not set this field of a request, or None when it may."""
    return _why_no_field(name, _REQUEST_FIELDS)


def why_no_request_value(name: str) -> str | None:
    """Why a policy may not add a value to this field of a request, or None when it may."""
    return _why_no_field(name, _SINGLE_REQUEST_FIELDS)


def why_no_removal(name: str) -> str | None:
    """Why a policy may not remove this field from responses, or None when it may."""
    return _why_no_field(name, _KEPT_RESPONSE_FIELDS)


def why_no_response_value(name: str) -> str | None:
    """Why a policy may not add one more of this field to a response, or None when it may."""
    return _why_no_field(name, _SINGLE_RESPONSE_FIELDS)


def why_no_response_field(name: str) -> str | None:
    """Why a policy may not set this field of the application's response, or None when it may."""
    return _why_no_field(name, _RESPONSE_FIELDS)


def why_no_respond_field(name: str) -> str | None:
    """Why a policy may not set this field of its own response, or None when it may."""
    return _why_no_field(name, _RESPOND_FIELDS)


def _why_no_field(name: str, further: dict[str, str]) -> str | None:
    normal = normal_form(name)
    if normal.startswith("proxy-"):
        return _HOP
    if normal.startswith("lightgate-"):
        return "names that begin so are lightgate's own"
    return _FIELDS.get(normal) or further.get(normal)


def why_no_variable(name: str) -> str | None:
    """Why a policy may not set this variable, or None when it may. lighttpd makes no difference of case."""
    upper = name.upper()
    if upper in _OWN:
        return "lightgate uses it itself"
    if upper in _VARIABLES:
        return _VARIABLES[upper]
    return next((why for prefix, why in _VARIABLE_PREFIXES.items() if upper.startswith(prefix)), None)
