"""Reading maps of strings: `request.headers["x"]`, `.get("x")`, and the key in `"x" in request.headers`."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from luagen.checker import Checker
from luagen.diagnostics import Code, quoted
from luagen.model import Expression, Field, Item, Literal, Type
from luagen.names import is_token
from luagen.source import Span


@dataclass(frozen=True, slots=True)
class MapKey:
    """A constant key; names of header fields are in lower case."""

    value: str
    span: Span


def item(map_field: Field, key: ast.expr, node: ast.expr, checker: Checker) -> Item | None:
    """The value under a constant key, for the expression `node`; None when mistakes were reported."""
    found = map_key(map_field, key, checker)
    if found is None:
        return None
    return Item(span=checker.span(node), type=Type.STRING, map=map_field, key=found.value)


def map_key(map_field: Field, node: ast.expr, checker: Checker) -> MapKey | None:
    """The constant that `node` is, if it can be a key of this map; None when mistakes were reported."""
    if isinstance(node, ast.Slice):
        checker.error(Code.UNSUPPORTED_EXPRESSION, "a map has no slices", node)
        return None
    key = constant_key(node, f'{map_field.name}["x"]', checker)
    if key is None:
        return None
    # Fields and cookies are tokens (RFC 6265 section 4.1.1); parameters of a query can have any name.
    if map_field.name != "request.args" and not is_token(key):
        kind = "cookie" if map_field.name == "request.cookies" else "field"
        checker.error(
            Code.INVALID_NAME,
            f"{quoted(key)} cannot be the name of a {kind}",
            node,
            help="it has letters, digits and any of !#$%&'*+-.^_`|~ (RFC 9110 section 5.6.2)",
        )
        return None
    return MapKey(key.lower() if map_field.name == "request.headers" else key, checker.span(node))


def constant_key(node: ast.expr, form: str, checker: Checker) -> str | None:
    """The constant string that `node` is; `form` shows how such a key is written."""
    found: Expression | None = checker.value(node)
    if found is None:
        return None
    if isinstance(found, Literal) and isinstance(found.value, str):
        return found.value
    message = "the key is a constant string"
    checker.error(Code.UNSUPPORTED_EXPRESSION, message, node, help=f"write it in quotes: `{form}`")
    return None
