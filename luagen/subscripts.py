"""`x[…]`: values of maps, claims, groups of the pattern, places and slices of texts and sequences."""

from __future__ import annotations

import ast

from luagen import captures, maps
from luagen.builtins import TO_THE_END
from luagen.calls import call, integer
from luagen.checker import Checker
from luagen.claims import MAX_CLAIMS, MAX_POINTER_BYTES, pointer, settled
from luagen.diagnostics import Code
from luagen.fields import dotted
from luagen.model import Claim, Expression, Field, Type
from luagen.vocabulary import with_article

_CLAIMS = "identity.claims"


def check(node: ast.Subscript, checker: Checker) -> Expression | None:
    root = dotted(node.value)
    if root == "match":
        return captures.group(node, checker)
    if root == _CLAIMS:
        return _claim("", node.slice, node, checker)
    path = _pointer(node, checker)
    if path is not None:
        return _recorded(path, node, checker)
    receiver = checker.value(node.value)
    if receiver is None:
        return None
    if isinstance(receiver, Field) and receiver.type is Type.STRING_MAP:
        return maps.item(receiver, node.slice, node, checker)
    if isinstance(receiver, Claim) and receiver.type is Type.CLAIM and not isinstance(node.slice, ast.Slice):
        return _claim(receiver.pointer, node.slice, node, checker)
    receiver = settled(receiver, Type.STRING)
    if receiver.type not in (Type.STRING, Type.STRINGS, Type.ROLES):
        help_text = None
        if receiver.type in (Type.STRING_SET, Type.NETWORK_SET):
            help_text = "test membership with `in`"
        elif receiver.type is Type.INTEGER:
            help_text = "`str(…)` makes a text of it"
        checker.error(
            Code.UNSUPPORTED_EXPRESSION,
            f"{with_article(receiver.type)} has no parts to read by `[…]`",
            node,
            help=help_text,
        )
        return None
    of = "text" if receiver.type is Type.STRING else "texts"
    if isinstance(node.slice, ast.Slice):
        return _slice(receiver, node.slice, node, f"slice_{of}", checker)
    what = "a text" if receiver.type is Type.STRING else "a sequence"
    place = checker.of_type(node.slice, Type.INTEGER, f"a place in {what} is an integer")
    if place is None:
        return None
    return call(f"item_of_{of}", (receiver, place), checker.span(node))


def claim_by_get(parent: Claim | None, node: ast.Call, checker: Checker) -> Expression | None:
    """`.get("plan")` of the claims of the token (None), or of the members of a claim."""
    if len(node.args) == 1 and not node.keywords:
        return _claim("" if parent is None else parent.pointer, node.args[0], node, checker)
    message, help_text = "`get` takes one argument here", f'write `{_CLAIMS}["plan"]`'
    checker.error(Code.UNSUPPORTED_EXPRESSION, message, node, help=help_text)
    return None


def _pointer(node: ast.Subscript, checker: Checker) -> str | None:
    """Of `identity.claims["a"]["b"]` with constant keys; None when the expression is another.

    Taken as a whole, so that the claims on the way do not count as read.
    """
    keys: list[str] = []
    inner: ast.expr = node
    while isinstance(inner, ast.Subscript):
        if not (isinstance(inner.slice, ast.Constant) and isinstance(inner.slice.value, str)):
            return None
        keys.append(inner.slice.value)
        inner = inner.value
    if dotted(inner) != _CLAIMS:
        return None
    path = ""
    for key in reversed(keys):
        path = pointer(path, key)
    return path


def _claim(parent: str, key: ast.expr, node: ast.expr, checker: Checker) -> Expression | None:
    if isinstance(key, ast.Slice):
        checker.error(Code.UNSUPPORTED_EXPRESSION, "claims have no slices", node)
        return None
    if isinstance(key, ast.Constant) and isinstance(key.value, int) and parent:
        checker.error(
            Code.UNSUPPORTED_EXPRESSION,
            "nothing says whether this claim is a text or an array",
            node,
            help="a text's beginning is `x[:1]`; of an array, test elements with `in` or `any(…)`",
        )
        return None
    name = maps.constant_key(key, f'{_CLAIMS}["plan"]', checker)
    return None if name is None else _recorded(pointer(parent, name), node, checker)


def _recorded(path: str, node: ast.expr, checker: Checker) -> Expression | None:
    if any(char < " " or char == "\x7f" or "\ud800" <= char <= "\udfff" for char in path):
        checker.error(Code.INVALID_NAME, "the name of a claim has no control characters", node)
        return None
    if len(path.encode()) > MAX_POINTER_BYTES:
        message = f"the name of a claim, with those around it, has at most {MAX_POINTER_BYTES} bytes"
        checker.error(Code.LIMIT_EXCEEDED, message, node)
        return None
    checker.scope.claims.add(path)
    if len(checker.scope.claims) > MAX_CLAIMS:
        message = f"a policy reads at most {MAX_CLAIMS} claims"
        checker.error(Code.LIMIT_EXCEEDED, message, node, help="put what decides into roles")
        return None
    return Claim(span=checker.span(node), type=Type.CLAIM, pointer=path)


def _slice(
    receiver: Expression, part: ast.Slice, node: ast.expr, function: str, checker: Checker
) -> Expression | None:
    if part.step is not None:
        message = "a slice has no step here"
        checker.error(Code.UNSUPPORTED_EXPRESSION, message, part.step, help="write `x[start:stop]`")
        return None
    span = checker.span(node)
    ends: list[Expression] = []
    for end, missing in ((part.lower, 0), (part.upper, TO_THE_END)):
        if end is None:
            ends.append(integer(missing, span))
            continue
        found = checker.of_type(end, Type.INTEGER, "a slice begins and ends at integers")
        if found is None:
            return None
        ends.append(found)
    return call(function, (receiver, *ends), span)
