"""A diagnostic as text for people, as one line, and as data. Does no I/O; colour is the caller's."""

from __future__ import annotations

import unicodedata

from luagen.diagnostics import Diagnostic
from luagen.source import Source, Span

MAX_WIDTH = 140  # of a shown source line, in characters; longer ones are cut around the span
MAX_LINES = 4  # of a span that are shown whole; of longer ones the first two and the last


def full(diagnostic: Diagnostic) -> str:
    """Several lines, no final line end: headline, place, source with carets, help."""
    lines = [f"{diagnostic.severity}[{diagnostic.code}]: {_visible(diagnostic.message)}"]
    span = diagnostic.span
    width = 1
    if span is not None:
        first, last = _lines_of(span)
        width = len(str(last))
        lines.append(f"{' ' * width}--> {_visible(str(span))}")
        lines.append(f"{' ' * width} |")
        lines += _excerpt(span, first, last, width, diagnostic.label)
    if diagnostic.help is not None:
        lines.append(f"{' ' * width} = help: {_visible(diagnostic.help)}")
    return "\n".join(lines)


def line(diagnostic: Diagnostic) -> str:
    """One line, for editors and logs: `file:line:column: severity[code]: message`."""
    place = f"{diagnostic.span}: " if diagnostic.span else ""
    return _visible(f"{place}{diagnostic.severity}[{diagnostic.code}]: {diagnostic.message}")


def as_json(diagnostic: Diagnostic) -> dict[str, str | int | None]:
    """A flat object; lines and columns are 1-based, columns count characters, the end is exclusive."""
    place: dict[str, str | int | None] = dict.fromkeys(("file", "line", "column", "end_line", "end_column"))
    if diagnostic.span is not None:
        source = diagnostic.span.source
        place["file"] = source.name
        place["line"], place["column"] = source.position(diagnostic.span.start)
        place["end_line"], place["end_column"] = source.position(diagnostic.span.end)
    return {
        "code": str(diagnostic.code),
        "severity": str(diagnostic.severity),
        "message": diagnostic.message,
        **place,
        "label": diagnostic.label,
        "help": diagnostic.help,
    }


def _lines_of(span: Span) -> tuple[int, int]:
    # A span that ends with a line end does not reach into the next line.
    last_character = max(span.start, span.end - 1)
    return span.line, span.source.position(last_character)[0]


def _excerpt(span: Span, first: int, last: int, width: int, label: str | None) -> list[str]:
    numbers = list(range(first, last + 1))
    if len(numbers) > MAX_LINES:
        numbers = [first, first + 1, last]
    shown: list[str] = []
    for index, number in enumerate(numbers):
        if index and number != numbers[index - 1] + 1:
            shown.append("...")
        text = span.source.line(number)
        start, end = _columns(span, number, text)
        text, start, end = _window(text, start, end)
        carets = _padding(text[:start]) + "^" * max(1, _columns_wide(text[start:end]))
        note = f" {_visible(label)}" if label and number == last else ""
        shown.append(f"{number:>{width}} | {_visible(text)}".rstrip())
        shown.append(f"{' ' * width} | {carets}{note}")
    return shown


def _columns(span: Span, number: int, text: str) -> tuple[int, int]:
    """Where on this line the span begins and ends, 0-based; indentation of later lines is not marked."""
    line_start = _line_start(span.source, span.start, number, span.line)
    start = max(0, span.start - line_start)
    if number > span.line:
        start = len(text) - len(text.lstrip())
    end = max(start, min(len(text), span.end - line_start))
    return min(start, len(text)), end


def _line_start(source: Source, offset: int, number: int, offset_line: int) -> int:
    start = source.text.rfind("\n", 0, offset) + 1
    for _ in range(number - offset_line):
        start = source.text.index("\n", start) + 1
    return start


def _window(text: str, start: int, end: int) -> tuple[str, int, int]:
    if len(text) <= MAX_WIDTH:
        return text, start, end
    left = max(0, min(start - MAX_WIDTH // 3, len(text) - MAX_WIDTH))
    right = min(len(text), left + MAX_WIDTH)
    head, tail = ("…" if left else ""), ("…" if right < len(text) else "")
    shift = len(head) - left
    return f"{head}{text[left:right]}{tail}", start + shift, min(end, right) + shift


def _padding(text: str) -> str:
    """Blanks exactly as wide as `text`; a tab stays a tab, since only the terminal knows its width."""
    return "".join("\t" if char == "\t" else " " * _columns_wide(char) for char in text)


def _columns_wide(text: str) -> int:
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def _visible(text: str) -> str:
    """Without characters that would move the cursor: one replacement character each, tabs kept."""
    return "".join(
        "�" if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp") and char != "\t" else char
        for char in text
    )
