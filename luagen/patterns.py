"""`matches(…)` and `glob(…)`: constant patterns, whose mistakes are shown in their place."""

from __future__ import annotations

import ast

from luagen import regex, template
from luagen.checker import Checker
from luagen.diagnostics import Code
from luagen.model import Expression, Literal, Matches, Type
from luagen.regex import RegexError
from luagen.source import Span

_NOT_CONSTANT = "it is compiled at build time; test with `in`, `.startswith(…)` or `==` what is not constant"


def check(name: str, node: ast.Call, checker: Checker) -> Expression | None:
    """A call with two arguments: the pattern and the text."""
    pattern_node, text_node = node.args
    found = checker.value(pattern_node)
    text = checker.of_type(text_node, Type.STRING, f"`{name}` looks at a string")
    if found is None or text is None:
        return None
    if not (isinstance(found, Literal) and isinstance(found.value, str)):
        checker.error(
            Code.UNSUPPORTED_EXPRESSION,
            "the pattern is a constant string",
            pattern_node,
            help="the text is the second argument" if isinstance(text, Literal) else _NOT_CONSTANT,
        )
        return None
    try:
        pattern = regex.glob_pattern(found.value) if name == "glob" else found.value
        split = regex.split(regex.parse(pattern))
        regex.compiled(split.rest)
    except RegexError as error:
        # What is wrong with the pattern that a glob becomes has no place in the glob.
        in_source = name != "glob" or error.end <= len(found.value)
        place = _part(pattern_node, error, checker) if in_source else checker.span(pattern_node)
        checker.error(Code.INVALID_PATTERN, error.message, place, help=error.help)
        return None
    return Matches(span=checker.span(node), type=Type.BOOLEAN, pattern=pattern, split=split, text=text)


def _part(node: ast.expr, error: RegexError, checker: Checker) -> Span:
    """The part of the pattern that is wrong; the whole when the pattern is not one string without escapes."""
    start, end = checker.region.offsets(node)
    source = checker.region.source
    quote = start
    while quote < end and source[quote] not in "'\"":
        quote += 1
    width = 3 if source[quote : quote + 3] in ('"""', "'''") else 1
    first, last = quote + width, end - width
    is_raw = "r" in source[start:quote].lower()
    is_one = isinstance(node, ast.Constant) and template.string_end(source, quote, end) == end
    if not is_one or not (is_raw or "\\" not in source[first:last]) or last < first + error.end:
        return checker.span(node)
    return checker.region.part(first + error.start, first + max(error.end, error.start))
