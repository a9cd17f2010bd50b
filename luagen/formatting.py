"""The canonical layout of a policy file: same values, same comments, one way to write them. Does no I/O.

Rules: no indentation; `key = value` with one blank on each side of `=`, never aligned (one longer key would
change lines that say what they said before); quotes and numbers as the author wrote them; one blank line
before a table and the comments directly above it, none after its header, elsewhere at most one in a row; a
comment behind a value after two blanks. An array stands on its line when that has at most MAX_COLUMNS and the
array holds no comment, else with an element a line and a comma after the last. Inline tables stay inline
(TOML 1.0), and so do the arrays in them. Lines end with a line feed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from luagen import document
from luagen.diagnostics import Bag
from luagen.source import Source
from luagen.toml_positions import Assignment, Header, KeyPart, Kind, RawValue, Statement, scan

MAX_COLUMNS = 100
_INDENT = "  "
_TOKENS = re.compile(r"#[^\n]*|\n")


def format_source(source: Source, bag: Bag) -> str | None:
    """The text of the source in canonical layout, or None when it is not TOML: that is in the bag."""
    if document.parse(source, bag) is None:
        return None
    text = source.text.replace("\r\n", "\n")  # to TOML both are one line end, in strings too
    formatted = _Layout(text).text()
    # Compared as text: `1`, `1.0` and `true` are equal in Python, `nan` is not even equal to itself.
    if repr(tomllib.loads(formatted)) != repr(tomllib.loads(text)):
        raise RuntimeError("formatting changes what the policy says")
    return formatted


class _LineKind(Enum):
    HEADER = auto()
    KEY = auto()
    COMMENT = auto()
    BLANK = auto()


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the result; a value may have several."""

    kind: _LineKind
    text: str


_BLANK = _Line(_LineKind.BLANK, "")


class _Layout:
    def __init__(self, text: str) -> None:
        self._text = text

    def text(self) -> str:
        lines = _with_blank_lines(list(self._lines()))
        return "".join(f"{line.text}\n" for line in lines)

    def _lines(self) -> Iterator[_Line]:
        """What the file has, each in canonical form, with the blank lines of the author."""
        statements, _ = scan(self._text)
        end = 0
        written: _Line | None = None
        for statement in statements:
            start, after = _range(statement)
            yield from self._behind(written, end, start)
            written, end = self._statement(statement), after
        yield from self._behind(written, end, len(self._text))

    def _behind(self, written: _Line | None, start: int, end: int) -> Iterator[_Line]:
        """A statement with the comment behind it, then the comments and blank lines up to the next one."""
        trailing, own = _comments(self._text[start:end], begins_line=written is None)
        if written is not None:
            yield _Line(written.kind, _commented(written.text, trailing))
        for comment in own:
            yield _Line(_LineKind.COMMENT, comment) if comment else _BLANK

    def _statement(self, statement: Statement) -> _Line:
        if isinstance(statement, Header):
            brackets = "[[", "]]"
            left, right = brackets if statement.is_array else ("[", "]")
            return _Line(_LineKind.HEADER, left + self._key(statement.key) + right)
        before = f"{self._key(statement.key)} = "
        return _Line(_LineKind.KEY, before + self._value(statement.value, "", len(before)))

    def _key(self, parts: tuple[KeyPart, ...]) -> str:
        return ".".join(self._text[part.start : part.end] for part in parts)

    def _value(self, value: RawValue, indent: str, columns: int) -> str:
        """The value for a line that is indented by `indent` and has `columns` beside the value."""
        flat = self._flat(value)
        if value.kind is Kind.ARRAY:
            fits = flat is not None and "\n" not in flat and columns + len(flat) <= MAX_COLUMNS
            return flat if flat is not None and (fits or not value.members) else self._array(value, indent)
        return self._inline_table(value, indent) if flat is None else flat

    def _flat(self, value: RawValue) -> str | None:
        """The value without line ends of its own, or None when there is a comment inside."""
        if value.kind is Kind.ARRAY:
            if any("#" in self._text[start:end] for start, end in _gaps(value)):
                return None
            elements = [self._flat(member.value) for member in value.members]
            texts = [element for element in elements if element is not None]
            return f"[{', '.join(texts)}]" if len(texts) == len(elements) else None
        if value.kind is Kind.INLINE_TABLE:
            members = [(self._key(member.key), self._flat(member.value)) for member in value.members]
            if any(text is None for _, text in members):
                return None
            return _inline([f"{key} = {text}" for key, text in members])
        return self._text[value.start : value.end]

    def _inline_table(self, value: RawValue, indent: str) -> str:
        return _inline([self._member(member, indent) for member in value.members])

    def _member(self, member: Assignment, indent: str) -> str:
        flat = self._flat(member.value)
        return f"{self._key(member.key)} = {self._value(member.value, indent, 0) if flat is None else flat}"

    def _array(self, value: RawValue, indent: str) -> str:
        inner = indent + _INDENT
        lines: list[str] = []
        for index, (start, end) in enumerate(_gaps(value)):
            trailing, own = _comments(self._text[start:end], begins_line=index == 0)
            if index:
                element = self._value(value.members[index - 1].value, inner, len(inner) + 1)
                lines.append(_commented(f"{inner}{element},", trailing))
            lines += [inner + comment if comment else "" for comment in own]
        while lines and not lines[-1]:
            lines.pop()
        kept = [line for before, line in zip(["", *lines], lines, strict=False) if line or before]
        return "\n".join(["[", *kept, f"{indent}]"])


def _range(statement: Statement) -> tuple[int, int]:
    if isinstance(statement, Header):
        return statement.start, statement.end
    return statement.key[0].start, statement.value.end


def _gaps(array: RawValue) -> Iterator[tuple[int, int]]:
    """What stands before, between and after the elements: blanks, commas, line ends and comments."""
    start = array.start + 1
    for member in array.members:
        yield start, member.value.start
        start = member.value.end
    yield start, array.end - 1


def _comments(gap: str, *, begins_line: bool) -> tuple[str | None, list[str]]:
    """The comment on the line where the gap begins, and the lines below it: comments, `""` for blank ones."""
    trailing: str | None = None
    own: list[str] = []
    line_ends = 1 if begins_line else 0  # since the last comment or value
    for token in _TOKENS.findall(gap):
        if token == "\n":
            line_ends += 1
            if line_ends > 1:
                own.append("")
            continue
        if line_ends == 0 and trailing is None and not own:
            trailing = token.rstrip(" \t")
        else:
            own.append(token.rstrip(" \t"))
        line_ends = 0
    return trailing, own


def _commented(text: str, comment: str | None) -> str:
    return text if comment is None else f"{text}  {comment}"


def _inline(members: list[str]) -> str:
    return f"{{ {', '.join(members)} }}" if members else "{}"


def _with_blank_lines(lines: list[_Line]) -> list[_Line]:
    """The lines with those blank lines that the layout has."""
    kept: list[_Line] = []
    for line in lines:
        if line is _BLANK and (not kept or kept[-1].kind in (_LineKind.BLANK, _LineKind.HEADER)):
            continue
        if line.kind is _LineKind.HEADER:
            above = len(kept)
            while above and kept[above - 1].kind is _LineKind.COMMENT:
                above -= 1
            if above and kept[above - 1] is not _BLANK:
                kept.insert(above, _BLANK)
        kept.append(line)
    while kept and kept[-1] is _BLANK:
        kept.pop()
    return kept
