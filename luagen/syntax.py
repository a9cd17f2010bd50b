"""Expression text to Python's syntax tree, with positions in the policy file. Nothing is ever executed."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from functools import cached_property

from luagen import template
from luagen.diagnostics import Bag, Code, quoted
from luagen.document import Text
from luagen.source import Span

MAX_BYTES = 4096  # of one expression in UTF-8: far above what a person writes, far below what slows a build
MAX_DEPTH = (
    50  # of nesting: Lua's compilers give up at about 200 levels, and one level here can be several there
)

# Operators of other languages, longer ones first, and words that stand where Python has an operator.
_BY_PATTERN = '`matches(r"…", text)`'
_INSTEAD = {
    "===": "`==`",
    "!==": "`!=`",
    "&&": "`and`",
    "||": "`or`",
    "=~": _BY_PATTERN,
    "!~": f"`not` before {_BY_PATTERN}",
    "~": _BY_PATTERN,
    "!": "`not`",
    "=": "`==`",
    "?": "`x if condition else y`",
    "$": "the whole name of a field, such as `request.host`",
}
_WORDS = {
    "eq": "`==`",
    "ne": "`!=`",
    "lt": "`<`",
    "le": "`<=`",
    "gt": "`>`",
    "ge": "`>=`",
    "AND": "`and`",
    "OR": "`or`",
    "NOT": "`not`",
    "contains": '`"part" in text`',
    "matches": _BY_PATTERN,
    "startswith": "`text.startswith(…)`",
    "endswith": "`text.endswith(…)`",
}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_WORD = re.compile(r"[A-Za-z]+|[0-9]+\.[0-9]")


@dataclass(frozen=True)
class Region:
    """`text.value[start:end]`: one expression, in a string of the policy file."""

    text: Text
    start: int
    end: int

    @cached_property
    def source(self) -> str:
        return self.text.value[self.start : self.end]

    @cached_property
    def _is_plain(self) -> bool:
        """One line of ASCII, as nearly all are."""
        return self.source.isascii() and "\n" not in self.source

    @cached_property
    def _lines(self) -> list[tuple[int, str]]:
        """Where each line begins, and its text."""
        lines: list[tuple[int, str]] = []
        start = 0
        for line in self.source.split("\n"):
            lines.append((start, line))
            start += len(line) + 1
        return lines

    def part(self, start: int, end: int) -> Span:
        """The span in the file of `source[start:end]`."""
        return self.text.part(self.start + start, self.start + end)

    @property
    def whole(self) -> Span:
        return self.part(0, len(self.source))

    def offsets(self, node: ast.expr) -> tuple[int, int]:
        """Where the node stands in `source`."""
        assert node.end_lineno is not None and node.end_col_offset is not None  # noqa: S101 - ast.parse sets both
        start = self._offset(node.lineno, node.col_offset)
        return start, max(start, self._offset(node.end_lineno, node.end_col_offset))

    def span(self, node: ast.expr) -> Span:
        return self.part(*self.offsets(node))

    def _offset(self, line_number: int, column_bytes: int) -> int:
        # ast counts columns in bytes of UTF-8; on the first line the parenthesis of `parse` comes before.
        if self._is_plain:
            return min(max(0, column_bytes - 1), len(self.source)) if line_number == 1 else len(self.source)
        if line_number > len(self._lines):
            return len(self.source)
        start, line = self._lines[line_number - 1]
        column = max(0, column_bytes - (line_number == 1))
        if not line.isascii():
            column = len(line.encode()[:column].decode(errors="ignore"))
        return start + min(column, len(line))


def parse(region: Region, bag: Bag) -> ast.expr | None:
    """The tree, at most MAX_DEPTH deep, or None when mistakes were reported."""
    source = region.source
    if not source.strip():
        bag.error(Code.INVALID_EXPRESSION, "the expression is empty", region.text.span)
        return None
    if len(source.encode()) > MAX_BYTES:
        bag.error(
            Code.LIMIT_EXCEEDED,
            f"the expression is longer than {MAX_BYTES} bytes",
            region.part(0, 1),
            help="give parts of it a name in `[names]`, or put its constants into `[lists]`",
        )
        return None
    control = _CONTROL.search(source)
    if control is not None:
        bag.error(
            Code.CONTROL_CHARACTER,
            "an expression has no control characters",
            region.part(*control.span()),
            help="inside a string of the expression, write an escape such as `\\x1b`",
        )
        return None
    closing = template.unbalanced(source)
    if closing is not None:
        bag.error(
            Code.INVALID_EXPRESSION,
            f"{quoted(source[closing])} closes nothing",
            region.part(closing, closing + 1),
        )
        return None
    try:
        # Parentheses, because a line end inside them means nothing; `unbalanced` keeps them paired.
        tree = _tree(f"({source}\n)")
    except SyntaxError as error:
        _report(region, bag, error)
        return None
    except (ValueError, RecursionError, MemoryError):
        _too_deep(region, bag, region.whole)
        return None
    if isinstance(tree, ast.Tuple) and not tree.elts and tree.col_offset == 0:
        bag.error(Code.INVALID_EXPRESSION, "the expression is empty", region.whole)
        return None
    deep = _first_too_deep(tree, source)
    if deep is not None:
        _too_deep(region, bag, region.span(deep))
        return None
    return tree


def _tree(source: str) -> ast.expr:
    with warnings.catch_warnings():
        # What Python only warns about, such as "\." in a string, is an error in later versions of Python.
        warnings.simplefilter("error", SyntaxWarning)
        warnings.simplefilter("error", DeprecationWarning)
        return ast.parse(source, mode="eval").body


def _too_deep(region: Region, bag: Bag, span: Span) -> None:
    bag.error(
        Code.LIMIT_EXCEEDED,
        f"the expression is nested more than {MAX_DEPTH} levels deep",
        span,
        help="give parts of it a name in `[names]`",
    )


def _first_too_deep(tree: ast.expr, source: str) -> ast.expr | None:
    if len(source) <= MAX_DEPTH:
        return None  # each level takes a character
    waiting: list[tuple[ast.expr, int]] = [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        if depth > MAX_DEPTH:
            return node
        if isinstance(node, ast.Name | ast.Constant):
            continue  # most nodes, and they have no parts
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                # A sum of many parts is one level: it becomes one concatenation.
                waiting.append((child, depth if _is_in_sum(child, node) else depth + 1))
            elif isinstance(child, ast.comprehension | ast.keyword | ast.arguments):
                waiting += [
                    (inner, depth + 1) for inner in ast.iter_child_nodes(child) if isinstance(inner, ast.expr)
                ]
    return None


def _is_in_sum(child: ast.expr, node: ast.expr) -> bool:
    """Whether a sum is the beginning of a longer sum."""
    match node, child:
        case ast.BinOp(op=ast.Add(), left=left), ast.BinOp(op=ast.Add()):
            return child is left
        case _:
            return False


def _report(region: Region, bag: Bag, error: SyntaxError) -> None:
    source = region.source
    found = _familiar_mistake(source)
    if found is not None:
        start, end, message, help_text = found
        bag.error(Code.INVALID_EXPRESSION, message, region.part(start, end), help=help_text)
        return
    start = _where(source)
    if "escape" in str(error.msg):
        bag.error(
            Code.INVALID_EXPRESSION,
            "a string has a backslash that is no escape",
            region.part(start, min(start + 1, len(source))),
            help='a backslash that is meant as text is doubled: `\\\\`; patterns are written as `r"…"`',
        )
        return
    word = _WORD.match(source, start)
    instead = None if word is None else _instead_of(word[0])
    if word is not None and instead is not None:
        message, help_text = instead
        bag.error(Code.INVALID_EXPRESSION, message, region.part(start, word.end()), help=help_text)
        return
    bag.error(
        Code.INVALID_EXPRESSION,
        "this is not an expression in Python's grammar",
        region.part(start, min(start + 1, len(source))),
        label="from here" if start < len(source.rstrip()) else "it ends too early",
    )


def _instead_of(word: str) -> tuple[str, str] | None:
    """What is wrong with a word or number that Python does not understand where it stands."""
    if word in _WORDS:
        return f"{quoted(word)} is not an operator", f"write {_WORDS[word]}"
    if word in ("if", "for", "while", "return", "def"):
        return f"{quoted(word)} begins a statement", "write an expression, whose value is used"
    if word[0].isdigit():
        return "this is no number", 'an address stands in quotes: `request.ip in "10.0.0.0/8"`'
    return None


def _where(source: str) -> int:
    """Where Python stops understanding `source`; parentheses around it would move that to their beginning."""
    text = source.replace("\n", " ").lstrip()
    try:
        _tree(text)
    except SyntaxError as error:
        end = len(source.rstrip())
        # Offset 0 stands for the end of the text.
        return min(len(source) - len(text) + error.offset - 1, end) if error.offset else end
    except (ValueError, RecursionError, MemoryError):
        return 0
    return 0


def _familiar_mistake(source: str) -> tuple[int, int, str, str | None] | None:
    """Where in a text that Python refuses something stands that people know from other languages."""
    opened: list[int] = []
    index = 0
    while index < len(source):
        char, two = source[index], source[index : index + 2]
        if char in "'\"":
            end = template.string_end(source, index, len(source))
            if end == len(source) and (end == index + 1 or source[end - 1] != char):
                return index, index + 1, "the string is never closed", f"it is closed by {quoted(char)}"
            index = end
            continue
        if two in ("==", "!=", "<=", ">=", ":=") and source[index + 2 : index + 3] not in ("=", "~"):
            index += 2
            continue
        operator = next((sign for sign in _INSTEAD if source.startswith(sign, index)), None)
        if operator is not None:
            help_text = f"write {_INSTEAD[operator]}"
            return index, index + len(operator), f"{quoted(operator)} is not an operator", help_text
        if char in "([{":
            opened.append(index)
        elif char in ")]}" and opened:
            opened.pop()
        index += 1
    if opened:
        at = opened[-1]
        return at, at + 1, f"{quoted(source[at])} is never closed", None
    return None
