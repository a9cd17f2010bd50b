"""Splits the body of an f-string into literal text and expressions, and finds where strings and brackets end.

Works on characters and offsets only, since `ast` on Python 3.11 gives no usable positions inside f-strings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPENING = {"(": ")", "[": "]", "{": "}"}
_CLOSING = frozenset(_OPENING.values())
_MARK = re.compile(r"""['"#()\[\]{}]""")
_STRING = re.compile(r"""(?s)("{3}|'{3}|"(?!"")|'(?!''))(?:\\.|(?!\1)[^\\])*\1""")


@dataclass(frozen=True, slots=True)
class Piece:
    """`text[start:end]`: literal text (doubled braces not undone), or an expression without its braces.

    `spec` is where the format specification behind the expression begins and ends, None without one.
    """

    start: int
    end: int
    is_expression: bool
    spec: tuple[int, int] | None = None


@dataclass(eq=False)  # an exception cannot be frozen: raising it writes the traceback into it
class TemplateError(Exception):
    """`text[start:end]` is what is wrong."""

    message: str
    help: str
    start: int
    end: int


def split(text: str, start: int = 0, end: int | None = None) -> tuple[Piece, ...]:
    """The pieces of `text[start:end]` in order. Raises TemplateError at the first mistake."""
    stop = len(text) if end is None else end
    pieces: list[Piece] = []
    literal = index = start
    while index < stop:
        char = text[index]
        if char in "{}" and text.startswith(char, index + 1) and index + 1 < stop:
            index += 2
        elif char == "}":
            raise TemplateError(
                "`}` without `{`", "a brace that is meant as text is doubled: `}}`", index, index + 1
            )
        elif char == "{":
            if literal < index:
                pieces.append(Piece(literal, index, False))
            end_of_expression = _expression_end(text, index + 1, stop)
            close, spec = end_of_expression, None
            if text[end_of_expression] == ":":
                close = _spec_end(text, index, end_of_expression + 1, stop)
                spec = (end_of_expression + 1, close)
            pieces.append(Piece(index + 1, end_of_expression, True, spec))
            literal = index = close + 1
        else:
            index += 1
    if literal < stop:
        pieces.append(Piece(literal, stop, False))
    return tuple(pieces)


def unbraced(text: str) -> str:
    """Literal text with doubled braces undone."""
    return text.replace("{{", "{").replace("}}", "}")


def _expression_end(text: str, start: int, stop: int) -> int:
    """The offset of the brace or colon that ends an expression; refuses what f-strings allow behind one."""
    depth = 0
    index = start
    while index < stop:
        char = text[index]
        if char in "'\"":
            index = string_end(text, index, stop)
            continue
        if char in _OPENING:
            depth += 1
        elif char in ":}" and depth == 0:
            _refuse_empty_or_debug(text, start, index)
            return index
        elif char in _CLOSING:
            depth = max(0, depth - 1)
        elif depth == 0 and char == "!" and not text.startswith("=", index + 1):
            raise TemplateError(
                "a template has no conversions such as `!r`",
                "only the expression and, after a `:`, its format stand between the braces",
                index,
                min(index + 2, stop),
            )
        index += 1
    raise _unclosed(start - 1)


def _spec_end(text: str, opened: int, start: int, stop: int) -> int:
    """The offset of the brace that closes an expression with a format specification, which has no braces."""
    for index in range(start, stop):
        if text[index] == "}":
            return index
        if text[index] == "{":
            message = "a format specification holds no expressions"
            raise TemplateError(message, "write the width as a number", index, index + 1)
    raise _unclosed(opened)


def _unclosed(opened: int) -> TemplateError:
    help_text = "a brace that is meant as text is doubled: `{{`"
    return TemplateError("`{` without `}`", help_text, opened, opened + 1)


def _refuse_empty_or_debug(text: str, start: int, end: int) -> None:
    expression = text[start:end].rstrip()
    if not expression:
        raise TemplateError(
            "there is no expression between the braces",
            "write a field, such as `{request.path}`; braces that are meant as text are doubled",
            start - 1,
            end + 1,
        )
    if expression.endswith("=") and not expression.endswith(("==", "!=", "<=", ">=")):
        at = start + len(expression) - 1
        raise TemplateError("a template cannot show an expression by `=`", "leave out the `=`", at, at + 1)


def string_end(text: str, start: int, stop: int) -> int:
    """The offset after the string that opens at `start` (a quote), or `stop` when it is never closed."""
    found = _STRING.match(text, start)
    return stop if found is None else min(stop, found.end())


def unbalanced(text: str) -> int | None:
    """The offset of the first closing bracket that nothing opened, outside strings and comments."""
    expected: list[str] = []
    index = 0
    while (found := _MARK.search(text, index)) is not None:
        char, index = found[0], found.end()
        if char in "'\"":
            index = string_end(text, found.start(), len(text))
        elif char == "#":
            index = text.find("\n", index)
            if index < 0:
                return None
        elif char in _OPENING:
            expected.append(_OPENING[char])
        elif not expected or expected.pop() != char:
            return found.start()
    return None
