"""What a policy means: its rules, played one after another by code that shares none with the compiler.

Reads the TOML with tomllib; `expressions.py` evaluates the expressions. Strings hold one character per byte.

Left out is what the gate does on its own account: the Authorization field, REMOTE_USER and LIGHTGATE_*
variables.
"""

from __future__ import annotations

import ast
import json
import posixpath
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from http import HTTPStatus
from ipaddress import ip_address, ip_network
from math import ceil
from typing import Any
from urllib.parse import quote

from luagen.reference.decision import Decision, Outcome
from luagen.reference.request import Request
from sidecar.respond import _HTML
from tests.differential.expressions import Rewriter, Scope, as_bytes, parsed

_PLAIN = "text/plain; charset=utf-8"
_MAX_LOG_LINES = 10  # in a second


@dataclass
class Refused(Exception):
    status: int
    text: str


class Oracle:
    """A policy, ready to decide requests; `served` starts a server anew."""

    def __init__(self, policy: str) -> None:
        document: dict[str, Any] = tomllib.loads(policy)
        self.default: str = document["default"]
        self.rules: list[dict[str, Any]] = document.get("rule", [])
        self.country: dict[str, Any] = document.get("country", {})
        self.lists: dict[str, list[str]] = document.get("lists", {})
        self.sites = [
            ({name.lower(), *map(str.lower, _several(site.get("hosts", [])))}, site)
            for name, site in document.get("site", {}).items()
        ]
        self.rewriter = Rewriter(document.get("names", {}), self.lists, document.get("env", {}))
        self.stripped = set(self._stripped())
        self.served()

    def served(self) -> None:
        self.lines: list[int] = []  # the seconds of the last lines for the error log
        self.buckets: dict[tuple[str, str], tuple[Fraction, int]] = {}

    def decide(self, request: Request) -> Decision:
        headers: dict[str, str] = {}
        for name, value in request.headers:
            key = name.decode("latin-1").lower()
            if value and _normal(key) not in self.stripped:
                joint = "; " if key == "cookie" else ", "
                text = value.decode("latin-1")
                headers[key] = headers[key] + joint + text if key in headers else text
        return _Play(self, request, headers).decide()

    def site(self, host: str) -> dict[str, Any] | None:
        fitting = [
            (len(form) if form.startswith("*") else 1000, site)
            for forms, site in self.sites
            for form in forms
            if form in (host, "*") or (form.startswith("*.") and host.endswith(form[1:]) and host != form[1:])
        ]
        return max(fitting, key=lambda found: found[0])[1] if fitting else None

    def pieces(self, template: str) -> Iterator[tuple[bool, str, str]]:
        """The pieces of a template: whether it is an expression, its text, and its format."""
        literal = ""
        at = 0
        while at < len(template):
            if template[at : at + 2] in ("{{", "}}"):
                literal += template[at]
                at += 2
            elif template[at] == "{":
                end, text, spec = next(
                    (end, *found)
                    for end in range(at + 1, len(template))
                    if template[end] == "}" and (found := _expression(template[at + 1 : end]))
                )
                if literal:
                    yield False, literal, ""
                    literal = ""
                yield True, text, spec
                at = end + 1
            else:
                literal += template[at]
                at += 1
        if literal:
            yield False, literal, ""

    def _stripped(self) -> Iterator[str]:
        # "the caller" in any expression of the rule that decides whether or how the field is set
        rules = [*self.rules, *(rule for _, site in self.sites for rule in site.get("rule", []))]
        for rule in rules:
            for name, value in (
                rule.get("set_request_headers", {}) | rule.get("add_request_headers", {})
            ).items():
                expressions = [rule.get("when", "True")]
                expressions += [text for is_expression, text, _ in self.pieces(value) if is_expression]
                reads = any({"identity", "_claim"} & self._words(one) for one in expressions)
                if reads or _normal(name) not in _COMMON_FIELDS:
                    yield _normal(name)

    def _words(self, expression: str) -> set[str]:
        tree = self.rewriter.value(self.rewriter.with_constants(parsed(expression)), "string")
        return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _several(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _expression(text: str) -> tuple[str, str] | None:
    """The expression and the format in the braces of a template, if they are complete."""
    for end in (len(text), *(at for at in range(len(text) - 1, 0, -1) if text[at] == ":")):
        try:
            ast.parse(text[:end].strip(), mode="eval")
        except SyntaxError:
            continue
        return text[:end].strip(), text[end + 1 :]
    return None


_COMMON_FIELDS = set(
    """
    accept accept-charset accept-encoding accept-language if-match if-modified-since if-none-match if-range
    if-unmodified-since range cache-control pragma content-encoding content-language content-type dnt from
    origin priority referer upgrade-insecure-requests user-agent cookie
    """.split()  # noqa: SIM905 - to be read
)

# Fields of an answer that go when another one stands in for it.
_DESCRIBING = frozenset(
    """
    accept-ranges age allow cache-control clear-site-data content-digest content-disposition content-encoding
    content-language content-location content-md5 content-range content-type digest etag expires
    last-modified link location refresh repr-digest retry-after set-cookie trailer vary www-authenticate
    x-sendfile
    """.split()  # noqa: SIM905 - to be read
)

_WITHOUT_CONTENT = (204, 205, 304)

# Parts of the request's own URL stand in a redirect as they are.
_URL_FIELDS = ("request.raw_path", "request.query", "request.host", "request.scheme")


# What values of a request begin with.
_NOT_CONSTANT = {"request", "identity", "now", "time", "match", "words", "known"}


def _words(node: ast.expr) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def _summands(node: ast.expr) -> Iterator[ast.expr]:
    """What a string is put together from by `+` and f-strings."""
    match node:
        case ast.BinOp(left, ast.Add(), right):
            yield from _summands(left)
            yield from _summands(right)
        case ast.JoinedStr(parts):
            for part in parts:
                yield from _summands(part)
        case ast.FormattedValue(value, _, None):
            yield from _summands(value)
        case _:
            yield node


def _title(status: int) -> str:
    # Python 3.11 knows the names of RFC 2616, and a joke that RFC 9110 section 15.5.19 leaves out.
    return {413: "Content Too Large", 418: "Status 418"}.get(status) or HTTPStatus(status).phrase


def _line(status: int) -> str:
    return f"{status} {_title(status)}\n"


def _normal(name: str) -> str:
    return re.sub("[^a-z0-9]", "-", name.lower())


def _checked(value: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise Refused(400, "the request holds control characters")
    return value


# --- one request's way through the rules -----------------------------------------------------------


@dataclass
class Ended(Exception):
    decision: Decision


@dataclass
class _Response:
    fields: list[tuple[str, str]] = field(default_factory=list)

    def set(self, name: str, value: str) -> None:
        self.fields = [pair for pair in self.fields if pair[0] != name]
        if value:
            self.fields.append((name, value))


class _Play:
    def __init__(self, oracle: Oracle, request: Request, headers: dict[str, str]) -> None:
        self.oracle, self.request, self.headers = oracle, request, headers
        self.env: dict[str, str] = {}
        self.changes: list[tuple[str, str, str]] = []  # of the response: what, name, value
        self.permitted_by = ""
        self.path = request.path.decode("latin-1")
        self.query = request.query.decode("latin-1")
        self.asked_path, self.asked_query = self.path, self.query
        self.origin: str | None = None
        self.fallbacks: list[dict[str, Any]] = []
        self.logged: list[tuple[str, str]] = []
        self.host = re.sub(r":\d+\Z", "", request.authority.decode("latin-1"))
        self.captured: dict[str, str] = {}

    def decide(self) -> Decision:
        if f"{self.path}/".startswith("/.lightgate/"):
            return self._own_page()
        site = self.oracle.site(self.host) or {}
        for rule in (*self.oracle.rules, *site.get("rule", [])):
            try:
                self._rule(rule)
            except Refused as refused:
                return self._refusal(Outcome.REFUSE, refused.status, "lightgate", refused.text)
            except Ended as ended:
                return ended.decision
        if self.permitted_by or site.get("default", self.oracle.default) == "pass":
            return self._granted()
        return self._refusal(Outcome.FORBID, 403, "default", "nothing permits this request")

    def _rule(self, rule: dict[str, Any]) -> None:
        self.captured = {}
        if self._truth(rule.get("when", "True")):
            [key] = rule.keys() - {"name", "when"}
            getattr(self, f"_{key}")(rule["name"], rule[key])

    # --- actions -------------------------------------------------------------------------------

    def _respond(self, name: str, action: dict[str, Any]) -> None:
        headers = {key.lower(): self._value(text) for key, text in action.get("headers", {}).items()}
        self._answer(name, action["status"], action, headers)

    def _maintenance(self, name: str, action: dict[str, Any]) -> None:
        fields = {"retry-after": str(action.get("retry_after", 600)), "cache-control": "no-store"}
        self._answer(name, 503, action, fields)

    def _answer(self, name: str, status: int, action: dict[str, Any], headers: dict[str, str]) -> None:
        fields = {key: value for key, value in headers.items() if value}
        body = None
        if status not in _WITHOUT_CONTENT:
            fields["content-type"] = action.get("content_type", _PLAIN) if "body" in action else _PLAIN
            body = self._text(action["body"]) if "body" in action else _line(status)
        raise Ended(self._end(Outcome.RESPOND, status, name, list(fields.items()), body))

    def _redirect(self, name: str, action: dict[str, Any]) -> None:
        self._go(name, self._location(action["to"]), action)

    def _redirects(self, name: str, action: dict[str, Any]) -> None:
        for path, to in sorted(
            action["entries"].items(), key=lambda item: (item[0].endswith("*"), -len(item[0]))
        ):
            start, to = as_bytes(path).removesuffix("*"), as_bytes(to)
            if self.path == start if not path.endswith("*") else self.path.startswith(start):
                rest = quote(self.path[len(start) :].encode("latin-1"), safe="/")
                self._go(name, to[:-1] + rest if to.endswith("*") else to, action)

    def _go(self, name: str, location: str, action: dict[str, Any]) -> None:
        if action.get("keep_query", False) and self.query:
            before, hash_, fragment = location.partition("#")
            location = before + ("&" if "?" in before else "?") + self.query + hash_ + fragment
        if re.match("https?:///", location):  # a browser would take the first segment for the host
            raise Refused(400, "the request names no host")
        # A browser takes several slashes at the beginning for the name of another host.
        location = re.sub(r"\A[/\\]+", "/", location)
        location = re.sub(r'[\x00-\x20"<>\\^`{|}\x7f-\xff]', lambda found: f"%{ord(found[0]):02X}", location)
        fields = [("location", location), ("content-type", _PLAIN)]
        status = action.get("status", 302)
        raise Ended(self._end(Outcome.REDIRECT, status, name, fields, _line(status)))

    def _require(self, name: str, action: dict[str, Any]) -> None:
        accepted = _several(action.get("auth", []))
        provider = self.request.caller.provider.decode() if self.request.caller else ""
        if accepted and provider not in accepted:
            text, code = "a bearer token is required", None
            if provider:
                text, code = "the token's issuer is not accepted here", "invalid_token"
            raise Ended(self._refusal(Outcome.CHALLENGE, 401, name, text, code, (accepted[0], None)))
        if not self._truth(action.get("that", "True")):
            if not accepted:
                raise Ended(self._refusal(Outcome.FORBID, 403, name, "this is not permitted"))
            text, code = "the caller is not permitted to do this", "insufficient_scope"
            asked = (accepted[0], action.get("scope"))
            raise Ended(self._refusal(Outcome.FORBID, 403, name, text, code, asked))
        self.permitted_by = name

    def _set_request_headers(self, name: str, fields: dict[str, str]) -> None:
        for key, value in self._values(fields):
            self.headers.pop(key, None)
            if value:
                self.headers[key] = value

    def _add_request_headers(self, name: str, fields: dict[str, str]) -> None:
        for key, value in self._values(fields):
            if value:
                before = self.headers.get(key)
                self.headers[key] = f"{before}, {value}" if before else value

    def _remove_request_headers(self, name: str, fields: list[str]) -> None:
        for key in fields:
            self.headers = {name: v for name, v in self.headers.items() if _normal(name) != _normal(key)}

    def _set_env(self, name: str, fields: dict[str, str]) -> None:
        for key, value in self._values(fields):
            self.env.pop(key.upper(), None)
            if value:
                self.env[key.upper()] = value

    def _set_response_headers(self, name: str, fields: dict[str, str]) -> None:
        self.changes += [("set", key, value) for key, value in self._values(fields)]

    def _add_response_headers(self, name: str, fields: dict[str, str]) -> None:
        self.changes += [("add", key, value) for key, value in self._values(fields) if value]

    def _remove_response_headers(self, name: str, fields: list[str]) -> None:
        self.changes += [("set", key.lower(), "") for key in fields]

    def _rewrite(self, name: str, action: dict[str, Any]) -> None:
        path = self._value(action["path"]) if "path" in action else None
        query = self._location(action["query"]) if "query" in action else None
        if path is not None:
            stays_open = path.endswith(("/", "/.", "/.."))
            path = posixpath.normpath("/" + path.lstrip("/"))
            path += "/" if stays_open and path != "/" else ""
            if f"{path}/".startswith("/.lightgate/"):
                raise Refused(404, "there is nothing here")
            self.asked_path = path
        if query is not None:
            self.asked_query = query

    def _origin(self, name: str, action: str) -> None:
        self.origin = action

    def _fallback(self, name: str, action: dict[str, Any]) -> None:
        self.fallbacks.append(action)

    def _limit(self, name: str, action: dict[str, Any]) -> None:
        count, unit = action["rate"].split("/")
        rate = Fraction(int(count), {"second": 1, "minute": 60, "hour": 3600, "day": 86400}[unit])
        burst = action.get("burst", int(count))
        key = self._text(action["key"]) if "key" in action else self._client()
        tokens, then = self.oracle.buckets.get((name, key), (Fraction(burst), self.request.now))
        tokens = min(Fraction(burst), tokens + max(0, self.request.now - then) * rate)
        self.oracle.buckets[name, key] = (tokens - 1 if tokens >= 1 else tokens, self.request.now)
        if tokens < 1:
            wait = ceil((1 - tokens) / rate)
            window = int(int(count) / rate)
            policy = re.sub(r'(["\\])', r"\\\1", re.sub("[^ -~]", "-", as_bytes(name)))
            own = {
                "retry-after": f"{wait}",
                "ratelimit-policy": f'"{policy}";q={count};w={window}',
                "ratelimit": f'"{policy}";r=0;t={wait}',
            }
            status = action.get("status", 429)
            raise Ended(self._refusal(Outcome.REFUSE, status, name, "too many requests", fields=own))

    def _client(self) -> str:
        address = ip_address(self.request.ip.decode())
        address = getattr(address, "ipv4_mapped", None) or address
        return str(ip_network((address, 64), strict=False)) if address.version == 6 else str(address)

    def _cors(self, name: str, action: dict[str, Any]) -> None:
        origin, asked = self.headers.get("origin", ""), self.headers.get("access-control-request-method", "")
        origins = _several(action["origins"])
        allowed = any(
            re.fullmatch(re.escape(one).replace(r"\*", "[a-z0-9.-]+" if one != "*" else ".+"), origin)
            for one in origins
        )
        echoed = "*" if origins == ["*"] else origin
        if origin and asked and self.request.method == b"OPTIONS":
            fields = {"vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}
            if allowed:
                fields["access-control-allow-origin"] = echoed
                if action.get("credentials"):
                    fields["access-control-allow-credentials"] = "true"
                for field_name, key, wanted in (
                    ("methods", "methods", asked),
                    ("headers", "headers", self.headers.get("access-control-request-headers", "")),
                ):
                    listed = _several(action.get(key, ["GET", "HEAD", "POST"] if key == "methods" else []))
                    clean = re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~, -]*", wanted)
                    value = ", ".join(listed) if listed != ["*"] else wanted if clean else ""
                    if value:
                        fields[f"access-control-allow-{field_name}"] = value
                fields["access-control-max-age"] = str(action.get("max_age", 600))
            raise Ended(self._end(Outcome.RESPOND, 204, name, list(fields.items()), None))
        for suffix in (
            "allow-origin",
            "allow-credentials",
            "expose-headers",
            "allow-methods",
            "allow-headers",
            "max-age",
        ):
            self.changes.append(("set", f"access-control-{suffix}", ""))
        if origins != ["*"]:
            self.changes.append(("member", "vary", "Origin"))
        if allowed:
            self.changes.append(("set", "access-control-allow-origin", echoed))
            if action.get("credentials"):
                self.changes.append(("set", "access-control-allow-credentials", "true"))
            if "expose" in action:
                self.changes.append(
                    ("set", "access-control-expose-headers", ", ".join(_several(action["expose"])))
                )

    def _security_headers(self, name: str, action: str) -> None:
        fields = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "SAMEORIGIN"}
        fields |= {"Referrer-Policy": "strict-origin-when-cross-origin"}
        assert action == "basic"
        self.changes += [("set", key.lower(), value) for key, value in fields.items()]

    def _log(self, name: str, template: str) -> None:
        text = re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", self._text(template))
        self.oracle.lines = [line for line in self.oracle.lines if line == self.request.now] + [
            self.request.now
        ]
        if len(self.oracle.lines) <= _MAX_LOG_LINES:
            self.logged.append((name, text))
        self.env.pop("LIGHTGATE_LOG", None)
        if text:
            self.env["LIGHTGATE_LOG"] = text

    # --- templates -----------------------------------------------------------------------------

    def _truth(self, condition: str) -> bool:
        return self._scope().evaluate(self.oracle.rewriter.condition_code(condition)) is True

    def _scope(self) -> Scope:
        return Scope(self.request, self.headers, self._country(), self.captured)

    def _country(self) -> str:
        source = self.oracle.country
        variables = {name.decode(): value.decode("latin-1") for name, value in self.request.variables}
        if "variable" in source:
            return variables.get(source["variable"], "")
        if "header" in source:
            trusted = source["trusted"]
            networks = self.oracle.lists[trusted] if isinstance(trusted, str) else trusted
            address = ip_address(self.request.ip.decode())
            address = getattr(address, "ipv4_mapped", None) or address
            if any(address in ip_network(network) for network in networks):
                return self.headers.get(source["header"].lower(), "")
        return ""

    def _evaluate(self, text: str, node: ast.expr, spec: str = "") -> str:
        value = self._scope().evaluate(self.oracle.rewriter.value_code(text, node))
        return format(value, spec)

    def _text(self, template: str) -> str:
        return "".join(
            self._evaluate(text, parsed(text), spec) if is_expression else as_bytes(text)
            for is_expression, text, spec in self.oracle.pieces(template)
        )

    def _value(self, template: str) -> str:
        return _checked(self._text(template))

    def _values(self, fields: dict[str, str]) -> list[tuple[str, str]]:
        return [(key.lower(), self._value(text)) for key, text in fields.items()]

    def _location(self, template: str) -> str:
        location = ""
        for is_expression, text, spec in self.oracle.pieces(template):
            if not is_expression:
                location += as_bytes(text)
            elif spec:
                location += quote(self._evaluate(text, parsed(text), spec).encode("latin-1"), safe="/")
            else:
                location += "".join(map(self._part_of_location, _summands(parsed(text))))
        return location

    def _part_of_location(self, node: ast.expr) -> str:
        value = self._evaluate(ast.unparse(node), node)
        match node:
            case _ if not _words(node) & _NOT_CONSTANT:  # the policy's own text
                return value
            case ast.Attribute() if ast.unparse(node) in _URL_FIELDS:
                return _checked(value)
            case _:
                return quote(value.encode("latin-1"), safe="/")

    # --- ends ----------------------------------------------------------------------------------

    def _granted(self) -> Decision:
        fields = [
            (name.decode().lower(), value.decode("latin-1")) for name, value in self.request.origin_headers
        ]
        status, body = self.request.origin_status, None
        for fallback in reversed(self.fallbacks):
            if status in fallback.get("on", [502, 503, 504]):
                status = fallback.get("status", 503)
                body = (
                    as_bytes(fallback["body"].replace("{{", "{").replace("}}", "}"))
                    if "body" in fallback
                    else _line(status)
                )
                kept = [pair for pair in fields if pair[0] not in _DESCRIBING]
                fields = [
                    *kept,
                    ("content-type", fallback.get("content_type", _PLAIN)),
                    ("cache-control", "no-store"),
                ]
                if "retry_after" in fallback:
                    fields.append(("retry-after", str(fallback["retry_after"])))
                break
        decision = self._end(Outcome.PASS, status, self.permitted_by or "default", fields, body)
        return replace(
            decision,
            path=self.asked_path.encode("latin-1"),
            query=self.asked_query.encode("latin-1"),
            origin=self.origin,
        )

    def _end(
        self, outcome: Outcome, status: int, rule: str, fields: list[tuple[str, str]], body: str | None
    ) -> Decision:
        response = _Response(fields)
        for what, name, value in self.changes:
            if what == "set":
                response.set(name, value)
            elif what == "member":
                members = ", ".join(text for key, text in response.fields if key == name)
                listed = re.split("[, \t]+", members.lower())
                if value.lower() not in listed and "*" not in listed:
                    members = f"{members}, {value}" if members else value
                response.set(name, members)
            else:
                response.fields.append((name, value))
        return Decision(
            outcome=outcome,
            rule=rule,
            status=status,
            response_headers=tuple(
                (name.encode("latin-1"), value.encode("latin-1"))
                for name, value in sorted(response.fields, key=lambda pair: pair[0])
            ),
            body=None if body is None else body.encode("latin-1"),
            path=self.request.path,
            query=self.request.query,
            request_headers=_as_bytes(self.headers),
            env=_as_bytes(self.env),
            logged=tuple((name, text.encode("latin-1")) for name, text in self.logged),
        )

    def _refusal(
        self,
        outcome: Outcome,
        status: int,
        rule: str,
        text: str,
        code: str | None = None,
        challenge: tuple[str, str | None] | None = None,
        fields: dict[str, str] | None = None,
    ) -> Decision:
        own = {"cache-control": "no-store", **(fields or {})}
        title = _title(status)
        if "text/html" in self.headers.get("accept", ""):
            own["content-type"] = "text/html; charset=utf-8"
            body = _HTML % (status, title, title, text[:1].upper() + text[1:] + ".")
        else:
            own["content-type"] = "application/json"
            document = {"status": status, "error": code, "error_description": text}
            said = {key: value for key, value in document.items() if value}
            body = json.dumps(said, separators=(",", ":")) + "\n"
        if challenge is not None:
            shown = {"realm": challenge[0], "error": code, "error_description": code and text}
            shown["scope"] = code and challenge[1]
            own["www-authenticate"] = "Bearer " + ", ".join(
                f'{key}="{value}"' for key, value in shown.items() if value
            )
        decision = self._end(outcome, status, rule, list(own.items()), body)
        if challenge is None:
            return decision
        realm, scope = challenge
        return replace(decision, challenge=(realm.encode(), None if scope is None else scope.encode()))

    def _own_page(self) -> Decision:
        """Below `/.lightgate`: no rule is asked, and nothing is taken from the request."""
        self.headers = {}
        for name, value in self.request.headers:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            if text:
                self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text
        address = ip_address(self.request.ip.decode())
        is_local = (getattr(address, "ipv4_mapped", None) or address).is_loopback
        is_plain = self.request.method in (b"GET", b"HEAD") and self.request.content_length == 0
        own = [("cache-control", "no-store")]
        match self.path if is_local and is_plain else "":
            case "/.lightgate/health":
                return self._end(Outcome.RESPOND, 204, "lightgate", own, None)
            case "/.lightgate/status":
                own.append(("content-type", "application/json"))
                return self._end(Outcome.RESPOND, 200, "lightgate", own, None)
        return self._refusal(Outcome.REFUSE, 404, "lightgate", "there is nothing here")


def _as_bytes(fields: dict[str, str]) -> dict[bytes, bytes]:
    return {name.encode("latin-1"): value.encode("latin-1") for name, value in fields.items()}
