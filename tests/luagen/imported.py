"""What the importers make of a text, for their tests."""

from __future__ import annotations

from collections.abc import Callable

from luagen.imports import htaccess, netlify, nginx, policy_text
from luagen.imports.policy_text import Import
from luagen.imports.result import Section

READERS: dict[str, Callable[[str], list[Section]]] = {
    ".conf": nginx.read,
    ".htaccess": htaccess.read,
    "._redirects": netlify.read,
}


def imported(read: Callable[[str], list[Section]], text: str, name: str = "f") -> Import:
    return policy_text.write(read(text), name)


def lines(read: Callable[[str], list[Section]], text: str) -> list[str]:
    """The lines of the result that say something: without names, places and blank lines."""
    found = imported(read, text).text.split("\n")
    return [
        line.partition("  # f:")[0].removeprefix("# f:")
        for line in found
        if line
        and not line.startswith(("name = ", "[["))
        and not (line.startswith("# f:") and ": " not in line)
    ]
