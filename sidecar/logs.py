"""One JSON line for each event on standard error. Names of events are a closed list; secrets never get in.

Callers pass reasons, names and numbers, never tokens, keys, header values or exception messages. As a second
line of defence every text is cut, and what looks like a credential is replaced.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from traceback import extract_tb
from typing import TextIO

MAX_TEXT = 512  # characters of one value
MAX_LINES_PER_EVENT_S = 50  # a flood of bad tokens must not become a flood of writes; the rest is counted


class Event(StrEnum):
    """Values are the `event` member of a line. Once released they never change their meaning."""

    STARTED = "started"
    STOPPING = "stopping"
    STOPPED = "stopped"
    RELOADED = "reloaded"
    RELOAD_FAILED = "reload-failed"
    REFUSED = "refused"  # a 4xx was answered
    UNAVAILABLE = "unavailable"  # a 503 was answered
    PROTOCOL_ERROR = (
        "protocol-error"  # what came on the authorizer socket is not FastCGI as lighttpd speaks it
    )
    READ_TIMEOUT = "read-timeout"
    ACCEPT_FAILED = "accept-failed"
    KEYS_FETCHED = "keys-fetched"
    KEYS_FETCH_FAILED = "keys-fetch-failed"
    KEYS_REMOVED = "keys-removed"
    KEY_SKIPPED = "key-skipped"
    KEYS_TAKEN_UP = "keys-taken-up"  # those that the process before has left
    KEYS_NOT_KEPT = "keys-not-kept"
    INTROSPECTION_FAILED = "introspection-failed"
    EPOCH_RENEWED = "epoch-renewed"
    EPOCH_FAILED = "epoch-failed"
    SECRETS_NOT_SHARED = "secrets-not-shared"
    LIBRARY_WARNING = "library-warning"  # aiohttp or asyncio complains
    BUG = "bug"


_LEVELS = {
    Event.BUG: "error",
    Event.RELOAD_FAILED: "error",
    Event.EPOCH_FAILED: "error",
    Event.UNAVAILABLE: "warning",
    Event.PROTOCOL_ERROR: "warning",
    Event.READ_TIMEOUT: "warning",
    Event.ACCEPT_FAILED: "warning",
    Event.KEYS_FETCH_FAILED: "warning",
    Event.KEYS_REMOVED: "warning",
    Event.KEY_SKIPPED: "warning",
    Event.INTROSPECTION_FAILED: "warning",
    Event.KEYS_NOT_KEPT: "warning",
    Event.SECRETS_NOT_SHARED: "warning",
    Event.LIBRARY_WARNING: "warning",
}

_CREDENTIAL = re.compile(
    r"(?i:\b(?:bearer|basic)\s+\S+)"  # a whole Authorization field value
    r"|\be[yw][A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"  # a compact token
    r"|-----BEGIN.*"  # PEM
    r"|(?i:(?:access_token|client_secret|client_assertion|token|code|id_token_hint)=[^&\s]*)"
)

Value = str | int | float | bool | None


@dataclass(slots=True)
class _Budget:
    second: int
    lines: int = 0
    suppressed: int = 0


class Log:
    """Writes events to `stream`. `wall`: seconds since the epoch."""

    def __init__(self, stream: TextIO, wall: Callable[[], float]) -> None:
        self._stream = stream
        self._wall = wall
        self._budgets: dict[Event, _Budget] = {}

    def __call__(self, event: Event, **fields: Value) -> None:
        """Writes one line, or counts it when the event has had its lines for this second.

        The count comes with the event's next line, as `suppressed`. Never raises: a full disk or a closed
        pipe on standard error must not decide a request.
        """
        now = self._wall()
        budget = self._budgets.setdefault(event, _Budget(second=int(now)))
        if budget.second != int(now):
            budget.second, budget.lines = int(now), 0
        if budget.lines >= MAX_LINES_PER_EVENT_S:
            budget.suppressed += 1
            return
        budget.lines += 1
        line: dict[str, Value] = {
            "time": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
            "level": _LEVELS.get(event, "info"),
            "event": event.value,
        }
        line.update((name, redact(value)) for name, value in fields.items() if value is not None)
        if budget.suppressed:
            line["suppressed"], budget.suppressed = budget.suppressed, 0
        try:
            # ASCII output: line breaks and terminal escapes arrive as \\uXXXX, one event stays one line.
            self._stream.write(json.dumps(line) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return

    def bug(self, error: BaseException, **fields: Value) -> None:
        """Logs an exception that should not have happened: its type and place, not its message, which may
        quote what it choked on."""
        frames = extract_tb(error.__traceback__)
        place = f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else None
        self(Event.BUG, error=type(error).__name__, place=place, **fields)


def redact(value: Value) -> Value:
    """`value` as it may be logged."""
    if not isinstance(value, str):
        return value
    return _CREDENTIAL.sub("[redacted]", value[: 4 * MAX_TEXT])[:MAX_TEXT]
