"""Expressions to values, by CPython on bytes: what every construct of the expression language means.

Conditions are three-valued. A smallest condition (a comparison, a membership, a truth …) that reads an
absent partial value (a claim, an `int(text)`) is neither true nor false, which is None here; `not`, `and`,
`or`, `any` and `all` follow Kleene; a whole condition holds when it is true. Where no condition is meant, an
absent value reads as empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from ipaddress import IPv4Address, IPv6Address
from typing import assert_never

from luagen import model
from luagen.builtins import BUILTINS
from luagen.model import Comparison, Expression, Type
from luagen.reference.reading import Address, Texts, arguments, claim, cookies, host_name, parse_address
from luagen.reference.request import Caller, Request

Networks = tuple[model.Network, ...]
Value = bytes | int | bool | Texts | Networks | Address | Caller | None

TLS_VARIABLES = {
    "request.tls.protocol": b"SSL_PROTOCOL",
    "request.tls.cipher": b"SSL_CIPHER",
    "request.tls.client_verify": b"SSL_CLIENT_VERIFY",
    "request.tls.client_subject": b"SSL_CLIENT_S_DN",
    "request.tls.client_serial": b"SSL_CLIENT_M_SERIAL",
}

_EMPTY: dict[Type, Value] = {
    Type.STRING: b"",
    Type.INTEGER: 0,
    Type.BOOLEAN: False,
    Type.STRINGS: (),
}

_PARSED = re.compile(rb"-?[0-9]{1,15}")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")

Observer = Callable[[Expression, Value], None]


class _Absent(Exception):
    """A condition has read a partial value that is not there."""


class Evaluator:
    """The expressions of one request. `headers`: its fields as rules have left them, by lower-case name;
    `observe` is told the value of every part that is evaluated, None for what is neither true nor false."""

    def __init__(
        self,
        request: Request,
        headers: Mapping[bytes, bytes],
        country: model.Country | None = None,
        observe: Observer | None = None,
    ) -> None:
        self._request = request
        self._headers = headers
        self._country = country
        self._observe = observe
        self._address = parse_address(request.ip)
        self._args = arguments(request.query)
        self._clock = datetime.fromtimestamp(request.now, UTC)
        self._bound: dict[int, bytes] = {}
        self._captured: dict[str, bytes] = {}

    def holds(self, condition: Expression) -> bool:
        """Whether a condition is true, and not false or neither."""
        return self.judge(condition) is True

    def judge(self, condition: Expression) -> bool | None:
        """The truth of a condition; None: neither true nor false."""
        found = self._judge(condition)
        if self._observe:
            self._observe(condition, found)
        return found

    def text(self, expression: Expression) -> bytes:
        """A STRING, or an INTEGER in decimal, where no condition is meant."""
        return _text(self.value(expression, strict=False))

    def country(self) -> bytes:
        """The two letters of the client's country as the policy's source gives them, b"" unknown."""
        match self._country:
            case model.Country(variable=str() as name):
                return self._variable(name.encode())
            case model.Country(header=str() as name, trusted=trusted) if _within(self._address, trusted):
                return self._headers.get(name.encode(), b"")
            case _:
                return b""

    # --- conditions --------------------------------------------------------------------------------

    def _judge(self, condition: Expression) -> bool | None:
        match condition:
            case model.Not(operand=operand):
                truth = self.judge(operand)
                return None if truth is None else not truth
            case model.And(type=Type.BOOLEAN, operands=operands):
                return _all(map(self.judge, operands))
            case model.Or(type=Type.BOOLEAN, operands=operands):
                return _any(map(self.judge, operands))
            case model.Quantifier(every=every, variable=variable, sequence=sequence, body=body):
                try:
                    texts = self._texts(sequence, strict=True)
                except _Absent:
                    return None
                truths = (self._with(variable, text, body) for text in texts)
                return _all(truths) if every else _any(truths)
            case _:
                try:
                    return bool(self._value(condition, strict=True))
                except _Absent:
                    return None

    def _with(self, variable: model.Variable, text: bytes, body: Expression) -> bool | None:
        self._bound[variable.number] = text
        return self.judge(body)

    # --- values ------------------------------------------------------------------------------------

    def value(self, expression: Expression, *, strict: bool) -> Value:
        """`strict`: as part of a condition, where an absent partial value raises `_Absent`."""
        if expression.type is Type.BOOLEAN:
            truth = self.judge(expression)
            if truth is None and strict:
                raise _Absent
            return bool(truth)
        found = self._value(expression, strict)
        if self._observe:
            self._observe(expression, found)
        return found

    def _value(self, node: Expression, strict: bool) -> Value:
        match node:
            case model.Literal(value=value):
                return value.encode() if isinstance(value, str) else value
            case model.StringSet(values=texts):
                return tuple(text.encode() for text in texts)
            case model.NetworkSet(values=networks):
                return networks
            case model.Field(name=name):
                return self._field(name)
            case model.Item(map=map_, key=key):
                return next(iter(self._entries(map_.name, key)), b"")
            case model.Items(map=map_, key=key):
                return tuple(self._entries(map_.name, key))
            case model.Claim(pointer=pointer, type=type_):
                return self._partial(claim(self._request.caller, pointer, type_), type_, strict)
            case model.ParsedInteger(text=text):
                digits = self._text(text, strict)
                parsed = int(digits) if _PARSED.fullmatch(digits) else None
                return self._partial(parsed, Type.INTEGER, strict)
            case model.Variable(number=number):
                return self._bound[number]
            case model.Group(name=name):
                return self._captured.get(name, b"")
            case model.Truth(operand=operand):
                return _truth(self.value(operand, strict=strict))
            case model.And(operands=operands):
                return self._first(operands, False, strict)
            case model.Or(operands=operands):
                return self._first(operands, True, strict)
            case model.Compare(operator=operator, left=left, right=right):
                return _compare(operator, self.value(left, strict=strict), self.value(right, strict=strict))
            case model.Contains(item=item, container=container):
                return self._contains(item, container, strict)
            case model.Affix(receiver=receiver, affixes=affixes, at_end=at_end):
                subject = self._text(receiver, strict)
                wanted = tuple(self._text(affix, strict) for affix in affixes)
                return subject.endswith(wanted) if at_end else subject.startswith(wanted)
            case model.Join(separator=separator, roles=roles):
                return separator.encode().join(self._texts(roles, strict))
            case model.Concatenation(parts=parts):
                return b"".join(_text(self.value(part, strict=strict)) for part in parts)
            case model.Call(function=function, arguments=arguments):
                values = [self.value(argument, strict=strict) for argument in arguments]
                computed: Value = BUILTINS[function].compute(*values)
                return computed
            case model.Conditional(condition=test, then=then, otherwise=otherwise):
                return self.value(then if self.value(test, strict=strict) else otherwise, strict=strict)
            case model.Comprehension():
                return self._comprehension(node, strict)
            case model.Matches(pattern=pattern, text=text):
                found = search(pattern, self._text(text, strict))
                if found is not None:
                    self._captured |= found
                return found is not None
            case model.Not() | model.Quantifier():
                return self.value(node, strict=strict)
        assert_never(node)

    def _partial(self, value: Value, type_: Type, strict: bool) -> Value:
        if value is None and strict:
            raise _Absent
        return _EMPTY[type_] if value is None else value

    def _text(self, expression: Expression, strict: bool) -> bytes:
        value = self.value(expression, strict=strict)
        if isinstance(value, bytes):
            return value
        raise _bug(expression)

    def _texts(self, expression: Expression, strict: bool) -> Texts:
        value = self.value(expression, strict=strict)
        if isinstance(value, tuple):
            return value  # type: ignore[return-value]
        raise _bug(expression)

    def _first(self, operands: tuple[Expression, ...], wanted: bool, strict: bool) -> Value:
        """The first operand whose truth is `wanted`, or the last."""
        value: Value = None
        for operand in operands:
            value = self.value(operand, strict=strict)
            if _truth(value) is wanted:
                return value
        return value

    def _contains(self, item: Expression, container: Expression, strict: bool) -> bool:
        match container, item:
            case model.Field(name=name, type=Type.STRING_MAP), model.Literal(value=str() as key):
                return bool(self._entries(name, key))
        sought = self.value(item, strict=strict)
        values = self.value(container, strict=strict)
        if container.type is Type.NETWORK_SET:
            return _within(sought, values)  # type: ignore[arg-type]
        return sought in values  # type: ignore[operator]

    def _comprehension(self, node: model.Comprehension, strict: bool) -> Texts:
        found = []
        for text in self._texts(node.sequence, strict):
            self._bound[node.variable.number] = text
            if node.condition is None or self.value(node.condition, strict=strict):
                found.append(self._text(node.element, strict))
        return tuple(found)

    # --- the request -------------------------------------------------------------------------------

    def _field(self, name: str) -> Value:
        request, caller = self._request, self._request.caller
        match name:
            case "request.method":
                return request.method
            case "request.host":
                return host_name(request.authority)
            case "request.path":
                return request.path
            case "request.raw_path":
                return request.raw_path
            case "request.query":
                return request.query
            case "request.scheme":
                return request.scheme
            case "request.port":
                return request.port
            case "request.ip":
                return self._address
            case "request.http_version":
                return request.http_version
            case "request.content_length":
                return request.content_length
            case "request.country":
                return self.country()
            case "now":
                return request.now
            case "time.hour":
                return self._clock.hour
            case "time.minute":
                return self._clock.minute
            case "time.minute_of_day":
                return self._clock.hour * 60 + self._clock.minute
            case "time.weekday":
                return self._clock.weekday()
            case "time.day":
                return self._clock.day
            case "time.month":
                return self._clock.month
            case "time.year":
                return self._clock.year
            case "identity":
                return caller
            case "identity.sub":
                return caller.sub if caller else b""
            case "identity.email":
                return caller.email if caller else b""
            case "identity.provider":
                return caller.provider if caller else b""
            case "identity.roles":
                return caller.roles if caller else ()
            case _ if name in TLS_VARIABLES:
                return self._variable(TLS_VARIABLES[name])
        raise ValueError(f"bug in luagen: the reference knows no field `{name}`")

    def _variable(self, name: bytes) -> bytes:
        return dict(self._request.variables).get(name, b"")

    def _entries(self, map_name: str, key: str) -> list[bytes]:
        """The values under a key of a map, in their order."""
        wanted = key.encode()
        match map_name:
            case "request.headers":
                return [self._headers[wanted]] if wanted in self._headers else []
            case "request.args":
                return [value for name, value in self._args if name == wanted]
            case "request.cookies":
                pairs = cookies(self._headers.get(b"cookie", b""))
                return [value for name, value in pairs if name == wanted]
        raise ValueError(f"bug in luagen: the reference knows no map `{map_name}`")


# --- patterns --------------------------------------------------------------------------------------


@cache
def _compiled(pattern: str) -> re.Pattern[bytes]:
    # A character beyond ASCII is several bytes, and what repeats it means all of them.
    grouped = _BEYOND_ASCII.sub(lambda found: f"(?:{found[0]})", pattern)
    return re.compile(grouped.encode())


def search(pattern: str, text: bytes) -> dict[str, bytes] | None:
    """The named groups of the first match; None: there is none."""
    found = _compiled(pattern).search(text)
    return None if found is None else found.groupdict(b"")


# --- logic -------------------------------------------------------------------------------------------


def _all(truths: Iterable[bool | None]) -> bool | None:
    result: bool | None = True
    for truth in truths:
        if truth is False:
            return False
        if truth is None:
            result = None
    return result


def _any(truths: Iterable[bool | None]) -> bool | None:
    result: bool | None = False
    for truth in truths:
        if truth is True:
            return True
        if truth is None:
            result = None
    return result


def _truth(value: Value) -> bool:
    """Python's truth; an address is always true, a caller when there is one."""
    return True if isinstance(value, IPv4Address | IPv6Address) else bool(value)


def _within(address: Address | None, networks: Networks) -> bool:
    return address is not None and any(address in network for network in networks)


def _compare(operator: Comparison, left: Value, right: Value) -> bool:
    match operator:
        case Comparison.EQ | Comparison.NE:
            return _same(left, right) is (operator is Comparison.EQ)
        case Comparison.LT:
            return left < right  # type: ignore[operator]
        case Comparison.LE:
            return left <= right  # type: ignore[operator]
        case Comparison.GT:
            return left > right  # type: ignore[operator]
        case Comparison.GE:
            return left >= right  # type: ignore[operator]
    assert_never(operator)


def _same(left: Value, right: Value) -> bool:
    """Equality; of an address and a network of full length, that the one is in the other."""
    for address, networks in ((left, right), (right, left)):
        if isinstance(address, IPv4Address | IPv6Address) and isinstance(networks, tuple):
            return _within(address, networks)  # type: ignore[arg-type]
    return left == right


def _bug(expression: Expression) -> ValueError:
    kind = type(expression).__name__
    return ValueError(f"bug in luagen: the reference has no meaning for {kind} at {expression.span}")


def _text(value: Value) -> bytes:
    match value:
        case bytes():
            return value
        case int() if not isinstance(value, bool):
            return b"%d" % value
        case _:
            raise ValueError(f"bug in luagen: {value!r} is no text")
