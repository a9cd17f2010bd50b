"""What statuses are called, in the texts that lightgate has for responses without a text of the policy's."""

from __future__ import annotations

WITHOUT_CONTENT = (204, 205, 304)  # RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5

# As in lighttpd/lua/lightgate/pages.lua. Not from http.HTTPStatus, whose names change from Python to Python.
_TITLES = {
    200: "OK", 201: "Created", 202: "Accepted", 203: "Non-Authoritative Information",
    301: "Moved Permanently", 302: "Found", 303: "See Other",
    307: "Temporary Redirect", 308: "Permanent Redirect",
    400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden",
    404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable", 408: "Request Timeout",
    409: "Conflict", 410: "Gone", 411: "Length Required", 412: "Precondition Failed",
    413: "Content Too Large", 414: "URI Too Long", 415: "Unsupported Media Type",
    416: "Range Not Satisfiable", 417: "Expectation Failed", 421: "Misdirected Request",
    422: "Unprocessable Content", 426: "Upgrade Required", 428: "Precondition Required",
    429: "Too Many Requests", 431: "Request Header Fields Too Large", 451: "Unavailable For Legal Reasons",
    500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway",
    503: "Service Unavailable", 504: "Gateway Timeout",
}  # fmt: skip


def title(status: int) -> str:
    return _TITLES.get(status, f"Status {status}")


def line(status: int) -> bytes:
    """The body of a response whose policy gives none."""
    return f"{status} {title(status)}\n".encode()
