"""Python expressions and f-string bodies to typed model expressions. Parsed with `ast`, never executed.

CPython is the reference for what an expression means. Where one of our types has no counterpart there
(addresses, roles), it behaves like the nearest builtin. Functions return None when mistakes were reported;
nothing is reported about an expression whose operands already have mistakes.
"""

from __future__ import annotations

import ast

from luagen import comparison, maps, methods, refusals, template
from luagen.diagnostics import Bag, Code, did_you_mean, nearest, quoted
from luagen.document import Text
from luagen.methods import refuse_member
from luagen.model import And, Expression, Field, Literal, NetworkSet, Not, Or, StringSet, Truth, Type
from luagen.schema import FIELDS, ROOTS, with_article
from luagen.scope import NamedExpression, Scope, measure
from luagen.source import Span
from luagen.syntax import MAX_DEPTH, Region, parse
from luagen.texts import concatenation, literal_text

MAX_NODES = 5000  # of one expression with its names written out: names can double in every line
MAX_TREE_DEPTH = 2 * MAX_DEPTH  # of one with its names: names can also make it deeper in every line
MAX_INTEGER = 2**53 - 1  # what every Lua can hold exactly
_HAS_TRUTH = (Type.BOOLEAN, Type.STRING, Type.INTEGER, Type.ROLES, Type.IDENTITY)
_HAS_VALUE = (Type.STRING, Type.INTEGER, Type.BOOLEAN)


def condition(text: Text, scope: Scope, bag: Bag) -> Expression | None:
    """The whole of `text` as an expression of type BOOLEAN."""
    region = Region(text, 0, len(text.value))
    tree = parse(region, bag)
    checked = None if tree is None else _Checker(region, scope, bag).condition(tree)
    return _within_limits(checked, text, bag)


def named(name: str, key: Span, text: Text, scope: Scope, bag: Bag) -> NamedExpression:
    """An entry of [names]: of any type, or a condition when `and` and `or` join operands of several types."""
    region = Region(text, 0, len(text.value))
    tree = parse(region, bag)
    checked, is_condition = None, False
    if tree is not None:
        attempt = Bag()
        checked = _Checker(region, scope, attempt).value(tree)
        if checked is None and isinstance(tree, ast.BoolOp):
            checked, is_condition = _Checker(region, scope, bag).condition(tree), True
        else:
            bag.extend(attempt)
    checked = _within_limits(checked, text, bag)
    nodes = 0 if checked is None else measure(checked)[0]
    return NamedExpression(name=name, span=key, expression=checked, is_condition=is_condition, nodes=nodes)


def value_of_template(text: Text, scope: Scope, bag: Bag) -> Expression | None:
    """The whole of `text` as an f-string body: an expression of type STRING."""
    region = Region(text, 0, len(text.value))
    try:
        pieces = template.split(region.source)
    except template.TemplateError as error:
        bag.error(Code.INVALID_TEMPLATE, error.message, region.part(error.start, error.end), help=error.help)
        return None
    parts: list[Expression | None] = []
    for piece in pieces:
        inner = Region(text, piece.start, piece.end)
        if not piece.is_expression:
            parts.append(literal_text(template.unbraced(inner.source), inner.whole, bag))
            continue
        tree = parse(inner, bag)
        parts.append(None if tree is None else _Checker(inner, scope, bag).part_of_text(tree))
    return _within_limits(concatenation(parts, text.span), text, bag)


def _within_limits(checked: Expression | None, text: Text, bag: Bag) -> Expression | None:
    """The expression unless its names, written out, make it too deep for later stages."""
    if checked is None or measure(checked)[1] <= MAX_TREE_DEPTH:
        return checked
    message = f"with its names written out the expression is nested more than {MAX_TREE_DEPTH} levels deep"
    bag.error(Code.LIMIT_EXCEEDED, message, text.span, help="split it over several rules")
    return None


class _Checker:
    """Checks the tree of one region. `_nodes` counts what its names stand for."""

    def __init__(self, region: Region, scope: Scope, bag: Bag) -> None:
        self._region = region
        self._scope = scope
        self._bag = bag
        self._nodes = 0

    def condition(self, node: ast.expr) -> Expression | None:
        """`node` where a boolean is meant: only its truth matters."""
        span = self._region.span(node)
        match node:
            case ast.BoolOp(op=op, values=values):
                operands = [self.condition(value) for value in values]
                return _joined(op, operands, Type.BOOLEAN, span)
            case ast.Name(id=name) if name in self._scope.names and self._scope.names[name].is_condition:
                return self._named(self._scope.names[name], span)
        value = self.value(node)
        if value is None or value.type is Type.BOOLEAN:
            return value
        if value.type not in _HAS_TRUTH:
            self._refuse_truth(value.type, node)
            return None
        return Truth(span=span, type=Type.BOOLEAN, operand=value)

    def value(self, node: ast.expr) -> Expression | None:
        """`node` with the type that it has."""
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name():
                return self._name(node)
            case ast.Attribute():
                return self._attribute(node)
            case ast.Subscript():
                return self._subscript(node)
            case ast.Call():
                return methods.check(node, self._region, self.value, self._bag)
            case ast.BoolOp():
                return self._and_or(node)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                checked = self.condition(operand)
                span = self._region.span(node)
                return None if checked is None else Not(span=span, type=Type.BOOLEAN, operand=checked)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(value))) if not isinstance(
                value, bool
            ):
                return self._integer(-value, node)
            case ast.UnaryOp(op=op):
                self._refuse_operator(op, node)
                return None
            case ast.BinOp(op=ast.Add()):
                return self._sum(node)
            case ast.BinOp(op=op):
                self._refuse_operator(op, node)
                return None
            case ast.Compare():
                return comparison.check(node, self._region, self.value, self._bag)
            case ast.JoinedStr():
                return self._f_string(node)
            case ast.Tuple() | ast.List() | ast.Set():
                self._error(
                    Code.UNSUPPORTED_EXPRESSION,
                    "a list of values is no value itself",
                    node,
                    help="it stands after `in`, or as the argument of `.startswith(…)` and `.endswith(…)`",
                )
                return None
            case _:
                what, instead = refusals.node(node)
                self._error(
                    Code.UNSUPPORTED_EXPRESSION, f"a policy has no place for {what}", node, help=instead
                )
                return None

    def part_of_text(self, node: ast.expr) -> Expression | None:
        """`node` between the braces of a template or f-string: a STRING or INTEGER."""
        checked = self.value(node)
        if checked is None or checked.type in (Type.STRING, Type.INTEGER):
            return checked
        help_text = None
        if checked.type is Type.ROLES:
            help_text = 'join them: `",".join(identity.roles)`'
        elif checked.type is Type.IDENTITY:
            help_text = "write one of its fields, such as `identity.sub`"
        elif checked.type is Type.STRING_MAP:
            help_text = 'read one value, such as `request.headers["accept"]`'
        elif checked.type is Type.ADDRESS:
            help_text = "for proxied applications lighttpd adds `X-Forwarded-For`; others have `REMOTE_ADDR`"
        self._error(
            Code.TYPE_MISMATCH, f"{with_article(checked.type)} cannot become text", node, help=help_text
        )
        return None

    # --- constants and names -------------------------------------------------------------------------

    def _constant(self, node: ast.Constant) -> Expression | None:
        span = self._region.span(node)
        match node.value:
            case bool(value):
                return Literal(span=span, type=Type.BOOLEAN, value=value)
            case int(value):
                return self._integer(value, node)
            case str(value):
                return literal_text(value, span, self._bag)
            case bytes():
                what, instead = "a bytes constant", "leave out the `b`: all strings are bytes in UTF-8"
            case None:
                what, instead = "`None`", "what is absent reads as an empty string, which is false"
            case float() | complex():
                what, instead = "a number with a fraction", "numbers are integers"
            case _:
                what, instead = "`...`", "write a condition"
        self._error(Code.UNSUPPORTED_EXPRESSION, f"a policy has no place for {what}", node, help=instead)
        return None

    def _integer(self, value: int, node: ast.expr) -> Expression | None:
        if abs(value) > MAX_INTEGER:
            help_text = f"the largest is {MAX_INTEGER}"
            self._error(Code.INVALID_LITERAL, "the number is too large", node, help=help_text)
            return None
        return Literal(span=self._region.span(node), type=Type.INTEGER, value=value)

    def _name(self, node: ast.Name) -> Expression | None:
        span = self._region.span(node)
        name = node.id
        if name == "identity":
            return Field(span=span, type=FIELDS[name].type, name=name)
        if name == "request":
            help_text = "write one of its fields, such as `request.path`"
            self._error(Code.TYPE_MISMATCH, "`request` is no value itself", node, help=help_text)
            return None
        if name in self._scope.lists:
            self._scope.used.add(name)
            declared = self._scope.lists[name]
            if declared is None:
                return None
            if declared.networks:
                return NetworkSet(span=span, type=Type.NETWORK_SET, values=declared.networks, name=name)
            return StringSet(span=span, type=Type.STRING_SET, values=declared.strings, name=name)
        if name in self._scope.names:
            entry = self._scope.names[name]
            expression = self._named(entry, span)
            if expression is not None and entry.is_condition:
                self._error(
                    Code.TYPE_MISMATCH,
                    f"{quoted(name)} is a condition and cannot be used as a value",
                    node,
                    help="its `and` or `or` joins operands of several types, so only its truth is defined",
                )
                return None
            return expression
        if name in self._scope.later:
            self._error(
                Code.UNKNOWN_NAME,
                f"{quoted(name)} is not defined yet",
                node,
                help="an entry of `[names]` can use the entries above it",
            )
            return None
        whole = next((field for field in FIELDS if field.partition(".")[2] == name), None)
        self._error(
            Code.UNKNOWN_NAME,
            f"there is no name {quoted(name)}",
            node,
            help=f"write `{whole}`" if whole else _quote_hint(name, self._scope),
        )
        return None

    def _named(self, entry: NamedExpression, span: Span) -> Expression | None:
        self._scope.used.add(entry.name)
        self._nodes += entry.nodes
        if self._nodes > MAX_NODES:
            self._bag.error(
                Code.LIMIT_EXCEEDED,
                f"the expression has more than {MAX_NODES} parts with its names written out",
                span,
                help="split it over several rules",
            )
            return None
        return entry.expression

    def _attribute(self, node: ast.Attribute) -> Expression | None:
        path = _dotted(node)
        if path is None or path.partition(".")[0] not in ROOTS:
            receiver = self.value(node.value)
            if receiver is not None:
                refuse_member(receiver.type, node, self._region, self._bag, called=False)
            return None
        field = FIELDS.get(path)
        if field is not None:
            return Field(span=self._region.span(node), type=field.type, name=path)
        owner = path.rpartition(".")[0]
        if owner in FIELDS and owner != "identity":
            refuse_member(FIELDS[owner].type, node, self._region, self._bag, called=False)
            return None
        if owner not in ROOTS:
            self.value(node.value)  # reports the part that is unknown
            return None
        candidates = [name for name in FIELDS if name.startswith(f"{owner}.")]
        self._error(
            Code.UNKNOWN_FIELD,
            f"{'the request' if owner == 'request' else 'an identity'} has no field {quoted(node.attr)}",
            node,
            label="not in the vocabulary",
            help=did_you_mean(path, candidates)
            or f"there are {', '.join(f'`{name}`' for name in candidates)}",
        )
        return None

    # --- maps and methods ----------------------------------------------------------------------------

    def _subscript(self, node: ast.Subscript) -> Expression | None:
        receiver = self.value(node.value)
        if receiver is None:
            return None
        if not isinstance(receiver, Field) or receiver.type is not Type.STRING_MAP:
            self._error(
                Code.UNSUPPORTED_EXPRESSION,
                f"{with_article(receiver.type)} has no parts to read by `[…]`",
                node,
                help="test with `.startswith(…)`, `.endswith(…)` or `in`",
            )
            return None
        return maps.item(receiver, node.slice, node, self._region, self.value, self._bag)

    # --- putting together ----------------------------------------------------------------------------

    def _and_or(self, node: ast.BoolOp) -> Expression | None:
        """`and` and `or` for their value: Python gives back one of the operands, so all have one type."""
        operands = [self.value(value) for value in node.values]
        types = [operand.type for operand in operands if operand is not None]
        if len(types) < len(operands):
            return None
        odd = next((index for index, found in enumerate(types) if found is not types[0]), None)
        if odd is not None or types[0] not in _HAS_VALUE:
            word = "and" if isinstance(node.op, ast.And) else "or"
            self._error(
                Code.TYPE_MISMATCH,
                f"`{word}` gives back {with_article(types[0])} or {with_article(types[odd])} here"
                if odd is not None
                else f"`{word}` cannot give back {with_article(types[0])}",
                node,
                help="used as a value, all its operands are strings, all integers or all booleans",
            )
            return None
        return _joined(node.op, operands, types[0], self._region.span(node))

    def _sum(self, node: ast.BinOp) -> Expression | None:
        terms: list[ast.expr] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp) and isinstance(left.op, ast.Add):
            terms.append(left.right)
            left = left.left
        terms.append(left)
        parts: list[Expression | None] = []
        for term in reversed(terms):
            checked = self.value(term)
            if checked is not None and checked.type is not Type.STRING:
                self._error(
                    Code.TYPE_MISMATCH,
                    f"`+` puts strings together, and this is {with_article(checked.type)}",
                    term,
                    help='an f-string takes numbers too: f"{request.host}:{request.port}"'
                    if checked.type is Type.INTEGER
                    else None,
                )
                checked = None
            parts.append(checked)
        return concatenation(parts, self._region.span(node))

    def _f_string(self, node: ast.JoinedStr) -> Expression | None:
        """Taken apart from its source, since Python 3.11 has no positions inside f-strings."""
        start, end = self._region.offsets(node)
        source = self._region.source
        parts: list[Expression | None] = []
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
                parts += self._string_parts(source[start:quote].lower(), quote, stop)
                start = stop
        return concatenation(parts, self._region.span(node))

    def _string_parts(self, prefix: str, start: int, stop: int) -> list[Expression | None]:
        """The parts of one string token: its quotes begin at `start`, and it ends before `stop`."""
        source = self._region.source
        width = 3 if source[start : start + 3] in ('"""', "'''") and stop - start >= 6 else 1
        quotes = source[start : start + width]
        raw = prefix.replace("f", "")
        first, last = start + width, stop - width
        if "f" not in prefix:
            pieces: tuple[template.Piece, ...] = (template.Piece(first, last, False),)
        elif "\\" in source[first:last] and "r" not in prefix:
            self._bag.error(
                Code.UNSUPPORTED_EXPRESSION,
                "an f-string has no escapes here",
                self._region.part(start, stop),
                help="put the escape into a string of its own beside the f-string",
            )
            return [None]
        else:
            try:
                pieces = template.split(source, first, last)
            except template.TemplateError as error:
                place = self._region.part(error.start, error.end)
                self._bag.error(Code.INVALID_TEMPLATE, error.message, place, help=error.help)
                return [None]
        parts: list[Expression | None] = []
        for piece in pieces:
            region = Region(
                self._region.text, self._region.start + piece.start, self._region.start + piece.end
            )
            if piece.is_expression:
                tree = parse(region, self._bag)
                checker = _Checker(region, self._scope, self._bag)
                parts.append(None if tree is None else checker.part_of_text(tree))
                continue
            value = region.source
            if "f" not in prefix:
                value = ast.literal_eval(f"{raw}{quotes}{value}{quotes}")
            else:
                value = template.unbraced(value)
            parts.append(literal_text(value, region.whole, self._bag))
        return parts

    # --- refusals ------------------------------------------------------------------------------------

    def _error(
        self, code: Code, message: str, node: ast.expr, *, label: str | None = None, help: str | None = None
    ) -> None:
        self._bag.error(code, message, self._region.span(node), label=label, help=help)

    def _refuse_operator(self, op: ast.AST, node: ast.expr) -> None:
        sign, instead = refusals.operator(op)
        self._error(Code.UNSUPPORTED_EXPRESSION, f"a policy has no operator `{sign}`", node, help=instead)

    def _refuse_truth(self, found: Type, node: ast.expr) -> None:
        help_text = {
            Type.ADDRESS: 'every request has an address; test it with `in`: `request.ip in "10.0.0.0/8"`',
            Type.STRING_MAP: 'test for one key with `in`: `"x" in request.headers`',
        }.get(found, "test membership with `in`")
        self._error(Code.TYPE_MISMATCH, f"{with_article(found)} is no condition", node, help=help_text)


def _joined(op: ast.boolop, operands: list[Expression | None], type: Type, span: Span) -> Expression | None:
    checked = tuple(operand for operand in operands if operand is not None)
    if len(checked) < len(operands):
        return None
    kind = And if isinstance(op, ast.And) else Or
    return kind(span=span, type=type, operands=checked)


def _dotted(node: ast.expr) -> str | None:
    """`a.b.c` as text when the expression is nothing else."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join((node.id, *reversed(names)))


def _quote_hint(name: str, scope: Scope) -> str:
    found = nearest(name, scope.words())
    return f"did you mean `{found}`?" if found else f'text stands in quotes: `"{name[:40]}"`'
