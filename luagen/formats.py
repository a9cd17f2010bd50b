"""Format specifications: `{request.port:06}`. Python's, as far as they mean the same for bytes."""

from __future__ import annotations

import re

from luagen.calls import call, string
from luagen.checker import Checker
from luagen.diagnostics import Code, quoted
from luagen.model import Expression, Type
from luagen.source import Span

MAX_WIDTH = 1000  # of what is filled up: a request is not made large by a policy

_INTEGER = re.compile(r"(0?)([1-9][0-9]*)?(,?)([dxXob]?)")
_STRING = re.compile(r"(?:[^{}]?[<>^])?([1-9][0-9]*)?(?:\.([0-9]+))?")
_LIKE_INTEGER = re.compile(r"[0-9]*,?[dxXob]|0[0-9]+,?|[0-9]*,")

_FORMS = {
    Type.INTEGER: "for numbers: `0` to fill up with zeros, a width, `,` between thousands, one of `dxXob`",
    Type.STRING: "for texts: `<`, `>` or `^` after a character to fill up with, a width, `.` and a length",
}


def meant_type(spec: str) -> Type:
    """Whether a specification is one for a number or for a text, for values that can be either."""
    return Type.INTEGER if _LIKE_INTEGER.fullmatch(spec) else Type.STRING


def formatted(value: Expression, spec: str, place: Span, span: Span, checker: Checker) -> Expression | None:
    """The text of a STRING or INTEGER in a format; `place` is where the specification stands."""
    numbers = value.type is Type.INTEGER
    found = (_INTEGER if numbers else _STRING).fullmatch(spec)
    if found is None or (numbers and found[3] and found[4] and found[4] != "d") or not spec.isascii():
        message = f"{quoted(spec)} is no format of {'an integer' if numbers else 'a string'} here"
        checker.error(Code.INVALID_TEMPLATE, message, place, help=_FORMS[value.type])
        return None
    sizes = (found[2],) if numbers else found.groups()
    if any(size is not None and (len(size) > 4 or int(size) > MAX_WIDTH) for size in sizes):
        message = f"a format has at most {MAX_WIDTH} characters"
        checker.error(Code.LIMIT_EXCEEDED, message, place)
        return None
    function = "format_integer" if numbers else "format_text"
    return call(function, (value, string(spec, place)), span)
