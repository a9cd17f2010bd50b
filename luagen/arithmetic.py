"""Arithmetic on integers, and `+` between strings. A part of the expression checker."""

from __future__ import annotations

import ast

from luagen import bounds, refusals
from luagen.calls import call
from luagen.checker import Checker
from luagen.claims import common
from luagen.diagnostics import Code
from luagen.model import Expression, Literal, Type
from luagen.source import Span
from luagen.syntax import MAX_DEPTH
from luagen.texts import concatenation
from luagen.vocabulary import with_article

_FUNCTIONS: dict[type[ast.operator], str] = {
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.FloorDiv: "floor_divide",
    ast.Mod: "modulo",
}
_SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "floor_divide": "//", "modulo": "%", "negate": "-"}
_AS_TEXT = 'an f-string takes numbers too: f"{request.host}:{request.port}"'


def check(node: ast.BinOp, checker: Checker) -> Expression | None:
    if isinstance(node.op, ast.Add):
        return _sum(node, checker)
    function = _FUNCTIONS.get(type(node.op))
    if function is None:
        sign, instead = refusals.operator(node.op)
        checker.error(Code.UNSUPPORTED_EXPRESSION, f"a policy has no operator `{sign}`", node, help=instead)
        return None
    sign = _SIGNS[function]
    help_text = refusals.STRINGS_BY_PERCENT if sign == "%" else None
    message = f"`{sign}` takes integers"
    left = checker.of_type(node.left, Type.INTEGER, message, help_text)
    right = checker.of_type(node.right, Type.INTEGER, message)
    if left is None or right is None:
        return None
    if function in ("floor_divide", "modulo") and not (isinstance(right, Literal) and right.value):
        checker.error(
            Code.UNSUPPORTED_EXPRESSION,
            f"what `{sign}` divides by is a constant, and not 0",
            node.right,
            help="so that no request can make it divide by 0",
        )
        return None
    return compute(function, (left, right), checker.span(node), checker)


def negated(node: ast.UnaryOp, checker: Checker) -> Expression | None:
    operand = checker.of_type(node.operand, Type.INTEGER, "`-` takes an integer")
    return None if operand is None else compute("negate", (operand,), checker.span(node), checker)


def compute(
    function: str, operands: tuple[Expression, ...], span: Span, checker: Checker
) -> Expression | None:
    """The result of integers, unless it could be larger than what every Lua holds."""
    least, most = bounds.of_operation(function, [bounds.interval(operand) for operand in operands])
    if least < -bounds.MAX_INTEGER or most > bounds.MAX_INTEGER:
        checker.error(
            Code.LIMIT_EXCEEDED,
            f"`{_SIGNS[function]}` could give up to {max(most, -least)} here, beyond {bounds.MAX_INTEGER}",
            span,
            help="bound an operand, as in `max(0, min(x, 1000))`",
        )
        return None
    return call(function, operands, span)


def _sum(node: ast.BinOp, checker: Checker) -> Expression | None:
    terms: list[ast.expr] = []
    left: ast.expr = node
    while isinstance(left, ast.BinOp) and isinstance(left.op, ast.Add):
        terms.append(left.right)
        left = left.left
    terms.append(left)
    terms.reverse()
    values = [checker.value(term) for term in terms]
    found = common([value for value in values if value is not None])
    if len(found) < len(values):
        return None
    if found[0].type is Type.CLAIM:
        message = "`+` adds integers or puts strings together, and the claims do not say which"
        help_text = 'for text write an f-string: f"{identity.claims["a"]}{identity.claims["b"]}"'
        checker.error(Code.TYPE_MISMATCH, message, node, help=help_text)
        return None
    adds = found[0].type is Type.INTEGER
    expected = Type.INTEGER if adds else Type.STRING
    fits = True
    for value, term in zip(found, terms, strict=True):
        if value.type is not expected:
            what = "adds integers here" if adds else "puts strings together"
            mixed = value.type in (Type.INTEGER, Type.STRING)
            checker.error(
                Code.TYPE_MISMATCH,
                f"`+` {what}, and this is {with_article(value.type)}",
                term,
                help=_AS_TEXT if mixed else None,
            )
            fits = False
    if not fits:
        return None
    if not adds:
        return concatenation(found, checker.span(node))
    if len(found) > MAX_DEPTH:
        message = f"a sum has at most {MAX_DEPTH} numbers"
        checker.error(Code.LIMIT_EXCEEDED, message, node, help="give parts of it a name in `[names]`")
        return None
    total: Expression | None = found[0]
    for value, term in zip(found[1:], terms[1:], strict=True):
        if total is None:
            return None
        end = checker.region.offsets(term)[1]
        span = checker.region.part(checker.region.offsets(node)[0], end)
        total = compute("add", (total, value), span, checker)
    return total
