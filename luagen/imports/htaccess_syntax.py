"""The text of an `.htaccess` file to its directives (Apache, "Configuration Files"). Does no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from luagen.imports.result import Origin

_WORD = re.compile(r"\s*(?:\"((?:\\.|[^\"\\])*)\"|'((?:\\.|[^'\\])*)'|(\S+))")
_SECTION = re.compile(r"<\s*(/?)\s*([A-Za-z]+)\s*([^>]*)>?")


@dataclass(frozen=True, slots=True)
class Directive:
    """`name args`, `name` in lower case; the sections around it (`<IfModule …>`), outermost first."""

    name: str
    args: tuple[str, ...]
    sections: tuple[tuple[str, str], ...]
    origin: Origin


def parse(text: str) -> Iterator[Directive]:
    """The directives in their order. A section that is never closed reaches to the end."""
    sections: list[tuple[str, str]] = []
    for number, line in _lines(text):
        origin = Origin(number, line)
        section = _SECTION.match(line)
        if section is None:
            words = _words(line)
            yield Directive(words[0].lower(), tuple(words[1:]), tuple(sections), origin)
        elif not section[1]:
            sections.append((section[2].lower(), section[3].strip()))
        elif sections:
            sections.pop()


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines that are neither empty nor comments, with their numbers; a `\\` at the end continues one."""
    held, first = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        line = line.rstrip("\r")
        first = first if held else number
        if line.endswith("\\"):
            held += line[:-1]
            continue
        whole, held = (held + line).strip(), ""
        if whole and not whole.startswith("#"):
            yield first, whole
    if held.strip() and not held.strip().startswith("#"):
        yield first, held.strip()


def _words(line: str) -> list[str]:
    """Words, in quotes or without (ap_getword_conf: in quotes `\\` protects only a quote or itself)."""
    words: list[str] = []
    for found in _WORD.finditer(line):
        if found[3] is not None:
            words.append(found[3])
        else:
            quote = '"' if found[1] is not None else "'"
            inside = found[1] if found[1] is not None else found[2]
            words.append(inside.replace("\\" + quote, quote))
    return words
