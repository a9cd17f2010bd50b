"""Expressions of policies, by the plainest means there are: CPython evaluates them.

Shares no code with the compiler: an expression is parsed with `ast`, rewritten into plain Python and compiled
by CPython. Strings hold one character per byte. What Python lacks is put into the rewriting: conditions that
are neither true nor false (None here), claims that have the type that their place asks for, methods that are
those of bytes.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache, partial
from ipaddress import IPv6Address, ip_address, ip_network
from types import CodeType
from typing import Any
from urllib.parse import parse_qsl

from luagen.reference.request import Caller, Request

_TLS = {
    "protocol": "SSL_PROTOCOL",
    "cipher": "SSL_CIPHER",
    "client_verify": "SSL_CLIENT_VERIFY",
    "client_subject": "SSL_CLIENT_S_DN",
    "client_serial": "SSL_CLIENT_M_SERIAL",
}


def as_bytes(text: str) -> str:
    """Text of a policy as its UTF-8 bytes, one character each."""
    return text.encode().decode("latin-1")


class Absent(Exception):
    """A condition has read a claim or `int(…)` that is not there."""


# --- what expressions see --------------------------------------------------------------------------


class Text(str):
    """A string of the policy: a string, and where an address is asked for, a network."""

    def __contains__(self, item: object) -> bool:
        return item == self if isinstance(item, Address) else super().__contains__(item)  # type: ignore[operator]


class Address:
    """The client's address; equal to the networks that it is in, as `request.ip == "127.0.0.1"` reads."""

    def __init__(self, text: str) -> None:
        address = ip_address(text)
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        self.address = mapped or address

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Address):
            return self.address == other.address
        assert isinstance(other, str)
        return self.address in ip_network(other)

    __hash__ = None  # type: ignore[assignment]


class Fields(dict[str, str]):
    """A map of strings whose absent entries read as the empty string."""

    all: dict[str, list[str]]

    def __missing__(self, key: str) -> str:
        return ""

    def get(self, key: str, default: str = "") -> str:  # type: ignore[override]
        return super().get(key, default)

    def getall(self, key: str) -> list[str]:
        return self.all.get(key, [])


class Headers(Fields):
    def __contains__(self, key: object) -> bool:
        return super().__contains__(str(key).lower())

    def __getitem__(self, key: str) -> str:
        return super().__getitem__(key.lower())

    def get(self, key: str, default: str = "") -> str:  # type: ignore[override]
        return super().get(key.lower(), default)


class Namespace:
    def __init__(self, **values: object) -> None:
        self.__dict__.update(values)


class Identity:
    def __init__(self, caller: Caller | None) -> None:
        self.provider = caller.provider.decode("latin-1") if caller else ""
        self.sub = caller.sub.decode("latin-1") if caller else ""
        self.email = caller.email.decode("latin-1") if caller else ""
        self.roles = tuple(role.decode("latin-1") for role in caller.roles) if caller else ()

    def __bool__(self) -> bool:
        return self.sub != ""


class RequestView:
    """`request` in expressions, over the request headers as the rules so far have left them."""

    def __init__(self, request: Request, headers: dict[str, str], country: str) -> None:
        def text(data: bytes) -> str:
            return data.decode("latin-1")

        self.path, self.raw_path, self.query = text(request.path), text(request.raw_path), text(request.query)
        self.method, self.scheme, self.port = text(request.method), text(request.scheme), request.port
        self.host = re.sub(r":\d+\Z", "", text(request.authority))
        self.ip = Address(text(request.ip))
        self.http_version = text(request.http_version)
        self.content_length = request.content_length
        self.country = country
        variables = {text(name): text(value) for name, value in request.variables}
        self.tls = Namespace(**{name: variables.get(variable, "") for name, variable in _TLS.items()})
        self.headers = Headers(headers)
        self.args, self.cookies = Fields(), Fields()
        self.args.all = {}
        pairs = parse_qsl(self.query, keep_blank_values=True, encoding="latin-1", max_num_fields=None)
        for name, value in pairs:
            self.args.setdefault(name, value)
            self.args.all.setdefault(name, []).append(value)
        for pair in self.headers["cookie"].split(";"):
            name, equals, value = pair.partition("=")
            if equals and name.strip(" \t"):
                self.cookies.setdefault(name.strip(" \t"), value.strip(" \t"))


class Scope:
    """The names of one request's expressions, and what the rewritten ones call."""

    def __init__(
        self, request: Request, headers: dict[str, str], country: str, captured: dict[str, str]
    ) -> None:
        self._caller = request.caller
        self._captured = captured
        self._strict = False
        when = datetime.fromtimestamp(request.now, UTC)
        self.names: dict[str, object] = {
            "request": RequestView(request, headers, country),
            "identity": Identity(request.caller),
            "now": request.now,
            "time": Namespace(
                hour=when.hour,
                minute=when.minute,
                weekday=when.weekday(),
                day=when.day,
                month=when.month,
                year=when.year,
                between=lambda start, end: _between(when, start, end),
            ),
            "match": captured,
            "_truth": self._truth,
            "_decided": self._decided,
            "_claim": self._claim,
            "_int": self._int,
            "_matches": self._matches,
            "_method": _method,
            "_item": _item,
            "_all": _all,
            "_any": _any,
            "_each": self._each,
            "_not": _not,
            "_all_of": _all_of,
            "_any_of": _any_of,
            "glob": _glob,
            "under": _under,
            "percent": _percent,
            "timestamp": _timestamp,
            "len": len,
            "min": min,
            "max": max,
            "str": str,
            "Text": Text,
        }

    def evaluate(self, code: CodeType) -> Any:
        """A condition: True, False or None; anything else: its value, where absent reads as empty."""
        return eval(code, {"__builtins__": {}, **self.names})

    def _truth(self, value: Callable[[], object]) -> bool | None:
        before, self._strict = self._strict, True
        try:
            return bool(value())
        except Absent:
            return None
        finally:
            self._strict = before

    def _each(self, sequence: Callable[[], Iterable[str]]) -> Iterable[str] | None:
        before, self._strict = self._strict, True
        try:
            return list(sequence())
        except Absent:
            return None
        finally:
            self._strict = before

    def _absent(self, empty: object) -> object:
        if self._strict:
            raise Absent
        return empty

    def _decided(self, truth: bool | None) -> object:
        return self._absent(False) if truth is None else truth

    def _int(self, text: str) -> object:
        return int(text) if re.fullmatch(r"-?[0-9]{1,15}", text) else self._absent(0)

    def _claim(self, names: tuple[str, ...], kind: str) -> object:
        value: object = self._caller.claims if self._caller else {}
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        match kind, value:
            case "string", str():
                return as_bytes(value)
            case "integer", int() if not isinstance(value, bool):
                return value
            case "boolean", bool():
                return value
            case "strings", list() if all(isinstance(one, str) for one in value):
                return [as_bytes(one) for one in value]
        return self._absent({"string": "", "integer": 0, "boolean": False, "strings": []}[kind])

    def _matches(self, pattern: str, text: str) -> bool:
        found = re.search(pattern.encode(), text.encode("latin-1"))
        if found:
            self._captured.update({name: as_latin(value) for name, value in found.groupdict(b"").items()})
        return found is not None


def as_latin(data: bytes) -> str:
    return data.decode("latin-1")


def _method(name: str, receiver: str, *arguments: object) -> object:
    """A method of bytes, on texts with one character per byte."""
    given = [one.encode("latin-1") if isinstance(one, str) else one for one in arguments]
    result = getattr(receiver.encode("latin-1"), name)(*given)
    if isinstance(result, list):
        return [as_latin(one) for one in result]
    return as_latin(result) if isinstance(result, bytes) else result


def _item(sequence: Any, place: int) -> object:
    try:
        return sequence[place]
    except IndexError:
        return ""


def _not(truth: bool | None) -> bool | None:
    return None if truth is None else not truth


def _all(*truths: Callable[[], bool | None]) -> bool | None:
    found = [truth() for truth in truths]
    return False if False in found else None if None in found else True


def _any(*truths: Callable[[], bool | None]) -> bool | None:
    found = [truth() for truth in truths]
    return True if True in found else None if None in found else False


def _all_of(truth: Callable[[str], bool | None], sequence: Iterable[str] | None) -> bool | None:
    return None if sequence is None else _all(*[partial(truth, one) for one in sequence])


def _any_of(truth: Callable[[str], bool | None], sequence: Iterable[str] | None) -> bool | None:
    return None if sequence is None else _any(*[partial(truth, one) for one in sequence])


def _between(when: datetime, start: str, end: str) -> bool:
    clock = f"{when:%H:%M}"
    return start <= clock < end if start < end else clock >= start or clock < end


def _timestamp(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def _percent(text: str) -> int:
    return int(hashlib.md5(text.encode("latin-1")).hexdigest()[:7], 16) % 100


def _under(path: str, tops: str | tuple[str, ...]) -> bool:
    tops = (tops,) if isinstance(tops, str) else tops
    return any(path == top or path.startswith(top + "/") for top in tops)


@cache
def _segments(glob: str) -> re.Pattern[str]:
    """For the globs that are drawn: `*`, `**` as a whole segment, `?` and sets of characters."""
    pattern = ""
    for found in re.finditer(r"/\*\*/|/\*\*$|\*|\?|\[[^]]*\]|\{[^}]*\}|.", glob, re.DOTALL):
        part = found[0]
        if part == "/**/":
            pattern += "/(?:[^/]*/)*"
        elif part == "/**":
            pattern += "/.*"
        elif part == "*":
            is_segment = glob[: found.start()][-1:] in ("", "/") and glob[found.end() :][:1] in ("", "/")
            pattern += "[^/]+" if is_segment else "[^/]*"
        elif part == "?":
            pattern += r"(?:[\x00-.0-\x7f]|[\xc2-\xf4][\x80-\xbf]{1,3})"
        elif part.startswith("{") and len(part) > 1:
            pattern += "(?:" + "|".join(map(re.escape, part[1:-1].split(","))) + ")"
        else:
            pattern += part.replace("[!", "[^") if part.startswith("[") else re.escape(part)
    return re.compile(pattern, re.DOTALL)


def _glob(glob: str, text: str) -> bool:
    return _segments(glob).fullmatch(text) is not None


# --- rewriting -------------------------------------------------------------------------------------

_STRINGS_METHODS = {"split", "getall"}
_MAP_METHODS = {"get", "getall", "between"}
_PLAIN_METHODS = {"startswith", "endswith", "join"}
_INTEGER_FIELDS = {"port", "content_length", "now", "hour", "minute", "weekday", "day", "month", "year"}
_INTEGER_CALLS = {"len", "int", "min", "max", "percent", "timestamp", "find", "rfind", "count"}


class _Constants(ast.NodeTransformer):
    def __init__(self, constants: dict[str, object]) -> None:
        self._constants = constants

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        match node:
            case ast.Attribute(ast.Name("env"), name):
                return ast.Constant(self._constants[name])
        self.generic_visit(node)
        return node


class Rewriter:
    """Expressions as CPython can evaluate them. `names` and `constants` (of [env]) are put in place."""

    def __init__(
        self, names: dict[str, str], lists: dict[str, list[str]], constants: dict[str, object]
    ) -> None:
        self._names, self._lists, self._constants = names, lists, constants
        self._compiled: dict[tuple[str, bool], CodeType] = {}

    def condition_code(self, text: str) -> CodeType:
        return self._code(text, self.condition(self.with_constants(parsed(text))), condition=True)

    def value_code(self, text: str, node: ast.expr) -> CodeType:
        return self._code(text, self.value(self.with_constants(node), "string"), condition=False)

    def with_constants(self, node: ast.expr) -> ast.expr:
        """The expression with the values of [env] in it: they tell what type a claim has beside them."""
        found: ast.expr = _Constants(self._constants).visit(node)
        return found

    def _code(self, text: str, node: ast.expr, *, condition: bool) -> CodeType:
        key = (text, condition)
        if key not in self._compiled:
            tree = ast.fix_missing_locations(ast.Expression(node))
            self._compiled[key] = compile(tree, "<policy>", "eval")
        return self._compiled[key]

    # Truths: expressions whose value is True, False or None.

    def condition(self, node: ast.expr) -> ast.expr:
        match node:
            case ast.Name(id=name) if name in self._names:
                return self.condition(self.with_constants(parsed(self._names[name])))
            case ast.BoolOp(op, operands):
                return _call(
                    "_all" if isinstance(op, ast.And) else "_any", *map(_later, map(self.condition, operands))
                )
            case ast.UnaryOp(ast.Not(), operand):
                return _call("_not", self.condition(operand))
            case ast.Call(ast.Name("any" | "all" as name), [ast.GeneratorExp() as generator]):
                return self._quantifier(name, generator)
            case ast.Compare(left, operators, comparators) if len(operators) > 1:
                sides = [left, *comparators]
                pairs = [
                    ast.Compare(a, [op], [b]) for a, op, b in zip(sides, operators, comparators, strict=False)
                ]
                return _call("_all", *map(_later, map(self.condition, pairs)))
            case _:
                return _call("_truth", _later(self.value(node, "boolean")))

    def _quantifier(self, name: str, generator: ast.GeneratorExp) -> ast.expr:
        [loop] = generator.generators
        body = self.condition(generator.elt)
        if loop.ifs:
            tests = [self.condition(test) for test in loop.ifs]
            if name == "any":
                body = _call("_all", *map(_later, (*tests, body)))
            else:
                body = _call("_any", *[_later(_call("_not", test)) for test in tests], _later(body))
        assert isinstance(loop.target, ast.Name)
        # each element's truth: (lambda x: body) for x in …; the sequence may be absent
        one = ast.Lambda(_arguments(loop.target.id), body)
        sequence = _call("_each", _later(self.value(loop.iter, "strings")))
        return _call("_" + name + "_of", one, sequence)

    # Values.

    def value(self, node: ast.expr, kind: str) -> ast.expr:
        """`kind`: the type that a claim has here."""
        claim = _claim_names(node)
        if claim is not None:
            return _call("_claim", ast.Constant(tuple(claim)), ast.Constant(kind))
        match node:
            case ast.Constant(str() as text):
                return _call("Text", ast.Constant(as_bytes(text)))
            case ast.Name(id=name) if name in self._names:
                return self.value(self.with_constants(parsed(self._names[name])), kind)
            case ast.Name(id=name) if name in self._lists:
                return ast.Tuple(
                    [self.value(ast.Constant(one), kind) for one in self._lists[name]], ast.Load()
                )
            case ast.Set(elements) | ast.List(elements) | ast.Tuple(elements):
                return ast.Tuple([self.value(one, "string") for one in elements], ast.Load())
            case ast.UnaryOp(ast.Not()) | ast.Compare(ops=[_, _, *_]):
                return _decided(self.condition(node))
            case ast.BoolOp(op, operands):
                return ast.BoolOp(op, [self.value(one, kind) for one in operands])
            case ast.IfExp(test, body, orelse):
                return ast.IfExp(
                    _decided(self.condition(test)), self.value(body, kind), self.value(orelse, kind)
                )
            case ast.Compare(left, [operator], [right]):
                return ast.Compare(*self._sides(left, operator, right))
            case ast.BinOp(left, operator, right):
                inner = "integer" if _is_integer(left) or _is_integer(right) else kind
                return ast.BinOp(self.value(left, inner), operator, self.value(right, inner))
            case ast.UnaryOp(operator, operand):
                return ast.UnaryOp(operator, self.value(operand, "integer"))
            case ast.JoinedStr(parts):
                return ast.JoinedStr([self._part(part) for part in parts])
            case ast.ListComp(element, [loop]):
                tests = [_decided(self.condition(test)) for test in loop.ifs]
                inner_loop = ast.comprehension(loop.target, self.value(loop.iter, "strings"), tests, 0)
                return ast.ListComp(self.value(element, "string"), [inner_loop])
            case ast.Call():
                return self._call(node)
            case ast.Subscript(value, ast.Slice(lower, upper)):
                ends = [None if end is None else self.value(end, "integer") for end in (lower, upper)]
                return ast.Subscript(self.value(value, "string"), ast.Slice(*ends), ast.Load())
            case ast.Subscript(value, ast.Constant(str() as key)):
                return ast.Subscript(value, ast.Constant(as_bytes(key)), ast.Load())
            case ast.Subscript(value, place):
                return _call("_item", self.value(value, "string"), self.value(place, "integer"))
            case _:
                return node

    def _part(self, part: ast.expr) -> ast.expr:
        match part:
            case ast.Constant(str() as text):
                return ast.Constant(as_bytes(text))
            case ast.FormattedValue(value, conversion, spec):
                return ast.FormattedValue(self.value(value, "string"), conversion, spec)
        raise AssertionError(part)

    def _sides(
        self, left: ast.expr, operator: ast.cmpop, right: ast.expr
    ) -> tuple[ast.expr, list[ast.cmpop], list[ast.expr]]:
        if isinstance(operator, ast.In | ast.NotIn):
            return self.value(left, "string"), [operator], [self.value(right, "strings")]
        kind = "string"
        if _is_integer(left) or _is_integer(right):
            kind = "integer"
        elif any(isinstance(side, ast.Constant) and isinstance(side.value, bool) for side in (left, right)):
            kind = "boolean"
        return self.value(left, kind), [operator], [self.value(right, kind)]

    def _call(self, node: ast.Call) -> ast.expr:
        match node.func:
            case ast.Name("any" | "all"):
                return _decided(self.condition(node))
            case ast.Name("int"):
                return _call("_int", self.value(node.args[0], "string"))
            case ast.Name("matches"):
                return _call("_matches", node.args[0], self.value(node.args[1], "string"))
            case ast.Name("len"):
                return _call("len", self.value(node.args[0], "strings"))
            case ast.Name("min" | "max" | "str" as name):
                return _call(name, *[self.value(one, "integer") for one in node.args])
            case ast.Name("timestamp") | ast.Attribute(ast.Name("time"), "between"):
                return node
            case ast.Name(name):
                return _call(name, *[self.value(one, "string") for one in node.args])
            case ast.Attribute(receiver, "join"):
                joined = self.value(node.args[0], "strings")
                return ast.Call(
                    ast.Attribute(self.value(receiver, "string"), "join", ast.Load()), [joined], []
                )
            case ast.Attribute(receiver, name) if name in _PLAIN_METHODS:
                arguments = [self.value(one, "string") for one in node.args]
                return ast.Call(
                    ast.Attribute(self.value(receiver, "string"), name, ast.Load()), arguments, []
                )
            case ast.Attribute(receiver, name) if name in _MAP_METHODS:
                arguments = [self.value(one, "string") for one in node.args]
                return ast.Call(ast.Attribute(receiver, name, ast.Load()), arguments, [])
            case ast.Attribute(receiver, name):
                arguments = [self.value(one, "string") for one in node.args]
                return _call("_method", ast.Constant(name), self.value(receiver, "string"), *arguments)
        raise AssertionError(ast.unparse(node))


def parsed(text: str) -> ast.expr:
    return ast.parse(text.strip(), mode="eval").body


def _claim_names(node: ast.expr) -> list[str] | None:
    names: list[str] = []
    while isinstance(node, ast.Subscript):
        if not isinstance(node.slice, ast.Constant) or not isinstance(node.slice.value, str):
            return None
        names.insert(0, node.slice.value)
        node = node.value
    return names if names and ast.unparse(node) == "identity.claims" else None


def _is_integer(node: ast.expr) -> bool:
    match node:
        case ast.Constant(int() as value):
            return not isinstance(value, bool)
        case ast.Name("now"):
            return True
        case ast.Attribute(_, name):
            return name in _INTEGER_FIELDS
        case ast.Call(ast.Name(name)) | ast.Call(ast.Attribute(_, name)):
            return name in _INTEGER_CALLS
        case ast.BinOp(left, _, right):
            return _is_integer(left) or _is_integer(right)
        case ast.UnaryOp(ast.USub()):
            return True
        case ast.BoolOp(_, [first, *_]):
            return _is_integer(first)
        case ast.IfExp(_, body, _):
            return _is_integer(body)
    return False


def _call(name: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def _later(node: ast.expr) -> ast.expr:
    return ast.Lambda(_arguments(), node)


def _arguments(*names: str) -> ast.arguments:
    return ast.arguments([], [ast.arg(name) for name in names], None, [], [], None, [])


def _decided(truth: ast.expr) -> ast.expr:
    return _call("_decided", truth)
