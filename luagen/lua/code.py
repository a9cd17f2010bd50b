"""Lua expressions as text that knows how tightly it binds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from luagen.lua.literals import LINE_LENGTH


class Level(IntEnum):
    """How tightly an expression binds (Lua 5.1 reference manual, section 2.5.6); higher binds tighter."""

    OR = 1
    AND = 2
    COMPARISON = 3
    CONCAT = 4
    SUM = 5
    PRODUCT = 6
    UNARY = 7
    ATOM = 8  # a name, call, index, literal or parenthesised expression


@dataclass(frozen=True, slots=True)
class Code:
    """A Lua expression."""

    text: str
    level: Level = Level.ATOM
    opposite: str | None = None  # of a comparison: the text of the comparison that holds when it does not


def compared(left: str, right: str, *, equal: bool = True) -> Code:
    """Two texts that bind more tightly than comparisons, compared."""
    same, different = f"{left} == {right}", f"{left} ~= {right}"
    if equal:
        return Code(same, Level.COMPARISON, different)
    return Code(different, Level.COMPARISON, same)


def tight(code: Code, level: Level) -> str:
    """The text of an expression, in parentheses when it binds less tightly than `level`."""
    return code.text if code.level >= level else f"({code.text})"


def joined(operator: str, operands: list[str]) -> str:
    """Operands with an operator between them, one a line when they do not fit into one.

    The break comes before the operator, never before a parenthesis: Lua 5.1 refuses a call whose argument
    list begins a line.
    """
    line = operator.join(operands)
    if len(line) <= LINE_LENGTH - 4:
        return line
    if operator == ", ":
        return ",\n      ".join(operands)
    return f"\n      {operator.lstrip()}".join(operands)
