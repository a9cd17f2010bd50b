"""Reading maps of strings: `request.headers["x"]`, `.get("x")`, and the key in `"x" in request.headers`."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

from luagen.diagnostics import Bag, Code, quoted
from luagen.model import Expression, Field, Item, Literal, Type
from luagen.names import is_token
from luagen.source import Span
from luagen.syntax import Region

CheckValue = Callable[[ast.expr], Expression | None]


@dataclass(frozen=True, slots=True)
class MapKey:
    """A constant key; names of header fields are in lower case."""

    value: str
    span: Span


def item(
    map_field: Field, key: ast.expr, node: ast.expr, region: Region, check_value: CheckValue, bag: Bag
) -> Item | None:
    """The value under a constant key, for the expression `node`; None when mistakes were reported."""
    found = map_key(map_field, key, region, check_value, bag)
    if found is None:
        return None
    return Item(span=region.span(node), type=Type.STRING, map=map_field, key=found.value)


def map_key(
    map_field: Field, node: ast.expr, region: Region, check_value: CheckValue, bag: Bag
) -> MapKey | None:
    """The constant that `node` is, if it can be a key of this map; None when mistakes were reported."""
    if isinstance(node, ast.Slice):
        bag.error(Code.UNSUPPORTED_EXPRESSION, "a map has no slices", region.span(node))
        return None
    key = check_value(node)
    if key is None:
        return None
    if not (isinstance(key, Literal) and isinstance(key.value, str)):
        bag.error(
            Code.UNSUPPORTED_EXPRESSION,
            "the key is a constant string",
            region.span(node),
            help=f'write it in quotes: `{map_field.name}["x"]`',
        )
        return None
    # Fields and cookies are tokens (RFC 6265 section 4.1.1); parameters of a query can have any name.
    if map_field.name != "request.args" and not is_token(key.value):
        kind = "cookie" if map_field.name == "request.cookies" else "field"
        bag.error(
            Code.INVALID_NAME,
            f"{quoted(key.value)} cannot be the name of a {kind}",
            region.span(node),
            help="it has letters, digits and any of !#$%&'*+-.^_`|~ (RFC 9110 section 5.6.2)",
        )
        return None
    return MapKey(key.value.lower() if map_field.name == "request.headers" else key.value, key.span)
