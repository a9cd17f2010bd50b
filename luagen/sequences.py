"""Generators: `any(… for x in …)`, `all(…)`, and comprehensions. A part of the expression checker."""

from __future__ import annotations

import ast

from luagen.checker import Checker
from luagen.claims import settled
from luagen.diagnostics import Code, quoted
from luagen.model import (
    And,
    Comprehension,
    Expression,
    Literal,
    Not,
    Or,
    Quantifier,
    StringSet,
    Type,
    Variable,
)
from luagen.scope import is_expression_name
from luagen.vocabulary import with_article

_SEQUENCES = 'a sequence is such as `identity.roles`, `text.split("/")`, `("a", "b")` or a declared list'


def quantifier(name: str, node: ast.Call, checker: Checker) -> Expression | None:
    """`any(…)` or `all(…)`."""
    argument = node.args[0] if len(node.args) == 1 and not node.keywords else None
    if not isinstance(argument, ast.GeneratorExp):
        checker.error(
            Code.UNSUPPORTED_EXPRESSION,
            f"`{name}` takes a generator here",
            node,
            help=f"join the conditions by `{'or' if name == 'any' else 'and'}`"
            if isinstance(argument, ast.List | ast.Tuple)
            else f'write `{name}(role == "admin" for role in identity.roles)`',
        )
        return None
    found = _Generator.of(argument, checker)
    if found is None:
        return None
    body = found.inner.condition(argument.elt)
    conditions = found.conditions(argument)
    if body is None or conditions is None:
        return None
    span = checker.span(node)
    if conditions:
        body = _limited(body, _all(conditions), every=name == "all")
    return Quantifier(
        span=span,
        type=Type.BOOLEAN,
        every=name == "all",
        variable=found.variable,
        sequence=found.sequence,
        body=body,
    )


def comprehension(node: ast.ListComp | ast.GeneratorExp, checker: Checker) -> Expression | None:
    """`[… for x in … if …]`."""
    found = _Generator.of(node, checker)
    if found is None:
        return None
    message = "the elements of a sequence are strings"
    element = found.inner.of_type(node.elt, Type.STRING, message, "`str(…)` makes a text of a number")
    conditions = found.conditions(node)
    if element is None or conditions is None:
        return None
    return Comprehension(
        span=checker.span(node),
        type=Type.STRINGS,
        variable=found.variable,
        sequence=found.sequence,
        condition=_all(conditions) if conditions else None,
        element=element,
    )


def sequence(node: ast.expr, checker: Checker) -> Expression | None:
    """`node` as something with elements: STRINGS, ROLES or a STRING_SET in its order."""
    if isinstance(node, ast.Tuple | ast.List):
        return _literal(node, checker)
    if isinstance(node, ast.Set):
        message, help_text = "a set has no order", "write the constants in parentheses"
        checker.error(Code.UNSUPPORTED_EXPRESSION, message, node, help=help_text)
        return None
    found = checker.value(node)
    if found is None:
        return None
    found = settled(found, Type.STRINGS)
    if found.type in (Type.STRINGS, Type.ROLES, Type.STRING_SET):
        return found
    help_text = 'split it: `text.split("/")`' if found.type is Type.STRING else _SEQUENCES
    message = f"{with_article(found.type)} is no sequence of strings"
    checker.error(Code.TYPE_MISMATCH, message, node, help=help_text)
    return None


def _literal(node: ast.Tuple | ast.List, checker: Checker) -> Expression | None:
    values: list[str] = []
    for element in node.elts:
        found = checker.value(element)
        if found is None:
            return None
        if not (isinstance(found, Literal) and isinstance(found.value, str)):
            checker.error(
                Code.UNSUPPORTED_EXPRESSION,
                "a sequence that is written out has constant strings only",
                element,
                help="join conditions on other values by `or` and `and`",
            )
            return None
        if found.value in values:
            checker.error(Code.INVALID_LITERAL, f"{quoted(found.value)} stands here twice", element)
            return None
        values.append(found.value)
    return StringSet(span=checker.span(node), type=Type.STRING_SET, values=tuple(values))


class _Generator:
    """The one `for` of a generator: its variable, its sequence, and the checker for what is inside."""

    def __init__(self, variable: Variable, sequence: Expression, inner: Checker) -> None:
        self.variable = variable
        self.sequence = sequence
        self.inner = inner

    @classmethod
    def of(cls, node: ast.ListComp | ast.GeneratorExp, checker: Checker) -> _Generator | None:
        if len(node.generators) > 1:
            checker.error(
                Code.UNSUPPORTED_EXPRESSION,
                "a generator has one `for` here",
                node,
                help="nest them: `any(any(… for y in b) for x in a)`",
            )
            return None
        generator = node.generators[0]
        if generator.is_async:
            message, help_text = "a policy has no place for `async`", "leave it out"
            checker.error(Code.UNSUPPORTED_EXPRESSION, message, node, help=help_text)
            return None
        elements = sequence(generator.iter, checker)
        variable = _variable(generator.target, checker)
        if elements is None or variable is None:
            return None
        return cls(variable, elements, checker.binding(variable))

    def conditions(self, node: ast.ListComp | ast.GeneratorExp) -> list[Expression] | None:
        """What stands after each `if`; None when mistakes were reported."""
        checked = [self.inner.condition(part) for part in node.generators[0].ifs]
        found = [part for part in checked if part is not None]
        return found if len(found) == len(checked) else None


def _limited(body: Expression, limit: Expression, *, every: bool) -> Expression:
    """The body of a quantifier with what stands after its `if`."""
    if not every:
        return And(span=body.span, type=Type.BOOLEAN, operands=(limit, body))
    excepted = Not(span=limit.span, type=Type.BOOLEAN, operand=limit)
    return Or(span=body.span, type=Type.BOOLEAN, operands=(excepted, body))


def _all(conditions: list[Expression]) -> Expression:
    first = conditions[0]
    if len(conditions) == 1:
        return first
    return And(span=first.span, type=Type.BOOLEAN, operands=tuple(conditions))


def _variable(target: ast.expr, checker: Checker) -> Variable | None:
    if not isinstance(target, ast.Name):
        message = "`for` names one variable here"
        checker.error(Code.UNSUPPORTED_EXPRESSION, message, target, help="write `for x in …`")
        return None
    name = target.id
    taken = name in checker.variables or name in checker.scope.lists or name in checker.scope.names
    if taken or not is_expression_name(name):
        message = f"{quoted(name)} means something else already"
        checker.error(Code.DUPLICATE_NAME, message, target, help="give the variable another name")
        return None
    number = checker.counts.variables
    checker.counts.variables += 1
    return Variable(span=checker.span(target), type=Type.STRING, name=name, number=number)
