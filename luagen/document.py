"""TOML text to values that know where they stand. Does no I/O.

`toml_positions` has the positions, and `tomllib` decides what is TOML: a document must pass both. Keys
that are defined twice are found here, where both places are known.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import assert_never

from luagen.diagnostics import Bag, Code, quoted
from luagen.source import Source, Span
from luagen.toml_positions import Assignment, Header, KeyPart, Kind, RawValue, Statement, decode_string, scan


@dataclass(frozen=True, slots=True)
class Text:
    """A string. `value[i]` comes from `offsets[i]` in the source (see `decode_string`)."""

    value: str
    span: Span  # quotes included
    offsets: Sequence[int] = field(repr=False)

    def part(self, start: int, end: int) -> Span:
        """The span in the file of `value[start:end]`; empty ranges give empty spans."""
        return Span(self.span.source, self.offsets[start], self.offsets[max(start, end)])


@dataclass(frozen=True, slots=True)
class Integer:
    value: int
    span: Span


@dataclass(frozen=True, slots=True)
class Boolean:
    value: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Other:
    """A value of a type that no key of a policy takes: `kind` is its name in TOML."""

    kind: str
    span: Span


@dataclass(frozen=True, slots=True)
class Array:
    values: list[Value]
    span: Span  # of an array of tables: its first header


@dataclass(frozen=True, slots=True)
class Table:
    entries: dict[str, Entry]
    span: Span  # `{…}`, or the header, or the key that implied the table


@dataclass(frozen=True, slots=True)
class Entry:
    key: str
    span: Span  # of the key
    value: Value


Value = Text | Integer | Boolean | Other | Array | Table


def kind(value: Value) -> str:
    """The value's type in words, with an article."""
    match value:
        case Text():
            return "a string"
        case Integer():
            return "an integer"
        case Boolean():
            return "a boolean"
        case Other():
            return value.kind
        case Array():
            return "an array"
        case Table():
            return "a table"


def parse(source: Source, bag: Bag) -> Table | None:
    """The document as one table, or None when mistakes were reported."""
    if source.text.startswith("\ufeff"):
        message = "the file begins with a byte order mark"
        help_text = "save the file as UTF-8 without a byte order mark"
        bag.error(Code.INVALID_ENCODING, message, Span(source, 0, 1), help=help_text)
        return None
    statements, scan_error = scan(source.text)
    builder = _Builder(source, bag)
    for statement in statements:
        if not builder.add(statement):
            return None  # what follows would be read into the wrong table
    if scan_error is not None:
        place = Span(source, scan_error.start, scan_error.end)
        bag.error(Code.INVALID_TOML, scan_error.message, place, help=scan_error.help)
        return None
    try:
        tomllib.loads(source.text)
    except (ValueError, RecursionError) as error:
        # ValueError: besides its own errors, what Python's integers and dates say.
        bag.error(Code.INVALID_TOML, f"this is not TOML: {_reason(str(error))}", _place(source, str(error)))
        return None
    return builder.root


class _Origin(Enum):
    """How a table came to be, which decides who may still add to it (TOML 1.0, section Table)."""

    IMPLIED = auto()  # by a longer header: `a` in `[a.b]`
    HEADER = auto()
    DOTTED = auto()  # by a dotted key
    INLINE = auto()  # complete in itself


class _Builder:
    """Puts statements together. Stops at the first that contradicts an earlier one."""

    def __init__(self, source: Source, bag: Bag) -> None:
        self._source = source
        self._bag = bag
        self._origins: dict[
            int, _Origin
        ] = {}  # by id of the table's entries, which live as long as the builder
        self._headed: set[int] = set()  # ids of the arrays that are made of `[[headers]]`
        self.root = self._table(Span(source, 0, 0), _Origin.HEADER)
        self._current = self.root

    def add(self, statement: Statement) -> bool:
        """False when the statement cannot be added; that is reported."""
        match statement:
            case Header():
                table = self._open(statement)
                if table is None:
                    return False
                self._current = table
                return True
            case Assignment():
                return self._assign(self._current, statement)

    def _table(self, span: Span, origin: _Origin) -> Table:
        table = Table({}, span)
        self._origins[id(table.entries)] = origin
        return table

    def _origin(self, table: Table) -> _Origin:
        return self._origins[id(table.entries)]

    def _open(self, header: Header) -> Table | None:
        table = self.root
        span = Span(self._source, header.start, header.end)
        for part in header.key[:-1]:
            entry = table.entries.get(part.name)
            if entry is None:
                entry = Entry(part.name, self._span(part), self._table(span, _Origin.IMPLIED))
                table.entries[part.name] = entry
            match entry.value:
                case Table() as inner if self._origin(inner) is not _Origin.INLINE:
                    table = inner
                case Array(values=[*_, Table() as inner]) if id(entry.value.values) in self._headed:
                    table = inner
                case _:
                    self._twice(part, entry)
                    return None
        last = header.key[-1]
        entry = table.entries.get(last.name)
        new = self._table(span, _Origin.HEADER)
        match entry:
            case None if header.is_array:
                array = Array([new], span)
                self._headed.add(id(array.values))
                table.entries[last.name] = Entry(last.name, self._span(last), array)
            case None:
                table.entries[last.name] = Entry(last.name, self._span(last), new)
            case Entry(value=Array(values=values)) if header.is_array and id(values) in self._headed:
                values.append(new)
            case Entry(value=Table() as implied) if (
                not header.is_array and self._origin(implied) is _Origin.IMPLIED
            ):
                # `[a]` after `[a.b]`: from now on this header stands for the table.
                new.entries.update(implied.entries)
                table.entries[last.name] = Entry(last.name, self._span(last), new)
            case _:
                self._twice(last, entry)
                return None
        return new

    def _assign(self, table: Table, assignment: Assignment) -> bool:
        for part in assignment.key[:-1]:
            entry = table.entries.get(part.name)
            if entry is None:
                entry = Entry(part.name, self._span(part), self._table(self._span(part), _Origin.DOTTED))
                table.entries[part.name] = entry
            if not (
                isinstance(entry.value, Table)
                and self._origin(entry.value) in (_Origin.DOTTED, _Origin.IMPLIED)
            ):
                self._twice(part, entry)
                return False
            table = entry.value
            self._origins[id(table.entries)] = _Origin.DOTTED  # no header can claim it any more
        last = assignment.key[-1]
        earlier = table.entries.get(last.name)
        if earlier is not None:
            self._twice(last, earlier)
            return False
        value = self._value(assignment.value)
        if value is None:
            return False
        table.entries[last.name] = Entry(last.name, self._span(last), value)
        return True

    def _value(self, raw: RawValue) -> Value | None:
        span = Span(self._source, raw.start, raw.end)
        text = self._source.text[raw.start : raw.end]
        match raw.kind:
            case Kind.STRING:
                value, offsets = decode_string(text, raw.start)
                return Text(value, span, offsets)
            case Kind.BOOLEAN:
                return Boolean(text == "true", span)
            case Kind.INTEGER:
                return Integer(_integer(text), span)
            case Kind.FLOAT:
                return Other("a float", span)
            case Kind.DATE_OR_TIME:
                return Other("a date or time", span)
            case Kind.ARRAY:
                values = [self._value(member.value) for member in raw.members]
                kept = [value for value in values if value is not None]
                return Array(kept, span) if len(kept) == len(values) else None
            case Kind.INLINE_TABLE:
                table = self._table(span, _Origin.INLINE)
                return table if all(self._assign(table, member) for member in raw.members) else None
            case _:
                assert_never(raw.kind)

    def _twice(self, part: KeyPart, earlier: Entry) -> None:
        self._bag.error(
            Code.DUPLICATE_KEY,
            f"{quoted(part.name)} is already defined",
            self._span(part),
            help=f"it was first defined in line {earlier.span.line}",
        )

    def _span(self, part: KeyPart) -> Span:
        return Span(self._source, part.start, part.end)


def _integer(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        return 0  # tomllib, which is asked afterwards, refuses it


def _place(source: Source, message: str) -> Span | None:
    """tomllib writes its position at the end of its message, and only there on Python 3.11."""
    _, _, place = message.rpartition("(at line ")
    line, _, column = place.rstrip(")").partition(", column ")
    if not (line.isdigit() and column.isdigit()):
        return Span(source, len(source.text), len(source.text))
    # tomllib counts in text whose line ends are all single characters.
    starts = [0]
    while (found := source.text.find("\n", starts[-1])) >= 0:
        starts.append(found + 1)
    offset = min(len(source.text), starts[min(int(line), len(starts)) - 1] + int(column) - 1)
    return Span(source, offset, min(len(source.text), offset + 1))


def _reason(message: str) -> str:
    reason = message.partition(" (at ")[0]
    return reason[:1].lower() + reason[1:]
