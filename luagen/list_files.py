"""Lists in files of their own: one entry a line, blanks around it stripped, empty lines skipped.

`#` at the beginning of a line or after a blank begins a comment.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from luagen import policy_files, text_file
from luagen.diagnostics import Bag, Code
from luagen.document import Text
from luagen.policy_files import FileRefused
from luagen.source import Source, Span

MAX_BYTES = 64 * 1024 * 1024
MAX_ENTRIES = 1_000_000

_LINE = re.compile(r"[^\n]*")
_COMMENT = re.compile(r"(?:^|(?<=[ \t]))#.*")
_BLANKS = " \t\r"


@dataclass(frozen=True, slots=True)
class ListEntries:
    """The entries of a list in their order; `place` finds an entry by its index."""

    values: list[str]
    place: Callable[[int], Span]
    file: str | None = None


def of_array(texts: list[Text]) -> ListEntries:
    return ListEntries([text.value for text in texts], lambda index: texts[index].span)


def read(path: Text, directory: Path, bag: Bag) -> ListEntries | None:
    """The entries in the file that the policy names, or None when mistakes were reported."""
    try:
        content = policy_files.read(path.value, directory, MAX_BYTES)
    except FileRefused as refused:
        bag.error(refused.code, refused.message, path.span)
        return None
    source = text_file.decode(content, path.value, bag)
    return None if source is None else _entries(source, path, bag)


def _entries(source: Source, path: Text, bag: Bag) -> ListEntries | None:
    text = source.text
    for bad, what in (("\ufeff", "a byte order mark"), ("\0", "a NUL character")):
        at = text.find(bad)
        if at >= 0:
            bag.error(Code.INVALID_ENCODING, f"the list holds {what}", Span(source, at, at + 1))
            return None
    values: list[str] = []
    starts: list[int] = []
    for line in _LINE.finditer(text):
        whole = line[0]
        content = (_COMMENT.sub("", whole) if "#" in whole else whole).rstrip(_BLANKS)
        value = content.lstrip(_BLANKS)
        if value:
            values.append(value)
            starts.append(line.start() + len(content) - len(value))
    if len(values) > MAX_ENTRIES:
        message = f"the list has {len(values)} entries, and at most {MAX_ENTRIES} are possible"
        bag.error(Code.LIMIT_EXCEEDED, message, path.span, help="networks can be merged into larger ones")
        return None

    def place(index: int) -> Span:
        return Span(source, starts[index], starts[index] + len(values[index]))

    return ListEntries(values, place, source.name)
