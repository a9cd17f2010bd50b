"""What a policy means, by the plainest means there are: CPython evaluates the policy's own expressions.

Shares no code with the compiler: reads the TOML with tomllib, the expressions with `ast`, and plays the rules
one after another on plain Python objects. Strings hold one character per byte, so that Python's string
operations are exact on bytes.

Of a refusal only status, rule and challenge are foretold: its text is the runtime's own. Left out are
what the gate does on its own account: the Authorization field, REMOTE_USER and LIGHTGATE_* variables.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import parse_qsl, quote


def as_bytes(text: str) -> str:
    """Text of a policy as its UTF-8 bytes, one character each."""
    return text.encode().decode("latin-1")


# --- requests, callers, decisions ------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """A request as lighttpd hands it over; `path` is decoded, strings hold one character per byte."""

    path: str = "/"
    raw_path: str = "/"
    method: str = "GET"
    authority: str = "www.example.org"
    scheme: str = "https"
    port: int = 443
    query: str = ""
    ip: str = "192.0.2.7"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Caller:
    provider: str
    sub: str
    email: str = ""
    roles: tuple[str, ...] = ()


@dataclass
class Decision:
    """What happens to a request; field names in lower case, `status` 0 when it goes on to the origin."""

    status: int
    rule: str
    request_headers: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    response_headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None  # None: the origin's, or the runtime's own text
    challenge: tuple[str, str | None] | None = None  # realm and scope


# Fields of a refusal that are the runtime's own.
REFUSAL_FIELDS = frozenset({"content-type", "cache-control", "www-authenticate"})


@dataclass
class Refused(Exception):
    status: int


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

    def __missing__(self, key: str) -> str:
        return ""

    def get(self, key: str, default: str = "") -> str:  # type: ignore[override]
        return super().get(key, default)


class Headers(Fields):
    def __contains__(self, key: object) -> bool:
        return super().__contains__(str(key).lower())

    def __getitem__(self, key: str) -> str:
        return super().__getitem__(key.lower())

    def get(self, key: str, default: str = "") -> str:  # type: ignore[override]
        return super().get(key.lower(), default)


@dataclass
class Identity:
    provider: str = ""
    sub: str = ""
    email: str = ""
    roles: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.sub != ""


class RequestView:
    """`request` in expressions, over the request headers as the rules so far have left them."""

    def __init__(self, request: Request, headers: dict[str, str]) -> None:
        self.path, self.raw_path, self.query = request.path, request.raw_path, request.query
        self.method, self.scheme, self.port = request.method, request.scheme, request.port
        self.host = re.sub(r":\d+\Z", "", request.authority)
        self.ip = Address(request.ip)
        self.headers = Headers(headers)
        self.args, self.cookies = Fields(), Fields()
        pairs = parse_qsl(request.query, keep_blank_values=True, encoding="latin-1", max_num_fields=None)
        for name, value in pairs:
            self.args.setdefault(name, value)
        for pair in self.headers["cookie"].split(";"):
            name, equals, value = pair.partition("=")
            if equals and name.strip(" \t"):
                self.cookies.setdefault(name.strip(" \t"), value.strip(" \t"))


class _Names(ast.NodeTransformer):
    """Expressions as CPython can evaluate them: strings as bytes, names and lists put in place."""

    def __init__(self, names: dict[str, str], lists: dict[str, list[str]]) -> None:
        self.names, self.lists = names, lists

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if isinstance(node.value, str):
            inner = ast.Constant(as_bytes(node.value))
            return ast.Call(ast.Name("Text", ast.Load()), [inner], [])
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        for number, part in enumerate(node.values):
            if isinstance(part, ast.Constant):
                node.values[number] = ast.Constant(as_bytes(part.value))
            else:
                self.generic_visit(part)
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self.names:
            return self.visit(ast.parse(self.names[node.id].strip(), mode="eval").body)
        if node.id in self.lists:
            return self.visit(ast.Tuple([ast.Constant(one) for one in self.lists[node.id]], ast.Load()))
        return node

    def visit_Set(self, node: ast.Set) -> ast.expr:
        return self.visit(ast.Tuple(node.elts, ast.Load()))  # an address has no hash

    visit_List = visit_Set  # type: ignore[assignment]


# --- the policy ------------------------------------------------------------------------------------


class Oracle:
    """A policy, ready to decide requests."""

    def __init__(self, policy: str) -> None:
        document: dict[str, Any] = tomllib.loads(policy)
        self.default = document["default"]
        self.rules: list[dict[str, Any]] = document.get("rule", [])
        self._names = _Names(document.get("names", {}), document.get("lists", {}))
        self.stripped = set(self._stripped())

    def decide(self, request: Request, caller: Caller | None) -> Decision:
        headers = {name.lower(): value for name, value in request.headers if value}
        for name in list(headers):
            if _normal(name) in self.stripped:
                del headers[name]
        return _Play(self, request, caller, headers).decide()

    def tree(self, expression: str) -> ast.expr:
        node: ast.expr = self._names.visit(ast.parse(expression.strip(), mode="eval").body)
        return node

    def evaluate(self, node: ast.expr, scope: dict[str, object]) -> Any:
        code = compile(ast.fix_missing_locations(ast.Expression(node)), "<policy>", "eval")
        return eval(code, {"__builtins__": {}, "Text": Text}, scope)

    def pieces(self, template: str) -> Iterator[tuple[bool, str]]:
        """The pieces of a template: whether it is an expression, and its text."""
        literal = ""
        at = 0
        while at < len(template):
            if template[at : at + 2] in ("{{", "}}"):
                literal += template[at]
                at += 2
            elif template[at] == "{":
                end = next(
                    end
                    for end in range(at + 1, len(template))
                    if template[end] == "}" and _parses(template[at + 1 : end])
                )
                if literal:
                    yield False, literal
                    literal = ""
                yield True, template[at + 1 : end].strip()
                at = end + 1
            else:
                literal += template[at]
                at += 1
        if literal:
            yield False, literal

    def _stripped(self) -> Iterator[str]:
        # "the caller" in any expression of the rule that decides whether or how the field is set
        for rule in self.rules:
            for name, value in rule.get("set_request_headers", {}).items():
                expressions = [rule.get("when", "True")]
                expressions += [text for is_expression, text in self.pieces(value) if is_expression]
                reads = any("identity" in self._words(expression) for expression in expressions)
                if reads or _normal(name) not in _COMMON_FIELDS:
                    yield _normal(name)

    def _words(self, expression: str) -> set[str]:
        return {node.id for node in ast.walk(self.tree(expression)) if isinstance(node, ast.Name)}


_COMMON_FIELDS = set(
    """
    accept accept-charset accept-encoding accept-language if-match if-modified-since if-none-match if-range
    if-unmodified-since range cache-control pragma content-encoding content-language content-type dnt from
    origin priority referer upgrade-insecure-requests user-agent cookie
    """.split()  # noqa: SIM905 - to be read
)

# Parts of the request's own URL stand in a redirect as they are.
_URL_FIELDS = ("request.raw_path", "request.query", "request.host", "request.scheme")


def _summands(node: ast.expr) -> Iterator[ast.expr]:
    """What a string is put together from by `+` and f-strings."""
    match node:
        case ast.BinOp(left, ast.Add(), right):
            yield from _summands(left)
            yield from _summands(right)
        case ast.JoinedStr(parts):
            for part in parts:
                yield from _summands(part)
        case ast.FormattedValue(value):
            yield from _summands(value)
        case _:
            yield node


def _normal(name: str) -> str:
    return re.sub("[^a-z0-9]", "-", name.lower())


def _parses(expression: str) -> bool:
    try:
        ast.parse(expression.strip(), mode="eval")
    except SyntaxError:
        return False
    return True


def _checked(value: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise Refused(400)
    return value


# --- one request's way through the rules -----------------------------------------------------------


class _Play:
    def __init__(
        self, oracle: Oracle, request: Request, caller: Caller | None, headers: dict[str, str]
    ) -> None:
        self.oracle, self.request, self.headers = oracle, request, headers
        self.identity = Identity()
        if caller:
            self.identity = Identity(caller.provider, caller.sub, caller.email, caller.roles)
        self.env: dict[str, str] = {}
        self.response_headers: list[tuple[str, str]] = []
        self.permitted_by = ""

    def decide(self) -> Decision:
        for rule in self.oracle.rules:
            try:
                decision = self._rule(rule)
            except Refused as refused:
                return self._refusal(refused.status, "lightgate")
            if decision:
                return decision
        if self.permitted_by or self.oracle.default == "pass":
            return self._end(
                0, self.permitted_by or "default", {"x-origin": "1", "content-type": "text/html"}
            )
        return self._refusal(403, "default")

    def _rule(self, rule: dict[str, Any]) -> Decision | None:
        name: str = rule["name"]
        if not self._evaluate(rule.get("when", "True")):
            return None
        match rule:
            case {"respond": action}:
                headers = [(key, self._value(text)) for key, text in action.get("headers", {}).items()]
                body = self._text(action["body"]) if "body" in action else None
                status = action["status"]
                kind = action.get("content_type", "text/plain; charset=utf-8")
                if status in (204, 304):
                    fields = {}
                else:
                    fields = {"content-type": kind if body is not None else "text/plain; charset=utf-8"}
                own = {key.lower(): value for key, value in headers if value}
                return self._end(status, name, own | fields, body)
            case {"redirect": action}:
                location = self._location(action["to"])
                fields = {"location": location, "content-type": "text/plain; charset=utf-8"}
                return self._end(action.get("status", 302), name, fields)
            case {"require": action}:
                return self._require(name, action)
            case {"set_request_headers": fields}:
                self._set(self.headers, fields)
            case {"set_env": fields}:
                self._set(self.env, fields)
            case {"set_response_headers": fields}:
                values = [(key.lower(), self._value(text)) for key, text in fields.items()]
                self.response_headers += values
        return None

    def _require(self, name: str, action: dict[str, Any]) -> Decision | None:
        accepted = action.get("auth", [])
        accepted = [accepted] if isinstance(accepted, str) else accepted
        if accepted and self.identity.provider not in accepted:
            return self._refusal(401, name, (accepted[0], None))
        if not self._evaluate(action.get("that", "True")):
            return self._refusal(403, name, (accepted[0], action.get("scope")) if accepted else None)
        self.permitted_by = name
        return None

    # --- templates -----------------------------------------------------------------------------

    def _evaluate(self, expression: str) -> Any:
        return self._evaluate_node(self.oracle.tree(expression))

    def _evaluate_node(self, node: ast.expr) -> Any:
        view = RequestView(self.request, self.headers)
        return self.oracle.evaluate(node, {"request": view, "identity": self.identity})

    def _text(self, template: str) -> str:
        return "".join(
            str(self._evaluate(text)) if is_expression else as_bytes(text)
            for is_expression, text in self.oracle.pieces(template)
        )

    def _value(self, template: str) -> str:
        return _checked(self._text(template))

    def _location(self, template: str) -> str:
        location = ""
        for is_expression, text in self.oracle.pieces(template):
            if not is_expression:
                location += as_bytes(text)
                continue
            for node in _summands(self.oracle.tree(text)):
                value = str(self._evaluate_node(node))
                match node:
                    case ast.Constant() | ast.Call(ast.Name("Text")):
                        location += value
                    case ast.Attribute() if ast.unparse(node) in _URL_FIELDS:
                        location += _checked(value)
                    case _:
                        location += quote(value.encode("latin-1"), safe="/")
        if re.match("https?:///", location):  # a browser would take the first segment for the host
            raise Refused(400)
        # A browser takes several slashes at the beginning for the name of another host.
        location = re.sub(r"\A[/\\]+", "/", location)
        return re.sub(r'[\x00-\x20"<>\\^`{|}\x7f-\xff]', lambda found: f"%{ord(found[0]):02X}", location)

    def _set(self, target: dict[str, str], fields: dict[str, str]) -> None:
        values = [(key.lower(), self._value(text)) for key, text in fields.items()]
        for key, value in values:
            target.pop(key, None)
            if value:
                target[key] = value

    # --- ends ----------------------------------------------------------------------------------

    def _end(self, status: int, rule: str, fields: dict[str, str], body: str | None = None) -> Decision:
        for name, value in self.response_headers:
            fields.pop(name, None)
            if value:
                fields[name] = value
        return Decision(status, rule, self.headers, self.env, fields, body)

    def _refusal(self, status: int, rule: str, challenge: tuple[str, str | None] | None = None) -> Decision:
        decision = self._end(status, rule, {})
        for name in REFUSAL_FIELDS:
            decision.response_headers.pop(name, None)
        decision.challenge = challenge
        return decision
