"""`redirects`: many paths that have moved, in one rule and with one lookup."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Self
from urllib.parse import quote_from_bytes, unquote

from luagen import ir, policy_files, redirects, text_file
from luagen.actions.action import Action
from luagen.actions.context import ActionContext
from luagen.actions.redirect import QUERY_KEY, STATUS_KEY, STATUSES, read_status, with_query
from luagen.diagnostics import Bag, Code, quoted
from luagen.document import Entry, Table, Text
from luagen.lower_values import to_bytes
from luagen.model import Concatenation, Expression, Field, Literal, Type
from luagen.paths import simplified
from luagen.policy_files import FileRefused
from luagen.schema import Key
from luagen.source import Source, Span
from luagen.table_reader import TableReader, no_controls
from luagen.texts import has_controls

if TYPE_CHECKING:
    from luagen.reference.turn import Turn

MAX_ENTRIES = 100_000
MAX_FILE_BYTES = 16 * 1024 * 1024
_REST = "*"  # at the end of a path: all that begins so; at the end of a target: what follows there


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Where one path has gone: `path` ends in `*` when it stands for all that begin so, and `to` when what
    follows goes along."""

    path: str
    to: str
    status: int
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirects(Action):
    """Ends requests for the paths that it lists, and lets all others go on.

    A path as a whole counts before one with `*`, and of those the longest.
    """

    key: ClassVar[str] = "redirects"
    takes: ClassVar[str] = "a table"
    doc: ClassVar[str] = "send the client elsewhere when its path is on a list"
    keys: ClassVar[tuple[Key, ...]] = (
        Key("entries", "a table of strings", "where paths have gone; see [redirects](#redirects-1)"),
        Key("file", "a path", "the same in a CSV file beside the policy: path, target and perhaps status"),
        STATUS_KEY,
        QUERY_KEY,
    )

    moves: tuple[Move, ...]  # at least one; each path once
    keep_query: bool

    @classmethod
    def check(cls, entry: Entry, context: ActionContext) -> Self | None:
        table = context.table(entry)
        if table is None:
            return None
        read = TableReader(table, cls.keys, "`redirects`", context.bag)
        status = read_status(read)
        keep_query = read.boolean("keep_query", False)
        entries, file = read.inner("entries"), read.text("file")
        if (read.entry("entries") is None) == (read.entry("file") is None):
            both = read.entry("entries") is not None
            code = Code.CONFLICTING_KEYS if both else Code.MISSING_KEY
            message = "`entries` and `file` exclude each other" if both else "there is nothing to redirect"
            read.error(code, message, table.span, help='give one: `entries = { "/old" = "/new" }`')
            return None
        errors = context.bag.error_count
        if entries is not None:
            moves = _from_table(entries, status, context.bag)
        elif file is not None:
            moves = _from_file(file, status, context)
        else:
            return None
        if not moves and context.bag.error_count == errors:
            read.error(Code.INVALID_VALUE, "`redirects` lists nothing", table.span)
        return cls(moves=_unique(moves, context.bag), keep_query=keep_query)

    def expressions(self) -> tuple[Expression, ...]:
        return ()

    def lower(self) -> Iterator[ir.Instruction]:
        # One string, which the script takes apart when it is loaded: no limit of Lua's counts its lines.
        lines = [f"{move.path}\n{move.to}\n{move.status}\n" for move in self.moves]
        moved = ir.Kept(to_bytes("".join(lines)), "moved_paths")
        arguments = (ir.RULE, moved, ir.Constant(self.keep_query))
        yield ir.Invoke("redirect_moved", arguments, ir.Outcome.MAY_END)

    def play(self, turn: Turn) -> None:
        path = turn.request.path
        found = [move for move in self.moves if _fits(to_bytes(move.path), path)]
        if found:
            # A path as a whole has no `*`, so that it is never shorter than one with it.
            move = max(found, key=lambda one: (not one.path.endswith(_REST), len(to_bytes(one.path))))
            location = to_bytes(move.to)
            if move.to.endswith(_REST):
                location = (
                    location[:-1] + quote_from_bytes(path[len(to_bytes(move.path)) - 1 :], safe="/").encode()
                )
            query = turn.request.query if self.keep_query else b""
            turn.redirect(move.status, with_query(location, query))


def _fits(pattern: bytes, path: bytes) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith(b"*") else path == pattern


# --- where the entries come from ---------------------------------------------------------------------


def _from_table(entries: Table, status: int, bag: Bag) -> list[Move]:
    moves: list[Move] = []
    for entry in entries.entries.values():
        if not isinstance(entry.value, Text):
            bag.error(Code.WRONG_TYPE, f"{quoted(entry.key)} takes a string", entry.value.span)
        elif no_controls(entry.value, bag):
            move = Move(path=entry.key, to=entry.value.value, status=status, span=entry.span)
            if _is_good(move, entry.value.span, bag):
                moves.append(move)
    return moves


def _from_file(file: Text, status: int, context: ActionContext) -> list[Move]:
    try:
        content = policy_files.read(file.value, context.directory, MAX_FILE_BYTES)
    except FileRefused as refused:
        context.bag.error(refused.code, refused.message, file.span)
        return []
    source = text_file.decode(content, file.value, context.bag)
    if source is None:
        return []
    # Spreadsheets begin UTF-8 with a byte order mark.
    return _from_lines(Source(source.name, source.text.removeprefix("\ufeff")), status, context.bag)


def _from_lines(source: Source, status: int, bag: Bag) -> list[Move]:
    """Lines of a CSV file (RFC 4180) whose cells have no line ends; `#` begins a comment."""
    moves: list[Move] = []
    offset = 0
    for number, line in enumerate(source.text.splitlines(keepends=True)):
        span = Span(source, offset, offset + len(line.rstrip("\r\n")))
        offset += len(line)
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            [cells] = csv.reader([line.rstrip("\r\n")], strict=True, skipinitialspace=True)
        except (csv.Error, ValueError):
            bag.error(Code.INVALID_VALUE, "this is no line of a CSV file", span)
            continue
        if number == 0 and "/" not in line:
            continue  # titles of the columns
        move = _from_cells([cell.strip() for cell in cells], status, span, bag)
        if move is not None:
            moves.append(move)
        if len(moves) > MAX_ENTRIES:
            message = f"the file has more than {MAX_ENTRIES} entries"
            bag.error(Code.LIMIT_EXCEEDED, message, span, help="split it, and write a rule for each part")
            break
    return moves


def _from_cells(cells: list[str], status: int, span: Span, bag: Bag) -> Move | None:
    if len(cells) not in (2, 3):
        count = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
        message = f"the line has {count}, and needs a path, a target and perhaps a status"
        bag.error(Code.INVALID_VALUE, message, span, help="a cell that holds a comma stands in double quotes")
        return None
    if len(cells) == 3 and cells[2]:
        if not cells[2].isascii() or not cells[2].isdecimal() or int(cells[2][:9]) not in STATUSES:
            message = f"a redirect has status 301, 302, 303, 307 or 308, not {quoted(cells[2])}"
            bag.error(Code.INVALID_VALUE, message, _cell(span, cells[2]))
            return None
        status = int(cells[2])
    for cell in cells:
        if has_controls(cell):
            bag.error(Code.CONTROL_CHARACTER, "a control character cannot stand here", span)
            return None
    move = Move(path=cells[0], to=cells[1], status=status, span=_cell(span, cells[0]))
    return move if _is_good(move, _cell(span, cells[1]), bag) else None


def _cell(line: Span, cell: str) -> Span:
    start = line.source.text.find(cell, line.start, line.end)
    return Span(line.source, start, start + len(cell)) if cell and start >= 0 else line


# --- what they may be --------------------------------------------------------------------------------


def _is_good(move: Move, target: Span, bag: Bag) -> bool:
    mistake = _path_mistake(move.path)
    if mistake is not None:
        message, help_text = mistake
        bag.error(Code.INVALID_VALUE, f"{quoted(move.path)} {message}", move.span, help=help_text)
        return False
    takes_rest = move.to.endswith(_REST)
    if takes_rest and not move.path.endswith(_REST):
        message = f"there is nothing for the `*` of {quoted(move.to)}"
        help_text = "a path that ends in `*` stands for all that begin so"
        bag.error(Code.INVALID_VALUE, message, target, help=help_text)
        return False
    if takes_rest and move.path.endswith("/*") and move.to == "/*":
        return True  # what follows a `/` never begins with one: lighttpd leaves no `//` in a path
    return redirects.check(_target(move.to, target), target, bag)


def _path_mistake(path: str) -> tuple[str, str] | None:
    """Why no request has such a path; the path is what `request.path` reads."""
    plain = path.removesuffix(_REST)
    if not path.startswith("/"):
        return "does not begin with `/`", "a path of this server, such as `/old`"
    if _REST in plain:
        return "has `*` inside", "`*` stands at the end; for other forms write a `redirect` with `matches(…)`"
    if "?" in plain or "#" in plain:
        return "is more than a path", "for a query write a `redirect` with `request.args[…]` in its `when`"
    if unquote(plain) != plain:
        return "is percent-encoded, and paths are compared decoded", f"write {quoted(unquote(plain))}"
    if simplified(to_bytes(plain)) != to_bytes(plain):
        return "is never asked for", "lighttpd removes empty segments and dots from paths"
    return None


def _target(to: str, span: Span) -> Expression:
    """The target as `redirect` would have it: a constant, and something of the client's for `*`."""
    literal = Literal(span=span, type=Type.STRING, value=to.removesuffix(_REST))
    if not to.endswith(_REST):
        return literal
    rest = Field(span=span, type=Type.STRING, name="request.query")
    return Concatenation(span=span, type=Type.STRING, parts=(literal, rest)) if literal.value else rest


def _unique(moves: list[Move], bag: Bag) -> tuple[Move, ...]:
    found: dict[str, Move] = {}
    for move in moves:
        earlier = found.setdefault(move.path, move)
        if earlier is not move:
            message = f"{quoted(move.path)} has a target already, in line {earlier.span.line}"
            bag.error(Code.DUPLICATE_NAME, message, move.span)
    return tuple(found.values())
