"""Calls of methods; the vocabulary lists them. A part of the expression checker."""

from __future__ import annotations

import ast

from luagen import maps, sequences, subscripts
from luagen.builtins import TO_THE_END
from luagen.calls import call, integer, string
from luagen.checker import Checker
from luagen.claims import settled
from luagen.diagnostics import Code, quoted
from luagen.model import Affix, Claim, Expression, Field, Items, Join, Literal, StringSet, Type
from luagen.refusals import refuse_member
from luagen.vocabulary import METHODS, Method, Takes, with_article


def check(node: ast.Call, function: ast.Attribute, checker: Checker) -> Expression | None:
    """A call of a method of the vocabulary, or None when mistakes were reported."""
    receiver = checker.value(function.value)
    if receiver is None:
        return None
    if function.attr == "get" and isinstance(receiver, Claim) and receiver.type is Type.CLAIM:
        return subscripts.claim_by_get(receiver, node, checker)
    receiver = settled(receiver, Type.STRING)
    method = next((m for m in METHODS if m.receiver is receiver.type and m.name == function.attr), None)
    if method is None or (method.name == "getall" and not _is_args(receiver)):
        refuse_member(receiver.type, function, checker, called=True)
        return None
    if node.keywords:
        _refuse("arguments have no names here", node.keywords[0].value, method, checker)
        return None
    if method.simple:
        return _simple(method, receiver, node, checker)
    match method.name:
        case "get":
            return _get(method, receiver, node, checker)
        case "getall":
            return _getall(method, receiver, node, checker)
        case "split":
            return _split(method, receiver, node, checker)
        case "join":
            return _join(method, receiver, node, checker)
        case _:
            return _affix(method, receiver, node, checker)


def _is_args(receiver: Expression) -> bool:
    return isinstance(receiver, Field) and receiver.name == "request.args"


def _simple(method: Method, receiver: Expression, node: ast.Call, checker: Checker) -> Expression | None:
    least, most = len(method.takes) - len(method.defaults), len(method.takes)
    if not least <= len(node.args) <= most:
        place = node.args[most] if len(node.args) > most else node
        _refuse(f"{quoted(method.name)} takes {_counted(least, most)} here", place, method, checker)
        return None
    given = [
        argument(method, takes, found, checker) for takes, found in zip(method.takes, node.args, strict=False)
    ]
    span = checker.span(node)
    for default in method.defaults[len(given) - least :]:
        given.append(integer(default, span) if isinstance(default, int) else string(default, span))
    arguments = tuple(found for found in given if found is not None)
    return None if len(arguments) < len(given) else call(method.name, (receiver, *arguments), span)


def argument(method: Method, takes: Takes, node: ast.expr, checker: Checker) -> Expression | None:
    """One argument as the method takes it."""
    name, help_text = quoted(method.name), f"write `{method.form}`"
    if takes is Takes.LIMIT:
        limit = checker.of_type(node, Type.INTEGER, f"the limit of {name} is an integer", help_text)
        if limit is None or (isinstance(limit, Literal) and int(limit.value) >= 0):
            return limit
        message = f"the limit of {name} is a constant, 0 or more"
        checker.error(Code.UNSUPPORTED_EXPRESSION, message, node, help="without one there is no limit")
        return None
    found = checker.of_type(node, Type.STRING, f"{name} takes a string", help_text)
    if found is None:
        return None
    text = found.value if isinstance(found, Literal) else None
    if takes is Takes.SOME_STRING and not text:
        message = f"what {name} looks for is a constant, and not empty"
        checker.error(Code.UNSUPPORTED_EXPRESSION, message, node, help=help_text)
        return None
    if takes is Takes.BYTES and isinstance(text, str) and not text.isascii():
        message = f"{name} takes single bytes, and a character beyond ASCII has several"
        help_text = "write `.removeprefix(…)` or `.removesuffix(…)` for a whole text"
        checker.error(Code.UNSUPPORTED_EXPRESSION, message, node, help=help_text)
        return None
    return found


def _counted(least: int, most: int) -> str:
    if most == 0:
        return "no arguments"
    count = str(most) if least == most else f"{least} to {most}" if most - least > 1 else f"{least} or {most}"
    if least == most == 1:
        return "one argument"
    return f"{count} arguments"


def _get(method: Method, receiver: Expression, node: ast.Call, checker: Checker) -> Expression | None:
    if not isinstance(receiver, Field):
        raise AssertionError("bug in luagen: maps are fields")
    match node.args:
        case [key] | [key, ast.Constant(value="")]:
            return maps.item(receiver, key, node, checker)
        case [_, default]:
            # Python gives the default only when the key is absent; nothing here tells that from empty.
            checker.error(
                Code.UNSUPPORTED_EXPRESSION,
                "`get` has no default here",
                default,
                help=f'`{receiver.name}["x"] or "default"` also replaces an empty value',
            )
        case _:
            help_text = f'write `{receiver.name}["x"]`'
            checker.error(Code.UNSUPPORTED_EXPRESSION, "`get` takes one argument here", node, help=help_text)
    return None


def _getall(method: Method, receiver: Expression, node: ast.Call, checker: Checker) -> Expression | None:
    if not isinstance(receiver, Field) or len(node.args) != 1:
        _refuse("`getall` takes one argument here", node, method, checker)
        return None
    key = maps.map_key(receiver, node.args[0], checker)
    if key is None:
        return None
    return Items(span=checker.span(node), type=Type.STRINGS, map=receiver, key=key.value)


def _split(method: Method, receiver: Expression, node: ast.Call, checker: Checker) -> Expression | None:
    span = checker.span(node)
    match node.args:
        case []:
            return call("split_blanks", (receiver,), span)
        case [separator, *limits] if len(limits) <= 1:
            text = argument(method, Takes.SOME_STRING, separator, checker)
            limit: Expression | None = integer(TO_THE_END, span)
            if limits:
                limit = argument(method, Takes.LIMIT, limits[0], checker)
            return None if text is None or limit is None else call("split", (receiver, text, limit), span)
        case _:
            _refuse("`split` takes at most 2 arguments here", node.args[2], method, checker)
            return None


def _join(method: Method, receiver: Expression, node: ast.Call, checker: Checker) -> Expression | None:
    if len(node.args) != 1:
        _refuse("`join` takes one argument here", node.args[1] if node.args else node, method, checker)
        return None
    parts = node.args[0]
    if isinstance(parts, ast.GeneratorExp):
        found = sequences.comprehension(parts, checker)
    else:
        found = checker.value(parts)
    if found is None:
        return None
    found = settled(found, Type.STRINGS)
    if found.type not in (Type.STRINGS, Type.ROLES):
        message = f"`join` takes a sequence of strings, not {with_article(found.type)}"
        checker.error(Code.TYPE_MISMATCH, message, parts, help=f"write `{method.form}`")
        return None
    span = checker.span(node)
    if found.type is Type.ROLES and isinstance(receiver, Literal):
        return Join(span=span, type=Type.STRING, separator=str(receiver.value), roles=found)
    return call("join", (receiver, found), span)


def _affix(method: Method, receiver: Expression, node: ast.Call, checker: Checker) -> Expression | None:
    span = checker.span(node)
    if len(node.args) != 1:
        wrong = node.args[1] if node.args else node
        _refuse(f"{quoted(method.name)} takes one argument here", wrong, method, checker)
        return None
    affix = node.args[0]
    if isinstance(affix, ast.List | ast.Set):
        message = "Python takes a tuple here, not a list or set"
        checker.error(Code.TYPE_MISMATCH, message, affix, help='write `.startswith(("/a/", "/b/"))`')
        return None
    affixes: list[Expression] = []
    for element in affix.elts if isinstance(affix, ast.Tuple) else [affix]:
        found = checker.value(element)
        if found is None:
            return None
        match settled(found, Type.STRING):
            case StringSet(values=values, span=place) if element is affix:
                affixes += [Literal(span=place, type=Type.STRING, value=value) for value in values]
            case text if text.type is Type.STRING:
                affixes.append(text)
            case other:
                message = f"a text does not begin or end with {with_article(other.type)}"
                checker.error(Code.TYPE_MISMATCH, message, element)
                return None
    if not affixes:
        return Literal(span=span, type=Type.BOOLEAN, value=False)
    at_end = method.name == "endswith"
    return Affix(span=span, type=Type.BOOLEAN, receiver=receiver, affixes=tuple(affixes), at_end=at_end)


def _refuse(message: str, node: ast.expr, method: Method, checker: Checker) -> None:
    checker.error(Code.UNSUPPORTED_EXPRESSION, message, node, help=f"write `{method.form}`")
