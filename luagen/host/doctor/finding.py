"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    UNSEEN = "unseen"  # could not be looked at: no root, no systemd, or something else is missing first
    WARNING = "warning"  # works, and will hurt one day
    ERROR = "error"  # something does not work, or is not safe


@dataclass(frozen=True, slots=True)
class Finding:
    """`message`: what is so, in one line. `help`: what to do, a command where there is one; warnings and
    errors always have it."""

    level: Level
    message: str
    help: str | None = None


class UnseenError(Exception):
    """A check cannot look; the message says why, `help` what would let it."""

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.help = help


def ok(message: str) -> Finding:
    return Finding(Level.OK, message)


def unseen(message: str, help: str | None = None) -> Finding:
    return Finding(Level.UNSEEN, message, help)


def warning(message: str, help: str) -> Finding:
    return Finding(Level.WARNING, message, help)


def error(message: str, help: str) -> Finding:
    return Finding(Level.ERROR, message, help)
