"""A command cannot do what it was asked, and the reason is not a bug: something on this machine is missing or
in the way."""

from __future__ import annotations


class Failure(Exception):
    """Ends a command with exit code 1.

    `message` says what is wrong, `help` what the user can do about it (a command, where there is one).
    Mistakes in a policy are diagnostics, not failures.
    """

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.help = help

    def __str__(self) -> str:
        return f"error: {self.message}" + (f"\n  = help: {self.help}" if self.help else "")
