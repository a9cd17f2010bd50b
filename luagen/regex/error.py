"""Why a regular expression or a glob cannot be compiled: the one exception of this package."""

from __future__ import annotations


class RegexError(Exception):
    """What is wrong with a pattern, where, and what to write instead.

    `start` and `end` are offsets in the pattern, in characters; `end` is exclusive. `help` is None when the
    message already says what to do.
    """

    def __init__(self, message: str, start: int, end: int, help: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.start = start
        self.end = end
        self.help = help
