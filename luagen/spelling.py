"""Expressions back to text: one spelling for all that mean the same, to show and to compare.

The spelling is Python, as policies have it, with named expressions put in place; it is for people, and what a
construct has become in the model is spelt as what a policy would say.
"""

from __future__ import annotations

from typing import assert_never

from luagen import claims, model
from luagen.builtins import TO_THE_END
from luagen.model import Expression

_MAX_ELEMENTS = 8  # of a constant set that are shown

_OPERATORS = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "floor_divide": "//",
    "modulo": "%",
}
_FUNCTIONS = {"minimum": "min", "maximum": "max", "percent": "percent", "len_text": "len", "len_texts": "len"}

# How tightly a spelling binds (Python reference, section 6.17).
_OR, _AND, _NOT, _COMPARISON, _SUM, _ATOM = range(6)


def spell(expression: Expression) -> str:
    return _spell(expression)[0]


def _tight(expression: Expression, level: int) -> str:
    text, binds = _spell(expression)
    return text if binds > level else f"({text})"


def _spell(node: Expression) -> tuple[str, int]:
    match node:
        case model.Literal(value=value):
            return (_text(value) if isinstance(value, str) else str(value)), _ATOM
        case model.StringSet(values=texts, name=name):
            return name or _listed([_text(text) for text in texts]), _ATOM
        case model.NetworkSet(values=networks, name=name):
            return name or _listed([_text(_network(network)) for network in networks]), _ATOM
        case model.Field(name=name) | model.Variable(name=name):
            return name, _ATOM
        case model.Item(map=map_, key=key):
            return f"{map_.name}[{_text(key)}]", _ATOM
        case model.Items(map=map_, key=key):
            return f"{map_.name}.getall({_text(key)})", _ATOM
        case model.Claim(pointer=pointer):
            names = claims.reference_tokens(pointer)
            return "identity.claims" + "".join(f"[{_text(name)}]" for name in names), _ATOM
        case model.ParsedInteger(text=text):
            return f"int({spell(text)})", _ATOM
        case model.Group(name=name):
            return f"match[{_text(name)}]", _ATOM
        case model.Truth(operand=operand):
            return _spell(operand)
        case model.Not(operand=model.Contains(item=item, container=container)):
            return f"{_tight(item, _COMPARISON)} not in {_tight(container, _COMPARISON)}", _COMPARISON
        case model.Not(operand=operand):
            return f"not {_tight(operand, _AND)}", _NOT
        case model.And(operands=operands):
            return " and ".join(_tight(operand, _AND) for operand in operands), _AND
        case model.Or(operands=operands):
            return " or ".join(_tight(operand, _OR) for operand in operands), _OR
        case model.Compare(operator=operator, left=left, right=right):
            sides = (_compared(left), _compared(right))
            return f"{sides[0]} {operator.value} {sides[1]}", _COMPARISON
        case model.Contains(item=item, container=container):
            return f"{_tight(item, _COMPARISON)} in {_tight(container, _COMPARISON)}", _COMPARISON
        case model.Affix(receiver=receiver, affixes=affixes, at_end=at_end):
            method = "endswith" if at_end else "startswith"
            listed = spell(affixes[0]) if len(affixes) == 1 else _listed([spell(one) for one in affixes])
            return f"{_tight(receiver, _SUM)}.{method}({listed})", _ATOM
        case model.Join(separator=separator, roles=roles):
            return f"{_text(separator)}.join({spell(roles)})", _ATOM
        case model.Concatenation(parts=parts):
            return 'f"' + "".join(map(_interpolated, parts)) + '"', _ATOM
        case model.Call(function=function, arguments=arguments):
            return _call(function, arguments)
        case model.Conditional(condition=test, then=then, otherwise=otherwise):
            return f"({spell(then)} if {spell(test)} else {spell(otherwise)})", _ATOM
        case model.Quantifier(every=every, variable=variable, sequence=sequence, body=body):
            function = "all" if every else "any"
            return f"{function}({spell(body)} for {variable.name} in {_tight(sequence, _OR)})", _ATOM
        case model.Comprehension(variable=variable, sequence=sequence, condition=test, element=element):
            condition = "" if test is None else f" if {_tight(test, _OR)}"
            return f"[{spell(element)} for {variable.name} in {_tight(sequence, _OR)}{condition}]", _ATOM
        case model.Matches(pattern=pattern, text=text):
            quoted = f'r"{pattern}"' if '"' not in pattern else repr(pattern)
            return f"matches({quoted}, {spell(text)})", _ATOM
    assert_never(node)


def _compared(side: Expression) -> str:
    match side:
        case model.NetworkSet(values=(network,), name=None):  # of full length: an address
            return _text(_network(network))
        case _:
            return _tight(side, _COMPARISON)


def _network(network: model.Network) -> str:
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _call(function: str, arguments: tuple[Expression, ...]) -> tuple[str, int]:
    spelt = [spell(argument) for argument in arguments]
    match function, arguments:
        case name, (left, right) if name in _OPERATORS:
            return f"{_tight(left, _SUM)} {_OPERATORS[name]} {_tight(right, _SUM)}", _SUM
        case "negate", (operand,):
            return f"-{_tight(operand, _SUM)}", _ATOM
        case name, _ if name in _FUNCTIONS:
            return f"{_FUNCTIONS[name]}({', '.join(spelt)})", _ATOM
        case (("slice_text" | "slice_texts"), (receiver, start, stop)):
            ends = ("" if _is(start, 0) else spell(start), "" if _is(stop, TO_THE_END) else spell(stop))
            return f"{_tight(receiver, _SUM)}[{ends[0]}:{ends[1]}]", _ATOM
        case (("item_of_text" | "item_of_texts"), (receiver, _)):
            return f"{_tight(receiver, _SUM)}[{spelt[1]}]", _ATOM
        case (("format_text" | "format_integer"), (_, model.Literal(value=spec))):
            return (f"str({spelt[0]})" if not spec else f'f"{{{spelt[0]}:{spec}}}"'), _ATOM
        case "split_blanks", (receiver,):
            return f"{_tight(receiver, _SUM)}.split()", _ATOM
        case "between", (_, start, end):
            return f"time.between({_minute(start)}, {_minute(end)})", _ATOM
        case name, (receiver, *rest):
            kept = [spell(one) for one in rest if not _is(one, TO_THE_END)]
            return f"{_tight(receiver, _SUM)}.{name}({', '.join(kept)})", _ATOM
        case _:
            return f"{function}({', '.join(spelt)})", _ATOM


def _is(argument: Expression, value: int) -> bool:
    return isinstance(argument, model.Literal) and argument.value == value


def _minute(argument: Expression) -> str:
    match argument:
        case model.Literal(value=int() as minute):
            return _text(f"{minute // 60:02}:{minute % 60:02}")
        case _:
            return spell(argument)


def _interpolated(part: Expression) -> str:
    match part:
        case model.Literal(value=str() as text):
            return _text(text)[1:-1].replace("{", "{{").replace("}", "}}")
        case model.Call(
            function="format_text" | "format_integer", arguments=(value, model.Literal(value=spec))
        ):
            return f"{{{spell(value)}:{spec}}}" if spec else f"{{{spell(value)}}}"
        case _:
            return f"{{{spell(part)}}}"


def spell_template(template: Expression) -> str:
    """A template as a policy writes it, without the quotes around it."""
    parts = template.parts if isinstance(template, model.Concatenation) else (template,)
    return "".join(
        str(part.value).replace("{", "{{").replace("}", "}}")
        if isinstance(part, model.Literal)
        else _interpolated(part)
        for part in parts
    )


def _listed(spelt: list[str]) -> str:
    shown = ", ".join(spelt[:_MAX_ELEMENTS])
    if len(spelt) > _MAX_ELEMENTS:
        return f"({shown}, … {len(spelt) - _MAX_ELEMENTS} more)"
    return f"({shown},)" if len(spelt) == 1 else f"({shown})"


def _text(text: str) -> str:
    """A Python literal in double quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else _escape(char) for char in escaped) + '"'


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode()
