"""`limit`: so many requests in so much time, and no more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, ClassVar, Self

from luagen import expression, ir
from luagen.actions import effect_values
from luagen.actions.action import Action
from luagen.actions.context import ActionContext
from luagen.diagnostics import Code, quoted
from luagen.document import Entry, Text
from luagen.lower_values import to_bytes
from luagen.model import Expression, Literal
from luagen.schema import Key
from luagen.table_reader import TableReader

if TYPE_CHECKING:
    from luagen.reference.turn import Turn

PERIODS_S = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
MAX_AMOUNT = 1_000_000  # a bucket counts in parts of a token below 2^53: a million times a day's milliseconds
IPV6_PREFIX = 64  # of a client, who can take any address of it (RFC 8981)

_RATE = re.compile(r"([0-9]{1,9})/(second|minute|hour|day)")
_FIELD_NAME = re.compile(r"(?:request|identity|time)\.\w.*|identity")
_NOT_PRINTABLE = re.compile(rb"[^ -~]")  # in a string of RFC 9651 section 3.3.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit(Action):
    """Refuses requests when the token bucket of their key is empty; `amount` tokens flow in each `period_s`,
    `burst` fit."""

    key: ClassVar[str] = "limit"
    takes: ClassVar[str] = "a table"
    doc: ClassVar[str] = "let so many requests through in so much time"
    keys: ClassVar[tuple[Key, ...]] = (
        Key(
            "rate",
            "a string such as `100/minute`",
            "how many requests in a `second`, `minute`, `hour` or `day`",
            required=True,
        ),
        Key(
            "burst",
            f"an integer, 1 to {MAX_AMOUNT}",
            "how many at once after a pause",
            "the number of `rate`",
        ),
        Key(
            "key",
            "a template",
            "what is counted by: each value has a count of its own",
            "the client's address",
        ),
        Key("status", "an integer, 400 to 599", "of the refusal", "429"),
    )

    amount: int  # 1 to MAX_AMOUNT
    period_s: int  # of PERIODS_S
    burst: int  # 1 to MAX_AMOUNT
    by: Expression | None  # STRING; None: the client's address
    status: int

    @classmethod
    def check(cls, entry: Entry, context: ActionContext) -> Self | None:
        table = context.table(entry)
        if table is None:
            return None
        read = TableReader(table, cls.keys, "`limit`", context.bag)
        amount, period_s = _rate(read)
        burst = read.integer("burst", 1, MAX_AMOUNT, amount)
        status = read.integer("status", 400, 599, 429)
        text = read.text("key")
        by = None if text is None else _by(text, context)
        return cls(amount=amount, period_s=period_s, burst=burst, by=by, status=status)

    def expressions(self) -> tuple[Expression, ...]:
        return () if self.by is None else (self.by,)

    def lower(self) -> Iterator[ir.Instruction]:
        settings = ir.Record(
            (
                ("amount", self.amount),
                ("period_ms", self.period_s * 1000),
                ("burst", self.burst),
                ("status", self.status),
                ("policy", to_bytes(self._policy())),
            )
        )
        by: ir.Argument = ir.NIL
        if self.by is not None:
            [by], before = effect_values.evaluated((effect_values.content(self.by),))
            yield from before
        yield ir.Invoke("limit", (ir.RULE, ir.Kept(settings, "limiter"), by), ir.Outcome.MAY_END)

    def play(self, turn: Turn) -> None:
        by = _client(turn.request.ip) if self.by is None else turn.text(self.by)
        taken = turn.take(by, amount=self.amount, period_s=self.period_s, burst=self.burst)
        if taken.allowed:
            return
        name = structured_name(turn.rule)
        fields = {
            "Retry-After": f"{taken.retry_after_s}",
            "RateLimit-Policy": f"{name}{self._policy()}",
            "RateLimit": f"{name};r=0;t={taken.retry_after_s}",
        }
        headers = [(field, value.encode()) for field, value in fields.items()]
        turn.refuse(self.status, "too many requests", headers=headers, by_rule=True)

    def _policy(self) -> str:
        """The parameters of a quota policy (draft-ietf-httpapi-ratelimit-headers-09 section 3)."""
        return f";q={self.amount};w={self.period_s}"


def structured_name(rule: str) -> str:
    """A rule's name as a string of structured fields (RFC 9651 section 3.3.3), which has ASCII alone."""
    ascii_name = _NOT_PRINTABLE.sub(b"-", rule.encode()).decode()
    return '"' + ascii_name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _client(text: bytes) -> bytes:
    """What stands for a client, to be shown: its IPv4 address, or the network of its IPv6 address."""
    try:
        address = ip_address(text.decode().partition("%")[0])
    except ValueError:
        return b""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if not isinstance(address, IPv6Address):
        return str(address).encode()
    return str(ip_network((address, IPV6_PREFIX), strict=False)).encode()


def _rate(read: TableReader) -> tuple[int, int]:
    text = read.text("rate")
    if text is None:
        return 1, 1
    found = _RATE.fullmatch(text.value)
    if found is not None and 1 <= int(found[1]) <= MAX_AMOUNT:
        return int(found[1]), PERIODS_S[found[2]]
    if found is not None:
        message = f"a rate is from 1 to {MAX_AMOUNT}, not {int(found[1])}"
        help_text = "to let no request through, write `respond`"
    else:
        message = f"{quoted(text.value)} is not a rate"
        help_text = "such as `100/minute`; units are `second`, `minute`, `hour` and `day`"
    read.error(Code.INVALID_VALUE, message, text.span, help=help_text)
    return 1, 1


def _by(text: Text, context: ActionContext) -> Expression | None:
    by = expression.value_of_template(text, context.scope, context.bag)
    if isinstance(by, Literal) and isinstance(by.value, str) and _FIELD_NAME.fullmatch(by.value):
        message = f"`key` is the constant text {quoted(by.value)}: all requests would share one count"
        if by.value == "request.ip":
            help_text = "leave `key` out: by default each client's address has a count of its own"
        else:
            help_text = f"a template has expressions in braces: `{{{by.value}}}`"
        context.bag.error(Code.INVALID_VALUE, message, text.span, help=help_text)
    return by
