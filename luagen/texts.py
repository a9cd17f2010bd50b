"""Putting text together: constants, and concatenations in their simplest form."""

from __future__ import annotations

from collections.abc import Iterable

from luagen.diagnostics import Bag, Code
from luagen.model import Concatenation, Expression, Literal, Type
from luagen.source import Span


def concatenation(parts: Iterable[Expression | None], span: Span) -> Expression | None:
    """The parts' texts in order, adjacent literals merged: the simplest expression of type STRING there is.

    None when any part is None.
    """
    merged: list[Expression] = []
    for part in parts:
        match part:
            case None:
                return None
            case Concatenation(parts=inner):
                pieces: tuple[Expression, ...] = inner
            case _:
                pieces = (part,)
        for piece in pieces:
            match piece, merged[-1:]:
                case Literal(value=""), _:
                    continue
                case Literal(value=str(after), span=end), [Literal(value=str(before), span=start)]:
                    whole = Span(start.source, start.start, max(start.end, end.end))
                    merged[-1] = Literal(span=whole, type=Type.STRING, value=before + after)
                case _:
                    merged.append(piece)
    match merged:
        case []:
            return Literal(span=span, type=Type.STRING, value="")
        case [single] if single.type is Type.STRING:
            return single
        case [single]:
            # An integer alone is not yet text.
            merged = [Literal(span=span, type=Type.STRING, value=""), single]
    return Concatenation(span=span, type=Type.STRING, parts=tuple(merged))


def has_controls(text: str) -> bool:
    """Whether a text has an ASCII control character: no header field carries one (RFC 9110 section 5.5)."""
    return any(char < " " or char == "\x7f" for char in text)


def literal_text(value: str, span: Span, bag: Bag) -> Literal | None:
    """A constant string that every later stage can write as UTF-8, or None when that was reported."""
    if "\0" in value:
        bag.error(Code.INVALID_LITERAL, "a string holds no NUL characters", span)
        return None
    if any("\ud800" <= char <= "\udfff" for char in value):
        bag.error(Code.INVALID_LITERAL, "a string holds no surrogates: they have no UTF-8", span)
        return None
    return Literal(span=span, type=Type.STRING, value=value)
