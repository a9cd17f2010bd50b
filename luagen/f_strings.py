"""f-strings and templates: text with expressions in braces. A part of the expression checker."""

from __future__ import annotations

import ast

from luagen import formats, refusals, template
from luagen.checker import Checker
from luagen.claims import settled
from luagen.diagnostics import Code
from luagen.model import Expression, Type
from luagen.syntax import Region, parse
from luagen.texts import concatenation, literal_text
from luagen.vocabulary import with_article


def parts(checker: Checker, start: int, end: int) -> list[Expression | None]:
    """The parts of `checker.region.source[start:end]`, the body of an f-string or a template."""
    region = checker.region
    try:
        pieces = template.split(region.source, start, end)
    except template.TemplateError as error:
        place = region.part(error.start, error.end)
        checker.error(Code.INVALID_TEMPLATE, error.message, place, help=error.help)
        return [None]
    found: list[Expression | None] = []
    for piece in pieces:
        inner = Region(region.text, region.start + piece.start, region.start + piece.end)
        if piece.is_expression:
            spec = None
            if piece.spec is not None and piece.spec[0] < piece.spec[1]:
                spec = Region(region.text, region.start + piece.spec[0], region.start + piece.spec[1])
            tree = parse(inner, checker.bag)
            found.append(None if tree is None else _part(tree, spec, checker.within(inner)))
        else:
            found.append(literal_text(template.unbraced(inner.source), inner.whole, checker.bag))
    return found


def check(node: ast.JoinedStr, checker: Checker) -> Expression | None:
    """Taken apart from its source, since Python 3.11 has no positions inside f-strings."""
    start, end = checker.region.offsets(node)
    source = checker.region.source
    found: list[Expression | None] = []
    while start < end:
        if source[start] in " \t\n\\":  # between adjacent strings
            start += 1
        elif source[start] == "#":
            start = source.index("\n", start)
        else:
            quote = start
            while source[quote] not in "'\"":
                quote += 1
            stop = template.string_end(source, quote, end)
            found += _string_parts(source[start:quote].lower(), quote, stop, checker)
            start = stop
    return concatenation(found, checker.span(node))


def _string_parts(prefix: str, start: int, stop: int, checker: Checker) -> list[Expression | None]:
    """The parts of one string token: its quotes begin at `start`, and it ends before `stop`."""
    source = checker.region.source
    width = 3 if source[start : start + 3] in ('"""', "'''") and stop - start >= 6 else 1
    quotes = source[start : start + width]
    raw = prefix.replace("f", "")
    first, last = start + width, stop - width
    if "f" not in prefix:
        value = ast.literal_eval(f"{raw}{quotes}{source[first:last]}{quotes}")
        return [literal_text(value, checker.region.part(first, last), checker.bag)] if first < last else []
    if "\\" in source[first:last] and "r" not in prefix:
        checker.error(
            Code.UNSUPPORTED_EXPRESSION,
            "an f-string has no escapes here",
            checker.region.part(start, stop),
            help="put the escape into a string of its own beside the f-string",
        )
        return [None]
    return parts(checker, first, last)


def _part(node: ast.expr, spec: Region | None, checker: Checker) -> Expression | None:
    """`node` between the braces: a STRING or INTEGER, or the STRING that its format makes of it."""
    found = checker.value(node)
    if found is None:
        return None
    found = settled(found, Type.STRING if spec is None else formats.meant_type(spec.source))
    if found.type not in (Type.STRING, Type.INTEGER):
        message = f"{with_article(found.type)} cannot become text"
        checker.error(Code.TYPE_MISMATCH, message, node, help=refusals.as_text(found.type))
        return None
    if spec is None:
        return found
    return formats.formatted(found, spec.source, spec.whole, checker.span(node), checker)
