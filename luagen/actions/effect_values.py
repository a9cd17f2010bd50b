"""Values as effects of rules need them: evaluated before anything is done, and free of control characters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from luagen import fold, ir, model
from luagen.ir import Constant, Value
from luagen.lower_fields import IDENTITY_FIELDS
from luagen.lower_values import lower_expression, text_of, to_bytes
from luagen.model import Expression, NamedValue, Type
from luagen.texts import has_controls

# Parts of a URL as the client sent them: encoded already, so that encoding again would change them.
_URL_FIELDS = frozenset({"request.raw_path", "request.query", "request.host", "request.scheme"})


@dataclass(frozen=True, slots=True)
class Checked:
    """A value for an effect, and whether it is known to hold no control characters or may hold any."""

    value: Value
    is_clean: bool


def evaluated(values: Sequence[Checked]) -> tuple[tuple[Value, ...], tuple[ir.Instruction, ...]]:
    """The values ready for use in effects, and the instructions that must come before.

    When one of them may end the request all are evaluated first, so that a rule acts whole or not at all.
    Nothing is checked for control characters before it is known that the request need not be suspended:
    it ends once, and in one way.
    """
    suspends = any(ir.may_stop(one.value) for one in values)
    if not suspends and all(one.is_clean for one in values):
        return tuple(one.value for one in values), ()
    ready: list[Value] = []
    first: list[ir.Instruction] = []
    second: list[ir.Instruction] = []
    for number, one in enumerate(values, 1):
        slot = ir.Slot(number)
        match one:
            case Checked(Constant(), is_clean=True):
                ready.append(one.value)
                continue
            case Checked(value, is_clean=True):
                first.append(ir.Let(slot, value))
            case Checked(value) if suspends:
                first.append(ir.Let(slot, value))
                second.append(ir.Let(slot, ir.Clean(slot)))
            case Checked(value):
                first.append(ir.Let(slot, ir.Clean(value)))
        ready.append(slot)
    checked = (*second, ir.CheckStop()) if second else ()
    return tuple(ready), (*first, ir.CheckStop(), *checked)


def invoke_each(function: str, named: tuple[NamedValue, ...]) -> Iterator[ir.Instruction]:
    """Calls a function of the runtime for each name and value, once all values are known."""
    values, before = evaluated([field_value(one.value) for one in named])
    yield from before
    for one, value in zip(named, values, strict=True):
        yield ir.Invoke(function, (Constant(to_bytes(one.name)), value), ir.Outcome.GOES_ON)


def condition(expression: Expression) -> Checked:
    """A condition: nothing in it becomes part of a message."""
    return Checked(lower_expression(expression), is_clean=True)


def content(template: Expression) -> Checked:
    """A template as the content of a response, which may hold any character."""
    return Checked(lower_expression(template), is_clean=True)


def constant(text: str) -> Checked:
    """A text of lightgate's own."""
    return Checked(Constant(to_bytes(text)), is_clean=True)


def field_value(template: Expression) -> Checked:
    """A template as the value of a header field or variable."""
    parts = _parts(template)
    return Checked(fold.concat(map(text_of, parts)), is_clean=all(map(_is_clean, parts)))


def location(template: Expression) -> Checked:
    """A template as a URL: interpolated values are encoded, parts of the request's own URL only checked."""
    parts = _parts(template)
    return Checked(
        fold.concat(text_of(part) if _is_url_part(part) else ir.UrlEncoded(text_of(part)) for part in parts),
        is_clean=all(_is_clean(part) or not _is_url_part(part) for part in parts),
    )


def _parts(template: Expression) -> tuple[Expression, ...]:
    return template.parts if isinstance(template, model.Concatenation) else (template,)


def _is_url_part(part: Expression) -> bool:
    match part:
        case model.Literal():
            return True
        case model.Field(name=name):
            return name in _URL_FIELDS or part.type is Type.INTEGER
        case _:
            return part.type is Type.INTEGER


def _is_clean(part: Expression) -> bool:
    """Whether a text cannot hold control characters: members of an identity never do, nor do integers."""
    match part:
        case model.Literal(value=str() as text):
            return not has_controls(text)
        case model.Field(name=name) if name in IDENTITY_FIELDS:
            return True
        case model.Join(separator=separator):
            return not has_controls(separator)
        case model.And(operands=parts) | model.Or(operands=parts) | model.Concatenation(parts=parts):
            return all(map(_is_clean, parts))
        case model.Conditional(then=then, otherwise=otherwise):
            return _is_clean(then) and _is_clean(otherwise)
        case _:
            return part.type is Type.INTEGER
