"""Comparisons and `in`, by the types of both sides. A part of the expression checker.

What Python would answer with a constant because of the types is refused: nobody means it.
"""

from __future__ import annotations

import ast

from luagen import refusals
from luagen.checker import Checker
from luagen.claims import common, settled
from luagen.diagnostics import Code, quoted
from luagen.maps import map_key
from luagen.model import (
    And,
    Compare,
    Comparison,
    Contains,
    Expression,
    Field,
    Literal,
    Network,
    NetworkSet,
    Not,
    Or,
    StringSet,
    Type,
)
from luagen.networks import NetworkError, network
from luagen.source import Span
from luagen.vocabulary import with_article

_HAVE_STRINGS = (Type.STRING, Type.STRING_SET, Type.STRINGS, Type.ROLES)
_OPERATORS: dict[type[ast.cmpop], Comparison] = {
    ast.Eq: Comparison.EQ,
    ast.NotEq: Comparison.NE,
    ast.Lt: Comparison.LT,
    ast.LtE: Comparison.LE,
    ast.Gt: Comparison.GT,
    ast.GtE: Comparison.GE,
}


def check(node: ast.Compare, checker: Checker) -> Expression | None:
    """A comparison or a chain of them: `a < b < c` is `a < b and b < c`, as expressions have no effects."""
    pair = _Pair(checker)
    left = node.left
    found: list[Expression | None] = []
    for op, right in zip(node.ops, node.comparators, strict=True):
        found.append(pair.check(left, op, right))
        left = right
    checked = tuple(part for part in found if part is not None)
    if len(checked) < len(found):
        return None
    if len(checked) == 1:
        return checked[0]
    return And(span=checker.span(node), type=Type.BOOLEAN, operands=checked)


class _Pair:
    """One comparison of two operands."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._region = checker.region
        self._value = checker.value

    def check(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Expression | None:
        span = self._region.part(self._region.offsets(left)[0], self._region.offsets(right)[1])
        match op:
            case ast.In():
                return self._contains(left, right, span)
            case ast.NotIn():
                found = self._contains(left, right, span)
                return None if found is None else Not(span=span, type=Type.BOOLEAN, operand=found)
            case ast.Is() | ast.IsNot():
                sign, instead = refusals.operator(op)
                if isinstance(right, ast.Constant) and right.value is None:
                    instead = refusals.none(negated=isinstance(op, ast.IsNot))
                self._error(Code.UNSUPPORTED_EXPRESSION, f"a policy has no operator `{sign}`", span, instead)
                return None
            case _:
                return self._compare(left, _OPERATORS[type(op)], right, span)

    def _compare(
        self, left: ast.expr, operator: Comparison, right: ast.expr, span: Span
    ) -> Expression | None:
        one, other = self._value(left), self._value(right)
        if one is None or other is None:
            return None
        if operator not in (Comparison.EQ, Comparison.NE):
            one, other = settled(one, Type.INTEGER), settled(other, Type.INTEGER)
            if one.type is not Type.INTEGER or other.type is not Type.INTEGER:
                wrong = one.type if one.type is not Type.INTEGER else other.type
                why = "strings have no order here: Lua's depends on the system's language"
                if any(isinstance(side, Field) and side.name == "now" for side in (one, other)):
                    why = 'a moment is `timestamp("2026-12-01T00:00:00Z")`'
                self._error(
                    Code.TYPE_MISMATCH,
                    f"`{operator}` compares integers, and this is {with_article(wrong)}",
                    self._region.span(left if one.type is not Type.INTEGER else right),
                    why if wrong is Type.STRING else None,
                )
                return None
            return Compare(span=span, type=Type.BOOLEAN, operator=operator, left=one, right=other)
        if Type.ADDRESS in (one.type, other.type):
            one, other = settled(one, Type.STRING), settled(other, Type.STRING)
        one, other = common([one, other])
        match one.type, other.type:
            case Type.CLAIM, Type.CLAIM:
                self._error(
                    Code.TYPE_MISMATCH,
                    "two claims are compared, and neither says of which type they are",
                    span,
                    'make one a text: f"{identity.claims["a"]}"',
                )
                return None
            case (Type.STRING, Type.STRING) | (Type.INTEGER, Type.INTEGER) | (Type.BOOLEAN, Type.BOOLEAN):
                pass
            case Type.ADDRESS, Type.ADDRESS:
                pass
            case Type.ADDRESS, Type.STRING:
                address = self._address(other, right)
                if address is None:
                    return None
                other = address
            case Type.STRING, Type.ADDRESS:
                address = self._address(one, left)
                if address is None:
                    return None
                one = address
            case _:
                self._error(
                    Code.TYPE_MISMATCH,
                    f"`{operator}` compares {with_article(one.type)} with {with_article(other.type)}",
                    span,
                    _comparison_help(one.type, other.type),
                )
                return None
        return Compare(span=span, type=Type.BOOLEAN, operator=operator, left=one, right=other)

    def _address(self, text: Expression, node: ast.expr) -> NetworkSet | None:
        found = self._networks([text], [node])
        if found is None:
            return None
        if found[0].prefixlen < found[0].max_prefixlen:
            self._error(
                Code.TYPE_MISMATCH,
                "an address never equals a network",
                self._region.span(node),
                "test membership with `in`",
            )
            return None
        return NetworkSet(span=text.span, type=Type.NETWORK_SET, values=found)

    def _contains(self, left: ast.expr, right: ast.expr, span: Span) -> Expression | None:
        item = self._value(left)
        if isinstance(right, ast.Tuple | ast.List | ast.Set):
            elements = [self._value(element) for element in right.elts]
            checked = [element for element in elements if element is not None]
            if item is None or len(checked) < len(elements):
                return None
            item, *checked = common([item, *checked])
            return self._one_of(settled(item, Type.STRING), left, checked, right, span)
        container = self._value(right)
        if item is None or container is None:
            return None
        item, container = settled(item, Type.STRING), settled(container, Type.STRINGS)
        match container:
            case Literal(value=str(constant)) if item.type is Type.STRING and not isinstance(item, Literal):
                self._refuse_part_of_constant(constant, right)
                return None
        match item.type, container:
            case Type.STRING, Field(type=Type.STRING_MAP):
                key = map_key(container, left, self._checker)
                if key is None:
                    return None
                item = Literal(span=key.span, type=Type.STRING, value=key.value)
            case Type.ADDRESS, StringSet(values=(), name=name, span=place):
                container = NetworkSet(span=place, type=Type.NETWORK_SET, values=(), name=name)
            case Type.ADDRESS, NetworkSet():
                pass
            case Type.ADDRESS, _ if container.type is Type.STRING:
                networks = self._networks([container], [right])
                if networks is None:
                    return None
                container = NetworkSet(span=container.span, type=Type.NETWORK_SET, values=networks)
            case Type.STRING, _ if container.type in _HAVE_STRINGS:
                pass
            case _:
                self._error(
                    Code.TYPE_MISMATCH,
                    f"{with_article(item.type)} cannot be in {with_article(container.type)}",
                    span,
                    _membership_help(item.type, container.type),
                )
                return None
        return Contains(span=span, type=Type.BOOLEAN, item=item, container=container)

    def _refuse_part_of_constant(self, constant: str, node: ast.expr) -> None:
        self._error(
            Code.TYPE_MISMATCH,
            "`in` this text holds for every part of it, for the empty text too",
            self._region.span(node),
            f'write `==`, or a comma: `in ("{constant[:40]}",)`',
        )

    def _one_of(
        self,
        item: Expression,
        item_node: ast.expr,
        elements: list[Expression],
        node: ast.Tuple | ast.List | ast.Set,
        span: Span,
    ) -> Expression | None:
        """`item in (…)`: a set when the elements are constants, else one comparison for each."""
        place = self._region.span(node)
        if item.type is Type.ADDRESS:
            networks = self._networks(elements, node.elts)
            if networks is None:
                return None
            container = NetworkSet(span=place, type=Type.NETWORK_SET, values=tuple(dict.fromkeys(networks)))
            return Contains(span=span, type=Type.BOOLEAN, item=item, container=container)
        if item.type not in (Type.STRING, Type.INTEGER):
            self._error(
                Code.TYPE_MISMATCH,
                f"{with_article(item.type)} cannot be in a list of values",
                self._region.span(item_node),
                _membership_help(item.type, Type.STRING_SET),
            )
            return None
        for element, element_node in zip(elements, node.elts, strict=True):
            if element.type is not item.type:
                self._error(
                    Code.TYPE_MISMATCH,
                    f"{with_article(item.type)} cannot equal {with_article(element.type)}",
                    self._region.span(element_node),
                    "declared lists are used by themselves: `request.host in name`"
                    if element.type in (Type.STRING_SET, Type.NETWORK_SET)
                    else None,
                )
                return None
        texts = [element.value for element in elements if isinstance(element, Literal)]
        strings = [text for text in texts if isinstance(text, str)]
        if len(strings) == len(elements):
            values = tuple(dict.fromkeys(strings))
            if item.type is Type.INTEGER:
                return Literal(span=span, type=Type.BOOLEAN, value=False)  # `request.port in ()`
            strings_set = StringSet(span=place, type=Type.STRING_SET, values=values)
            return Contains(span=span, type=Type.BOOLEAN, item=item, container=strings_set)
        comparisons = tuple(
            Compare(span=span, type=Type.BOOLEAN, operator=Comparison.EQ, left=item, right=element)
            for element in elements
        )
        if len(comparisons) == 1:
            return comparisons[0]
        return Or(span=span, type=Type.BOOLEAN, operands=comparisons)

    def _networks(self, texts: list[Expression], nodes: list[ast.expr]) -> tuple[Network, ...] | None:
        """Constant strings as networks."""
        networks: list[Network] = []
        for text, node in zip(texts, nodes, strict=True):
            if not (isinstance(text, Literal) and isinstance(text.value, str)):
                self._error(
                    Code.TYPE_MISMATCH,
                    "an address is compared with constants only",
                    self._region.span(node),
                    'write them in quotes: `request.ip in ("10.0.0.0/8", "::1")`',
                )
                continue
            try:
                networks.append(network(text.value))
            except NetworkError as error:
                self._error(
                    Code.INVALID_NETWORK,
                    f"{quoted(text.value)}: {error.message}",
                    self._region.span(node),
                    error.help,
                )
        return tuple(networks) if len(networks) == len(texts) else None

    def _error(self, code: Code, message: str, span: Span, help: str | None) -> None:
        self._checker.error(code, message, span, help=help)


def _comparison_help(one: Type, other: Type) -> str | None:
    types = {one, other}
    if Type.STRINGS in types:
        return 'test for one element: `"a" in x`, or put them together with `.join(…)`'
    if Type.ROLES in types:
        return 'test for one role: `"admin" in identity.roles`'
    if Type.IDENTITY in types:
        return "compare one of its fields, such as `identity.sub`"
    if types & {Type.STRING_SET, Type.NETWORK_SET}:
        return "test membership with `in`"
    if Type.STRING_MAP in types:
        return 'compare one value, such as `request.headers["accept"]`'
    if types == {Type.STRING, Type.INTEGER}:
        return (
            "write the number without quotes, the text in quotes, or `int(…)` around a text that is a number"
        )
    if Type.BOOLEAN in types:
        return "a condition needs no comparison: write `x` or `not x`"
    return None


def _membership_help(item: Type, container: Type) -> str | None:
    if item is Type.ADDRESS and container is Type.STRING_SET:
        return "every entry of the list must be an address or network"
    if item is Type.STRING and container is Type.NETWORK_SET:
        return "only `request.ip` can be in it"
    if item is Type.ROLES:
        return 'test for one role: `"admin" in identity.roles`'
    if item is Type.IDENTITY:
        return "test one of its fields, such as `identity.sub`"
    return None
