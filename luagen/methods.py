"""Calls. A part of `expression.py`, which gives it `check_value`; the methods are listed in `schema.py`."""

from __future__ import annotations

import ast

from luagen import maps, refusals
from luagen.diagnostics import Bag, Code, nearest, quoted
from luagen.maps import CheckValue
from luagen.model import Affix, Expression, Field, Join, Literal, StringSet, Type
from luagen.schema import METHODS, with_article
from luagen.syntax import Region


def check(node: ast.Call, region: Region, check_value: CheckValue, bag: Bag) -> Expression | None:
    """A call of a method of the vocabulary, or None when mistakes were reported."""
    return _Call(node, region, check_value, bag).check()


def refuse_member(receiver: Type, node: ast.Attribute, region: Region, bag: Bag, *, called: bool) -> None:
    """Reports that values of this type have nothing of that name."""
    end = region.offsets(node)[1]
    names = [method.name for method in METHODS if method.receiver is receiver]
    if not called and node.attr in names:
        message = f"{quoted(node.attr)} is a method and must be called"
        help_text = f"write `.{node.attr}(…)`"
    else:
        what = "method" if called else "field"
        message = f"{quoted(node.attr)} is no {what} of {with_article(receiver)}"
        found = nearest(node.attr, names)
        listed = ", ".join(f"`{name}`" for name in names)
        help_text = refusals.METHODS.get(node.attr) or (
            f"did you mean `{found}`?" if found else f"there is {listed}" if names else "it has none"
        )
    bag.error(Code.UNKNOWN_METHOD, message, region.part(end - len(node.attr), end), help=help_text)


class _Call:
    def __init__(self, node: ast.Call, region: Region, check_value: CheckValue, bag: Bag) -> None:
        self._node = node
        self._region = region
        self._value = check_value
        self._bag = bag

    def check(self) -> Expression | None:
        function = self._node.func
        if not isinstance(function, ast.Attribute):
            self._refuse_function(function)
            return None
        receiver = self._value(function.value)
        if receiver is None:
            return None
        method = next((m for m in METHODS if m.receiver is receiver.type and m.name == function.attr), None)
        if method is None:
            refuse_member(receiver.type, function, self._region, self._bag, called=True)
            return None
        arguments = self._node.args
        if self._node.keywords:
            named = self._node.keywords[0].value
            self._error(Code.UNSUPPORTED_EXPRESSION, "arguments have no names here", named, method.form)
            return None
        if method.name == "get" and isinstance(receiver, Field):
            return self._get(receiver)
        if len(arguments) != 1:
            self._error(
                Code.UNSUPPORTED_EXPRESSION,
                f"{quoted(method.name)} takes one argument here",
                arguments[1] if arguments else self._node,
                method.form,
            )
            return None
        if method.name == "join":
            return self._join(receiver, arguments[0])
        return self._affix(receiver, arguments[0], at_end=method.name == "endswith")

    def _get(self, receiver: Field) -> Expression | None:
        match self._node.args:
            case [key] | [key, ast.Constant(value="")]:
                return maps.item(receiver, key, self._node, self._region, self._value, self._bag)
            case [_, default]:
                # Python gives the default only when the key is absent; nothing here tells that from empty.
                self._bag.error(
                    Code.UNSUPPORTED_EXPRESSION,
                    "`get` has no default here",
                    self._region.span(default),
                    help=f'`{receiver.name}["x"] or "default"` also replaces an empty value',
                )
            case _:
                form = f'{receiver.name}["x"]'
                self._error(Code.UNSUPPORTED_EXPRESSION, "`get` takes one argument here", self._node, form)
        return None

    def _join(self, receiver: Expression, argument: ast.expr) -> Expression | None:
        roles = self._value(argument)
        if roles is None:
            return None
        form = '",".join(identity.roles)'
        if roles.type is not Type.ROLES:
            message = f"`join` takes the roles, not {with_article(roles.type)}"
            self._error(Code.TYPE_MISMATCH, message, argument, form)
            return None
        if not (isinstance(receiver, Literal) and isinstance(receiver.value, str)):
            message = "what stands between joined roles is a constant"
            self._error(Code.UNSUPPORTED_EXPRESSION, message, self._node, form)
            return None
        span = self._region.span(self._node)
        return Join(span=span, type=Type.STRING, separator=receiver.value, roles=roles)

    def _affix(self, receiver: Expression, argument: ast.expr, *, at_end: bool) -> Expression | None:
        span = self._region.span(self._node)
        if isinstance(argument, ast.List | ast.Set):
            message = "Python takes a tuple here, not a list or set"
            self._error(Code.TYPE_MISMATCH, message, argument, '.startswith(("/a/", "/b/"))')
            return None
        affixes: list[Expression] = []
        for element in argument.elts if isinstance(argument, ast.Tuple) else [argument]:
            match self._value(element):
                case None:
                    return None
                case StringSet(values=values, span=place) if element is argument:
                    affixes += [Literal(span=place, type=Type.STRING, value=value) for value in values]
                case affix if affix.type is Type.STRING:
                    affixes.append(affix)
                case other:
                    message = f"a text does not begin or end with {with_article(other.type)}"
                    self._bag.error(Code.TYPE_MISMATCH, message, self._region.span(element))
                    return None
        if not affixes:
            return Literal(span=span, type=Type.BOOLEAN, value=False)
        return Affix(span=span, type=Type.BOOLEAN, receiver=receiver, affixes=tuple(affixes), at_end=at_end)

    def _refuse_function(self, function: ast.expr) -> None:
        name = function.id if isinstance(function, ast.Name) else None
        what = f"the function {quoted(name)}" if name else "this call"
        help_text = refusals.FUNCTIONS.get(
            name or "", "policies call methods of values only, such as `.startswith(…)`"
        )
        self._bag.error(
            Code.UNSUPPORTED_EXPRESSION,
            f"a policy has no place for {what}",
            self._region.span(function),
            help=help_text,
        )

    def _error(self, code: Code, message: str, node: ast.expr, form: str) -> None:
        self._bag.error(code, message, self._region.span(node), help=f"write `{form}`")
