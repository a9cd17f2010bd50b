"""Claims of the caller are typed by their place: `settled` gives them the type that is meant there."""

from __future__ import annotations

from dataclasses import replace

from luagen.model import And, Claim, Conditional, Expression, Or, Type

MAX_CLAIMS = 64  # that one policy reads: the sidecar hands over all of them with every identity
MAX_POINTER_BYTES = 256

_TYPES = (Type.STRING, Type.INTEGER, Type.BOOLEAN, Type.STRINGS)


def pointer(parent: str, key: str) -> str:
    """The JSON Pointer of the member `key` of what `parent` points to (RFC 6901 section 3)."""
    return f"{parent}/{key.replace('~', '~0').replace('/', '~1')}"


def reference_tokens(pointer: str) -> tuple[str, ...]:
    """What a JSON Pointer names, from the outside in (RFC 6901 section 4)."""
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])


def settled(expression: Expression, type: Type) -> Expression:
    """An expression that is of type CLAIM, with this type; any other as it is.

    Also as it is when claims cannot have the type: the caller then reports what it finds.
    """
    if expression.type is not Type.CLAIM or type not in _TYPES:
        return expression
    match expression:
        case Claim():
            return replace(expression, type=type)
        case And(operands=operands) | Or(operands=operands) if type is not Type.STRINGS:
            return replace(expression, type=type, operands=tuple(settled(part, type) for part in operands))
        case Conditional(then=then, otherwise=otherwise):
            return replace(
                expression, type=type, then=settled(then, type), otherwise=settled(otherwise, type)
            )
        case _:
            return expression


def common(expressions: list[Expression]) -> list[Expression]:
    """The expressions, with those of type CLAIM settled to the type of the first other one."""
    type = next((found.type for found in expressions if found.type is not Type.CLAIM), Type.CLAIM)
    return [settled(found, type) for found in expressions]
