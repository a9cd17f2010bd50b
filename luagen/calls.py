"""Calls of builtins; those on constants are computed, so that what they give is a constant to the checker."""

from __future__ import annotations

from luagen.builtins import BUILTINS
from luagen.model import Call, Expression, Literal, Type
from luagen.source import Span


def call(function: str, arguments: tuple[Expression, ...], span: Span) -> Expression:
    """The call of a function of `BUILTINS` with arguments of the types that it takes."""
    builtin = BUILTINS[function]
    constants = [_computable(argument) for argument in arguments]
    known = [constant for constant in constants if constant is not None]
    if len(known) == len(arguments):
        match builtin.compute(*known):
            case bytes(text):
                value = _decoded(text)
                if value is not None:
                    return Literal(span=span, type=Type.STRING, value=value)
            case bool() | int() as number:
                return Literal(span=span, type=builtin.result, value=number)
    return Call(span=span, type=builtin.result, function=function, arguments=arguments)


def integer(value: int, span: Span) -> Literal:
    return Literal(span=span, type=Type.INTEGER, value=value)


def string(value: str, span: Span) -> Literal:
    return Literal(span=span, type=Type.STRING, value=value)


def _computable(argument: Expression) -> bytes | int | None:
    if not isinstance(argument, Literal):
        return None
    return argument.value.encode() if isinstance(argument.value, str) else argument.value


def _decoded(text: bytes) -> str | None:
    """None when the bytes are no UTF-8, as after a slice: a constant of the policy cannot say that."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return None
