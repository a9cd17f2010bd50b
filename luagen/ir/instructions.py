"""Instructions: what a rule does, one after another. Each either goes on to the next one or ends its rule."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from luagen.ir.values import Slot, Value


@dataclass(frozen=True, slots=True)
class Let:
    """Evaluates a value once and keeps it in a slot, in place of what the slot held."""

    slot: Slot
    value: Value


@dataclass(frozen=True, slots=True)
class CheckStop:
    """Ends the request here when evaluating a value has ended it; follows every value that may."""


@dataclass(frozen=True, slots=True)
class LeaveUnless:
    """Goes on to the next rule unless the condition holds."""

    condition: Value


# --- what a rule does -------------------------------------------------------------------------------


class Outcome(Enum):
    """What a function of the runtime does to the request's way through the rules."""

    GOES_ON = auto()  # its result means nothing
    MAY_END = auto()  # the request ends with its result, unless that is nil
    ENDS = auto()  # the request ends with its result


@dataclass(frozen=True, slots=True)
class Nothing:
    """An argument that is not given."""


@dataclass(frozen=True, slots=True)
class RuleNumber:
    """The number of the rule that the instruction belongs to."""


NIL = Nothing()
RULE = RuleNumber()


@dataclass(frozen=True, slots=True)
class Row:
    """A table of values in order, made anew for each request."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class NameSet:
    """A set of strings: each is a key whose value is true."""

    values: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """A table with named fields; None: there is no such field."""

    fields: tuple[tuple[str, Data | None], ...]


# What is known when the policy is compiled; a tuple is a table of data in order.
Data = bytes | int | bool | NameSet | Record | tuple["Data", ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """Data that a script has once; or what the runtime's function `maker` makes of it when the script is
    loaded."""

    data: Data
    maker: str | None = None


Argument = Value | Nothing | RuleNumber | Row | Kept


@dataclass(frozen=True, slots=True)
class Invoke:
    """Calls a function of the runtime, `function(q, arguments…)`; not when the condition `unless` holds."""

    function: str
    arguments: tuple[Argument, ...]
    outcome: Outcome
    unless: Value | None = None


Instruction = Let | CheckStop | LeaveUnless | Invoke


def values_of(instruction: Instruction) -> tuple[Value, ...]:
    """The values that an instruction evaluates, in order."""
    match instruction:
        case CheckStop():
            return ()
        case Let(_, value) | LeaveUnless(value):
            return (value,)
        case Invoke(_, arguments, _, unless):
            given: list[Value] = [] if unless is None else [unless]
            for argument in arguments:
                match argument:
                    case Row(values):
                        given += values
                    case Nothing() | RuleNumber() | Kept():
                        pass
                    case _:
                        given.append(argument)
            return tuple(given)
