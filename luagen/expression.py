"""Python expressions and f-string bodies to typed model expressions. Parsed with `ast`, never executed.

CPython is the reference for what an expression means. Where one of our types has no counterpart there
(addresses, roles), it behaves like the nearest builtin. Functions return None when mistakes were reported;
nothing is reported about an expression whose operands already have mistakes.
"""

from __future__ import annotations

import ast

from luagen import (
    arithmetic,
    bounds,
    captures,
    comparison,
    costs,
    f_strings,
    fields,
    functions,
    methods,
    partials,
    refusals,
    sequences,
    subscripts,
)
from luagen.calls import integer
from luagen.checker import Checker, Counts, Place
from luagen.claims import common, settled
from luagen.diagnostics import Bag, Code
from luagen.document import Text
from luagen.model import (
    And,
    Call,
    Claim,
    Comprehension,
    Concatenation,
    Conditional,
    Expression,
    Join,
    Literal,
    Matches,
    Not,
    Or,
    ParsedInteger,
    Quantifier,
    Truth,
    Type,
)
from luagen.scope import NamedExpression, Scope
from luagen.source import Span
from luagen.syntax import MAX_DEPTH, Region, parse
from luagen.texts import concatenation, literal_text
from luagen.vocabulary import FIELDS, FUNCTIONS, with_article
from luagen.walk import Measure, measure

MAX_TREE_DEPTH = 2 * MAX_DEPTH  # of an expression with its names: they can make it deeper in every line
MAX_GENERATORS = 8  # within each other
_HAS_TRUTH = (Type.BOOLEAN, Type.STRING, Type.INTEGER, Type.STRINGS, Type.ROLES, Type.IDENTITY)
_HAS_VALUE = (Type.STRING, Type.INTEGER, Type.BOOLEAN)


def condition(text: Text, scope: Scope, bag: Bag) -> Expression | None:
    """The whole of `text` as an expression of type BOOLEAN: a `when` until `scope.groups` is set."""
    checker = _checker(text, scope, bag, _place(scope))
    tree = parse(checker.region, bag)
    return _finished(None if tree is None else checker.condition(tree), checker)


def named(name: str, key: Span, text: Text, scope: Scope, bag: Bag) -> NamedExpression:
    """An entry of [names]: of any type, or a condition when `and` and `or` join operands of several types."""
    checker = _checker(text, scope, bag, Place.NAME)
    tree = parse(checker.region, bag)
    checked, is_condition = None, False
    if tree is not None:
        attempt = _checker(text, scope, Bag(), Place.NAME)
        checked = attempt.value(tree)
        if checked is None and isinstance(tree, ast.BoolOp):
            checked, is_condition = checker.condition(tree), True
        else:
            bag.extend(attempt.bag)
        # An entry can stand inside a generator of another expression, whose variables are others.
        scope.variables = max(attempt.counts.variables, checker.counts.variables)
    nodes = 0
    if checked is not None:
        measured = measure(checked)
        checked = _within_limits(checked, measured, checker)
        nodes = 0 if checked is None else measured.nodes
    return NamedExpression(name=name, span=key, expression=checked, is_condition=is_condition, nodes=nodes)


def value_of_template(text: Text, scope: Scope, bag: Bag) -> Expression | None:
    """The whole of `text` as an f-string body: an expression of type STRING."""
    checker = _checker(text, scope, bag, Place.ACTION)
    parts = f_strings.parts(checker, 0, len(text.value))
    return _finished(concatenation(parts, text.span), checker)


def _checker(text: Text, scope: Scope, bag: Bag, place: Place) -> _Checker:
    region, counts = Region(text, 0, len(text.value)), Counts(variables=scope.variables)
    return _Checker(region=region, scope=scope, bag=bag, place=place, counts=counts)


def _place(scope: Scope) -> Place:
    return Place.WHEN if scope.groups is None else Place.ACTION


def _finished(checked: Expression | None, checker: Checker) -> Expression | None:
    """The expression unless something is wrong with it as a whole."""
    if checked is None:
        return None
    measured = measure(checked)
    if _within_limits(checked, measured, checker) is None:
        return None
    kinds = measured.kinds
    fits = True
    if Claim in kinds or ParsedInteger in kinds:
        fits = partials.check(checked, checker.bag)
    if Matches in kinds:
        fits &= captures.check(checked, checker.place, checker.bag)
    return checked if fits else None


def _within_limits(checked: Expression, measured: Measure, checker: Checker) -> Expression | None:
    """The expression unless it is, with its names written out, too much for later stages or a request."""
    kinds = measured.kinds  # most expressions have none of those that need a closer look
    if measured.depth > MAX_TREE_DEPTH:
        message = (
            f"with its names written out the expression is nested more than {MAX_TREE_DEPTH} levels deep"
        )
        help_text = "split it over several rules"
    elif kinds.isdisjoint((Quantifier, Comprehension, Concatenation, Join, Call)):
        return checked
    elif bounds.nesting(checked) > MAX_GENERATORS:
        message = f"more than {MAX_GENERATORS} generators stand within each other"
        help_text = "split it over several rules"
    elif (found := costs.Costs(checked)).largest > costs.MAX_TEXT_BYTES:
        message = (
            f"for one request a text could get {found.largest} bytes long here, and at most"
            f" {costs.MAX_TEXT_BYTES} are possible"
        )
        help_text = "bound what a client sends: `request.path[:200]`"
    elif found.steps > costs.MAX_STEPS and kinds & {Quantifier, Comprehension}:
        message = (
            f"for one request its generators could take {found.steps} steps, and at most"
            f" {costs.MAX_STEPS} are possible"
        )
        help_text = 'bound the sequences that a client makes: `request.path.split("/")[:20]`'
    else:
        return checked
    checker.error(Code.LIMIT_EXCEEDED, message, checker.region.text.span, help=help_text)
    return None


class _Checker(Checker):
    """Checks the tree of one region."""

    def condition(self, node: ast.expr) -> Expression | None:
        match node:
            case ast.BoolOp(op=op, values=values):
                checked = [
                    self._operand(value, op, before)
                    for value, before in zip(values, (None, *values), strict=False)
                ]
                return _joined(op, checked, Type.BOOLEAN, self.span(node))
            case ast.IfExp():
                sides = [self.condition(side) for side in (node.body, node.orelse)]
                return self._conditional(node, sides)
            case ast.Name(id=name) if name not in self.variables and name in self.scope.names:
                if self.scope.names[name].is_condition:
                    return fields.written_out(self.scope.names[name], self.span(node), self)
        value = self.value(node)
        if value is None:
            return None
        value = settled(value, Type.BOOLEAN)
        if value.type is Type.BOOLEAN:
            return value
        if value.type not in _HAS_TRUTH:
            self._refuse_truth(value.type, node)
            return None
        return Truth(span=self.span(node), type=Type.BOOLEAN, operand=value)

    def _operand(self, node: ast.expr, op: ast.boolop, before: ast.expr | None) -> Expression | None:
        """Of `and` or `or` in a condition, behind another operand or none."""
        if isinstance(op, ast.Or) and isinstance(before, ast.Compare):
            match node:
                case ast.Constant(value=str(text)) if text:
                    message = "this text is compared with nothing: by itself it is always true"
                    help_text = 'compare it too: `x == "a" or x == "b"`, or `x in ("a", "b")`'
                    self.error(Code.TYPE_MISMATCH, message, node, help=help_text)
                    return None
        return self.condition(node)

    def value(self, node: ast.expr) -> Expression | None:
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name():
                return fields.name(node, self)
            case ast.Attribute():
                return fields.attribute(node, self)
            case ast.Subscript():
                return subscripts.check(node, self)
            case ast.Call():
                return self._call(node)
            case ast.BoolOp():
                return self._and_or(node)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                checked = self.condition(operand)
                span = self.span(node)
                return None if checked is None else Not(span=span, type=Type.BOOLEAN, operand=checked)
            case ast.UnaryOp(op=ast.USub()):
                return arithmetic.negated(node, self)
            case ast.UnaryOp(op=op):
                sign, instead = refusals.operator(op)
                self._refuse(f"operator `{sign}`", node, instead, "a policy has no")
                return None
            case ast.BinOp():
                return arithmetic.check(node, self)
            case ast.Compare():
                return comparison.check(node, self)
            case ast.JoinedStr():
                return f_strings.check(node, self)
            case ast.IfExp():
                return self._conditional(node, [self.value(side) for side in (node.body, node.orelse)])
            case ast.ListComp():
                return sequences.comprehension(node, self)
            case ast.Tuple() | ast.List() | ast.Set():
                self.error(
                    Code.UNSUPPORTED_EXPRESSION,
                    "a list of values is no value itself",
                    node,
                    help="it stands after `in`, or as the argument of `.startswith(…)` and `.endswith(…)`",
                )
                return None
            case _:
                self._refuse(*_described(node))
                return None

    # --- constants -----------------------------------------------------------------------------------

    def _constant(self, node: ast.Constant) -> Expression | None:
        span = self.span(node)
        match node.value:
            case bool(value):
                return Literal(span=span, type=Type.BOOLEAN, value=value)
            case int(value) if value > bounds.MAX_INTEGER:
                help_text = f"the largest is {bounds.MAX_INTEGER}"
                self.error(Code.INVALID_LITERAL, "the number is too large", node, help=help_text)
                return None
            case int(value):
                return integer(value, span)
            case str(value):
                return literal_text(value, span, self.bag)
            case bytes():
                self._refuse("a bytes constant", node, "leave out the `b`: all strings are bytes in UTF-8")
            case None:
                self._refuse("`None`", node, "what is absent reads as an empty string, which is false")
            case float() | complex():
                self._refuse("a number with a fraction", node, "numbers are integers")
            case _:
                self._refuse("`...`", node, "write a condition")
        return None

    # --- putting together ----------------------------------------------------------------------------

    def _call(self, node: ast.Call) -> Expression | None:
        function, path = node.func, fields.dotted(node.func)
        if isinstance(function, ast.Attribute):
            root = path.partition(".")[0] if path else ""
            if path == "identity.claims.get":
                return subscripts.claim_by_get(None, node, self)
            declared = root in (*self.variables, *self.scope.names, *self.scope.lists) or (
                path is not None and path.rpartition(".")[0] in FIELDS
            )
            if path not in FUNCTIONS and (declared or root not in refusals.FUNCTIONS):
                return methods.check(node, function, self)
            return functions.check(path, node, self)
        if path is not None and path in (*self.variables, *self.scope.names, *self.scope.lists):
            message = f"`{path}` is no function"
            self.error(Code.UNSUPPORTED_EXPRESSION, message, function, help="leave out the parentheses")
            return None
        return functions.check(path, node, self)

    def _and_or(self, node: ast.BoolOp) -> Expression | None:
        """`and` and `or` for their value: Python gives back one of the operands, so all have one type."""
        operands = [self.value(value) for value in node.values]
        found = common([operand for operand in operands if operand is not None])
        if len(found) < len(operands):
            return None
        type = found[0].type
        odd = next((operand.type for operand in found if operand.type is not type), None)
        if odd is not None or type not in (*_HAS_VALUE, Type.CLAIM):
            word = "and" if isinstance(node.op, ast.And) else "or"
            self.error(
                Code.TYPE_MISMATCH,
                f"`{word}` gives back {with_article(type)} or {with_article(odd)} here"
                if odd is not None
                else f"`{word}` cannot give back {with_article(type)}",
                node,
                help="used as a value, all its operands are strings, all integers or all booleans",
            )
            return None
        return _joined(node.op, [*found], type, self.span(node))

    def _conditional(self, node: ast.IfExp, sides: list[Expression | None]) -> Expression | None:
        tested = self.condition(node.test)
        found = common([side for side in sides if side is not None])
        if tested is None or len(found) < len(sides):
            return None
        then, otherwise = found
        if then.type is not otherwise.type or then.type not in (*_HAS_VALUE, Type.STRINGS, Type.CLAIM):
            message = f"`if` gives back {with_article(then.type)} or {with_article(otherwise.type)} here"
            if then.type is otherwise.type:
                message = f"`if` cannot give back {with_article(then.type)}"
            help_text = "both sides are strings, integers, booleans or sequences of strings"
            self.error(Code.TYPE_MISMATCH, message, node, help=help_text)
            return None
        return Conditional(
            span=self.span(node), type=then.type, condition=tested, then=then, otherwise=otherwise
        )

    # --- refusals ------------------------------------------------------------------------------------

    def _refuse(
        self, what: str, node: ast.expr, instead: str, begin: str = "a policy has no place for"
    ) -> None:
        self.error(Code.UNSUPPORTED_EXPRESSION, f"{begin} {what}", node, help=instead)

    def _refuse_truth(self, found: Type, node: ast.expr) -> None:
        help_text = {
            Type.ADDRESS: 'every request has an address; test it with `in`: `request.ip in "10.0.0.0/8"`',
            Type.STRING_MAP: 'test for one key with `in`: `"x" in request.headers`',
        }.get(found, "test membership with `in`")
        self.error(Code.TYPE_MISMATCH, f"{with_article(found)} is no condition", node, help=help_text)


def _described(node: ast.expr) -> tuple[str, ast.expr, str]:
    what, instead = refusals.node(node)
    return what, node, instead


def _joined(op: ast.boolop, operands: list[Expression | None], type: Type, span: Span) -> Expression | None:
    checked = tuple(operand for operand in operands if operand is not None)
    if len(checked) < len(operands):
        return None
    kind = And if isinstance(op, ast.And) else Or
    return kind(span=span, type=type, operands=checked)
