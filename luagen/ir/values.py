"""Values: pure, each of the kind string, integer, boolean, address or sequence of strings.

Booleans are always a real true or false. Nothing is partial here: what may be absent (a claim, a text
that is no number) reads as the empty string, 0, false or no strings, and whether it is there is a value of
its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from luagen.model import Comparison, Network
from luagen.regex import Split


class RequestField(Enum):
    """What the client's request line, Host field and connection say, and when."""

    METHOD = auto()
    HOST = auto()
    PATH = auto()
    RAW_PATH = auto()
    QUERY = auto()
    SCHEME = auto()
    PORT = auto()  # integer
    ADDRESS = auto()  # address
    HTTP_VERSION = auto()  # "1.0", "1.1" or "2"
    CONTENT_LENGTH = auto()  # integer, -1 when not known
    COUNTRY = auto()  # reading it may end the request (see `may_stop`)
    NOW = auto()  # integer: seconds since the epoch
    YEAR = auto()  # integers of the calendar and the clock, UTC
    MONTH = auto()
    DAY = auto()
    WEEKDAY = auto()  # Monday is 0
    HOUR = auto()
    MINUTE = auto()
    MINUTE_OF_DAY = auto()


class Source(Enum):
    """The maps of a request; absent entries read as the empty string."""

    HEADER = auto()
    ARG = auto()
    COOKIE = auto()
    VARIABLE = auto()  # of lighttpd's modules, such as SSL_PROTOCOL


class Member(Enum):
    """What is read of the caller's identity; reading any of them may suspend the request."""

    PRESENT = auto()  # boolean
    SUB = auto()
    EMAIL = auto()
    PROVIDER = auto()
    ANY_ROLE = auto()  # boolean: there is at least one role
    ROLE_LIST = auto()  # sequence


class Kind(StrEnum):
    """What a claim must be to count, by the runtime's words."""

    STRING = "string"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    STRINGS = "strings"


@dataclass(frozen=True, slots=True)
class Constant:
    value: bytes | int | bool


@dataclass(frozen=True, slots=True)
class Strings:
    """A constant sequence."""

    values: tuple[bytes, ...]


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
class Arguments:
    """All values of a parameter of the query, in order: a sequence."""

    key: bytes


@dataclass(frozen=True, slots=True)
class Caller:
    member: Member


@dataclass(frozen=True, slots=True)
class HasRole:
    role: Value


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of the caller; empty when it is absent or of another kind. May suspend, as Caller."""

    pointer: bytes  # RFC 6901
    kind: Kind


@dataclass(frozen=True, slots=True)
class HasClaim:
    """Whether the caller has the claim, of that kind."""

    pointer: bytes
    kind: Kind


@dataclass(frozen=True, slots=True)
class ParsedInteger:
    """The integer that a text is in decimal, 0 when it is none."""

    text: Value


@dataclass(frozen=True, slots=True)
class IsInteger:
    """Whether a text is an integer in decimal."""

    text: Value


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
class Choice:
    """`then` when the condition holds, else `otherwise`: strings, integers or sequences, not booleans."""

    condition: Value
    then: Value
    otherwise: Value


@dataclass(frozen=True, slots=True)
class Apply:
    """A function of `builtins.BUILTINS` on values of its types."""

    function: str
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
class HasAnyPrefix:
    """Whether a text begins with one of at least two constants, none of which begins with another."""

    text: Value
    prefixes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class HasAnySuffix:
    """As HasAnyPrefix, at the end."""

    text: Value
    suffixes: tuple[bytes, ...]


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
class InSequence:
    item: Value
    sequence: Value


@dataclass(frozen=True, slots=True)
class InNetworks:
    """Membership of an address in a fixed set of at least one network."""

    address: Value
    networks: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """The string that the Quantifier or Collected around it with this number is looking at."""

    number: int


@dataclass(frozen=True, slots=True)
class Quantifier:
    """Whether the body holds for every string of a sequence, or for any."""

    every: bool
    variable: Variable
    sequence: Value
    body: Value


@dataclass(frozen=True, slots=True)
class Collected:
    """The sequence of what the element is for each string of a sequence for which the condition holds."""

    variable: Variable
    sequence: Value
    condition: Value
    element: Value


@dataclass(frozen=True, slots=True)
class Matches:
    """Whether a regular expression is found in a text; keeps what its named groups captured for Group."""

    pattern: Split
    text: Value


@dataclass(frozen=True, slots=True)
class Group:
    """What a named group captured in the rule's condition."""

    name: bytes


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
    | Strings
    | Read
    | Entry
    | HasEntry
    | Arguments
    | Caller
    | HasRole
    | Claim
    | HasClaim
    | ParsedInteger
    | IsInteger
    | Slot
    | Not
    | All
    | Any
    | LastIfAll
    | FirstNonEmpty
    | Choice
    | Apply
    | Equal
    | Order
    | Concat
    | Decimal
    | HasPrefix
    | HasSuffix
    | HasAnyPrefix
    | HasAnySuffix
    | HasSubstring
    | InStrings
    | InSequence
    | InNetworks
    | Variable
    | Quantifier
    | Collected
    | Matches
    | Group
    | Clean
    | UrlEncoded
)
