"""Calls of functions; the vocabulary lists them. A part of the expression checker."""

from __future__ import annotations

import ast
import re
from datetime import datetime

from luagen import patterns, refusals, sequences
from luagen.calls import call, integer, string
from luagen.checker import Checker
from luagen.claims import settled
from luagen.diagnostics import Code, did_you_mean, quoted
from luagen.model import (
    Affix,
    Compare,
    Comparison,
    Contains,
    Expression,
    Field,
    Literal,
    Or,
    ParsedInteger,
    StringSet,
    Type,
)
from luagen.vocabulary import FUNCTIONS, MINUTE_OF_DAY, with_article

_INTEGER = re.compile(r"-?[0-9]{1,15}")
_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
# How many arguments a function takes; `any` and `all` look at theirs themselves.
_ARGUMENTS = {"matches": 2, "glob": 2, "under": 2, "min": 2, "max": 2, "time.between": 2}


def check(name: str | None, node: ast.Call, checker: Checker) -> Expression | None:
    """The call of the function of this name; None: what is called has none."""
    function = FUNCTIONS.get(name or "")
    if function is None:
        _refuse_function(name, node, checker)
        return None
    if name in ("any", "all"):
        return sequences.quantifier(name, node, checker)
    expected = _ARGUMENTS.get(function.name, 1)
    if node.keywords or len(node.args) != expected:
        count = "one argument" if expected == 1 else f"{expected} arguments"
        message = f"{quoted(function.name)} takes {count} here"
        if node.keywords:
            message = "arguments have no names here"
        help_text = f"write `{function.form}`"
        checker.error(Code.UNSUPPORTED_EXPRESSION, message, node, help=help_text)
        return None
    starred = next((found for found in node.args if isinstance(found, ast.Starred)), None)
    if starred is not None:
        checker.value(starred)  # reports it
        return None
    match name:
        case "matches" | "glob":
            return patterns.check(name, node, checker)
        case "under":
            return _under(node, checker)
        case "len":
            return _length(node, checker)
        case "int":
            return _integer(node, checker)
        case "str":
            return _text(node, checker)
        case "min" | "max":
            return _extreme(name, node, checker)
        case "percent":
            message, help_text = "`percent` takes a string", "such as `identity.sub` or a cookie"
            key = checker.of_type(node.args[0], Type.STRING, message, help_text)
            return None if key is None else call("percent", (key,), checker.span(node))
        case "time.between":
            return _between(node, checker)
        case _:
            return _timestamp(node, checker)


def _under(node: ast.Call, checker: Checker) -> Expression | None:
    """`text == "/a" or text.startswith("/a/")`, for each of the paths."""
    text = checker.of_type(node.args[0], Type.STRING, "`under` looks at a string")
    where = node.args[1]
    if isinstance(where, ast.Tuple | ast.List):
        found = sequences.sequence(where, checker)
    else:
        found = checker.value(where)
    if text is None or found is None:
        return None
    match found:
        case Literal(value=str(path)):
            paths: tuple[str, ...] = (path,)
        case StringSet(values=paths):
            pass
        case _:
            message = f"`under` takes constant paths, not {with_article(found.type)}"
            checker.error(Code.TYPE_MISMATCH, message, where, help=f"write `{FUNCTIONS['under'].form}`")
            return None
    wrong = next((path for path in paths if not path.startswith("/") or path.endswith("/")), None)
    if wrong is not None:
        message = f"`under` takes a path that begins with `/` and does not end with it, not {quoted(wrong)}"
        help_text = "every path is under `/`" if wrong == "/" else f"write `/{wrong.strip('/')[:60]}`"
        checker.error(Code.INVALID_LITERAL, message, where, help=help_text)
        return None
    span, boolean = checker.span(node), Type.BOOLEAN
    if not paths:
        return Literal(span=span, type=boolean, value=False)
    itself: Expression
    if len(paths) == 1:
        itself = Compare(
            span=span, type=boolean, operator=Comparison.EQ, left=text, right=string(paths[0], found.span)
        )
    else:
        itself = Contains(span=span, type=boolean, item=text, container=found)
    affixes = tuple(string(f"{path}/", found.span) for path in paths)
    below = Affix(span=span, type=boolean, receiver=text, affixes=affixes, at_end=False)
    return Or(span=span, type=boolean, operands=(itself, below))


def _length(node: ast.Call, checker: Checker) -> Expression | None:
    found = checker.value(node.args[0])
    if found is None:
        return None
    found = settled(found, Type.STRINGS)
    if found.type is Type.STRING:
        return call("len_text", (found,), checker.span(node))
    if found.type in (Type.STRINGS, Type.ROLES):
        return call("len_texts", (found,), checker.span(node))
    message = f"{with_article(found.type)} has no length"
    checker.error(Code.TYPE_MISMATCH, message, node.args[0], help="a text or a sequence has")
    return None


def _integer(node: ast.Call, checker: Checker) -> Expression | None:
    found = checker.value(node.args[0])
    if found is None:
        return None
    found = settled(found, Type.STRING)
    if found.type is Type.INTEGER:
        return found
    if found.type is not Type.STRING:
        message = f"`int` takes a string, not {with_article(found.type)}"
        checker.error(Code.TYPE_MISMATCH, message, node.args[0], help=f"write `{FUNCTIONS['int'].form}`")
        return None
    span = checker.span(node)
    if isinstance(found, Literal):
        if _INTEGER.fullmatch(str(found.value)) is None:
            message, help_text = (
                "this text is no number",
                "it has 1 to 15 digits, with `-` before them or not",
            )
            checker.error(Code.INVALID_LITERAL, message, node.args[0], help=help_text)
            return None
        return integer(int(found.value), span)
    return ParsedInteger(span=span, type=Type.INTEGER, text=found)


def _text(node: ast.Call, checker: Checker) -> Expression | None:
    found = checker.value(node.args[0])
    if found is None:
        return None
    found = settled(found, Type.INTEGER)
    if found.type is Type.STRING:
        return found
    if found.type is not Type.INTEGER:
        message = f"`str` takes an integer, not {with_article(found.type)}"
        checker.error(Code.TYPE_MISMATCH, message, node.args[0], help=refusals.as_text(found.type))
        return None
    span = checker.span(node)
    return call("format_integer", (found, string("", span)), span)


def _extreme(name: str, node: ast.Call, checker: Checker) -> Expression | None:
    message = f"`{name}` takes two integers"
    one, other = (checker.of_type(argument, Type.INTEGER, message) for argument in node.args)
    if one is None or other is None:
        return None
    return call("minimum" if name == "min" else "maximum", (one, other), checker.span(node))


def _between(node: ast.Call, checker: Checker) -> Expression | None:
    minutes: list[Expression] = []
    for argument in node.args:
        found = _constant(argument, "a time of day", checker)
        if found is None:
            return None
        time = _TIME_OF_DAY.fullmatch(found)
        if time is None:
            message = f"{quoted(found)} is no time of day"
            checker.error(Code.INVALID_LITERAL, message, argument, help='it is from "00:00" to "23:59"')
            return None
        minutes.append(integer(int(time[1]) * 60 + int(time[2]), checker.span(argument)))
    if minutes[0] == minutes[1]:
        message, help_text = "both times are the same: that is the whole day", "leave it out"
        checker.error(Code.INVALID_LITERAL, message, node, help=help_text)
        return None
    span = checker.span(node)
    minute = Field(span=span, type=Type.INTEGER, name=MINUTE_OF_DAY.name)
    return call("between", (minute, *minutes), span)


def _timestamp(node: ast.Call, checker: Checker) -> Expression | None:
    text = _constant(node.args[0], "a moment", checker)
    if text is None:
        return None
    form = 'such as `"2026-12-01T00:00:00Z"` or `"2026-12-01T01:00:00+01:00"`'
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.microsecond:
        message = f"{quoted(text)} is no date and time in whole seconds"
        checker.error(Code.INVALID_LITERAL, message, node.args[0], help=form)
        return None
    if moment.utcoffset() is None:
        message = f"{quoted(text)} does not say how far from UTC it is"
        checker.error(Code.INVALID_LITERAL, message, node.args[0], help=form)
        return None
    return integer(int(moment.timestamp()), checker.span(node))


def _constant(node: ast.expr, what: str, checker: Checker) -> str | None:
    found = checker.value(node)
    if found is None:
        return None
    if isinstance(found, Literal) and isinstance(found.value, str):
        return found.value
    checker.error(Code.UNSUPPORTED_EXPRESSION, f"{what} is a constant string", node)
    return None


def _refuse_function(name: str | None, node: ast.Call, checker: Checker) -> None:
    what = f"the function {quoted(name)}" if name else "this call"
    root = (name or "").partition(".")[0]
    help_text = refusals.FUNCTIONS.get(root) or did_you_mean(name or "", FUNCTIONS)
    listed = ", ".join(f"`{one}`" for one in FUNCTIONS)
    checker.error(
        Code.UNSUPPORTED_EXPRESSION,
        f"a policy has no place for {what}",
        node.func,
        help=help_text or f"there is {listed}",
    )
