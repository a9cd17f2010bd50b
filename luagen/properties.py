"""What the parts of a policy say, property by property: in words to show, and in a form to compare.

Two properties have equal forms when they mean the same, however they are written. The form of an expression
is what it is lowered to, whatever its variables are called and its sets are ordered. Of a declared list only
the name counts: what is in it is a property of the list.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from ipaddress import IPv6Network
from types import MappingProxyType
from typing import Any

from luagen import model, walk
from luagen.actions.moved import Move
from luagen.lower_values import lower_expression
from luagen.model import Expression
from luagen.spelling import spell, spell_template

_MAX_SHOWN_BYTES = 200  # of a body or file; of longer ones only that they differ
_MAX_SHOWN_CONSTANTS = 8


@dataclass(frozen=True, slots=True)
class Property:
    """`form`: what is compared, the text itself unless it is given. `constants`: those of an expression, some
    of which the text may leave out."""

    text: str
    form: object = None
    constants: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.form is None:
            object.__setattr__(self, "form", self.text)


def told_apart(before: Property, after: Property) -> tuple[str, str]:
    """The texts of two properties that differ; where they are the same, what they leave out."""
    if before.text != after.text:
        return before.text, after.text
    only = _without(before.constants, after.constants), _without(after.constants, before.constants)
    if any(only):
        return f"{before.text}: {_some(only[0])}", f"{after.text}: {_some(only[1])}"
    return before.text, f"{after.text}, in another order"


def _without(some: Iterable[str], others: Iterable[str]) -> list[str]:
    known = set(others)
    return [one for one in some if one not in known]


def _some(constants: list[str]) -> str:
    more = len(constants) - _MAX_SHOWN_CONSTANTS
    shown = ", ".join(constants[:_MAX_SHOWN_CONSTANTS]) or "nothing else"
    return f"{shown} and {more} more" if more > 0 else shown


def properties(part: object) -> dict[str, Property]:
    """The fields of a dataclass, those without a value left out; of its parts, one by one."""
    found: dict[str, Property] = {}
    own = [one for one in fields(part) if one.name != "span"]  # type: ignore[arg-type]
    for one in own:
        value = getattr(part, one.name)
        if value is None or value in ((), ""):
            continue
        match value:
            case tuple() if all(isinstance(item, model.NamedValue) for item in value):
                before = f"{one.name}." if len(own) > 1 else ""  # names of header fields may be those of keys
                found |= {before + item.name: expression_property(item.value) for item in value}
            case tuple() if all(isinstance(item, Move) for item in value):
                found |= {move.path: Property(f"{move.status} {move.to}") for move in value}
            case model.Node():
                found[one.name] = expression_property(value)  # type: ignore[arg-type]
            case _ if is_dataclass(value):
                inner = properties(value)
                found |= {f"{one.name}.{key}": text for key, text in inner.items()}
                if not inner:
                    found[one.name] = Property(type(value).__name__)
            case _:
                found[one.name] = Property(_words(value))
    return found


def _words(value: object) -> str:
    match value:
        case tuple():
            return ", ".join(map(_words, value))
        case Enum():
            return str(value.value)
        case bool():
            return str(value).lower()
        case bytes() if len(value) <= _MAX_SHOWN_BYTES and value.decode("utf-8", "replace").encode() == value:
            return repr(value.decode())
        case bytes():
            return f"{len(value)} bytes, SHA-256 {hashlib.sha256(value).hexdigest()}"
        case _:
            return str(value)


# --- expressions ---------------------------------------------------------------------------------------


def expression_property(expression: Expression) -> Property:
    """A condition, or a template."""
    is_condition = expression.type is model.Type.BOOLEAN
    text = spell(expression) if is_condition else spell_template(expression)
    constants = tuple(text for node in walk.nodes(expression) for text in _constants(node))
    return Property(text, lower_expression(_canonical(expression)), constants)


def _constants(node: Expression) -> Iterable[str]:
    match node:
        case model.Literal(value=value):
            return (repr(value),)
        case model.StringSet(name=None, values=texts):
            return map(repr, texts)
        case model.NetworkSet(name=None, values=networks):
            return map(str, networks)
        case _:
            return ()


def _canonical(node: Any, numbers: Mapping[int, int] = MappingProxyType({})) -> Any:
    """An expression with its variables numbered from outside to inside, sets sorted where their order says
    nothing, and a mark in place of what a declared list holds."""
    match node:
        case model.Variable(number=number):
            return replace(node, name="", number=numbers.get(number, number))
        case model.StringSet(name=str() as name):
            return replace(node, values=(f"list {name}",))
        case model.NetworkSet(name=str() as name):
            return replace(node, values=(_mark_of(name),))
        case model.Contains(container=model.StringSet(name=None, values=texts) as container):
            node = replace(node, container=replace(container, values=tuple(sorted(texts))))
        case model.Contains(container=model.NetworkSet(name=None, values=networks) as container):
            node = replace(node, container=replace(container, values=tuple(sorted(networks, key=str))))
        case model.Affix(affixes=affixes):
            node = replace(node, affixes=tuple(sorted(affixes, key=spell)))
    inner = numbers
    if isinstance(node, model.Quantifier | model.Comprehension):
        inner = {**numbers, node.variable.number: len(numbers)}
    changed = {}
    for one in fields(node):
        value, known = getattr(node, one.name), numbers if one.name == "sequence" else inner
        if isinstance(value, model.Node):
            changed[one.name] = _canonical(value, known)
        elif isinstance(value, tuple) and any(isinstance(item, model.Node) for item in value):
            changed[one.name] = tuple(_canonical(item, known) for item in value)
    return replace(node, **changed) if changed else node


def _mark_of(name: str) -> IPv6Network:
    """A network that stands for a list; no policy has it but by a chance of 1 in 2 to the 128."""
    digest = hashlib.sha256(name.encode()).digest()
    return IPv6Network((int.from_bytes(digest[:16]), 128))
