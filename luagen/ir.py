"""The instruction set between policy and Lua: what rules compute and do, with policy semantics resolved.

`lower` writes it, `lua/emit` reads it. Here truth is explicit, strings are bytes, an identity is a handful of
members, and what may end a request is an instruction. Nothing here knows Lua's syntax, and nothing
here knows what a policy file looks like.

Values are pure; each has one of the kinds string, integer, boolean or address. Booleans are always a
real true or false. An instruction either goes on to the next one or ends its rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import assert_never

from luagen.model import Comparison


class RequestField(Enum):
    """What the client's request line, Host field and connection say."""

    METHOD = auto()
    HOST = auto()
    PATH = auto()
    RAW_PATH = auto()
    QUERY = auto()
    SCHEME = auto()
    PORT = auto()  # integer
    ADDRESS = auto()  # address


class Source(Enum):
    """The maps of a request; absent entries read as the empty string."""

    HEADER = auto()
    ARG = auto()
    COOKIE = auto()


class Member(Enum):
    """What is read of the caller's identity; reading any of them may suspend the request."""

    PRESENT = auto()  # boolean
    SUB = auto()
    EMAIL = auto()
    PROVIDER = auto()
    ANY_ROLE = auto()  # boolean: there is at least one role


# --- values ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Constant:
    value: bytes | int | bool


@dataclass(frozen=True, slots=True)
class Read:
    field: RequestField


@dataclass(frozen=True, slots=True)
class Entry:
    """The string under a key of a request map, empty when absent."""

    source: Source
    key: bytes


@dataclass(frozen=True, slots=True)
class HasEntry:
    source: Source
    key: bytes


@dataclass(frozen=True, slots=True)
class Caller:
    member: Member


@dataclass(frozen=True, slots=True)
class HasRole:
    role: Value


@dataclass(frozen=True, slots=True)
class JoinedRoles:
    separator: bytes


@dataclass(frozen=True, slots=True)
class Slot:
    """What an earlier `Let` of the same rule computed."""

    number: int  # from 0


@dataclass(frozen=True, slots=True)
class Not:
    operand: Value


@dataclass(frozen=True, slots=True)
class All:
    """Boolean conjunction, left to right, stopping at the first false operand; at least two operands."""

    operands: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """Boolean disjunction, left to right, stopping at the first true operand; at least two operands."""

    operands: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class LastIfAll:
    """The last of several strings (or integers) when none before it is `empty`, else `empty`.

    This is Python's `and` on values: the first false operand, and there is only one false string.
    """

    operands: tuple[Value, ...]
    empty: bytes | int


@dataclass(frozen=True, slots=True)
class FirstNonEmpty:
    """The first of several strings (or integers) that is not empty (not 0), else the last: Python's `or`."""

    operands: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Equal:
    """Whether two values of one kind are the same; `negated`: whether they differ."""

    left: Value
    right: Value
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """`left operator right` on integers; the operator is one of LT, LE, GT, GE."""

    operator: Comparison
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class Concat:
    """Strings one after another; at least two."""

    parts: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Decimal:
    """An integer as text."""

    integer: Value


@dataclass(frozen=True, slots=True)
class HasPrefix:
    text: Value
    prefix: Value


@dataclass(frozen=True, slots=True)
class HasSuffix:
    text: Value
    suffix: Value


@dataclass(frozen=True, slots=True)
class HasSubstring:
    text: Value
    needle: Value


@dataclass(frozen=True, slots=True)
class InStrings:
    """Membership in a fixed set of at least two strings."""

    item: Value
    members: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class InNetworks:
    """Membership of an address in a fixed set of at least one network, each as "address/bits"."""

    address: Value
    networks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Clean:
    """The string itself; one with control characters ends the request instead (see `CheckStop`)."""

    text: Value


@dataclass(frozen=True, slots=True)
class UrlEncoded:
    """The string percent-encoded for use inside a URL, "/" kept."""

    text: Value


Value = (
    Constant
    | Read
    | Entry
    | HasEntry
    | Caller
    | HasRole
    | JoinedRoles
    | Slot
    | Not
    | All
    | Any
    | LastIfAll
    | FirstNonEmpty
    | Equal
    | Order
    | Concat
    | Decimal
    | HasPrefix
    | HasSuffix
    | HasSubstring
    | InStrings
    | InNetworks
    | Clean
    | UrlEncoded
)


def operands(value: Value) -> tuple[Value, ...]:
    """The values that a value is computed from, in order of evaluation."""
    match value:
        case Constant() | Read() | Entry() | HasEntry() | Caller() | JoinedRoles() | Slot():
            return ()
        case Not(operand) | Decimal(operand) | Clean(operand) | UrlEncoded(operand) | HasRole(operand):
            return (operand,)
        case All(many) | Any(many) | FirstNonEmpty(many) | Concat(many) | LastIfAll(many, _):
            return many
        case Equal(left, right, _) | Order(_, left, right):
            return (left, right)
        case HasPrefix(left, right) | HasSuffix(left, right) | HasSubstring(left, right):
            return (left, right)
        case InStrings(item, _) | InNetworks(item, _):
            return (item,)
    assert_never(value)


def walk(value: Value) -> Iterator[Value]:
    """A value and everything it is computed from, outermost first."""
    yield value
    for operand in operands(value):
        yield from walk(operand)


def conjuncts(condition: Value) -> tuple[Value, ...]:
    """The conditions that must all hold for a boolean to be true."""
    return condition.operands if isinstance(condition, All) else (condition,)


def may_suspend(value: Value) -> bool:
    """Whether evaluating a value can ask who the caller is."""
    return any(isinstance(part, Caller | HasRole | JoinedRoles) for part in walk(value))


def may_stop(value: Value) -> bool:
    """Whether evaluating a value can end the request, so that a `CheckStop` must follow it."""
    return may_suspend(value) or any(isinstance(part, Clean) for part in walk(value))


# --- instructions ----------------------------------------------------------------------------------


class Target(StrEnum):
    """Where a `Set` puts its value."""

    REQUEST_HEADER = "request header"
    RESPONSE_HEADER = "response header"
    ENVIRONMENT = "environment"


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


@dataclass(frozen=True, slots=True)
class Respond:
    status: int
    body: Value | None
    content_type: bytes
    headers: tuple[tuple[bytes, Value], ...]


@dataclass(frozen=True, slots=True)
class Redirect:
    status: int
    location: Value


@dataclass(frozen=True, slots=True)
class RequireIdentity:
    """Ends the request unless the caller has an identity of one of the providers."""

    providers: tuple[bytes, ...]
    realm: bytes


@dataclass(frozen=True, slots=True)
class ForbidUnless:
    """Ends the request with 403 unless the condition holds; no realm: no challenge."""

    condition: Value
    realm: bytes | None
    scope: bytes | None


@dataclass(frozen=True, slots=True)
class Permit:
    """Marks the request as permitted by this rule and goes on."""


@dataclass(frozen=True, slots=True)
class Set:
    """Sets a header field or variable; the empty string removes it."""

    target: Target
    name: bytes
    value: Value


Instruction = (
    Let | CheckStop | LeaveUnless | Respond | Redirect | RequireIdentity | ForbidUnless | Permit | Set
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    number: int  # 1-based place among the rules that are left; what the runtime resumes and logs by
    name: str
    place: str  # file:line of the policy
    code: tuple[Instruction, ...]


@dataclass(frozen=True, slots=True)
class Program:
    rules: tuple[Rule, ...]
