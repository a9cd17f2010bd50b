"""Text of others (an issuer's answer, a log) on an operator's terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text on one line, with nothing in it that a terminal acts on."""
    return "".join(char if char.isprintable() else "?" for char in text)
