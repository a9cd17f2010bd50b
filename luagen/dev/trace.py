"""What `lightgate dev` prints: a line for each request, from lighttpd's access log, and what its processes
have to say. Does no I/O.

lighttpd writes to a piped log at once (a log file would lag up to four seconds). The format names no field
that can hold a credential: the target's path without its query, no header fields, no cookies.
"""

from __future__ import annotations

import json

ABSENT = "-"  # lighttpd's word for a variable that is not set

DEFERRED = "defer"  # gate.lua: the request is with the sidecar

# accesslog.format with accesslog.escaping = "json"
FORMAT = (
    '{"method":"%m","path":"%U","status":"%s","duration_us":"%D","identity":"%u",'
    '"decision":"%{LIGHTGATE_DECISION}e","rule":"%{LIGHTGATE_RULE}e","where":"%{LIGHTGATE_WHERE}e"}'
)
_LIGHTTPD_ROUTINE = ("server started", "server stopped")
# events of sidecar/logs.py that say that all is as it should be
_SIDECAR_ROUTINE = frozenset({"started", "stopping", "stopped", "reloaded", "keys-fetched", "epoch-renewed"})

FIELDS = ("method", "path", "status", "duration_us", "identity", "decision", "rule", "where")


def describe(line: str) -> str | None:
    """`METHOD path → status  decision  rule  identity  where  µs`, fields that do not apply as `-`.

    None for the preface of an HTTP/2 connection (RFC 9113 section 3.4), which lighttpd logs like a request.

    A line that is not in FORMAT (a client can send what JSON cannot hold) is returned as it is, without
    control characters, so that no request goes unseen.
    """
    try:
        entry = json.loads(line)
        field = {name: printable(str(entry[name])) for name in FIELDS}
    except (ValueError, KeyError, TypeError):
        return printable(line)
    if field["method"] == "PRI":
        return None
    if field["decision"] == DEFERRED:  # no second pass: the client got the sidecar's answer, or its absence
        field["decision"] = "refuse"
    columns = (
        f"{field['method']} {field['path']} → {field['status']}",
        field["decision"],
        field["rule"],
        field["identity"],
        field["where"],
        f"{field['duration_us']} µs",
    )
    return "  ".join(columns)


def describe_event(line: str) -> str | None:
    """What a process wrote to its standard error, as it is worth showing; None when it is routine."""
    try:
        event = json.loads(line)
    except ValueError:
        return None if any(word in line for word in _LIGHTTPD_ROUTINE) else printable(line)
    if not isinstance(event, dict):
        return printable(line)
    if event.get("event") in _SIDECAR_ROUTINE:
        return None
    details = (f"{name}={value}" for name, value in event.items() if name not in ("time", "level", "event"))
    return printable("  ".join((str(event.get("event")), *details)))


def printable(text: str) -> str:
    """`text` that cannot move the cursor or colour the terminal: the path and the subject come from
    outside."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
